//! Inputs and outputs of a graph, and what signatures may say of them.

use std::ffi::{CStr, c_char};

use ort_sys::{ONNXType, OrtSession, OrtStatusPtr, OrtTensorTypeAndShapeInfo, OrtTypeInfo};
use turnout_core::signature::DEFAULT_SIGNATURE;
use turnout_core::{DType, Error, Result, Signature, TensorSpec};

use super::api::Runtime;
use super::handle::Owned;
use super::status::{Doing, check, create};
use super::values::{dtype_of, read_dimensions, read_element};

/// One input or output of a graph.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) name: String,
    pub(super) kind: PortKind,
}

#[derive(Debug)]
pub(super) enum PortKind {
    Tensor {
        dtype: DType,
        shape: Option<Vec<Option<usize>>>,
    },
    /// Something that no request can carry, in words.
    Other(String),
}

/// What a graph takes and gives.
#[derive(Debug)]
pub(super) struct Graph {
    pub(super) inputs: Vec<Port>,
    pub(super) outputs: Vec<Port>,
}

type GetCount = unsafe extern "system" fn(*const OrtSession, *mut usize) -> OrtStatusPtr;
type GetName = unsafe extern "system" fn(
    *const OrtSession,
    usize,
    *mut ort_sys::OrtAllocator,
    *mut *mut c_char,
) -> OrtStatusPtr;
type GetTypeInfo =
    unsafe extern "system" fn(*const OrtSession, usize, *mut *mut OrtTypeInfo) -> OrtStatusPtr;

impl Graph {
    pub(super) fn read(runtime: &Runtime, session: &Owned<OrtSession>) -> Result<Self> {
        let api = runtime.api;
        let inputs = (
            api.SessionGetInputCount,
            api.SessionGetInputName,
            api.SessionGetInputTypeInfo,
        );
        let outputs = (
            api.SessionGetOutputCount,
            api.SessionGetOutputName,
            api.SessionGetOutputTypeInfo,
        );
        Ok(Self {
            inputs: read_ports(runtime, session, inputs)?,
            outputs: read_ports(runtime, session, outputs)?,
        })
    }

    /// The graph as its one signature, under its own names.
    ///
    /// # Errors
    /// `unsupported` when an input or output is no tensor, or one of a dtype that requests cannot carry.
    pub(super) fn signature(&self) -> Result<Signature> {
        Ok(Signature {
            name: DEFAULT_SIGNATURE.to_owned(),
            inputs: self
                .inputs
                .iter()
                .map(|port| port.spec("input"))
                .collect::<Result<_>>()?,
            outputs: self
                .outputs
                .iter()
                .map(|port| port.spec("output"))
                .collect::<Result<_>>()?,
        })
    }
}

impl Port {
    fn spec(&self, role: &str) -> Result<TensorSpec> {
        match &self.kind {
            PortKind::Tensor { dtype, shape } => Ok(TensorSpec {
                name: self.name.clone(),
                tensor: self.name.clone(),
                dtype: *dtype,
                shape: shape.clone(),
            }),
            PortKind::Other(what) => Err(self.not_a_tensor(role, what)),
        }
    }

    fn not_a_tensor(&self, role: &str, what: &str) -> Error {
        Error::unsupported(format!(
            "{role} `{}` of the model is not a tensor that can be served: {what}",
            self.name
        ))
    }
}

fn read_ports(
    runtime: &Runtime,
    session: &Owned<OrtSession>,
    (get_count, get_name, get_type): (GetCount, GetName, GetTypeInfo),
) -> Result<Vec<Port>> {
    let mut count = 0;
    // SAFETY: the session is alive, and the function writes one number.
    check(
        runtime.api,
        unsafe { get_count(session.as_ptr(), &raw mut count) },
        Doing::Loading,
    )?;
    (0..count)
        .map(|index| {
            let name = read_name(runtime, |name| {
                // SAFETY: the session and the allocator are alive, and the index is below the count.
                unsafe { get_name(session.as_ptr(), index, runtime.allocator, name) }
            })?;
            // SAFETY: the session is alive, the index is below the count, and the object is made for the caller.
            let info = unsafe {
                create(
                    runtime.api,
                    Doing::Loading,
                    runtime.api.ReleaseTypeInfo,
                    |info| get_type(session.as_ptr(), index, info),
                )?
            };
            Ok(Port {
                name,
                kind: read_kind(runtime, &info)?,
            })
        })
        .collect()
}

/// Reads a name that ONNX Runtime allocates for its caller.
fn read_name(
    runtime: &Runtime,
    get: impl FnOnce(*mut *mut c_char) -> OrtStatusPtr,
) -> Result<String> {
    let mut pointer = std::ptr::null_mut();
    check(runtime.api, get(&raw mut pointer), Doing::Loading)?;
    // SAFETY: on success the pointer is a string, freed only below.
    let name = unsafe { CStr::from_ptr(pointer) }
        .to_string_lossy()
        .into_owned();
    // SAFETY: the string comes from this allocator and is not used again.
    check(
        runtime.api,
        unsafe { (runtime.api.AllocatorFree)(runtime.allocator, pointer.cast()) },
        Doing::Loading,
    )?;
    Ok(name)
}

fn read_kind(runtime: &Runtime, info: &Owned<OrtTypeInfo>) -> Result<PortKind> {
    let mut tensor: *const OrtTensorTypeAndShapeInfo = std::ptr::null();
    // SAFETY: the info is alive; the function writes a pointer into it, or null when it is of something else.
    let status = unsafe { (runtime.api.CastTypeInfoToTensorInfo)(info.as_ptr(), &raw mut tensor) };
    check(runtime.api, status, Doing::Loading)?;
    let mut kind = 0i32;
    // SAFETY: the info is alive. The kind is read as a number: a newer library may know kinds that we do not.
    let status =
        unsafe { (runtime.api.GetOnnxTypeFromTypeInfo)(info.as_ptr(), (&raw mut kind).cast()) };
    check(runtime.api, status, Doing::Loading)?;
    if tensor.is_null() || kind != ONNXType::ONNX_TYPE_TENSOR as i32 {
        return Ok(PortKind::Other(kind_text(kind)));
    }
    let element = read_element(runtime.api, tensor, Doing::Loading)?;
    let Some(dtype) = dtype_of(element) else {
        return Ok(PortKind::Other(format!(
            "a tensor of ONNX element type {element}"
        )));
    };
    // SAFETY: the info is alive.
    if !unsafe { (runtime.api.TensorTypeAndShape_HasShape)(tensor) } {
        return Ok(PortKind::Tensor { dtype, shape: None });
    }
    let dims = read_dimensions(runtime.api, tensor, Doing::Loading)?;
    let shape = dims.iter().map(|dim| usize::try_from(*dim).ok()).collect();
    Ok(PortKind::Tensor {
        dtype,
        shape: Some(shape),
    })
}

fn kind_text(kind: i32) -> String {
    const KINDS: [(ONNXType, &str); 5] = [
        (ONNXType::ONNX_TYPE_SEQUENCE, "a sequence"),
        (ONNXType::ONNX_TYPE_MAP, "a map"),
        (ONNXType::ONNX_TYPE_OPAQUE, "an opaque value"),
        (ONNXType::ONNX_TYPE_SPARSETENSOR, "a sparse tensor"),
        (ONNXType::ONNX_TYPE_OPTIONAL, "an optional value"),
    ];
    let known = KINDS.into_iter().find(|(known, _)| *known as i32 == kind);
    known.map_or_else(
        || format!("a value of ONNX kind {kind}"),
        |(_, text)| text.to_owned(),
    )
}
