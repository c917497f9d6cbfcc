//! Inputs and outputs of a graph, and what signatures may say of them.

use std::ffi::{CStr, c_char};
use std::fmt;

use ort_sys::{ONNXType, OrtSession, OrtStatusPtr, OrtTensorTypeAndShapeInfo, OrtTypeInfo};
use turnout_core::signature::DEFAULT_SIGNATURE;
use turnout_core::{DType, Error, Result, Signature, TensorSpec};

use super::api::Runtime;
use super::status::{Doing, check, create};
use super::values::{dtype_of, read_dimensions, read_element};
use crate::handle::Owned;

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

#[derive(Clone, Copy, Debug)]
enum Role {
    Input,
    Output,
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Input => "input",
            Self::Output => "output",
        })
    }
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
                .map(|port| port.spec(Role::Input))
                .collect::<Result<_>>()?,
            outputs: self
                .outputs
                .iter()
                .map(|port| port.spec(Role::Output))
                .collect::<Result<_>>()?,
        })
    }

    /// Checks that a signature names every input once, outputs that exist, and the dtypes that they have.
    ///
    /// # Errors
    /// `artifact_invalid`, naming what is there; `unsupported` when it names something that is no tensor.
    pub(super) fn check(&self, signature: &Signature) -> Result<()> {
        check_inputs(signature, &self.inputs)?;
        for spec in &signature.outputs {
            check_spec(signature, spec, &self.outputs, Role::Output)?;
        }
        if signature.outputs.is_empty() {
            return Err(disagrees(signature, "it has no output"));
        }
        Ok(())
    }
}

impl Port {
    fn spec(&self, role: Role) -> Result<TensorSpec> {
        let (dtype, shape) = self.tensor(role)?;
        Ok(TensorSpec {
            name: self.name.clone(),
            tensor: self.name.clone(),
            dtype,
            shape: shape.map(<[_]>::to_vec),
            any_shape: false,
        })
    }

    fn tensor(&self, role: Role) -> Result<(DType, Option<&[Option<usize>]>)> {
        match &self.kind {
            PortKind::Tensor { dtype, shape } => Ok((*dtype, shape.as_deref())),
            PortKind::Other(what) => Err(Error::unsupported(format!(
                "{role} `{}` of the model is not a tensor that can be served: got {what}",
                self.name
            ))
            .with_hint(
                "export the model with tensors only (skl2onnx: options={'zipmap': False}), or name its tensor outputs \
                 in a signature of the manifest",
            )),
        }
    }
}

fn check_inputs(signature: &Signature, ports: &[Port]) -> Result<()> {
    for spec in &signature.inputs {
        check_spec(signature, spec, ports, Role::Input)?;
    }
    for port in ports {
        let uses = signature
            .inputs
            .iter()
            .filter(|spec| spec.tensor == port.name)
            .count();
        if uses != 1 {
            return Err(disagrees(
                signature,
                &format!("input `{}` is named {uses} times, expected once", port.name),
            ));
        }
    }
    Ok(())
}

/// Shapes are not compared: what a file declares of its outputs may be wrong, and the signature is the later word.
fn check_spec(signature: &Signature, spec: &TensorSpec, ports: &[Port], role: Role) -> Result<()> {
    let Some(port) = ports.iter().find(|port| port.name == spec.tensor) else {
        let names: Vec<String> = ports
            .iter()
            .map(|port| format!("`{}`", port.name))
            .collect();
        let names = names.join(", ");
        return Err(disagrees(
            signature,
            &format!(
                "{role} `{}` is not in the model, which has {names}",
                spec.tensor
            ),
        ));
    };
    let (dtype, _) = port.tensor(role)?;
    if dtype == spec.dtype {
        return Ok(());
    }
    Err(disagrees(
        signature,
        &format!(
            "{role} `{}` is {dtype} in the model, got {}",
            spec.tensor, spec.dtype
        ),
    ))
}

fn disagrees(signature: &Signature, how: &str) -> Error {
    Error::artifact_invalid(format!(
        "signature `{}` does not fit the model: {how}",
        signature.name
    ))
}

fn read_ports(
    runtime: &Runtime,
    session: &Owned<OrtSession>,
    (get_count, get_name, get_type): (GetCount, GetName, GetTypeInfo),
) -> Result<Vec<Port>> {
    let mut count = 0;
    // SAFETY: the session is alive, and the function writes one number.
    let status = unsafe { get_count(session.as_ptr(), &raw mut count) };
    check(runtime.api, status, Doing::Loading)?;
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
    let status = unsafe { (runtime.api.AllocatorFree)(runtime.allocator, pointer.cast()) };
    check(runtime.api, status, Doing::Loading)?;
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
