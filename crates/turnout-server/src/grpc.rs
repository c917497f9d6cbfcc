pub(crate) mod connection;

use turnout_core::ErrorCode;

pub fn status_name(_code: ErrorCode) -> &'static str {
    "INTERNAL"
}
