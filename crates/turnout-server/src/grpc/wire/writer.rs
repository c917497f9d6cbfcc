//! Appends fields to a message.

/// The wire types that Turnout writes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum WireType {
    Varint = 0,
    Fixed64 = 1,
    Bytes = 2,
    Fixed32 = 5,
}

/// Bytes that `value` takes as a varint.
#[inline]
pub(crate) const fn varint_len(value: u64) -> usize {
    ((70 - (value | 1).leading_zeros()) / 7) as usize
}

/// Bytes that the key of field `number` takes.
#[inline]
pub(crate) const fn key_len(number: u32) -> usize {
    varint_len((number as u64) << 3)
}

/// Bytes of a whole field of `length` bytes, key and length among them.
#[inline]
pub(crate) const fn bytes_len(number: u32, length: usize) -> usize {
    key_len(number) + varint_len(length as u64) + length
}

/// Bytes of a whole varint field.
#[inline]
pub(crate) const fn varint_field_len(number: u32, value: u64) -> usize {
    key_len(number) + varint_len(value)
}

#[inline]
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    #[expect(clippy::cast_possible_truncation, reason = "below 0x80")]
    out.push(value as u8);
}

#[inline]
pub(crate) fn put_key(out: &mut Vec<u8>, number: u32, wire_type: WireType) {
    put_varint(out, u64::from(number) << 3 | wire_type as u64);
}

#[inline]
pub(crate) fn put_varint_field(out: &mut Vec<u8>, number: u32, value: u64) {
    put_key(out, number, WireType::Varint);
    put_varint(out, value);
}

/// Bytes of a whole float field; zero is the default and not written.
#[inline]
pub(crate) fn float_field_len(number: u32, value: f32) -> usize {
    if value.to_bits() == 0 {
        0
    } else {
        key_len(number) + size_of::<f32>()
    }
}

#[inline]
pub(crate) fn put_float_field(out: &mut Vec<u8>, number: u32, value: f32) {
    if value.to_bits() != 0 {
        put_key(out, number, WireType::Fixed32);
        out.extend_from_slice(&value.to_le_bytes());
    }
}

/// The key and the length of a field whose `length` bytes are appended next.
#[inline]
pub(crate) fn put_bytes_head(out: &mut Vec<u8>, number: u32, length: usize) {
    put_key(out, number, WireType::Bytes);
    put_varint(out, length as u64);
}

#[inline]
pub(crate) fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_bytes_head(out, number, bytes.len());
    out.extend_from_slice(bytes);
}

/// A nested message, by way of a buffer of its own: for what is not written per request.
pub(crate) fn put_message(out: &mut Vec<u8>, number: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let mut message = Vec::new();
    body(&mut message);
    put_bytes(out, number, &message);
}
