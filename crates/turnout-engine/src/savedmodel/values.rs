//! Tensors to TensorFlow's and back.

use std::ffi::{c_int, c_void};
use std::ptr::NonNull;

use bytes::Bytes;
use smallvec::SmallVec;
use turnout_core::tensor::element_count;
use turnout_core::{DType, Error, Result, Shape, Tensor, Values};

use super::api::{Api, TfString, TfTensor, count};
use crate::handle::Owned;
use crate::raw::{copy_values, slice};

// Dimensions are passed as they lie in memory: TensorFlow's are `int64_t`.
const _: () = assert!(size_of::<usize>() == size_of::<i64>());

macro_rules! types {
    ($($dtype:ident = $number:literal,)*) => {
        /// The dtype of a `TF_DataType`; None for those that no door can carry.
        fn dtype_of(number: c_int) -> Option<DType> {
            match number {
                $($number => Some(DType::$dtype),)*
                _ => None,
            }
        }

        fn type_of(dtype: DType) -> c_int {
            match dtype {
                $(DType::$dtype => $number,)*
            }
        }
    };
}

types! {
    Float32 = 1,
    Float64 = 2,
    Int32 = 3,
    Uint8 = 4,
    Int16 = 5,
    Int8 = 6,
    String = 7,
    Complex64 = 8,
    Int64 = 9,
    Bool = 10,
    Bfloat16 = 14,
    Uint16 = 17,
    Complex128 = 18,
    Float16 = 19,
    Uint32 = 22,
    Uint64 = 23,
}

/// Types of variables that TensorFlow 1 takes by reference are those of their values and this.
const REFERENCE: c_int = 100;

/// The dtype of what is fetched: of a reference the value.
pub(super) fn dtype_of_value(number: c_int) -> Option<DType> {
    dtype_of(if number > REFERENCE {
        number - REFERENCE
    } else {
        number
    })
}

/// Tensors of one call.
pub(super) type TfTensors = SmallVec<[Owned<TfTensor>; 4]>;

/// A tensor with its own copy of the values. An operator may keep it: for example, as the new value of a variable.
///
/// TensorFlow wants buffers at multiples of 64 bytes and copies all others itself, and no vector's is there but by chance.
///
/// # Errors
/// `execution_failed` when there is no memory for it, or a dimension is beyond what TensorFlow counts.
pub(super) fn make_tensor(api: &'static Api, tensor: Tensor) -> Result<Owned<TfTensor>> {
    let (shape, values) = tensor.into_parts();
    if shape.iter().any(|dim| i64::try_from(*dim).is_err()) {
        // TensorFlow would end the process.
        return Err(Error::execution_failed("a dimension is too large"));
    }
    match &values {
        Values::String(strings) => make_strings(api, &shape, strings),
        fixed => make_fixed(api, &shape, fixed),
    }
}

fn make_fixed(api: &'static Api, shape: &Shape, values: &Values) -> Result<Owned<TfTensor>> {
    let bytes = values
        .as_bytes()
        .ok_or_else(|| Error::internal("bug: strings are no fixed-size elements"))?;
    // SAFETY: there are as many dimensions as is said, and they are not negative where the elements fit into memory.
    let tensor = unsafe {
        let (dims, rank) = (shape.as_ptr().cast(), count(shape.len()));
        (api.allocate_tensor)(type_of(values.dtype()), dims, rank, bytes.len())
    };
    let tensor = own(api, tensor)?;
    if !bytes.is_empty() {
        // SAFETY: the tensor was made with room for so many bytes.
        unsafe {
            let data = (api.tensor_data)(tensor.as_ptr()).cast();
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), data, bytes.len());
        }
    }
    Ok(tensor)
}

/// Strings are TensorFlow's own copies. Views of ours would be cheaper, but an operator may copy a view, and keep it.
fn make_strings(api: &'static Api, shape: &Shape, strings: &[Bytes]) -> Result<Owned<TfTensor>> {
    let copies: Vec<TfString> = strings
        .iter()
        .map(|string| {
            let mut copy = TfString([0; 24]);
            // SAFETY: the string is made here, and its source has so many bytes.
            unsafe {
                (api.string_init)(&raw mut copy);
                (api.string_copy)(&raw mut copy, string.as_ptr().cast(), string.len());
            }
            copy
        })
        .collect();
    let size_bytes = size_of_val(copies.as_slice());
    let data = Box::into_raw(copies.into_boxed_slice()).cast::<c_void>();
    // SAFETY: the data are so many bytes of strings, which `free_strings` frees, with this table, also where no tensor is
    // made of them.
    let tensor = unsafe {
        (api.new_tensor)(
            type_of(DType::String),
            shape.as_ptr().cast(),
            count(shape.len()),
            data,
            size_bytes,
            free_strings,
            std::ptr::from_ref(api).cast_mut().cast(),
        )
    };
    own(api, tensor)
}

/// Frees what `make_strings` made, when TensorFlow's last reference to it has gone.
unsafe extern "system" fn free_strings(data: *mut c_void, size_bytes: usize, api: *mut c_void) {
    // SAFETY: `make_strings` passes its table, which is 'static.
    let api = unsafe { &*api.cast::<Api>() };
    let strings = size_bytes / size_of::<TfString>();
    let strings = std::ptr::slice_from_raw_parts_mut(data.cast::<TfString>(), strings);
    // SAFETY: `make_strings` made a box of so many strings and gave it away.
    let mut strings = unsafe { Box::from_raw(strings) };
    for string in &mut strings {
        // SAFETY: the string was made by `string_init`, and nobody uses it after this.
        unsafe { (api.string_dealloc)(string) };
    }
}

pub(super) fn own(api: &'static Api, tensor: *mut TfTensor) -> Result<Owned<TfTensor>> {
    let tensor = NonNull::new(tensor).ok_or_else(|| {
        Error::execution_failed("TensorFlow has no memory for a tensor, or none of this shape")
    })?;
    // SAFETY: the tensor is the caller's, and this is the function that deletes it.
    Ok(unsafe { Owned::new(tensor, api.delete_tensor) })
}

/// Copies a tensor that TensorFlow made.
///
/// # Errors
/// `unsupported` when it is of a type that no door can carry.
pub(super) fn read_tensor(api: &Api, tensor: &Owned<TfTensor>) -> Result<Tensor> {
    let tensor = tensor.as_ptr().cast_const();
    // SAFETY: the tensor is alive, here and below.
    let (number, rank) = unsafe { ((api.tensor_type)(tensor), (api.num_dims)(tensor)) };
    let dtype = dtype_of(number).ok_or_else(|| {
        Error::unsupported(format!(
            "the model gave a tensor of TensorFlow's type {number}"
        ))
    })?;
    // SAFETY: the index is below the rank.
    let dims = (0..rank).map(|index| unsafe { (api.dim)(tensor, index) });
    let shape: Shape = dims
        .map(|dim| usize::try_from(dim).unwrap_or(usize::MAX))
        .collect();
    let elements =
        element_count(&shape).ok_or_else(|| Error::internal("bug: an output's size overflows"))?;
    // SAFETY: as above.
    let (data, size_bytes) = unsafe {
        (
            (api.tensor_data)(tensor).cast_const(),
            (api.tensor_byte_size)(tensor),
        )
    };
    if size_bytes < elements.saturating_mul(dtype.size_bytes().unwrap_or(size_of::<TfString>())) {
        return Err(Error::internal("bug: an output is shorter than its shape"));
    }
    let values = match dtype {
        // SAFETY: so many strings lie there.
        DType::String => Values::String(unsafe { copy_strings(api, data.cast(), elements) }),
        // SAFETY: so many elements of this dtype lie there.
        fixed => unsafe { copy_values(fixed, data, elements) },
    };
    Tensor::new(shape, values)
}

/// Strings of one tensor as parts of one buffer.
///
/// # Safety
/// `count` strings lie at `data`.
unsafe fn copy_strings(api: &Api, data: *const TfString, count: usize) -> Vec<Bytes> {
    // SAFETY: the contract of this function.
    let strings = unsafe { slice(data, count) };
    // SAFETY: the string is alive, here and below.
    let sizes: Vec<usize> = strings
        .iter()
        .map(|string| unsafe { (api.string_get_size)(string) })
        .collect();
    let mut buffer = Vec::with_capacity(sizes.iter().sum());
    for (string, size) in strings.iter().zip(&sizes) {
        // SAFETY: the string has so many bytes there.
        buffer.extend_from_slice(unsafe {
            slice((api.string_get_data_pointer)(string).cast::<u8>(), *size)
        });
    }
    let mut rest = Bytes::from(buffer);
    sizes.into_iter().map(|size| rest.split_to(size)).collect()
}
