use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::client::request;
use super::{Client, INLINE_US, PREDICT, doubling, ok, with, with_model};
use crate::testing;

const ONE: &str = r#"{"instances": [1]}"#;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("into memory");
    encoder.finish().expect("into memory")
}

fn chunked() -> String {
    format!("POST {PREDICT} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
}

/// A head that promises `length` bytes.
fn promise(length: usize) -> String {
    format!("POST {PREDICT} HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n")
}

/// A body that is decoded off the loop, and its answer.
fn large() -> (String, String) {
    let rows = 20_000;
    let body = format!("{{\"instances\": [{}1.5]}}", "1.5, ".repeat(rows - 1));
    let answer = format!("{{\"predictions\":[{}[3.0]]}}", "[3.0],".repeat(rows - 1));
    (body, answer)
}

#[test]
fn large_bodies_are_received_apart_and_answered_whole() {
    with_model(async |service| {
        let (body, answer) = large();
        assert!(body.len() > service.settings().offload_bytes);
        let mut client = Client::connect_through(&service, 200_000);
        client
            .send([request(PREDICT, "", &body), request(PREDICT, "", ONE)].concat())
            .await;
        assert_eq!(client.reply().await, ok(&answer));
        assert_eq!(client.reply().await, ok(r#"{"predictions":[[2.0]]}"#));
        assert_eq!(client.post("/v1/models/n:predict", &body).await.status, 404);
        assert_eq!(client.post(PREDICT, &body[1..]).await.status, 400);
    });
}

#[test]
fn chunked_bodies() {
    with_model(async |service| {
        let mut client = Client::connect(&service);
        let body = "5\r\n{\"ins\r\nE;x=y\r\ntances\": [1.5]\r\n1\r\n}\r\n0\r\nTrailer: 1\r\n\r\n";
        client.send(chunked() + body + &chunked()).await;
        assert_eq!(client.reply().await, ok(r#"{"predictions":[[3.0]]}"#));
        for byte in body.bytes() {
            client.send([byte]).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(client.reply().await, ok(r#"{"predictions":[[3.0]]}"#));
        client.send(chunked() + "5\r\n{\"instances").await;
        let reply = client.reply().await;
        assert_eq!(
            (reply.status, reply.header("connection")),
            (400, Some("close"))
        );
        client.expect_end().await;
    });
}

#[test]
fn compressed_bodies() {
    let mut settings = testing::settings();
    settings.inflight_bytes = 10 << 20;
    with(settings, doubling(), INLINE_US, async |service| {
        let mut client = Client::connect(&service);
        let gzipped = "Content-Encoding: gzip\r\n";
        let body = gzip(ONE.as_bytes());
        assert_eq!(
            client.post_with(PREDICT, gzipped, &body).await,
            ok(r#"{"predictions":[[2.0]]}"#)
        );
        let (text, answer) = large();
        assert_eq!(
            client
                .post_with(PREDICT, gzipped, gzip(text.as_bytes()))
                .await,
            ok(&answer)
        );
        assert_eq!(
            client
                .post_with(PREDICT, gzipped, &body[..body.len() - 1])
                .await
                .status,
            400
        );
        assert_eq!(client.post_with(PREDICT, gzipped, "{}").await.status, 400);
        let bomb = gzip(&vec![b' '; 10 << 20]);
        let reply = client.post_with(PREDICT, gzipped, bomb).await;
        assert_eq!(
            (reply.status, reply.header("x-turnout-code")),
            (413, Some("request_too_large"))
        );
        assert!(reply.body.contains("`max_body_bytes`"), "{}", reply.body);
        assert_eq!(
            client
                .post_with(PREDICT, "Content-Encoding: br\r\n", ONE)
                .await
                .status,
            415
        );
        assert_eq!(
            client
                .post_with(PREDICT, "Content-Encoding: identity\r\n", ONE)
                .await
                .status,
            200
        );
    });
}

#[test]
fn a_client_that_asks_first_is_told_to_go_on() {
    with_model(async |service| {
        let mut client = Client::connect(&service);
        let whole = request(PREDICT, "Expect: 100-continue\r\n", ONE);
        let (head, rest) = whole.split_at(whole.len() - ONE.len());
        client.send(head).await;
        assert_eq!(client.reply().await.status, 100);
        client.send(rest).await;
        assert_eq!(client.reply().await, ok(r#"{"predictions":[[2.0]]}"#));
        // Nobody waits for a 100 whose body is there already.
        client.send(&whole).await;
        assert_eq!(client.reply().await, ok(r#"{"predictions":[[2.0]]}"#));
        client.send("POST /livez HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n").await;
        assert_eq!(client.reply().await.status, 405);
    });
}

#[test]
fn a_body_that_nobody_wants_is_passed_over_or_ends_the_connection() {
    with_model(async |service| {
        let mut client = Client::connect(&service);
        for path in ["/livez", "/nowhere", "/v1/models/m"] {
            let whole = request(path, "", "GET /x HTTP/1.1\r\n\r\n");
            let (first, second) = whole.split_at(whole.len() - 7);
            client.send(first).await;
            tokio::task::yield_now().await;
            client.send(second).await;
            assert!(matches!(client.reply().await.status, 404 | 405), "{path}");
        }
        let reply = client.post("/nowhere", vec![b'x'; 100_000]).await;
        assert_eq!(
            (reply.status, reply.header("connection")),
            (404, Some("close"))
        );
        client.expect_end().await;
    });
}

#[test]
fn bodies_are_bounded_before_they_are_read() {
    with_model(async |service| {
        let expecting = promise(1 << 30).replace("Host", "Expect: 100-continue\r\nHost");
        for head in [promise((1 << 20) + 1), expecting, chunked() + "100001\r\n"] {
            let mut client = Client::connect(&service);
            client.send(head).await;
            let reply = client.reply().await;
            assert_eq!(
                (reply.status, reply.header("connection")),
                (413, Some("close"))
            );
            assert!(
                reply.body.contains("`max_body_bytes`: limit 1048576"),
                "{}",
                reply.body
            );
            client.expect_end().await;
        }
    });
}

#[test]
fn the_bytes_of_all_requests_are_bounded() {
    let mut settings = testing::settings();
    settings.inflight_bytes = 100_000;
    with(settings, doubling(), INLINE_US, async |service| {
        let (mut client, mut other) = (Client::connect(&service), Client::connect(&service));
        let held = service.budget().acquire(99_990).expect("room");
        let reply = client.post(PREDICT, ONE).await;
        assert_eq!(
            (reply.status, reply.header("x-turnout-code")),
            (429, Some("overloaded"))
        );
        assert_eq!(reply.header("retry-after"), Some("1"));
        other.send(promise(90_000)).await;
        assert_eq!(other.reply().await.status, 429);
        other.expect_end().await;
        drop(held);
        assert_eq!(client.post(PREDICT, ONE).await.status, 200);
        client.send(promise(100_001)).await;
        let reply = client.reply().await;
        assert_eq!(reply.status, 413);
        assert!(
            reply
                .body
                .contains("`inflight_bytes`: got 100001, limit 100000"),
            "{}",
            reply.body
        );
    });
}
