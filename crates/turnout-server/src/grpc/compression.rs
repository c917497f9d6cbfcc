//! Compressed messages: what is accepted, and how far they may grow.

use std::io::Read;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use turnout_core::admission::BytePermit;
use turnout_core::{Error, Result};

use super::body::Message;
use super::status::{Situation, Status};
use crate::service::Service;

/// What `grpc-accept-encoding` says.
pub(crate) const ACCEPTED: &str = "identity,gzip";

/// How the messages of a call may be compressed; each message says whether it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Encoding {
    #[default]
    Identity,
    Gzip,
}

impl Encoding {
    /// # Errors
    /// `unsupported`, naming what is.
    pub(crate) fn from_name(name: &[u8]) -> Result<Self> {
        match name {
            b"identity" => Ok(Self::Identity),
            b"gzip" => Ok(Self::Gzip),
            other => Err(Error::unsupported(format!(
                "unknown compression of the request, expected `gzip` or `identity`: `{}`",
                String::from_utf8_lossy(other)
            ))),
        }
    }
}

const CHUNK_BYTES: usize = 64 * 1024;

/// The message as it was before it was compressed, inflated off the loop where that takes long.
///
/// # Errors
/// `request_too_large`, and what [`inflate`] refuses.
pub(crate) async fn open(
    service: &Service,
    message: Message,
    encoding: Encoding,
) -> Result<Message, Status> {
    if !message.compressed {
        return Ok(message);
    }
    if encoding == Encoding::Identity {
        let error = Error::malformed("a message is compressed, but `grpc-encoding` names nothing");
        return Err(Status::by_contract(Situation::BrokenFrame, error));
    }
    let (quick_bytes, max_bytes) = (
        service.settings().offload_bytes,
        service.settings().max_body_bytes,
    );
    let mut grant = Grant {
        permit: message.permit,
        inflated_bytes: 0,
    };
    let mut inflated = Inflated::OverLimit;
    if message.bytes.len() <= quick_bytes {
        inflated = inflate(&message.bytes, quick_bytes.min(max_bytes), &mut grant)?;
    }
    if let Inflated::OverLimit = inflated {
        let compressed = message.bytes;
        let job = move || inflate(&compressed, max_bytes, &mut grant).map(|done| (done, grant));
        (inflated, grant) = service.offload(usize::MAX, job).await??;
    }
    match inflated {
        Inflated::Whole(bytes) => Ok(Message {
            bytes,
            compressed: false,
            permit: grant.permit,
            waited: message.waited,
        }),
        Inflated::OverLimit => Err(too_large("more, inflated", max_bytes).into()),
    }
}

/// A permit, and how much of it is for inflated bytes.
pub(crate) struct Grant {
    permit: BytePermit,
    inflated_bytes: usize,
}

impl Grant {
    fn cover(&mut self, inflated_bytes: usize) -> Result<()> {
        let more = inflated_bytes.saturating_sub(self.inflated_bytes);
        self.permit.grow(more)?;
        self.inflated_bytes += more;
        Ok(())
    }
}

/// What came of inflating up to a limit.
#[derive(Debug)]
pub(crate) enum Inflated {
    Whole(Bytes),
    /// There is more than the limit.
    OverLimit,
}

/// Inflates gzip, at most to `limit_bytes`; `grant` grows with what is held.
///
/// # Errors
/// INTERNAL for what is not gzip, as gRPC demands; `overloaded` when the permit cannot grow.
pub(crate) fn inflate(
    compressed: &[u8],
    limit_bytes: usize,
    grant: &mut Grant,
) -> Result<Inflated, Status> {
    let mut decoder = MultiGzDecoder::new(compressed);
    let mut message = Vec::new();
    loop {
        let room = (limit_bytes + 1 - message.len()).min(CHUNK_BYTES);
        grant.cover(message.len() + room)?;
        let count = decoder.by_ref().take(room as u64).read_to_end(&mut message);
        let count = count.map_err(|source| {
            let error = Error::malformed("the message is not valid gzip").with_source(source);
            Status::by_contract(Situation::CannotDecompress, error)
        })?;
        if message.len() > limit_bytes {
            return Ok(Inflated::OverLimit);
        }
        if count < room {
            return Ok(Inflated::Whole(message.into()));
        }
    }
}

/// The error of a message beyond `max_body_bytes`.
pub(crate) fn too_large(got: &str, max_body_bytes: usize) -> Error {
    Error::too_large(format!(
        "the message is over the limit of bytes (`max_body_bytes`): got {got}, limit {max_body_bytes}"
    ))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use turnout_core::ErrorCode;
    use turnout_core::admission::ByteBudget;

    use super::super::status::Code;
    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    fn run(compressed: &[u8], limit_bytes: usize, budget_bytes: usize) -> Result<Inflated, Status> {
        let mut grant = Grant {
            permit: ByteBudget::new(budget_bytes).acquire(0).expect("nothing"),
            inflated_bytes: 0,
        };
        inflate(compressed, limit_bytes, &mut grant)
    }

    #[test]
    fn members_are_joined_and_bombs_bounded() {
        let big = vec![7u8; 1 << 20];
        let two = [gzip(b"one"), gzip(b"two")].concat();
        let whole = |result| match result {
            Ok(Inflated::Whole(bytes)) => bytes,
            other => panic!("expected a whole message: {other:?}"),
        };
        assert_eq!(whole(run(&two, 100, 1 << 20)), "onetwo");
        assert_eq!(whole(run(&gzip(b""), 100, 1 << 20)), "");
        assert_eq!(whole(run(&gzip(&big), 1 << 20, 1 << 22)), big);
        assert!(matches!(
            run(&gzip(&big), (1 << 20) - 1, 1 << 22),
            Ok(Inflated::OverLimit)
        ));
        let overloaded = run(&gzip(&big), 1 << 20, 1 << 18).expect_err("over budget");
        assert_eq!(overloaded.error().code(), ErrorCode::Overloaded);
    }

    #[test]
    fn garbage_and_cut_streams_are_internal_as_grpc_demands() {
        let cut = &gzip(b"some text")[..12];
        for bytes in [b"not gzip".as_slice(), cut, b""] {
            let status = run(bytes, 100, 1 << 20).expect_err("not gzip");
            assert_eq!(status.code(), Code::Internal, "{bytes:?}");
            assert_eq!(status.error().code(), ErrorCode::MalformedRequest);
        }
    }
}
