//! Single values to JSON text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Appends `text` as a JSON string. Bytes that are not UTF-8 stay as they are.
pub(crate) fn write_string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = rest
        .iter()
        .position(|byte| matches!(byte, 0..0x20 | b'"' | b'\\'))
    {
        out.extend_from_slice(&rest[..at]);
        write_escape(rest[at], out);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

fn write_escape(byte: u8, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let letter = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        0x0c => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        other => {
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[HEX[usize::from(other >> 4)], HEX[usize::from(other & 15)]]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', letter]);
}

/// Appends `{"b64":"…"}`.
pub(super) fn write_base64(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"b64\":\"");
    let start = out.len();
    let length =
        base64::encoded_len(bytes.len(), true).expect("bug: more bytes than an address space");
    out.resize(start + length, 0);
    let written = STANDARD
        .encode_slice(bytes, &mut out[start..])
        .expect("bug: base64 of another length");
    out.truncate(start + written);
    out.extend_from_slice(b"\"}");
}

pub(super) fn write_bool(value: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

pub(super) fn write_integer(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

macro_rules! write_floats {
    ($($name:ident, $element:ty;)*) => {$(
        /// Appends the shortest text that reads back as `value`, always recognisable as a float.
        pub(super) fn $name(value: $element, out: &mut Vec<u8>) {
            if value.is_finite() {
                out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
            } else if value.is_nan() {
                out.extend_from_slice(b"NaN");
            } else {
                out.extend_from_slice(if value < 0.0 { b"-Infinity" } else { b"Infinity" });
            }
        }
    )*};
}

write_floats! {
    write_f32, f32;
    write_f64, f64;
}
