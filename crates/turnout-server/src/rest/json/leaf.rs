//! One JSON value to one element, by dtype. What is refused is refused with the words of TensorFlow Serving.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use half::{bf16, f16};
use turnout_core::{DType, Error};

use super::cursor::{Cursor, Fault, Parse};
use super::string::RawString;
use super::strings::Strings;

/// Reads one element of a dtype and appends it to what holds the elements.
pub(super) trait Leaf {
    type Values;

    /// `cursor` stands at a value that is not a list.
    fn read(cursor: &mut Cursor<'_>, values: &mut Self::Values) -> Parse<()>;
}

/// The name that TensorFlow's messages give a dtype.
pub(super) fn tensorflow_name(dtype: DType) -> &'static str {
    match dtype {
        DType::Float16 => "half",
        DType::Float32 => "float",
        DType::Float64 => "double",
        other => other.name(),
    }
}

/// The fault of a value that `dtype` cannot take; `cursor` stands at that value.
#[cold]
pub(super) fn wrong_type(cursor: Cursor<'_>, dtype: DType) -> Fault {
    let kind = type_name(cursor);
    quoted(cursor, |value| {
        let expected = tensorflow_name(dtype);
        Error::invalid_input(format!(
            "JSON Value: {value} Type: {kind} is not of expected type: {expected}"
        ))
    })
}

/// What the protocol's own parser calls the type of the value at which `cursor` stands.
pub(super) fn type_name(cursor: Cursor<'_>) -> &'static str {
    match cursor.peek() {
        b'n' => "Null",
        b't' => "True",
        b'f' => "False",
        b'"' => "String",
        b'{' => "Object",
        b'[' => "Array",
        _ => "Number",
    }
}

/// A fault that quotes the value at which `cursor` stands, or the syntax error in that value.
fn quoted(cursor: Cursor<'_>, error: impl FnOnce(&str) -> Error) -> Fault {
    match cursor.quote_value() {
        Ok(value) => Fault::Value(error(&value)),
        Err(syntax) => syntax,
    }
}

/// What is wrong where a number was expected: the number, or that there is none.
#[cold]
fn number_fault(start: Cursor<'_>, fault: Fault, dtype: DType) -> Fault {
    match start.peek() {
        b'-' | b'0'..=b'9' | b'N' | b'I' => fault,
        _ => wrong_type(start, dtype),
    }
}

macro_rules! floats {
    ($($leaf:ident, $element:ty, $dtype:expr, $number:ident => $convert:expr;)*) => {$(
        pub(super) struct $leaf;

        impl Leaf for $leaf {
            type Values = Vec<$element>;

            #[inline]
            fn read(cursor: &mut Cursor<'_>, values: &mut Self::Values) -> Parse<()> {
                let start = *cursor;
                match cursor.number() {
                    Ok($number) => values.push($convert),
                    Err(fault) => return Err(number_fault(start, fault, $dtype)),
                }
                Ok(())
            }
        }
    )*};
}

floats! {
    Float32, f32, DType::Float32, number => number.to_f32()?;
    Float64, f64, DType::Float64, number => number.to_f64()?;
    Float16, u16, DType::Float16, number => f16::from_f64(number.to_f64()?).to_bits();
    Bfloat16, u16, DType::Bfloat16, number => bf16::from_f64(number.to_f64()?).to_bits();
}

macro_rules! integers {
    ($($leaf:ident, $element:ty, $dtype:expr;)*) => {$(
        pub(super) struct $leaf;

        impl Leaf for $leaf {
            type Values = Vec<$element>;

            #[inline]
            fn read(cursor: &mut Cursor<'_>, values: &mut Self::Values) -> Parse<()> {
                let start = *cursor;
                let number = cursor.number().map_err(|fault| number_fault(start, fault, $dtype))?;
                match number.to_integer().map(<$element>::try_from) {
                    Some(Ok(value)) => values.push(value),
                    _ => return Err(wrong_type(start, $dtype)),
                }
                Ok(())
            }
        }
    )*};
}

integers! {
    Int8, i8, DType::Int8;
    Int16, i16, DType::Int16;
    Int32, i32, DType::Int32;
    Int64, i64, DType::Int64;
    Uint8, u8, DType::Uint8;
    Uint16, u16, DType::Uint16;
    Uint32, u32, DType::Uint32;
    Uint64, u64, DType::Uint64;
}

pub(super) struct Bool;

impl Leaf for Bool {
    type Values = Vec<bool>;

    fn read(cursor: &mut Cursor<'_>, values: &mut Self::Values) -> Parse<()> {
        if cursor.take(b"true") {
            values.push(true);
        } else if cursor.take(b"false") {
            values.push(false);
        } else {
            return Err(wrong_type(*cursor, DType::Bool));
        }
        Ok(())
    }
}

/// A complex dtype, for which the protocol has no JSON.
pub(super) struct Unsupported;

impl Leaf for Unsupported {
    type Values = DType;

    fn read(cursor: &mut Cursor<'_>, dtype: &mut DType) -> Parse<()> {
        Err(quoted(*cursor, |value| {
            let to = tensorflow_name(*dtype);
            Error::unsupported(format!("Conversion of JSON Value: {value} to type: {to}"))
        }))
    }
}

pub(super) struct Text;

impl Leaf for Text {
    type Values = Strings;

    fn read(cursor: &mut Cursor<'_>, values: &mut Strings) -> Parse<()> {
        match cursor.peek() {
            b'"' => {
                let text = cursor.string()?;
                values.push(|bytes| text.append_to(bytes));
                Ok(())
            }
            b'{' => read_base64(cursor, values),
            _ => Err(wrong_type(*cursor, DType::String)),
        }
    }
}

fn read_base64(cursor: &mut Cursor<'_>, values: &mut Strings) -> Parse<()> {
    let Some((encoded, behind)) = base64_object(*cursor) else {
        return Err(quoted(*cursor, |value| {
            Error::invalid_input(format!(
                "JSON Value: {value} not formatted correctly for base64 data"
            ))
        }));
    };
    let mut decoded = false;
    values.push(|bytes| decoded = decode_base64(encoded, bytes));
    if !decoded {
        return Err(Error::invalid_input("Unable to base64 decode").into());
    }
    *cursor = behind;
    Ok(())
}

/// Looks ahead for `{"b64": "…"}` with nothing else in it; returns the string and what follows the object.
pub(super) fn base64_object(mut cursor: Cursor<'_>) -> Option<(RawString<'_>, Cursor<'_>)> {
    if cursor.peek_token() != b'{' || cursor.open(b'}') {
        return None;
    }
    let name = cursor.member_name().ok()?;
    if !name.is("b64") || cursor.peek() != b'"' {
        return None;
    }
    let encoded = cursor.string().ok()?;
    matches!(cursor.next_member(), Ok(false)).then_some((encoded, cursor))
}

/// Standard alphabet. Padding may be left out, and bits behind the last byte may be set, as the protocol's own decoder allows.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Appends the decoded bytes; false when this is not base64.
pub(super) fn decode_base64(encoded: RawString<'_>, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    if let Some(plain) = encoded.plain()
        && BASE64.decode_vec(plain, out).is_ok()
    {
        return true;
    }
    out.truncate(start);
    // White space is allowed and rare: encoders that break lines write it as `\n`.
    let mut compact = Vec::new();
    encoded.append_to(&mut compact);
    compact.retain(|byte| !matches!(byte, b'\t'..=b'\r' | b' '));
    // To that decoder a dot is padding, too.
    let padded = compact
        .iter()
        .rposition(|byte| *byte != b'.')
        .map_or(0, |last| last + 1);
    compact[padded..].fill(b'=');
    BASE64.decode_vec(&compact, out).is_ok()
}
