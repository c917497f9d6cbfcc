//! How a tensor's integers stand for real numbers: checked, because kernels divide by these numbers and index by them.

use turnout_core::Result;

use super::flatbuffer::Table;
use super::schema::invalid;

/// Numbers of `TensorType`.
const UINT8: u8 = 3;
const INT8: u8 = 9;

/// A `QuantizationParameters`: scales 2, zero points 3, the dimension that has one of each for each index 6.
///
/// # Errors
/// `load_failed` when they are not those of a tensor of this type and shape.
pub(super) fn check(table: &Table<'_>, element: u8, shape: Option<&[i32]>) -> Result<()> {
    let scales = table.floats(2)?;
    let zeros = table.longs(3)?;
    let is_wrong = |scale: &f32| *scale != 0.0 && !(scale.is_normal() && *scale > 0.0);
    if scales.iter().any(is_wrong) {
        return Err(invalid(
            "a scale of a quantised tensor is no positive number",
        ));
    }
    let range = match element {
        UINT8 => 0..=255,
        INT8 => -128..=127,
        _ => i64::from(i32::MIN)..=i64::from(i32::MAX),
    };
    if zeros.iter().any(|zero| !range.contains(zero)) {
        return Err(invalid("a zero point is not of its tensor's type"));
    }
    let counts = [scales.len(), zeros.len()];
    if counts.iter().all(|count| *count <= 1) {
        return Ok(());
    }
    let axis = usize::try_from(table.i32(6)?.unwrap_or(0)).ok();
    let channels = axis
        .and_then(|axis| shape?.get(axis))
        .and_then(|dim| usize::try_from(*dim).ok());
    if counts
        .iter()
        .all(|count| *count <= 1 || Some(*count) == channels)
    {
        return Ok(());
    }
    Err(invalid(
        "a tensor has not as many scales and zero points as channels",
    ))
}
