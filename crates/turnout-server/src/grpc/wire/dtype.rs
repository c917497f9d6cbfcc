//! TensorFlow's `DataType` numbers.

use turnout_core::DType;

/// The dtype of a `DataType` number; None for invalid, quantised, reference, resource and variant types.
pub(crate) fn dtype_from_number(number: i32) -> Option<DType> {
    Some(match number {
        1 => DType::Float32,
        2 => DType::Float64,
        3 => DType::Int32,
        4 => DType::Uint8,
        5 => DType::Int16,
        6 => DType::Int8,
        7 => DType::String,
        8 => DType::Complex64,
        9 => DType::Int64,
        10 => DType::Bool,
        14 => DType::Bfloat16,
        17 => DType::Uint16,
        18 => DType::Complex128,
        19 => DType::Float16,
        22 => DType::Uint32,
        23 => DType::Uint64,
        _ => return None,
    })
}

pub(crate) fn data_type_number(dtype: DType) -> i32 {
    match dtype {
        DType::Float32 => 1,
        DType::Float64 => 2,
        DType::Int32 => 3,
        DType::Uint8 => 4,
        DType::Int16 => 5,
        DType::Int8 => 6,
        DType::String => 7,
        DType::Complex64 => 8,
        DType::Int64 => 9,
        DType::Bool => 10,
        DType::Bfloat16 => 14,
        DType::Uint16 => 17,
        DType::Complex128 => 18,
        DType::Float16 => 19,
        DType::Uint32 => 22,
        DType::Uint64 => 23,
    }
}
