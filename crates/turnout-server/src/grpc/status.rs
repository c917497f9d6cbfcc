//! gRPC's status codes, and which of them answers which error.

use std::borrow::Cow;
use std::fmt::Write;

use turnout_core::{Error, ErrorCode, RequestId};

/// The canonical codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
}

impl Code {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cancelled => "CANCELLED",
            Self::Unknown => "UNKNOWN",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::NotFound => "NOT_FOUND",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::FailedPrecondition => "FAILED_PRECONDITION",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::Internal => "INTERNAL",
            Self::Unavailable => "UNAVAILABLE",
            Self::DataLoss => "DATA_LOSS",
        }
    }

    pub(crate) fn number(self) -> i32 {
        self as i32
    }
}

/// The default for every code of the catalogue.
pub(crate) fn default_code(code: ErrorCode) -> Code {
    match code {
        ErrorCode::ModelNotFound => Code::NotFound,
        ErrorCode::SignatureNotFound
        | ErrorCode::Quarantined
        | ErrorCode::RuntimeMissing
        | ErrorCode::FlavorUnknown
        | ErrorCode::TrustRequired
        | ErrorCode::ParityFailed
        | ErrorCode::AddressInUse
        | ErrorCode::Forked => Code::FailedPrecondition,
        ErrorCode::InvalidInput
        | ErrorCode::MalformedRequest
        | ErrorCode::ExecutionFailed
        | ErrorCode::ConfigInvalid => Code::InvalidArgument,
        ErrorCode::RequestTooLarge | ErrorCode::Overloaded => Code::ResourceExhausted,
        ErrorCode::QueueFull
        | ErrorCode::Unavailable
        | ErrorCode::LoadFailed
        | ErrorCode::RepositoryFailed => Code::Unavailable,
        ErrorCode::DeadlineExceeded => Code::DeadlineExceeded,
        ErrorCode::Cancelled => Code::Cancelled,
        ErrorCode::Internal => Code::Internal,
        ErrorCode::Unsupported => Code::Unimplemented,
        ErrorCode::ArtifactInvalid => Code::DataLoss,
    }
}

/// The name of the status that answers `code`, unless a method's contract wants another one.
pub fn status_name(code: ErrorCode) -> &'static str {
    default_code(code).name()
}

/// Where a contract of this door wants another status than the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Situation {
    /// TensorFlow Serving: a label that names no version.
    UnknownLabel,
    /// TensorFlow Serving: a signature that Classify, Regress or `MultiInference` do not find.
    UnknownExamplesSignature,
    /// TensorFlow Serving: a model of a new configuration that cannot be loaded.
    ReloadFailed,
    /// gRPC: a message that is cut short, or whose flag is neither 0 nor 1.
    BrokenFrame,
    /// gRPC: a unary call with no message or with several.
    MessageCount,
    /// gRPC: a body that its own encoding cannot open.
    CannotDecompress,
}

/// This door's own table; everything else has its default.
pub(crate) const OVERRIDES: [(Situation, Code); 6] = [
    (Situation::UnknownLabel, Code::InvalidArgument),
    (Situation::UnknownExamplesSignature, Code::InvalidArgument),
    (Situation::ReloadFailed, Code::Unknown),
    (Situation::BrokenFrame, Code::Internal),
    (Situation::MessageCount, Code::Unimplemented),
    (Situation::CannotDecompress, Code::Internal),
];

/// Longer messages are cut, as TensorFlow Serving does.
const MAX_MESSAGE_BYTES: usize = 1024;

/// What a failed call is answered with.
#[derive(Debug)]
pub(crate) struct Status {
    code: Code,
    error: Error,
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        Self {
            code: default_code(error.code()),
            error,
        }
    }
}

impl Status {
    /// A status from this door's own table.
    pub(crate) fn by_contract(situation: Situation, error: Error) -> Self {
        let found = OVERRIDES.iter().find(|(other, _)| *other == situation);
        let code = found.map_or_else(|| default_code(error.code()), |(_, code)| *code);
        Self { code, error }
    }

    pub(crate) fn code(&self) -> Code {
        self.code
    }

    pub(crate) fn error(&self) -> &Error {
        &self.error
    }

    pub(crate) fn catalogue_code(&self) -> ErrorCode {
        self.error.code()
    }

    /// What the client may read. Faults of Turnout itself are named by the request's id alone.
    pub(crate) fn message(&self, id: &RequestId) -> String {
        let text = if self.error.code() == ErrorCode::Internal {
            format!("internal error; the server's log has the cause under request id `{id}`")
        } else {
            let hint = self.error.hint().map(|hint| format!("\nhint: {hint}"));
            format!("{}{}", self.error.message(), hint.unwrap_or_default())
        };
        truncated(text)
    }
}

fn truncated(mut text: String) -> String {
    if text.len() > MAX_MESSAGE_BYTES {
        text.truncate(text.floor_char_boundary(MAX_MESSAGE_BYTES));
        text.push_str("...TRUNCATED");
    }
    text
}

/// `grpc-message`: everything but printable ASCII, and the percent sign, as `%XX`.
pub(crate) fn percent_encoded(text: &str) -> Cow<'_, str> {
    let plain = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != b'%';
    if text.as_bytes().iter().all(plain) {
        return Cow::Borrowed(text);
    }
    let mut encoded = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        if plain(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("bug: writing to a string failed");
        }
    }
    Cow::Owned(encoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_encoded_and_keep_internals_inside() {
        let long = Status::from(Error::invalid_input("é".repeat(600)));
        let id = RequestId::Given("abc".into());
        let message = long.message(&id);
        assert_eq!(message.len(), 1024 + "...TRUNCATED".len());
        assert!(message.ends_with("é...TRUNCATED"));
        assert_eq!(percent_encoded("100 %\né"), "100 %25%0A%C3%A9");
        assert_eq!(percent_encoded("plain \"text\""), "plain \"text\"");
        let internal = Status::from(Error::internal("secret path").with_source("worse"));
        let expected = "internal error; the server's log has the cause under request id `abc`";
        assert_eq!(internal.message(&id), expected);
        let hinted = Status::from(Error::unavailable("closed").with_hint("try later"));
        assert_eq!(hinted.message(&id), "closed\nhint: try later");
    }

    #[test]
    fn every_situation_has_its_own_status() {
        for (situation, code) in OVERRIDES {
            let status = Status::by_contract(situation, Error::model_not_found("x"));
            assert_eq!(status.code(), code, "{situation:?}");
            assert_eq!(status.error().code(), ErrorCode::ModelNotFound);
        }
    }

    #[test]
    fn the_statuses_that_clients_act_on_are_these() {
        let cases = [
            (ErrorCode::ModelNotFound, "NOT_FOUND"),
            (ErrorCode::SignatureNotFound, "FAILED_PRECONDITION"),
            (ErrorCode::InvalidInput, "INVALID_ARGUMENT"),
            (ErrorCode::ExecutionFailed, "INVALID_ARGUMENT"),
            (ErrorCode::RequestTooLarge, "RESOURCE_EXHAUSTED"),
            (ErrorCode::Overloaded, "RESOURCE_EXHAUSTED"),
            (ErrorCode::QueueFull, "UNAVAILABLE"),
            (ErrorCode::DeadlineExceeded, "DEADLINE_EXCEEDED"),
            (ErrorCode::Unsupported, "UNIMPLEMENTED"),
            (ErrorCode::Internal, "INTERNAL"),
        ];
        for (code, name) in cases {
            assert_eq!(status_name(code), name, "{code:?}");
        }
    }
}
