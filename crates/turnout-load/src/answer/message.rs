//! The numbers of a `tensorflow.serving.PredictResponse`, read field by field from the wire format.
//!
//! Written apart from the server's codec, so that the two check each other.
//!
//! Source: "Protocol Buffers: Encoding"; field numbers of `predict.proto`, `model.proto`, `tensor.proto`, `types.proto`.

use super::Decoded;

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH: u64 = 2;
const FIXED32: u64 = 5;

/// One field: its number and what it holds.
enum Field<'a> {
    Number(u64, u64),
    Bytes(u64, &'a [u8]),
}

pub(super) fn decode(answer: &[u8]) -> Result<Decoded, String> {
    let mut decoded = Decoded {
        values: Vec::new(),
        version: None,
    };
    each(answer, |field| {
        match field {
            Field::Bytes(1, entry) => each(entry, |field| match field {
                Field::Bytes(2, tensor) => tensor_values(tensor, &mut decoded.values),
                _ => Ok(()),
            })?,
            Field::Bytes(2, spec) => decoded.version = version(spec)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(decoded)
}

/// `ModelSpec.version`, an `Int64Value`.
fn version(spec: &[u8]) -> Result<Option<u64>, String> {
    let mut found = None;
    each(spec, |field| match field {
        Field::Bytes(2, wrapped) => each(wrapped, |field| {
            if let Field::Number(1, value) = field {
                found = Some(value);
            }
            Ok(())
        }),
        _ => Ok(()),
    })?;
    Ok(found)
}

fn tensor_values(tensor: &[u8], into: &mut Vec<f64>) -> Result<(), String> {
    let mut dtype = 0;
    let mut content: &[u8] = &[];
    let mut typed: Option<(u64, &[u8])> = None;
    each(tensor, |field| {
        match field {
            Field::Number(1, value) => dtype = value,
            Field::Bytes(4, bytes) => content = bytes,
            Field::Bytes(number @ (5 | 6 | 7 | 10), bytes) => typed = Some((number, bytes)),
            _ => {}
        }
        Ok(())
    })?;
    match (dtype, typed) {
        (1, None) => fixed(content, f32::from_le_bytes, into),
        (1, Some((5, packed))) => fixed(packed, f32::from_le_bytes, into),
        (2, None) => fixed(content, f64::from_le_bytes, into),
        (2, Some((6, packed))) => fixed(packed, f64::from_le_bytes, into),
        (3, None) => fixed(content, i32::from_le_bytes, into),
        (9, None) => fixed(content, |bytes| i64::from_le_bytes(bytes) as f64, into),
        (3, Some((7, packed))) | (9, Some((10, packed))) => varints(packed, into),
        _ => Err(format!(
            "a tensor of data type {dtype}, which this tool does not read"
        )),
    }
}

fn fixed<const SIZE: usize, T: Into<f64>>(
    bytes: &[u8],
    read: impl Fn([u8; SIZE]) -> T,
    into: &mut Vec<f64>,
) -> Result<(), String> {
    let (chunks, rest) = bytes.as_chunks::<SIZE>();
    into.extend(chunks.iter().map(|chunk| read(*chunk).into()));
    if rest.is_empty() {
        Ok(())
    } else {
        Err("a tensor's content is not whole values".to_owned())
    }
}

fn varints(mut bytes: &[u8], into: &mut Vec<f64>) -> Result<(), String> {
    while !bytes.is_empty() {
        into.push(varint(&mut bytes)?.cast_signed() as f64);
    }
    Ok(())
}

fn each<'a>(
    mut bytes: &'a [u8],
    mut visit: impl FnMut(Field<'a>) -> Result<(), String>,
) -> Result<(), String> {
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        let number = tag >> 3;
        let field = match tag & 7 {
            VARINT => Field::Number(number, varint(&mut bytes)?),
            FIXED64 => Field::Bytes(number, take(&mut bytes, 8)?),
            LENGTH => {
                let length = varint(&mut bytes)?;
                Field::Bytes(number, take(&mut bytes, length)?)
            }
            FIXED32 => Field::Bytes(number, take(&mut bytes, 4)?),
            other => return Err(format!("wire type {other}")),
        };
        visit(field)?;
    }
    Ok(())
}

fn take<'a>(bytes: &mut &'a [u8], count: u64) -> Result<&'a [u8], String> {
    let count = usize::try_from(count).map_err(|_| "a field is too long")?;
    let (taken, rest) = bytes
        .split_at_checked(count)
        .ok_or("a field goes beyond its message")?;
    *bytes = rest;
    Ok(taken)
}

fn varint(bytes: &mut &[u8]) -> Result<u64, String> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            *bytes = &bytes[index + 1..];
            return Ok(value);
        }
    }
    Err("a number without an end".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_with_its_version() {
        let tensor = [
            &[0x08, 1, 0x2a, 8][..],
            &1.5f32.to_le_bytes(),
            &(-2f32).to_le_bytes(),
        ]
        .concat();
        let entry = [&[0x0a, 1, b'y', 0x12, 12][..], &tensor].concat();
        let spec = [0x0a, 1, b'm', 0x12, 2, 0x08, 7];
        let answer = [&[0x0a, 17][..], &entry, &[0x12, 7], &spec].concat();
        let decoded = decode(&answer).unwrap();
        assert_eq!(
            decoded,
            Decoded {
                values: vec![1.5, -2.0],
                version: Some(7)
            }
        );
        for cut in 1..answer.len() {
            let part = decode(&answer[..cut]);
            assert!(part.is_err() || cut == 19, "{cut} {part:?}");
        }
    }

    #[test]
    fn whole_numbers_are_read_packed_or_as_content() {
        let packed = [
            0x08, 9, 0x52, 11, 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1,
        ];
        let mut values = Vec::new();
        tensor_values(&packed, &mut values).unwrap();
        assert_eq!(values, [3.0, -1.0]);
        let content = [&[0x08, 9, 0x22, 8][..], &5i64.to_le_bytes()].concat();
        tensor_values(&content, &mut values).unwrap();
        assert_eq!(values, [3.0, -1.0, 5.0]);
    }
}
