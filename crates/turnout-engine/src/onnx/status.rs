//! ONNX Runtime's failures as errors of the catalogue, in words fit for a client.

use std::ffi::CStr;
use std::ptr::NonNull;

use ort_sys::{OrtApi, OrtStatusPtr};
use turnout_core::{Error, ErrorCode, Result};

use super::words::clean;
use crate::handle::Owned;

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
            Self::Opening => "ONNX Runtime cannot be set up",
            Self::Loading => "ONNX Runtime cannot load the model",
            Self::Running => "the model failed on these inputs",
        }
    }

    /// The error that says `words`; what was trimmed from them stays in the source, which only the log shows.
    pub(super) fn error(self, raw: &str) -> Error {
        Error::new(self.code(), format!("{}: {}", self.fact(), clean(raw)))
            .with_source(raw.to_owned())
    }
}

/// Takes over a status: nothing for success, else the error that it tells of.
pub(super) fn check(api: &OrtApi, status: OrtStatusPtr, doing: Doing) -> Result<()> {
    match NonNull::new(status.0) {
        None => Ok(()),
        Some(status) => {
            // SAFETY: a status that is not null belongs to the caller of the function that returned it.
            let status = unsafe { Owned::new(status, api.ReleaseStatus) };
            // SAFETY: the status lives until the end of this block, and its message with it.
            let raw = unsafe { CStr::from_ptr((api.GetErrorMessage)(status.as_ptr())) };
            Err(doing.error(&raw.to_string_lossy()))
        }
    }
}

/// Calls `create` and takes over the object that it makes.
///
/// # Safety
/// `create` writes an object that the caller must release by `release`, or returns a failure.
pub(super) unsafe fn create<T>(
    api: &OrtApi,
    doing: Doing,
    release: unsafe extern "system" fn(*mut T),
    create: impl FnOnce(*mut *mut T) -> OrtStatusPtr,
) -> Result<Owned<T>> {
    let mut pointer = std::ptr::null_mut();
    check(api, create(&raw mut pointer), doing)?;
    let pointer =
        NonNull::new(pointer).ok_or_else(|| doing.error("it returned nothing and no reason"))?;
    // SAFETY: the contract of this function.
    Ok(unsafe { Owned::new(pointer, release) })
}
