//! How this door says each failure: its HTTP status and its body.

use turnout_core::{Error, ErrorCode};

use super::json::write_string;

/// A failure with the status that this door gives it.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) status: u16,
    pub(super) error: Error,
}

impl Failure {
    pub(super) fn new(status: u16, error: Error) -> Self {
        Self { status, error }
    }

    /// What the client sees, to the byte what TensorFlow Serving writes: some clients refuse keys that they do not know, so
    /// the catalogue's code and advice are headers.
    pub(super) fn body(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.error.message().len() + 64);
        body.extend_from_slice(b"{\n    \"error\": ");
        write_string(self.error.message().as_bytes(), &mut body);
        body.extend_from_slice(b"\n}");
        body
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(http_status(error.code()), error)
    }
}

/// The status of each code, unless a route knows better.
///
/// Where TensorFlow Serving has the failure, the status is its own.
pub fn http_status(code: ErrorCode) -> u16 {
    match code {
        ErrorCode::SignatureNotFound
        | ErrorCode::InvalidInput
        | ErrorCode::MalformedRequest
        | ErrorCode::ExecutionFailed
        | ErrorCode::ConfigInvalid => 400,
        ErrorCode::TrustRequired => 403,
        ErrorCode::ModelNotFound => 404,
        ErrorCode::AddressInUse => 409,
        ErrorCode::RequestTooLarge => 413,
        ErrorCode::Overloaded => 429,
        ErrorCode::Cancelled => 499,
        ErrorCode::Unsupported | ErrorCode::RuntimeMissing | ErrorCode::FlavorUnknown => 501,
        ErrorCode::QueueFull
        | ErrorCode::Unavailable
        | ErrorCode::LoadFailed
        | ErrorCode::Quarantined => 503,
        ErrorCode::DeadlineExceeded => 504,
        ErrorCode::Internal
        | ErrorCode::ArtifactInvalid
        | ErrorCode::ParityFailed
        | ErrorCode::RepositoryFailed
        | ErrorCode::Forked => 500,
    }
}

/// What stands behind the number in a status line.
pub(super) fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        499 => "Client Closed Request",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "Internal Server Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_phrase_of_its_own() {
        for code in ErrorCode::ALL {
            let status = http_status(*code);
            assert_eq!(
                status == 500,
                reason_phrase(status) == "Internal Server Error",
                "{code:?}"
            );
        }
    }

    #[test]
    fn the_body_has_the_message_where_clients_look_for_it() {
        let error = Error::model_not_found("Servable not found for request: Latest(\"x\")")
            .with_hint("Is it loaded?");
        let failure = Failure::from(error);
        assert_eq!(failure.status, 404);
        let body = String::from_utf8(failure.body()).expect("UTF-8");
        assert_eq!(
            body,
            "{\n    \"error\": \"Servable not found for request: Latest(\\\"x\\\")\"\n}"
        );
    }
}
