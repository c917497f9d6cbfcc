//! A request under way, and how it ended.

/// What is known of a request that has been sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending {
    /// Index of its body in the group.
    pub(crate) body: usize,
    /// When it should have gone out: latency counts from here.
    pub(crate) intended_ns: u64,
    /// When it did go out.
    pub(crate) sent_ns: u64,
    /// Its id, as the client's `x-request-id`.
    pub(crate) number: u64,
}

/// How a request ended.
#[derive(Debug)]
pub(crate) enum Outcome<'a> {
    /// The answer's body; still to be checked.
    Answer(&'a [u8]),
    Failed(&'static str, String),
    /// The server says that it did not touch it: it may be sent again.
    NotProcessed,
}

/// Where a protocol puts the ends of requests.
pub(crate) type Sink<'a> = dyn FnMut(Pending, Outcome<'_>) + 'a;

/// The text of a request's id.
pub(crate) fn id_text(number: u64) -> [u8; 16] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    std::array::from_fn(|index| DIGITS[(number >> (60 - 4 * index) & 15) as usize])
}

#[cfg(test)]
mod tests {
    #[test]
    fn ids_are_sixteen_hexadecimal_digits() {
        assert_eq!(&super::id_text(0x1f), b"000000000000001f");
        assert_eq!(&super::id_text(u64::MAX), b"ffffffffffffffff");
    }
}
