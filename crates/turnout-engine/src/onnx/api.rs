//! The library, its function table and its one environment.

use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use ort_sys::{
    ORT_API_VERSION, OrtAllocator, OrtAllocatorType, OrtApi, OrtApiBase, OrtEnv, OrtLoggingLevel,
    OrtMemType, OrtMemoryInfo, OrtThreadingOptions,
};
use turnout_core::{Error, Result};

use super::log;
use super::status::{Doing, check, create};
use crate::handle::Owned;

const INSTALL_HINT: &str = "pip install 'turnout[onnx]'";

/// An opened library. It lives as long as the process: its threads and its log cannot be called back.
#[derive(Debug)]
pub(super) struct Runtime {
    pub(super) api: &'static OrtApi,
    pub(super) env: Owned<OrtEnv>,
    pub(super) cpu: Owned<OrtMemoryInfo>,
    pub(super) allocator: *mut OrtAllocator,
    pub(super) version: String,
}

// SAFETY: ONNX Runtime's environment, memory info and default allocator may be used from any thread at once, and this
// struct is not changed after its construction.
unsafe impl Send for Runtime {}
// SAFETY: as above.
unsafe impl Sync for Runtime {}

impl Runtime {
    /// Opens the library and makes its environment: our log, one pool for all models, no telemetry.
    ///
    /// # Errors
    /// `runtime_missing`, with the loader's own words.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let (api, version) = load_table(path)?;
        let env = create_env(api)?;
        // SAFETY: the environment is alive, and the function only sets a flag of it.
        let status = unsafe { (api.DisableTelemetryEvents)(env.as_ptr()) };
        check(api, status, Doing::Opening)?;
        Ok(Self {
            api,
            env,
            cpu: create_cpu_memory_info(api)?,
            allocator: default_allocator(api)?,
            version,
        })
    }
}

/// The file that the loader would open, with links followed, so that one library has one name.
///
/// # Errors
/// `runtime_missing` when there is no such file.
pub(super) fn resolve(library: &Path) -> Result<PathBuf> {
    library.canonicalize().map_err(|error| {
        Error::runtime_missing(format!(
            "ONNX Runtime's library is not there: `{}`",
            library.display()
        ))
        .with_hint(INSTALL_HINT)
        .with_source(error)
    })
}

/// Opens the library for good and asks it for the functions that this crate knows.
fn load_table(path: &Path) -> Result<(&'static OrtApi, String)> {
    // SAFETY: the path is the operator's own choice of library; ONNX Runtime's initialisers have no requirements.
    let library =
        unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }.map_err(not_opened)?;
    // SAFETY: the symbol has this type in every release of ONNX Runtime's C interface.
    let entry = unsafe {
        library.get::<unsafe extern "system" fn() -> *const OrtApiBase>(b"OrtGetApiBase\0")
    };
    let entry = *entry.map_err(not_opened)?;
    // Never closed, so what it hands out is 'static.
    std::mem::forget(library);
    // SAFETY: the function takes nothing and returns a static table.
    let base: &'static OrtApiBase =
        unsafe { entry().as_ref() }.ok_or_else(|| Error::internal("bug: no API base"))?;
    // SAFETY: the version is a static string.
    let version = unsafe { CStr::from_ptr((base.GetVersionString)()) }
        .to_string_lossy()
        .into_owned();
    // SAFETY: null, or a static table that has at least the functions of the version asked for.
    let api = unsafe { (base.GetApi)(ORT_API_VERSION).as_ref() };
    let api = api.ok_or_else(|| too_old(path, &version))?;
    Ok((api, version))
}

/// The loader's words name the file.
fn not_opened(error: libloading::Error) -> Error {
    let words = std::error::Error::source(&error)
        .unwrap_or(&error)
        .to_string();
    Error::runtime_missing(format!("ONNX Runtime's library cannot be opened: {words}"))
        .with_hint(INSTALL_HINT)
        .with_source(error)
}

fn too_old(path: &Path, version: &str) -> Error {
    Error::runtime_missing(format!(
        "ONNX Runtime is too old: got {version}, expected 1.{ORT_API_VERSION} or newer: `{}`",
        path.display()
    ))
    .with_hint(format!("{INSTALL_HINT} 'onnxruntime>=1.{ORT_API_VERSION}'"))
}

fn create_env(api: &'static OrtApi) -> Result<Owned<OrtEnv>> {
    let threading = create_threading_options(api)?;
    let create_env = |env| {
        // SAFETY: the logger is a static function without state, the name a static string, and the options are alive.
        unsafe {
            (api.CreateEnvWithCustomLoggerAndGlobalThreadPools)(
                log::receive,
                std::ptr::null_mut(),
                OrtLoggingLevel::ORT_LOGGING_LEVEL_WARNING,
                c"turnout".as_ptr(),
                threading.as_ptr(),
                env,
            )
        }
    };
    // SAFETY: the function makes an environment for its caller.
    unsafe { create(api, Doing::Opening, api.ReleaseEnv, create_env) }
}

/// One pool as wide as the cores that this process may use. Its threads sleep when idle: spinning would take from the
/// event loops.
fn create_threading_options(api: &'static OrtApi) -> Result<Owned<OrtThreadingOptions>> {
    // `available_parallelism` is the CPU affinity cut by the control group's quota.
    let cores = available_parallelism().map_or(1, |cores| i32::try_from(cores.get()).unwrap_or(1));
    // SAFETY: the function makes an object for its caller.
    let options = unsafe {
        create(
            api,
            Doing::Opening,
            api.ReleaseThreadingOptions,
            |options| (api.CreateThreadingOptions)(options),
        )?
    };
    for status in [
        // SAFETY: the options are alive, here and below.
        unsafe { (api.SetGlobalIntraOpNumThreads)(options.as_ptr(), cores) },
        // SAFETY: as above. Graphs run in order, so that no thread is needed between operators.
        unsafe { (api.SetGlobalInterOpNumThreads)(options.as_ptr(), 1) },
        // SAFETY: as above.
        unsafe { (api.SetGlobalSpinControl)(options.as_ptr(), 0) },
    ] {
        check(api, status, Doing::Opening)?;
    }
    Ok(options)
}

fn create_cpu_memory_info(api: &'static OrtApi) -> Result<Owned<OrtMemoryInfo>> {
    let create_info = |info| {
        // SAFETY: the function takes constants and writes the object.
        unsafe {
            (api.CreateCpuMemoryInfo)(
                OrtAllocatorType::OrtDeviceAllocator,
                OrtMemType::OrtMemTypeDefault,
                info,
            )
        }
    };
    // SAFETY: the function makes an object for its caller.
    unsafe { create(api, Doing::Opening, api.ReleaseMemoryInfo, create_info) }
}

/// The process's plain allocator, which belongs to the library.
fn default_allocator(api: &'static OrtApi) -> Result<*mut OrtAllocator> {
    let mut allocator = std::ptr::null_mut();
    // SAFETY: the function writes a pointer to a static object.
    let status = unsafe { (api.GetAllocatorWithDefaultOptions)(&raw mut allocator) };
    check(api, status, Doing::Opening)?;
    Ok(allocator)
}
