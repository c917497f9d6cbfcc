//! Tensors to ONNX Runtime's values and back.

use std::ffi::c_void;
use std::marker::PhantomData;

use bytes::Bytes;
use ort_sys::{ONNXTensorElementDataType as Element, OrtApi, OrtTensorTypeAndShapeInfo, OrtValue};
use smallvec::SmallVec;
use turnout_core::tensor::element_count;
use turnout_core::{DType, Error, Result, Shape, Tensor, Values, for_each_values};

use super::api::Runtime;
use super::status::{Doing, check, create};
use crate::raw::{copy_values, slice};

// Dimensions are read and passed as they lie in memory: ONNX Runtime's are `int64_t`. One beyond its range is a negative
// number there, which it refuses.
const _: () = assert!(size_of::<usize>() == size_of::<i64>());

macro_rules! elements {
    ($($dtype:ident = $element:ident,)*) => {
        /// The dtype of an element type, which is a number because a newer library may know types that we do not.
        pub(super) fn dtype_of(element: i32) -> Option<DType> {
            match element {
                $(number if number == Element::$element as i32 => Some(DType::$dtype),)*
                _ => None,
            }
        }

        /// ONNX Runtime has no values of the complex types, though ONNX has.
        fn element_of(dtype: DType) -> Result<Element> {
            match dtype {
                $(DType::$dtype => Ok(Element::$element),)*
                DType::Complex64 | DType::Complex128 => {
                    Err(Error::unsupported(format!("ONNX Runtime has no {dtype} tensors")))
                }
            }
        }
    };
}

elements! {
    Bool = ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL,
    Int8 = ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8,
    Int16 = ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16,
    Int32 = ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32,
    Int64 = ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64,
    Uint8 = ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8,
    Uint16 = ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16,
    Uint32 = ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32,
    Uint64 = ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64,
    Float16 = ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16,
    Bfloat16 = ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16,
    Float32 = ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT,
    Float64 = ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE,
    String = ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING,
}

/// The inputs or outputs of one call, released together. Inputs borrow the buffers of their tensors.
pub(super) struct OwnedValues<'buffers> {
    api: &'static OrtApi,
    pointers: SmallVec<[*mut OrtValue; 4]>,
    buffers: PhantomData<&'buffers mut Values>,
}

impl OwnedValues<'_> {
    /// Places for values that ONNX Runtime will make.
    pub(super) fn nulls(api: &'static OrtApi, count: usize) -> Self {
        Self {
            api,
            pointers: SmallVec::from_elem(std::ptr::null_mut(), count),
            buffers: PhantomData,
        }
    }

    pub(super) fn as_slice(&self) -> &[*mut OrtValue] {
        &self.pointers
    }

    pub(super) fn as_ptr(&self) -> *const *const OrtValue {
        self.pointers.as_ptr().cast()
    }

    pub(super) fn as_mut_ptr(&mut self) -> *mut *mut OrtValue {
        self.pointers.as_mut_ptr()
    }
}

impl Drop for OwnedValues<'_> {
    fn drop(&mut self) {
        for pointer in &self.pointers {
            if !pointer.is_null() {
                // SAFETY: a value that is not null was made for us, and nothing uses it any more.
                unsafe { (self.api.ReleaseValue)(*pointer) };
            }
        }
    }
}

/// Values over the buffers of tensors; strings are copied, as ONNX Runtime has its own.
pub(super) fn make_inputs<'parts>(
    runtime: &Runtime,
    parts: &'parts mut [(Shape, Values)],
) -> Result<OwnedValues<'parts>> {
    let mut inputs = OwnedValues {
        api: runtime.api,
        pointers: SmallVec::with_capacity(parts.len()),
        buffers: PhantomData,
    };
    for (shape, values) in parts {
        inputs.pointers.push(match values {
            Values::String(strings) => make_strings(runtime, shape, strings)?,
            fixed => make_fixed(runtime, shape, fixed)?,
        });
    }
    Ok(inputs)
}

/// A value over the buffer of `values`, for [`OwnedValues`] to release while the buffer is borrowed.
fn make_fixed(runtime: &Runtime, shape: &[usize], values: &mut Values) -> Result<*mut OrtValue> {
    let element = element_of(values.dtype())?;
    let bytes = values.size_bytes();
    let data: *mut c_void = for_each_values!(values, values => values.as_mut_ptr().cast());
    let mut value = std::ptr::null_mut();
    // SAFETY: the buffer has `bytes` bytes of this element type, and outlives the value.
    let status = unsafe {
        let info = runtime.cpu.as_ptr();
        (runtime.api.CreateTensorWithDataAsOrtValue)(
            info,
            data,
            bytes,
            shape.as_ptr().cast(),
            shape.len(),
            element,
            &raw mut value,
        )
    };
    check(runtime.api, status, Doing::Running)?;
    Ok(value)
}

fn make_strings(runtime: &Runtime, shape: &[usize], strings: &[Bytes]) -> Result<*mut OrtValue> {
    let api = runtime.api;
    let element = Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING;
    let create_value = |value| {
        // SAFETY: the allocator is the library's own, and there are as many dimensions as is said.
        unsafe {
            (api.CreateTensorAsOrtValue)(
                runtime.allocator,
                shape.as_ptr().cast(),
                shape.len(),
                element,
                value,
            )
        }
    };
    // SAFETY: the value is made for the caller.
    let value = unsafe { create(api, Doing::Running, api.ReleaseValue, create_value)? };
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
    Ok(value.into_raw())
}

/// Copies a value that ONNX Runtime made.
pub(super) fn read_tensor(api: &OrtApi, value: *const OrtValue) -> Result<Tensor> {
    let (mut element, mut dims, mut rank) = (0i32, std::ptr::null::<i64>(), 0usize);
    // SAFETY: the value is alive, and the dimensions that are written point into it.
    let status = unsafe {
        (api.GetTensorElementTypeAndShapeDataReference)(
            value,
            (&raw mut element).cast(),
            &raw mut dims,
            &raw mut rank,
        )
    };
    check(api, status, Doing::Running)?;
    // SAFETY: there are `rank` dimensions, which live as long as the value.
    let shape = Shape::from_slice(unsafe { slice(dims.cast::<usize>(), rank) });
    let count =
        element_count(&shape).ok_or_else(|| Error::internal("bug: an output's size overflows"))?;
    let dtype = dtype_of(element).ok_or_else(|| {
        Error::unsupported(format!(
            "the model gave a tensor of ONNX element type {element}"
        ))
    })?;
    Tensor::new(shape, read_values(api, value, dtype, count)?)
}

fn read_values(api: &OrtApi, value: *const OrtValue, dtype: DType, count: usize) -> Result<Values> {
    if dtype == DType::String {
        return Ok(Values::String(read_strings(api, value, count)?));
    }
    let mut data = std::ptr::null_mut();
    // SAFETY: the value is alive and holds fixed-size elements.
    let status = unsafe { (api.GetTensorMutableData)(value.cast_mut(), &raw mut data) };
    check(api, status, Doing::Running)?;
    // SAFETY: ONNX Runtime says that `count` elements of this dtype lie there, and nothing writes to them any more.
    Ok(unsafe { copy_values(dtype, data, count) })
}

/// Strings of one tensor as parts of one buffer.
fn read_strings(api: &OrtApi, value: *const OrtValue, count: usize) -> Result<Vec<Bytes>> {
    let mut total = 0;
    // SAFETY: the value is alive and holds strings.
    let status = unsafe { (api.GetStringTensorDataLength)(value, &raw mut total) };
    check(api, status, Doing::Running)?;
    let (mut buffer, mut ends) = (vec![0u8; total], vec![0usize; count]);
    // SAFETY: the buffers have the sizes that are passed.
    let status = unsafe {
        let (data, data_len) = (buffer.as_mut_ptr().cast(), buffer.len());
        (api.GetStringTensorContent)(value, data, data_len, ends.as_mut_ptr(), ends.len())
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

pub(super) fn read_element(
    api: &OrtApi,
    info: *const OrtTensorTypeAndShapeInfo,
    doing: Doing,
) -> Result<i32> {
    let mut element = 0i32;
    // SAFETY: the info is alive; the element type is read as a number.
    let status = unsafe { (api.GetTensorElementType)(info, (&raw mut element).cast()) };
    check(api, status, doing)?;
    Ok(element)
}

pub(super) fn read_dimensions(
    api: &OrtApi,
    info: *const OrtTensorTypeAndShapeInfo,
    doing: Doing,
) -> Result<SmallVec<[i64; 8]>> {
    let mut rank = 0;
    // SAFETY: the info is alive.
    let status = unsafe { (api.GetDimensionsCount)(info, &raw mut rank) };
    check(api, status, doing)?;
    let mut dims = SmallVec::from_elem(0, rank);
    // SAFETY: there is room for `rank` dimensions.
    let status = unsafe { (api.GetDimensions)(info, dims.as_mut_ptr(), rank) };
    check(api, status, doing)?;
    Ok(dims)
}
