pub(crate) mod connection;

use turnout_core::ErrorCode;

pub fn http_status(_code: ErrorCode) -> u16 {
    500
}

pub fn routes() -> Vec<(&'static str, &'static str, &'static str)> {
    Vec::new()
}
