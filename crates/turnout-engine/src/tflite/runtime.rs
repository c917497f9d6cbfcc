//! LiteRT, opened, and its one environment.

use std::path::Path;
use std::ptr::NonNull;

use turnout_core::{Error, Result};

use super::api::{self, AnyInt, Api, CPU, Environment, EnvironmentOption, RtModel};
use super::status::{Doing, check};
use crate::handle::Owned;

/// `kLiteRtAnyTypeInt`.
const INT: i32 = 2;
/// `kLiteRtEnvOptionTagAutoRegisterAccelerators`: without it LiteRT looks for libraries of graphics cards.
const ACCELERATORS: i32 = 24;
/// `kLiteRtEnvOptionTagMinLoggerSeverity`: what it logs goes to the standard error, and is in its failures, too.
const LOG_SEVERITY: i32 = 25;
const SILENT: i64 = 4;

/// An opened library. It lives as long as the process.
#[derive(Debug)]
pub(super) struct Runtime {
    pub(super) api: &'static Api,
    environment: NonNull<Environment>,
    pub(super) version: String,
}

// SAFETY: the environment is only read after its construction, as are the functions; models may be compiled by several
// threads at once.
unsafe impl Send for Runtime {}
// SAFETY: as above.
unsafe impl Sync for Runtime {}

impl Runtime {
    /// # Errors
    /// `runtime_missing`, with the loader's own words.
    pub(super) fn open(library: &Path) -> Result<Self> {
        let (api, version) = api::open(library)?;
        let api: &'static Api = Box::leak(Box::new(api));
        let option = |tag, int| EnvironmentOption {
            tag,
            value: AnyInt { kind: INT, int },
        };
        let options = [
            option(ACCELERATORS, CPU.into()),
            option(LOG_SEVERITY, SILENT),
        ];
        let mut environment = std::ptr::null_mut();
        // SAFETY: there are as many options as is said, and they are copied.
        let status = unsafe {
            (api.create_environment)(
                i32::try_from(options.len()).expect("bug: two options"),
                options.as_ptr(),
                &raw mut environment,
            )
        };
        check(status, Doing::Opening)?;
        let environment = NonNull::new(environment)
            .ok_or_else(|| Error::internal("bug: no environment and no reason"))?;
        Ok(Self {
            api,
            environment,
            version,
        })
    }

    pub(super) fn environment(&self) -> *mut Environment {
        self.environment.as_ptr()
    }

    /// Reads a model from memory that outlives it.
    ///
    /// # Safety
    /// `bytes` stay where they are and as they are until the model is destroyed.
    ///
    /// # Errors
    /// `load_failed`, with what LiteRT's number means.
    pub(super) unsafe fn read_model(&self, bytes: &[u8]) -> Result<Owned<RtModel>> {
        let mut model = std::ptr::null_mut();
        // SAFETY: the environment is alive, and the bytes are by the contract of this function.
        let status = unsafe {
            let (data, size) = (bytes.as_ptr().cast(), bytes.len());
            (self.api.create_model_from_buffer)(self.environment(), data, size, &raw mut model)
        };
        check(status, Doing::Loading)?;
        let model =
            NonNull::new(model).ok_or_else(|| Error::internal("bug: no model and no reason"))?;
        // SAFETY: the model was made for us, and this is the function that destroys it.
        Ok(unsafe { Owned::new(model, self.api.destroy_model) })
    }
}
