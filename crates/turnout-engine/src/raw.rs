//! Elements that a C library holds, copied into values.

use std::ffi::c_void;

use turnout_core::{DType, Values};

/// Copies elements of fixed size; panics for strings.
///
/// # Safety
/// `count` initialised elements of `dtype` lie at `data`.
pub(crate) unsafe fn copy_values(dtype: DType, data: *const c_void, count: usize) -> Values {
    macro_rules! copy {
        ($variant:ident) => {
            // SAFETY: the contract of this function.
            Values::$variant(unsafe { slice(data.cast(), count) }.to_vec())
        };
    }
    match dtype {
        DType::Bool => {
            // SAFETY: the contract of this function. They are read as bytes: one other than 0 or 1 would be no `bool`.
            let bytes: &[u8] = unsafe { slice(data.cast(), count) };
            Values::Bool(bytes.iter().map(|byte| *byte != 0).collect())
        }
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

/// `from_raw_parts` that takes a null pointer for no elements, as C gives it.
///
/// # Safety
/// As for [`std::slice::from_raw_parts`] when `count` is not 0.
pub(crate) unsafe fn slice<'value, T>(data: *const T, count: usize) -> &'value [T] {
    if count == 0 {
        return &[];
    }
    // SAFETY: the contract of this function.
    unsafe { std::slice::from_raw_parts(data, count) }
}
