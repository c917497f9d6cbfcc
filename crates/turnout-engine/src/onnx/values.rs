//! Tensors to ONNX Runtime's values and back.

use std::marker::PhantomData;

use bytes::Bytes;
use ort_sys::{ONNXTensorElementDataType as Element, OrtApi, OrtTensorTypeAndShapeInfo, OrtValue};
use smallvec::SmallVec;
use turnout_core::tensor::element_count;
use turnout_core::{DType, Error, Result, Shape, Tensor, Values, for_each_values};

use super::api::Runtime;
use super::handle::Owned;
use super::status::{Doing, check, create};

/// Dimensions as ONNX Runtime has them; as many as the doors accept stay on the stack.
type Dimensions = SmallVec<[i64; turnout_core::tensor::MAX_RANK]>;

/// Every dtype and its number in ONNX Runtime, which has no values of the complex ones.
const ELEMENTS: [(DType, Element); 14] = [
    (DType::Bool, Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL),
    (DType::Int8, Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8),
    (DType::Int16, Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16),
    (DType::Int32, Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32),
    (DType::Int64, Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64),
    (DType::Uint8, Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8),
    (DType::Uint16, Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16),
    (DType::Uint32, Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32),
    (DType::Uint64, Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64),
    (
        DType::Float16,
        Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16,
    ),
    (
        DType::Bfloat16,
        Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16,
    ),
    (DType::Float32, Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT),
    (
        DType::Float64,
        Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE,
    ),
    (DType::String, Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING),
];

/// The dtype of an element type, which is a number because a newer library may know types that we do not.
pub(super) fn dtype_of(element: i32) -> Option<DType> {
    ELEMENTS
        .into_iter()
        .find(|(_, known)| *known as i32 == element)
        .map(|(dtype, _)| dtype)
}

fn element_of(dtype: DType) -> Result<Element> {
    let known = ELEMENTS.into_iter().find(|(known, _)| *known == dtype);
    known
        .map(|(_, element)| element)
        .ok_or_else(|| Error::unsupported(format!("ONNX Runtime has no {dtype} tensors")))
}

/// A value over the buffer of a tensor, which it borrows.
#[derive(Debug)]
pub(super) struct Input<'tensor> {
    pub(super) value: Owned<OrtValue>,
    buffer: PhantomData<&'tensor mut Values>,
}

impl<'tensor> Input<'tensor> {
    pub(super) fn new(
        runtime: &Runtime,
        shape: &Shape,
        values: &'tensor mut Values,
    ) -> Result<Self> {
        let dims: Dimensions = shape
            .iter()
            .map(|dim| i64::try_from(*dim).unwrap_or(i64::MAX))
            .collect();
        let value = match values {
            Values::String(strings) => string_value(runtime, &dims, strings)?,
            fixed => fixed_value(runtime, &dims, fixed)?,
        };
        Ok(Self {
            value,
            buffer: PhantomData,
        })
    }
}

fn fixed_value(
    runtime: &Runtime,
    dims: &Dimensions,
    values: &mut Values,
) -> Result<Owned<OrtValue>> {
    let element = element_of(values.dtype())?;
    let bytes = values.size_bytes();
    let data: *mut std::ffi::c_void =
        for_each_values!(values, values => values.as_mut_ptr().cast());
    let api = runtime.api;
    let create_value = |value| {
        // SAFETY: the buffer has `bytes` bytes of this element type, and `Input` borrows it as long as the value lives.
        unsafe {
            let info = runtime.cpu.as_ptr();
            (api.CreateTensorWithDataAsOrtValue)(
                info,
                data,
                bytes,
                dims.as_ptr(),
                dims.len(),
                element,
                value,
            )
        }
    };
    // SAFETY: the function makes a value for its caller.
    unsafe { create(api, Doing::Running, api.ReleaseValue, create_value) }
}

fn string_value(
    runtime: &Runtime,
    dims: &Dimensions,
    strings: &[Bytes],
) -> Result<Owned<OrtValue>> {
    let api = runtime.api;
    let element = Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING;
    // SAFETY: the allocator is the library's own, and the value is made for the caller.
    let value = unsafe {
        create(api, Doing::Running, api.ReleaseValue, |value| {
            (api.CreateTensorAsOrtValue)(
                runtime.allocator,
                dims.as_ptr(),
                dims.len(),
                element,
                value,
            )
        })?
    };
    for (index, string) in strings.iter().enumerate() {
        let mut buffer = std::ptr::null_mut();
        // SAFETY: the index is below the number of elements, which is the shape's product (`Tensor::new`). Unlike
        // `FillStringTensor`, which stops at a zero byte, this takes any bytes.
        let status = unsafe {
            (api.GetResizedStringTensorElementBuffer)(
                value.as_ptr(),
                index,
                string.len(),
                &raw mut buffer,
            )
        };
        check(api, status, Doing::Running)?;
        // SAFETY: the buffer has room for `string.len()` bytes and is the value's own.
        unsafe { std::ptr::copy_nonoverlapping(string.as_ptr(), buffer.cast(), string.len()) };
    }
    Ok(value)
}

/// Copies a value that ONNX Runtime made.
pub(super) fn read_tensor(api: &OrtApi, value: &Owned<OrtValue>) -> Result<Tensor> {
    let (mut element, mut dims, mut rank) = (0i32, std::ptr::null(), 0usize);
    // SAFETY: the value is alive, and the dimensions that are written point into it.
    let status = unsafe {
        (api.GetTensorElementTypeAndShapeDataReference)(
            value.as_ptr(),
            (&raw mut element).cast(),
            &raw mut dims,
            &raw mut rank,
        )
    };
    check(api, status, Doing::Running)?;
    // SAFETY: there are `rank` dimensions, which live as long as the value.
    let shape = unsafe { slice(dims, rank) };
    let shape: Shape = shape
        .iter()
        .map(|dim| usize::try_from(*dim).unwrap_or(0))
        .collect();
    let count =
        element_count(&shape).ok_or_else(|| Error::internal("bug: an output's size overflows"))?;
    let dtype = dtype_of(element).ok_or_else(|| {
        Error::unsupported(format!(
            "the model gave a tensor of ONNX element type {element}"
        ))
    })?;
    Tensor::new(shape, read_values(api, value, dtype, count)?)
}

fn read_values(
    api: &OrtApi,
    value: &Owned<OrtValue>,
    dtype: DType,
    count: usize,
) -> Result<Values> {
    if dtype == DType::String {
        return Ok(Values::String(read_strings(api, value, count)?));
    }
    let mut data = std::ptr::null_mut();
    // SAFETY: the value is alive and holds fixed-size elements.
    check(
        api,
        unsafe { (api.GetTensorMutableData)(value.as_ptr(), &raw mut data) },
        Doing::Running,
    )?;
    // SAFETY: ONNX Runtime says that `count` elements of this dtype lie there, and nothing writes to them any more.
    Ok(unsafe { copy_values(dtype, data, count) })
}

/// # Safety
/// `count` initialised elements of `dtype` lie at `data`.
unsafe fn copy_values(dtype: DType, data: *const std::ffi::c_void, count: usize) -> Values {
    macro_rules! copy {
        // SAFETY: the contract of this function.
        ($variant:ident) => {
            Values::$variant(unsafe { slice(data.cast(), count) }.to_vec())
        };
    }
    match dtype {
        // SAFETY: the contract of this function. A byte other than 0 or 1 would be no `bool`.
        DType::Bool => Values::Bool(
            unsafe { slice(data.cast::<u8>(), count) }
                .iter()
                .map(|byte| *byte != 0)
                .collect(),
        ),
        DType::Int8 => copy!(Int8),
        DType::Int16 => copy!(Int16),
        DType::Int32 => copy!(Int32),
        DType::Int64 => copy!(Int64),
        DType::Uint8 => copy!(Uint8),
        DType::Uint16 => copy!(Uint16),
        DType::Uint32 => copy!(Uint32),
        DType::Uint64 => copy!(Uint64),
        DType::Float16 => copy!(Float16),
        DType::Bfloat16 => copy!(Bfloat16),
        DType::Float32 => copy!(Float32),
        DType::Float64 => copy!(Float64),
        DType::Complex64 => copy!(Complex64),
        DType::Complex128 => copy!(Complex128),
        DType::String => unreachable!("bug: strings are no fixed-size elements"),
    }
}

/// Strings of one tensor as parts of one buffer.
fn read_strings(api: &OrtApi, value: &Owned<OrtValue>, count: usize) -> Result<Vec<Bytes>> {
    let mut total = 0;
    // SAFETY: the value is alive and holds strings.
    check(
        api,
        unsafe { (api.GetStringTensorDataLength)(value.as_ptr(), &raw mut total) },
        Doing::Running,
    )?;
    let (mut buffer, mut ends) = (vec![0u8; total], vec![0usize; count]);
    // SAFETY: the buffers have the sizes that are passed.
    let status = unsafe {
        let (data, data_len) = (buffer.as_mut_ptr().cast(), buffer.len());
        (api.GetStringTensorContent)(
            value.as_ptr(),
            data,
            data_len,
            ends.as_mut_ptr(),
            ends.len(),
        )
    };
    check(api, status, Doing::Running)?;
    // What was written are the starts; each string ends where the next one starts.
    let starts = ends.clone();
    ends.rotate_left(usize::from(count > 0));
    if let Some(last) = ends.last_mut() {
        *last = total;
    }
    let buffer = Bytes::from(buffer);
    Ok(starts
        .into_iter()
        .zip(ends)
        .map(|(start, end)| buffer.slice(start..end))
        .collect())
}

/// `from_raw_parts` that takes a null pointer for no elements, as C gives it.
///
/// # Safety
/// As for [`std::slice::from_raw_parts`] when `count` is not 0.
unsafe fn slice<'value, T>(data: *const T, count: usize) -> &'value [T] {
    if count == 0 {
        return &[];
    }
    // SAFETY: the contract of this function.
    unsafe { std::slice::from_raw_parts(data, count) }
}

pub(super) fn read_element(
    api: &OrtApi,
    info: *const OrtTensorTypeAndShapeInfo,
    doing: Doing,
) -> Result<i32> {
    let mut element = 0i32;
    // SAFETY: the info is alive; the element type is read as a number.
    check(
        api,
        unsafe { (api.GetTensorElementType)(info, (&raw mut element).cast()) },
        doing,
    )?;
    Ok(element)
}

pub(super) fn read_dimensions(
    api: &OrtApi,
    info: *const OrtTensorTypeAndShapeInfo,
    doing: Doing,
) -> Result<SmallVec<[i64; 8]>> {
    let mut rank = 0;
    // SAFETY: the info is alive.
    check(
        api,
        unsafe { (api.GetDimensionsCount)(info, &raw mut rank) },
        doing,
    )?;
    let mut dims = SmallVec::from_elem(0, rank);
    // SAFETY: there is room for `rank` dimensions.
    check(
        api,
        unsafe { (api.GetDimensions)(info, dims.as_mut_ptr(), rank) },
        doing,
    )?;
    Ok(dims)
}
