//! Inputs made up from a signature: the same for the same rows and seed, on every machine.

use bytes::Bytes;
use half::{bf16, f16};
use turnout_core::tensor::element_count;
use turnout_core::{DType, Error, Result, Shape, Signature, Tensor, TensorSpec, Values};

/// More would be a mistake in a signature.
const MAX_ELEMENTS: usize = 1 << 28;
const LETTERS: [&[u8]; 4] = [b"a", b"b", b"c", b"d"];

/// Inputs of `rows` rows for a signature, in its order.
///
/// Dimension 0 is `rows` where it varies, any other that varies is 1. Even seeds draw floats between 0 and 1, as images
/// and scaled features are; odd ones draw both signs and magnitudes from 0.01 to 1,000, as raw columns are. Integers are
/// 0 to 3, so that they are good indices into small tables, and strings are single letters.
///
/// # Errors
/// `invalid_input` when an input has too many elements to be made up.
pub fn inputs(signature: &Signature, rows: usize, seed: u64) -> Result<Vec<Tensor>> {
    let mut numbers = Numbers(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let wide = seed % 2 == 1;
    signature
        .inputs
        .iter()
        .map(|spec| tensor(spec, rows, wide, &mut numbers))
        .collect()
}

/// Whether dimension 0 of every input varies, so that one call can have more or fewer rows.
#[must_use]
pub fn takes_rows(signature: &Signature) -> bool {
    let dynamic = |spec: &TensorSpec| matches!(spec.shape.as_deref(), None | Some([None, ..]));
    !signature.inputs.is_empty() && signature.inputs.iter().all(dynamic)
}

/// How many rows a call has that asked for `rows`: the fixed dimension 0 of the first input goes before.
#[must_use]
pub fn rows_of(signature: &Signature, rows: usize) -> usize {
    signature
        .inputs
        .first()
        .map_or(1, |spec| shape(spec, rows).first().copied().unwrap_or(1))
}

/// Elements of all inputs of one row; 1 at least.
#[must_use]
pub fn row_elements(signature: &Signature) -> usize {
    let counts = signature
        .inputs
        .iter()
        .map(|spec| element_count(&shape(spec, 1)).unwrap_or(usize::MAX));
    counts.fold(0, usize::saturating_add).max(1)
}

/// Bytes of all inputs of one call; the largest number when they are beyond any memory.
#[must_use]
pub fn size_bytes(signature: &Signature, rows: usize) -> usize {
    let sizes = signature.inputs.iter().map(|spec| {
        let element = spec.dtype.size_bytes().unwrap_or(size_of::<Bytes>());
        shape(spec, rows)
            .iter()
            .try_fold(element, |product, dim| product.checked_mul(*dim))
            .unwrap_or(usize::MAX)
    });
    sizes.fold(0, usize::saturating_add)
}

fn shape(spec: &TensorSpec, rows: usize) -> Shape {
    match spec.shape.as_deref() {
        None => [rows].into_iter().collect(),
        Some(dims) => dims
            .iter()
            .enumerate()
            .map(|(axis, dim)| dim.unwrap_or(if axis == 0 { rows } else { 1 }))
            .collect(),
    }
}

fn tensor(spec: &TensorSpec, rows: usize, wide: bool, numbers: &mut Numbers) -> Result<Tensor> {
    let shape = shape(spec, rows);
    match element_count(&shape) {
        Some(count) if count <= MAX_ELEMENTS => {
            Tensor::new(shape, values(spec.dtype, count, wide, numbers))
        }
        _ => Err(Error::invalid_input(format!(
            "input `{}` is too large to make up",
            spec.name
        ))),
    }
}

fn values(dtype: DType, count: usize, wide: bool, numbers: &mut Numbers) -> Values {
    macro_rules! draw {
        ($variant:ident, $number:expr) => {
            Values::$variant((0..count).map(|_| $number).collect())
        };
    }
    match dtype {
        DType::Bool => draw!(Bool, numbers.small() % 2 == 1),
        DType::Int8 => draw!(Int8, numbers.small().cast_signed()),
        DType::Int16 => draw!(Int16, numbers.small().into()),
        DType::Int32 => draw!(Int32, numbers.small().into()),
        DType::Int64 => draw!(Int64, numbers.small().into()),
        DType::Uint8 => draw!(Uint8, numbers.small()),
        DType::Uint16 => draw!(Uint16, numbers.small().into()),
        DType::Uint32 => draw!(Uint32, numbers.small().into()),
        DType::Uint64 => draw!(Uint64, numbers.small().into()),
        DType::Float16 => draw!(Float16, f16::from_f32(numbers.float(wide)).to_bits()),
        DType::Bfloat16 => draw!(Bfloat16, bf16::from_f32(numbers.float(wide)).to_bits()),
        DType::Float32 => draw!(Float32, numbers.float(wide)),
        DType::Float64 => draw!(Float64, numbers.float(wide).into()),
        DType::Complex64 => draw!(Complex64, [numbers.float(wide), numbers.float(wide)]),
        DType::Complex128 => draw!(
            Complex128,
            [numbers.float(wide).into(), numbers.float(wide).into()]
        ),
        DType::String => draw!(
            String,
            Bytes::from_static(LETTERS[usize::from(numbers.small())])
        ),
    }
}

/// Steele, Lea and Flood's `SplitMix64` (2014): eight bytes of state, and good enough to make rows differ.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// 0 to 3.
    fn small(&mut self) -> u8 {
        (self.next() >> 62) as u8
    }

    /// 0 up to 1, in steps that a float has.
    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u32 << 24) as f32
    }

    fn float(&mut self, wide: bool) -> f32 {
        if !wide {
            return self.unit();
        }
        let magnitude = 10f32.powf(self.unit() * 5.0 - 2.0);
        if self.next() >> 63 == 1 {
            -magnitude
        } else {
            magnitude
        }
    }
}
