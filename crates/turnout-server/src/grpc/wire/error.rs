//! Why bytes are not the message that they should be.

use std::fmt;

/// A fault of the encoding itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireError {
    Truncated,
    VarintTooLong,
    InvalidKey,
    InvalidUtf8,
    UnexpectedGroupEnd,
    GroupsTooDeep,
    PartialElement,
    TooManyEntries,
}

impl fmt::Display for WireError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Truncated => "a field ends behind the end of the message",
            Self::VarintTooLong => "a varint has more than 10 bytes",
            Self::InvalidKey => "a field has an invalid number or wire type",
            Self::InvalidUtf8 => "a string is not valid UTF-8",
            Self::UnexpectedGroupEnd => "a group ends that did not begin",
            Self::GroupsTooDeep => "groups are nested too deeply",
            Self::PartialElement => "a packed field ends inside an element",
            Self::TooManyEntries => "a map or list has too many entries",
        })
    }
}

impl std::error::Error for WireError {}

impl From<WireError> for turnout_core::Error {
    fn from(error: WireError) -> Self {
        Self::malformed(format!("the message is not valid protobuf: {error}"))
    }
}
