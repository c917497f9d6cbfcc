//! How a session is to be made.

use std::ffi::CStr;

use ort_sys::{OrtSessionOptions, OrtStatusPtr};
use turnout_core::Result;

use super::api::Runtime;
use super::status::{Doing, check, create};
use crate::artifact::Source;
use crate::handle::Owned;
use crate::{Artifact, Threads};

/// A folder that cannot exist, because its parent is a device.
const NOWHERE: &CStr = c"/dev/null/files-beside-a-model-in-memory";

pub(super) struct SessionOptions<'runtime> {
    runtime: &'runtime Runtime,
    options: Owned<OrtSessionOptions>,
}

impl<'runtime> SessionOptions<'runtime> {
    pub(super) fn new(runtime: &'runtime Runtime) -> Result<Self> {
        let api = runtime.api;
        let create_options = |options| {
            // SAFETY: the function writes the object.
            unsafe { (api.CreateSessionOptions)(options) }
        };
        // SAFETY: the function makes an object for its caller.
        let options = unsafe {
            create(
                api,
                Doing::Loading,
                api.ReleaseSessionOptions,
                create_options,
            )?
        };
        Ok(Self { runtime, options })
    }

    pub(super) fn as_ptr(&self) -> *mut OrtSessionOptions {
        self.options.as_ptr()
    }

    /// Operators run where the load's options say, and no thread spins: it would take from the event loops.
    pub(super) fn set_threads(&self, threads: Threads) -> Result<()> {
        let api = self.runtime.api;
        // SAFETY: the options are alive.
        self.check(unsafe {
            match threads {
                Threads::Caller => (api.SetIntraOpNumThreads)(self.as_ptr(), 1),
                Threads::SharedPool => (api.DisablePerSessionThreads)(self.as_ptr()),
                Threads::Own(count) => (api.SetIntraOpNumThreads)(
                    self.as_ptr(),
                    i32::try_from(count.max(1)).unwrap_or(i32::MAX),
                ),
            }
        })?;
        self.set(c"session.intra_op.allow_spinning", c"0")
    }

    /// Turns off the arena, which never gives back what the largest request took, and the cache of memory patterns,
    /// which keeps one per input shape ever seen.
    ///
    /// Measured with 1.31: 0.2 µs a call faster for an 8-32-32-1 network without them; for a convolution on batches of 48
    /// (77 MB an activation) 20 % slower, at 75 MB resident in place of 404.
    pub(super) fn bound_memory(&self) -> Result<()> {
        let api = self.runtime.api;
        // SAFETY: the options are alive, here and below.
        self.check(unsafe { (api.DisableCpuMemArena)(self.as_ptr()) })?;
        // SAFETY: as above.
        self.check(unsafe { (api.DisableMemPattern)(self.as_ptr()) })
    }

    /// A model in memory may name other files, which ONNX Runtime would look for in the working directory and map.
    pub(super) fn confine(&self, artifact: &Artifact) -> Result<()> {
        match artifact.source() {
            Source::Memory(_) => self.set(
                c"session.model_external_initializers_file_folder_path",
                NOWHERE,
            ),
            Source::File(_) => Ok(()),
        }
    }

    /// Writes a record of all runs to a file that begins with `prefix`.
    pub(super) fn record_runs(&self, prefix: &CStr) -> Result<()> {
        // SAFETY: the options and the path are alive; the path is copied.
        self.check(unsafe { (self.runtime.api.EnableProfiling)(self.as_ptr(), prefix.as_ptr()) })
    }

    fn set(&self, key: &CStr, value: &CStr) -> Result<()> {
        // SAFETY: the options and both strings are alive; the strings are copied.
        self.check(unsafe {
            (self.runtime.api.AddSessionConfigEntry)(self.as_ptr(), key.as_ptr(), value.as_ptr())
        })
    }

    fn check(&self, status: OrtStatusPtr) -> Result<()> {
        check(self.runtime.api, status, Doing::Loading)
    }
}
