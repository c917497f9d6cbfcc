//! Bodies that are in pieces, cut, compressed, too large or too many.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::{Method, Request};

use super::client::{flagged, frame};
use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

#[test]
fn a_message_may_come_byte_by_byte_and_end_later() {
    with_model(async |service| {
        let mut client = Client::connect(&service).await;
        let mut call = client.open(PREDICT, &[]).await;
        for byte in frame(&column(&[1.0])) {
            call.send(vec![byte], false);
            tokio::task::yield_now().await;
        }
        call.send("", true);
        assert_eq!(call.answer().await.outputs().len(), 1);
    });
}

#[test]
fn broken_frames_and_wrong_numbers_of_messages() {
    with_model(async |service| {
        let mut client = Client::connect(&service).await;
        let whole = frame(&column(&[1.0]));
        let twice = [whole.clone(), whole.clone()].concat();
        let (malformed, large) = ("malformed_request", "request_too_large");
        #[rustfmt::skip]
        let cases: Vec<(Bytes, (&str, &str, &str))> = vec![
            (Bytes::new(), ("12", malformed, "a unary call has no message")),
            (twice.into(), ("12", malformed, "a unary call has more than one message")),
            ([&whole[..], b"x"].concat().into(), ("12", malformed, "a unary call has more than one message")),
            (whole.slice(..3), ("13", malformed, "a message ends inside its prefix")),
            (whole.slice(..9), ("13", malformed, "a message ends before its length")),
            (flagged(2, b""), ("13", malformed, "a message has an invalid compression flag")),
            (flagged(1, b"x"), ("13", malformed, "a message is compressed, but `grpc-encoding` names nothing")),
            (Bytes::from_static(b"\0\x00\x10\x00\x01"), ("8", large, "the message is over the limit of bytes \
              (`max_body_bytes`): got 1048577, limit 1048576")),
        ];
        for (body, failure) in cases {
            let mut call = client.open(PREDICT, &[]).await;
            call.send(body, true);
            assert_eq!(call.answer().await.failure(), failure);
        }
        assert_eq!(
            client.call(PREDICT, &column(&[1.0])).await.outputs().len(),
            1,
            "goes on"
        );
    });
}

#[test]
fn a_message_too_large_is_refused_by_its_prefix_alone() {
    with_model(async |service| {
        let mut client = Client::connect(&service).await;
        let mut call = client.open(PREDICT, &[]).await;
        call.send(&b"\0\xff\xff\xff\xff"[..], false);
        assert_eq!(call.answer().await.failure().0, "8", "without the body");
    });
}

#[test]
fn gzip_is_accepted_and_bounded() {
    let settings = Settings {
        inflight_bytes: 1 << 22,
        ..testing::settings()
    };
    with(settings, doubling(), INLINE_US, async |service| {
        let mut client = Client::connect(&service).await;
        let ones = vec![1.0; 60_000];
        let zeros = |bytes: usize| gzip(&vec![0; bytes]);
        let send = async |client: &mut Client, encoding: &str, flag: u8, body: &[u8]| {
            let mut call = client.open(PREDICT, &[("grpc-encoding", encoding)]).await;
            call.send(flagged(flag, body), true);
            call.answer().await
        };
        let small = send(&mut client, "gzip", 1, &gzip(&column(&[1.0]))).await;
        let large = send(&mut client, "gzip", 1, &gzip(&column(&ones))).await;
        let plain = send(&mut client, "gzip", 0, &column(&[1.0])).await;
        for answer in [small, large, plain] {
            assert_eq!(answer.outputs().len(), 1);
        }
        let bomb = send(&mut client, "gzip", 1, &zeros(50 << 20)).await;
        let text = "the message is over the limit of bytes (`max_body_bytes`): got more, inflated, limit 1048576";
        assert_eq!(bomb.failure(), ("8", "request_too_large", text));
        let garbage = send(&mut client, "gzip", 1, b"garbage").await;
        assert_eq!(
            garbage.failure(),
            ("13", "malformed_request", "the message is not valid gzip")
        );
        let unknown = send(&mut client, "zstd", 1, b"").await;
        let text = "unknown compression of the request, expected `gzip` or `identity`: `zstd`";
        assert_eq!(unknown.failure(), ("12", "unsupported", text));
        assert_eq!(unknown.trailer("grpc-accept-encoding"), "identity,gzip");
    });
}

#[test]
fn what_is_not_a_grpc_call_gets_a_status_of_http() {
    with_model(async |service| {
        let mut client = Client::connect(&service).await;
        let request = |method: Method, content_type: &str| {
            Request::builder()
                .method(method)
                .uri(format!("http://localhost{PREDICT}"))
                .header("content-type", content_type)
                .body(())
                .expect("valid")
        };
        let get = request(Method::GET, "application/grpc");
        let answer = client.start(get, true).await.answer().await;
        assert_eq!((answer.status, answer.trailer("allow")), (405, "POST"));
        let json = request(Method::POST, "application/json");
        let answer = client.start(json, true).await.answer().await;
        assert_eq!(answer.status, 415);
        let answer = client
            .call("/tensorflow.serving.PredictionService/Explain", b"")
            .await;
        let text = "unknown method: `/tensorflow.serving.PredictionService/Explain`";
        assert_eq!(answer.failure(), ("12", "unsupported", text));
    });
}

#[test]
fn a_body_that_stops_coming_is_given_up() {
    let settings = Settings {
        header_timeout_ms: 50,
        ..testing::settings()
    };
    with(settings, doubling(), INLINE_US, async |service| {
        let mut client = Client::connect(&service).await;
        let mut call = client.open(PREDICT, &[]).await;
        call.send(frame(&column(&[1.0])).slice(..8), false);
        let text = "the body of the request did not arrive in time";
        assert_eq!(
            call.answer().await.failure(),
            ("4", "deadline_exceeded", text)
        );
    });
}
