//! The libraries, and the functions of theirs that are called.

use std::ffi::{c_char, c_int, c_void};
use std::path::{Path, PathBuf};

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use turnout_core::{Error, Result};

const INSTALL_HINT: &str = "pip install 'turnout[tensorflow]'";

macro_rules! opaque {
    ($($name:ident),*) => {
        $(#[doc = "An object that only TensorFlow looks into."]
        #[derive(Debug)]
        #[repr(C)]
        pub(super) struct $name { _private: [u8; 0] })*
    };
}

opaque!(Graph, Operation, Session, SessionOptions, Status, TfTensor);

/// `TF_Output`: one output of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(super) struct Output {
    pub(super) operation: *mut Operation,
    pub(super) index: c_int,
}

/// `TF_Buffer`: bytes and who frees them.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Buffer {
    pub(super) data: *const c_void,
    pub(super) length: usize,
    deallocator: Option<unsafe extern "system" fn(*mut c_void, usize)>,
}

impl Buffer {
    /// A view of bytes that others own; never to be deleted by TensorFlow.
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self {
            data: bytes.as_ptr().cast(),
            length: bytes.len(),
            deallocator: None,
        }
    }
}

/// `TF_TString`: 24 bytes that only the functions for it read and write.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub(super) struct TfString(pub(super) [u8; 24]);

macro_rules! functions {
    ($($name:ident = $symbol:literal: fn($($argument:ty),*) $(-> $result:ty)?;)*) => {
        /// What of the C interface is used. The names are those of C without their prefix.
        #[derive(Debug)]
        pub(super) struct Api {
            $(pub(super) $name: unsafe extern "system" fn($($argument),*) $(-> $result)?,)*
        }

        impl Api {
            /// # Safety
            /// The library is TensorFlow's, whose functions have had these types in every release that has them.
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
    version = "TF_Version": fn() -> *const c_char;
    get_all_op_list = "TF_GetAllOpList": fn() -> *mut Buffer;
    new_buffer = "TF_NewBuffer": fn() -> *mut Buffer;
    delete_buffer = "TF_DeleteBuffer": fn(*mut Buffer);
    register_log_listener = "TF_RegisterLogListener": fn(unsafe extern "system" fn(*const c_char));
    new_status = "TF_NewStatus": fn() -> *mut Status;
    delete_status = "TF_DeleteStatus": fn(*mut Status);
    get_code = "TF_GetCode": fn(*const Status) -> c_int;
    message = "TF_Message": fn(*const Status) -> *const c_char;
    new_graph = "TF_NewGraph": fn() -> *mut Graph;
    delete_graph = "TF_DeleteGraph": fn(*mut Graph);
    graph_operation_by_name = "TF_GraphOperationByName": fn(*mut Graph, *const c_char) -> *mut Operation;
    operation_output_type = "TF_OperationOutputType": fn(Output) -> c_int;
    operation_num_outputs = "TF_OperationNumOutputs": fn(*mut Operation) -> c_int;
    new_session_options = "TF_NewSessionOptions": fn() -> *mut SessionOptions;
    delete_session_options = "TF_DeleteSessionOptions": fn(*mut SessionOptions);
    set_config = "TF_SetConfig": fn(*mut SessionOptions, *const c_void, usize, *mut Status);
    load_session_from_saved_model = "TF_LoadSessionFromSavedModel": fn(*const SessionOptions, *const Buffer,
        *const c_char, *const *const c_char, c_int, *mut Graph, *mut Buffer, *mut Status) -> *mut Session;
    close_session = "TF_CloseSession": fn(*mut Session, *mut Status);
    delete_session = "TF_DeleteSession": fn(*mut Session, *mut Status);
    session_run = "TF_SessionRun": fn(*mut Session, *const Buffer, *const Output, *const *mut TfTensor, c_int,
        *const Output, *mut *mut TfTensor, c_int, *const *const Operation, c_int, *mut Buffer, *mut Status);
    allocate_tensor = "TF_AllocateTensor": fn(c_int, *const i64, c_int, usize) -> *mut TfTensor;
    new_tensor = "TF_NewTensor": fn(c_int, *const i64, c_int, *mut c_void, usize,
        unsafe extern "system" fn(*mut c_void, usize, *mut c_void), *mut c_void) -> *mut TfTensor;
    tensor_from_proto = "TF_TensorFromProto": fn(*const Buffer, *mut TfTensor, *mut Status);
    delete_tensor = "TF_DeleteTensor": fn(*mut TfTensor);
    tensor_type = "TF_TensorType": fn(*const TfTensor) -> c_int;
    num_dims = "TF_NumDims": fn(*const TfTensor) -> c_int;
    dim = "TF_Dim": fn(*const TfTensor, c_int) -> i64;
    tensor_byte_size = "TF_TensorByteSize": fn(*const TfTensor) -> usize;
    tensor_data = "TF_TensorData": fn(*const TfTensor) -> *mut c_void;
    string_init = "TF_StringInit": fn(*mut TfString);
    string_copy = "TF_StringCopy": fn(*mut TfString, *const c_char, usize);
    string_dealloc = "TF_StringDealloc": fn(*mut TfString);
    string_get_size = "TF_StringGetSize": fn(*const TfString) -> usize;
    string_get_data_pointer = "TF_StringGetDataPointer": fn(*const TfString) -> *const c_char;
}

/// A length as C takes it.
pub(super) fn count(length: usize) -> c_int {
    c_int::try_from(length).expect("bug: as many dimensions or tensors as C cannot count")
}

/// The file that the loader would open, with links followed, so that one library has one name.
///
/// # Errors
/// `runtime_missing` when there is no such file.
pub(super) fn resolve(library: &Path) -> Result<PathBuf> {
    library.canonicalize().map_err(|error| {
        Error::runtime_missing(format!(
            "TensorFlow's library is not there: `{}`",
            library.display()
        ))
        .with_hint(INSTALL_HINT)
        .with_source(error)
    })
}

/// Opens `libtensorflow_cc.so.2` for good, and before it the library beside it that it needs.
///
/// # Errors
/// `runtime_missing`, with the loader's own words.
pub(super) fn open(path: &Path) -> Result<Api> {
    if let Some(framework) = framework_of(path).filter(|framework| framework.exists()) {
        // Never closed, so what is read from it is 'static; so below.
        std::mem::forget(open_library(&framework)?);
    }
    let library = open_library(path)?;
    // SAFETY: the operator's own choice of library, which has to be TensorFlow's.
    let api = unsafe { Api::read(&library) }.map_err(not_opened)?;
    std::mem::forget(library);
    Ok(api)
}

/// `libtensorflow_framework.so.2` beside `libtensorflow_cc.so.2`.
fn framework_of(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    Some(path.with_file_name(name.replacen("_cc.", "_framework.", 1)))
}

fn open_library(path: &Path) -> Result<Library> {
    // SAFETY: the path is the operator's own choice of library; TensorFlow's initialisers have no requirements.
    unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }.map_err(not_opened)
}

/// The loader's words name the file, or the function that is missing.
fn not_opened(error: libloading::Error) -> Error {
    let words = std::error::Error::source(&error)
        .unwrap_or(&error)
        .to_string();
    Error::runtime_missing(format!("TensorFlow's library cannot be opened: {words}"))
        .with_hint(INSTALL_HINT)
        .with_source(error)
}
