//! TensorFlow's failures as errors of the catalogue.

use std::ffi::CStr;
use std::ptr::NonNull;

use turnout_core::{Error, ErrorCode, Result};

use super::api::{Api, Status};
use crate::handle::Owned;

/// The longest sentence that is passed on.
const MAX_CHARS: usize = 2_000;

/// A place for the outcome of calls.
#[derive(Debug)]
pub(super) struct Outcome {
    api: &'static Api,
    status: Owned<Status>,
}

impl Outcome {
    pub(super) fn new(api: &'static Api) -> Self {
        // SAFETY: the function has no requirements.
        let status = unsafe { (api.new_status)() };
        let status = NonNull::new(status).expect("bug: TensorFlow gave no status");
        // SAFETY: the status is ours, and this is the function that deletes it.
        let status = unsafe { Owned::new(status, api.delete_status) };
        Self { api, status }
    }

    pub(super) fn as_ptr(&self) -> *mut Status {
        self.status.as_ptr()
    }

    /// # Errors
    /// `code`, with TensorFlow's own words, when the call before has failed.
    pub(super) fn check(&self, code: ErrorCode) -> Result<()> {
        // SAFETY: the status is alive, here and below.
        if unsafe { (self.api.get_code)(self.as_ptr()) } == 0 {
            return Ok(());
        }
        // SAFETY: the message lives as long as the status does, and ends with a zero byte.
        let words = unsafe { CStr::from_ptr((self.api.message)(self.as_ptr())) };
        let words = words.to_string_lossy();
        let text = match words.trim() {
            "" => "TensorFlow failed and gave no reason".to_owned(),
            words => words.chars().take(MAX_CHARS).collect(),
        };
        Err(Error::new(code, text))
    }
}
