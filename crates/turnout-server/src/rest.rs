//! The REST door: HTTP/1.1 with the paths and documents of TensorFlow Serving.

pub(crate) mod connection;
pub mod json;

use turnout_core::ErrorCode;

pub fn http_status(_code: ErrorCode) -> u16 {
    500
}

pub fn routes() -> Vec<(&'static str, &'static str, &'static str)> {
    Vec::new()
}
