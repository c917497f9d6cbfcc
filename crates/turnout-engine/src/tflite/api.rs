//! The library, and the functions of it that are called.

use std::ffi::{c_char, c_int, c_void};
use std::path::{Path, PathBuf};

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use turnout_core::{Error, Result};

const INSTALL_HINT: &str = "pip install 'turnout[tflite]'";

/// Releases whose functions have the types below. The library does not tell its own: its wheel does.
const KNOWN_RELEASES: [&str; 2] = ["2.2.", "2.3."];

/// The folders beside the package that hold what the wheel says of itself.
const WHEEL_PREFIX: &str = "ai_edge_litert-";
const WHEEL_SUFFIX: &str = ".dist-info";

/// The most dimensions that a tensor has here.
pub(super) const MAX_RANK: usize = 8;

/// `kLiteRtHwAcceleratorCpu`.
pub(super) const CPU: c_int = 1;

macro_rules! opaque {
    ($($name:ident),*) => {
        $(#[doc = "An object that only LiteRT looks into."]
        #[derive(Debug)]
        #[repr(C)]
        pub(super) struct $name { _private: [u8; 0] })*
    };
}

opaque!(
    CompiledModel,
    Environment,
    OpaqueOptions,
    Options,
    RtModel,
    TensorBuffer
);

/// `LiteRtEnvOption` with a whole number: a tag, and a `LiteRtAny`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct EnvironmentOption {
    pub(super) tag: c_int,
    pub(super) value: AnyInt,
}

/// `LiteRtAny` of type 2.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct AnyInt {
    pub(super) kind: c_int,
    pub(super) int: i64,
}

const _: () = assert!(size_of::<EnvironmentOption>() == 24);

/// `LiteRtLayout`: seven bits of rank, one for strides, which are never used here.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct Layout {
    pub(super) rank: u32,
    pub(super) dims: [i32; MAX_RANK],
    pub(super) strides: [u32; MAX_RANK],
}

/// `LiteRtRankedTensorType`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct TensorType {
    pub(super) element: c_int,
    pub(super) layout: Layout,
}

const _: () = assert!(size_of::<TensorType>() == 72);

pub(super) type Status = c_int;

macro_rules! functions {
    ($($name:ident = $symbol:literal: fn($($argument:ty),*) $(-> $result:ty)?;)*) => {
        /// What of the C interface is used. The names are those of C without their prefix.
        #[derive(Debug)]
        pub(super) struct Api {
            $(pub(super) $name: unsafe extern "system" fn($($argument),*) $(-> $result)?,)*
        }

        impl Api {
            /// # Safety
            /// The library is LiteRT's, of a release whose functions have these types.
            unsafe fn read(library: &Library) -> Result<Self, libloading::Error> {
                $(
                    // SAFETY: the contract of this function.
                    let $name = *unsafe { library.get(concat!($symbol, "\0").as_bytes()) }?;
                )*
                Ok(Self { $($name),* })
            }
        }
    };
}

functions! {
    create_environment = "LiteRtCreateEnvironment":
        fn(c_int, *const EnvironmentOption, *mut *mut Environment) -> Status;
    create_model_from_buffer = "LiteRtCreateModelFromBuffer":
        fn(*mut Environment, *const c_void, usize, *mut *mut RtModel) -> Status;
    destroy_model = "LiteRtDestroyModel": fn(*mut RtModel);
    create_options = "LiteRtCreateOptions": fn(*mut *mut Options) -> Status;
    destroy_options = "LiteRtDestroyOptions": fn(*mut Options);
    set_options_hardware_accelerators = "LiteRtSetOptionsHardwareAccelerators": fn(*mut Options, c_int) -> Status;
    create_opaque_options = "LiteRtCreateOpaqueOptions":
        fn(*const c_char, *mut c_void, unsafe extern "system" fn(*mut c_void), *mut *mut OpaqueOptions) -> Status;
    destroy_opaque_options = "LiteRtDestroyOpaqueOptions": fn(*mut OpaqueOptions);
    add_opaque_options = "LiteRtAddOpaqueOptions": fn(*mut Options, *mut OpaqueOptions) -> Status;
    create_compiled_model = "LiteRtCreateCompiledModel":
        fn(*mut Environment, *mut RtModel, *mut Options, *mut *mut CompiledModel) -> Status;
    destroy_compiled_model = "LiteRtDestroyCompiledModel": fn(*mut CompiledModel);
    resize_input_tensor = "LiteRtCompiledModelResizeInputTensor":
        fn(*mut CompiledModel, usize, usize, *const c_int, usize) -> Status;
    get_output_tensor_layouts = "LiteRtGetCompiledModelOutputTensorLayouts":
        fn(*mut CompiledModel, usize, usize, *mut Layout, bool) -> Status;
    run_compiled_model = "LiteRtRunCompiledModel":
        fn(*mut CompiledModel, usize, usize, *const *mut TensorBuffer, usize, *const *mut TensorBuffer) -> Status;
    get_error_messages = "LiteRtCompiledModelGetErrorMessages": fn(*mut CompiledModel, *mut *mut c_char) -> Status;
    clear_errors = "LiteRtCompiledModelClearErrors": fn(*mut CompiledModel) -> Status;
    create_tensor_buffer_from_host_memory = "LiteRtCreateTensorBufferFromHostMemory":
        fn(*const TensorType, *mut c_void, usize, Option<unsafe extern "system" fn(*mut c_void)>,
           *mut *mut TensorBuffer) -> Status;
    destroy_tensor_buffer = "LiteRtDestroyTensorBuffer": fn(*mut TensorBuffer);
}

/// The file that the loader would open, with links followed, so that one library has one name.
///
/// # Errors
/// `runtime_missing` when there is no such file.
pub(super) fn resolve(library: &Path) -> Result<PathBuf> {
    library.canonicalize().map_err(|error| {
        Error::runtime_missing(format!(
            "LiteRT's library is not there: `{}`",
            library.display()
        ))
        .with_hint(INSTALL_HINT)
        .with_source(error)
    })
}

/// Opens the library for good; returns its functions and the release that its wheel names.
///
/// # Errors
/// `runtime_missing` with the loader's own words, or when it is of a release that this Turnout does not know: a function
/// that is called with other types than its own ends the process.
pub(super) fn open(path: &Path) -> Result<(Api, String)> {
    let version = release_of(path)?;
    // SAFETY: the path is the operator's own choice of library; LiteRT's initialisers have no requirements.
    let library =
        unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }.map_err(not_opened)?;
    // SAFETY: the release is one of those whose functions have these types.
    let api = unsafe { Api::read(&library) }.map_err(not_opened)?;
    // Never closed, so what is read from it is 'static.
    std::mem::forget(library);
    Ok((api, version))
}

/// The release, from the name of the folder that every installed wheel has beside its package.
fn release_of(library: &Path) -> Result<String> {
    let version = library
        .parent()
        .and_then(Path::parent)
        .and_then(find_release)
        .ok_or_else(|| {
            other_release(&format!(
                "no folder `{WHEEL_PREFIX}…{WHEEL_SUFFIX}` is beside its package"
            ))
        })?;
    if KNOWN_RELEASES
        .iter()
        .any(|known| version.starts_with(known))
    {
        return Ok(version);
    }
    Err(other_release(&format!("got {version}")))
}

fn find_release(packages: &Path) -> Option<String> {
    let entries = packages.read_dir().ok()?;
    let mut releases: Vec<String> = entries
        .filter_map(|entry| {
            let name = entry.ok()?.file_name();
            let release = name.to_str()?.strip_prefix(WHEEL_PREFIX)?;
            Some(release.strip_suffix(WHEEL_SUFFIX)?.to_owned())
        })
        .collect();
    // Two are left by a broken installation; which of them it is cannot be told.
    (releases.len() == 1).then(|| releases.remove(0))
}

fn other_release(got: &str) -> Error {
    Error::runtime_missing(format!(
        "LiteRT is of a release that this Turnout cannot call: expected 2.2 or 2.3, {got}"
    ))
    .with_hint(INSTALL_HINT)
}

/// The loader's words name the file, or the function that is missing.
fn not_opened(error: libloading::Error) -> Error {
    let words = std::error::Error::source(&error)
        .unwrap_or(&error)
        .to_string();
    Error::runtime_missing(format!("LiteRT's library cannot be opened: {words}"))
        .with_hint(INSTALL_HINT)
        .with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_releases_whose_functions_are_known_are_opened() {
        let root = std::env::temp_dir().join(format!("turnout-litert-{}", std::process::id()));
        let package = root.join("ai_edge_litert");
        std::fs::create_dir_all(&package).expect("made");
        let library = package.join("libLiteRt.so");
        let say = |library: &Path| release_of(library).map_err(|error| error.message().to_owned());
        assert!(say(&library).expect_err("no wheel").contains("no folder"));
        let wheel = |release: &str| root.join(format!("ai_edge_litert-{release}.dist-info"));
        for (release, is_known) in [
            ("2.1.2", false),
            ("2.2.0", true),
            ("2.3.1", true),
            ("2.4.0", false),
            ("2.30.0", false),
        ] {
            std::fs::create_dir(wheel(release)).expect("made");
            assert_eq!(say(&library).is_ok(), is_known, "{release}");
            std::fs::remove_dir(wheel(release)).expect("removed");
        }
        std::fs::create_dir(wheel("2.2.0")).expect("made");
        std::fs::create_dir(wheel("2.3.0")).expect("made");
        assert!(say(&library).is_err());
        std::fs::remove_dir_all(root).expect("removed");
    }
}
