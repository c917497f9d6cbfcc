//! LiteRT's failures as errors of the catalogue.

use std::ffi::{CStr, c_char};

use turnout_core::{Error, ErrorCode, Result};

use super::api::{Api, CompiledModel, Status};
use crate::handle::Owned;

/// The longest sentence that is passed on.
const MAX_CHARS: usize = 2_000;

/// What was being done: gives a failure its code and its first words.
#[derive(Clone, Copy, Debug)]
pub(super) enum Doing {
    Opening,
    Loading,
    Running,
}

impl Doing {
    fn code(self) -> ErrorCode {
        match self {
            Self::Opening => ErrorCode::RuntimeMissing,
            Self::Loading => ErrorCode::LoadFailed,
            Self::Running => ErrorCode::ExecutionFailed,
        }
    }

    fn fact(self) -> &'static str {
        match self {
            Self::Opening => "LiteRT cannot be set up",
            Self::Loading => "LiteRT cannot load the model",
            Self::Running => "the model failed on these inputs",
        }
    }

    /// The error that says `words`, or what `status` means where there are none.
    pub(super) fn error(self, status: Status, words: &str) -> Error {
        let words: String = words.trim().chars().take(MAX_CHARS).collect();
        let words = match words.as_str() {
            "" => meaning(status),
            words => words,
        };
        Error::new(self.code(), format!("{}: {words}", self.fact()))
    }
}

/// # Errors
/// The failure that a status tells of, where LiteRT has no words of its own.
pub(super) fn check(status: Status, doing: Doing) -> Result<()> {
    match status {
        0 => Ok(()),
        status => Err(doing.error(status, "")),
    }
}

/// The kinds of LiteRT's failures, as its header numbers them.
fn meaning(status: Status) -> &'static str {
    match status {
        1 => "it got an argument that it does not take",
        2 => "it has no memory for it",
        3 => "its runtime failed and gave no reason; a kernel may be missing or of a newer version",
        5 => "it does not support this",
        6 | 500 => "something was not found",
        7 => "it took too long",
        1000 => "an index is out of bounds",
        1001 => "the model's graph is not of a type that it knows",
        1500 => "the model is not a valid flatbuffer",
        2000..=2999 => "the model could not be compiled",
        _ => "it gave no reason",
    }
}

/// Takes what the interpreter has said since the last time: its own sentences on one line.
pub(super) fn take_messages(api: &Api, compiled: &Owned<CompiledModel>) -> String {
    let mut text: *mut c_char = std::ptr::null_mut();
    // SAFETY: the model is alive, and the function writes a pointer to a string for its caller.
    let status = unsafe { (api.get_error_messages)(compiled.as_ptr(), &raw mut text) };
    if status != 0 || text.is_null() {
        return String::new();
    }
    // SAFETY: the string ends with a zero byte, and is freed only below.
    let words = unsafe { CStr::from_ptr(text) }
        .to_string_lossy()
        .into_owned();
    // SAFETY: the string was made by `malloc`, and nobody uses it after this.
    unsafe { libc::free(text.cast()) };
    // SAFETY: the model is alive. What is not cleared would be said again, and kept for good.
    unsafe { (api.clear_errors)(compiled.as_ptr()) };
    words
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_and_a_failure_without_any_is_explained() {
        let error = Doing::Running.error(3, &"x".repeat(5_000));
        assert_eq!(error.code(), ErrorCode::ExecutionFailed);
        assert!(error.message().len() < 2_100);
        let error = check(1500, Doing::Loading).expect_err("a failure");
        assert_eq!(
            error.message(),
            "LiteRT cannot load the model: the model is not a valid flatbuffer"
        );
    }
}
