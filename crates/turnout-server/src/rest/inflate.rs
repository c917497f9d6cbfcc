//! Compressed request bodies, never inflated beyond their bound.

use std::io::Read;

use flate2::bufread::MultiGzDecoder;
use turnout_core::{Error, Result};

/// Inflates gzip. `charge` is told of every piece before it is kept, and may refuse it.
///
/// # Errors
/// `malformed_request`; `request_too_large` beyond `limit_bytes`; what `charge` says.
pub(super) fn gunzip(
    body: &[u8],
    limit_bytes: usize,
    mut charge: impl FnMut(usize) -> Result<()>,
) -> Result<Vec<u8>> {
    let mut decoder = MultiGzDecoder::new(body);
    let mut inflated = Vec::new();
    let mut piece = vec![0; 64 << 10];
    loop {
        let count = decoder.read(&mut piece).map_err(|cause| {
            Error::malformed("the body is not what its `Content-Encoding: gzip` says")
                .with_source(cause)
        })?;
        if count == 0 {
            return Ok(inflated);
        }
        if count > limit_bytes - inflated.len() {
            return Err(super::body_too_large(limit_bytes));
        }
        charge(count)?;
        inflated.extend_from_slice(&piece[..count]);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use turnout_core::ErrorCode;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).expect("into memory");
        encoder.finish().expect("into memory")
    }

    #[test]
    fn good_bodies_of_one_or_more_members() {
        let two = [gzip(b"abc"), gzip(b"def")].concat();
        for (body, want) in [
            (gzip(b""), b"".as_slice()),
            (gzip(b"abc"), b"abc"),
            (two, b"abcdef"),
        ] {
            assert_eq!(gunzip(&body, 6, |_| Ok(())).expect("gzip"), want);
        }
    }

    #[test]
    fn truncated_foreign_and_exploding_bodies() {
        let good = gzip(&[7; 1000]);
        let code =
            |body: &[u8], limit| gunzip(body, limit, |_| Ok(())).expect_err("refused").code();
        assert_eq!(
            code(&good[..good.len() - 3], 1000),
            ErrorCode::MalformedRequest
        );
        assert_eq!(
            code(b"{\"instances\": []}", 1000),
            ErrorCode::MalformedRequest
        );
        assert_eq!(code(b"", 1000), ErrorCode::MalformedRequest);
        assert_eq!(code(&good, 999), ErrorCode::RequestTooLarge);
        let mut charged = 0;
        let bomb = gzip(&vec![0; 50 << 20]);
        let refused = gunzip(&bomb, 1 << 20, |bytes| {
            charged += bytes;
            Ok(())
        });
        assert_eq!(
            refused.expect_err("a bomb").code(),
            ErrorCode::RequestTooLarge
        );
        assert!(charged <= 1 << 20);
    }

    #[test]
    fn the_budget_may_refuse() {
        let refused = gunzip(&gzip(&[7; 1000]), 2000, |_| Err(Error::overloaded("full")));
        assert_eq!(refused.expect_err("refused").code(), ErrorCode::Overloaded);
    }
}
