//! What the headers of a call say, in the words of gRPC.

use std::time::Duration;

use http::{HeaderMap, Method, request};
use turnout_core::Error;

use super::compression::Encoding;

/// The metadata that a call's fate depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Metadata<'a> {
    pub(crate) timeout: Option<Duration>,
    pub(crate) request_id: Option<&'a [u8]>,
    pub(crate) traceparent: Option<&'a str>,
    pub(crate) encoding: Encoding,
}

/// Why a request is not a gRPC call; answered in HTTP's own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotGrpc {
    Method,
    ContentType,
}

/// Whether a request is a gRPC call at all.
pub(crate) fn check(head: &request::Parts) -> Result<(), NotGrpc> {
    if head.method != Method::POST {
        return Err(NotGrpc::Method);
    }
    let content_type = head.headers.get(http::header::CONTENT_TYPE);
    match content_type.map(|value| value.as_bytes().strip_prefix(b"application/grpc")) {
        Some(Some(
            [] | [b';', ..] | b"+proto" | [b'+', b'p', b'r', b'o', b't', b'o', b';', ..],
        )) => Ok(()),
        _ => Err(NotGrpc::ContentType),
    }
}

impl<'a> Metadata<'a> {
    /// # Errors
    /// `malformed_request` for a time-out that cannot be read, `unsupported` for an unknown compression.
    pub(crate) fn read(headers: &'a HeaderMap) -> Result<Self, Error> {
        let mut metadata = Self::default();
        for (name, value) in headers {
            match name.as_str() {
                "grpc-timeout" => metadata.timeout = Some(timeout(value.as_bytes())?),
                "grpc-encoding" => metadata.encoding = Encoding::from_name(value.as_bytes())?,
                "x-request-id" => metadata.request_id = Some(value.as_bytes()),
                "traceparent" => metadata.traceparent = value.to_str().ok(),
                _ => {}
            }
        }
        Ok(metadata)
    }
}

/// At most eight digits and a unit.
fn timeout(text: &[u8]) -> Result<Duration, Error> {
    let malformed = || {
        let text = String::from_utf8_lossy(text);
        Error::malformed(format!(
            "`grpc-timeout` is not up to 8 digits and a unit of `HMSmun`: `{text}`"
        ))
    };
    let (unit, digits) = text.split_last().ok_or_else(malformed)?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(malformed());
    }
    let value = digits
        .iter()
        .fold(0u64, |value, digit| value * 10 + u64::from(digit - b'0'));
    match unit {
        b'H' => Ok(Duration::from_secs(value * 3600)),
        b'M' => Ok(Duration::from_secs(value * 60)),
        b'S' => Ok(Duration::from_secs(value)),
        b'm' => Ok(Duration::from_millis(value)),
        b'u' => Ok(Duration::from_micros(value)),
        b'n' => Ok(Duration::from_nanos(value)),
        _ => Err(malformed()),
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use turnout_core::ErrorCode;

    use super::*;

    #[test]
    fn timeouts_of_every_unit() {
        let cases = [
            ("2H", Some(Duration::from_hours(2))),
            ("3M", Some(Duration::from_mins(3))),
            ("00000005S", Some(Duration::from_secs(5))),
            ("250m", Some(Duration::from_millis(250))),
            ("7u", Some(Duration::from_micros(7))),
            ("99999999n", Some(Duration::from_nanos(99_999_999))),
            ("0m", Some(Duration::ZERO)),
            ("", None),
            ("S", None),
            ("5", None),
            ("123456789S", None),
            ("-1S", None),
            ("1.5S", None),
            ("1s", None),
        ];
        for (text, expected) in cases {
            assert_eq!(timeout(text.as_bytes()).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn only_posts_of_grpc_bodies_are_calls() {
        let head = |method: Method, content_type: Option<&str>| {
            let mut request = Request::builder().method(method).uri("/a/b");
            if let Some(content_type) = content_type {
                request = request.header("content-type", content_type);
            }
            request.body(()).expect("valid").into_parts().0
        };
        for good in [
            "application/grpc",
            "application/grpc+proto",
            "application/grpc;charset=utf-8",
        ] {
            assert_eq!(check(&head(Method::POST, Some(good))), Ok(()), "{good}");
        }
        for bad in [
            "application/json",
            "application/grpc-web",
            "application/grpc+json",
            "",
        ] {
            let got = check(&head(Method::POST, Some(bad)));
            assert_eq!(got, Err(NotGrpc::ContentType), "{bad}");
        }
        assert_eq!(check(&head(Method::POST, None)), Err(NotGrpc::ContentType));
        let got = check(&head(Method::GET, Some("application/grpc")));
        assert_eq!(got, Err(NotGrpc::Method));
    }

    #[test]
    fn metadata_is_read_once_over() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("grpc-timeout", "1S"),
            ("grpc-encoding", "gzip"),
            ("x-request-id", "abc"),
            ("traceparent", "00-1-2-01"),
            ("user-agent", "test"),
        ] {
            headers.insert(name, value.parse().expect("valid"));
        }
        let metadata = Metadata::read(&headers).expect("valid");
        let expected = Metadata {
            timeout: Some(Duration::from_secs(1)),
            request_id: Some(b"abc"),
            traceparent: Some("00-1-2-01"),
            encoding: Encoding::Gzip,
        };
        assert_eq!(metadata, expected);
        headers.insert("grpc-encoding", "snappy".parse().expect("valid"));
        let error = Metadata::read(&headers).expect_err("unknown");
        assert_eq!(error.code(), ErrorCode::Unsupported);
        assert_eq!(
            error.message(),
            "unknown compression of the request, expected `gzip` or `identity`: `snappy`"
        );
    }
}
