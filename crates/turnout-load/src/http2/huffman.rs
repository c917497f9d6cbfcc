//! The string code of HTTP/2 header compression, decoding only.
//!
//! Source: RFC 7541, appendix B. The code is canonical: the lengths alone give every code.

use std::sync::LazyLock;

const LONGEST: usize = 30;

#[rustfmt::skip]
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

/// The codes of one length: the first one, how many there are, and where their symbols begin.
#[derive(Clone, Copy, Default)]
struct Rank {
    first: u32,
    count: u32,
    symbols: usize,
}

struct Code {
    ranks: [Rank; LONGEST + 1],
    /// Symbols by length, then by value.
    symbols: Vec<u8>,
    /// The symbol and length of the code that a byte begins with, where one of at most 8 bits does.
    short: [Option<(u8, u8)>; 256],
}

static CODE: LazyLock<Code> = LazyLock::new(Code::build);

impl Code {
    fn build() -> Self {
        let mut symbols: Vec<u8> = (0..=255).collect();
        symbols.sort_by_key(|symbol| (LENGTHS[*symbol as usize], *symbol));
        let mut code = Self {
            ranks: [Rank::default(); LONGEST + 1],
            symbols,
            short: [None; 256],
        };
        let mut next = 0u32;
        let mut begin = 0;
        for length in 1..=LONGEST {
            next <<= 1;
            let of_length = code.symbols[begin..].iter();
            let count = of_length
                .take_while(|symbol| LENGTHS[**symbol as usize] as usize == length)
                .count();
            let total = u32::try_from(count).expect("bug: there are 256 symbols");
            code.ranks[length] = Rank {
                first: next,
                count: total,
                symbols: begin,
            };
            next += total;
            begin += count;
        }
        for byte in 0..=255u8 {
            code.short[byte as usize] = code.longer(u32::from(byte) << 24, 8);
        }
        code
    }

    /// The symbol that `bits`, of which the upper `valid` count, begins with, and the length of its code.
    fn longer(&self, bits: u32, valid: usize) -> Option<(u8, u8)> {
        (5..=valid.min(LONGEST)).find_map(|length| {
            let rank = self.ranks[length];
            let offset = (bits >> (32 - length)).checked_sub(rank.first)?;
            let symbol = self.symbols.get(rank.symbols + offset as usize)?;
            (offset < rank.count).then_some((*symbol, u8::try_from(length).unwrap_or(u8::MAX)))
        })
    }
}

/// Appends the decoded string.
pub(super) fn decode(input: &[u8], into: &mut Vec<u8>) -> Result<(), String> {
    let code = &*CODE;
    let mut window = 0u64;
    let mut valid = 0usize;
    let mut rest = input.iter();
    loop {
        while valid <= 56 {
            let Some(byte) = rest.next() else { break };
            window |= u64::from(*byte) << (56 - valid);
            valid += 8;
        }
        let upper = u32::try_from(window >> 32).expect("bug: the upper half fits");
        let short =
            code.short[(window >> 56) as usize].filter(|(_, length)| *length as usize <= valid);
        match short.or_else(|| code.longer(upper, valid.min(32))) {
            Some((symbol, length)) => {
                into.push(symbol);
                window <<= length;
                valid -= length as usize;
            }
            // Up to seven ones fill the last byte.
            None if valid < 8 && window == !(u64::MAX >> valid) => return Ok(()),
            None => return Err("a header string is not Huffman code".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(input: &[u8]) -> Result<String, String> {
        let mut out = Vec::new();
        decode(input, &mut out).map(|()| String::from_utf8(out).unwrap())
    }

    #[test]
    fn examples_of_the_specification_decode() {
        // RFC 7541, C.4.1, C.4.3 and C.6.1.
        let host = [
            0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff,
        ];
        assert_eq!(text(&host).unwrap(), "www.example.com");
        let value = [0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xb8, 0xe8, 0xb4, 0xbf];
        assert_eq!(text(&value).unwrap(), "custom-value");
        let date = [
            0xd0, 0x7a, 0xbe, 0x94, 0x10, 0x54, 0xd4, 0x44, 0xa8, 0x20, 0x05, 0x95, 0x04, 0x0b,
            0x81, 0x66, 0xe0, 0x82, 0xa6, 0x2d, 0x1b, 0xff,
        ];
        assert_eq!(text(&date).unwrap(), "Mon, 21 Oct 2013 20:13:21 GMT");
    }

    #[test]
    fn wrong_padding_and_unknown_codes_are_refused() {
        assert_eq!(text(&[]).unwrap(), "");
        assert!(text(&[0x00]).is_err());
        assert!(text(&[0xff, 0xff, 0xff, 0xff]).is_err());
    }
}
