use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::client::request;
use super::{Client, INLINE_US, PREDICT, doubling, with, with_model};
use crate::service::Service;
use crate::testing;

const ONE: &str = r#"{"instances": [1]}"#;

/// What a client may take for its next step, in these tests.
const PATIENCE: Duration = Duration::from_millis(50);

fn with_impatience(test: impl AsyncFnOnce(Service)) {
    let mut settings = testing::settings();
    settings.header_timeout_ms = 50;
    settings.idle_timeout_ms = 200;
    with(settings, doubling(), INLINE_US, test);
}

#[test]
fn heads_that_cannot_be_read_end_the_connection() {
    with_model(async |service| {
        let long = format!(
            "GET /livez HTTP/1.1\r\nHost: h\r\nX: {}",
            "x".repeat(20_000)
        );
        let many = format!(
            "GET /livez HTTP/1.1\r\nHost: h\r\n{}\r\n",
            "X: 1\r\n".repeat(70)
        );
        let lengths = "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        let both = format!("POST {PREDICT} HTTP/1.1\r\nHost: h\r\n{lengths}");
        #[rustfmt::skip]
        let cases = [
            (long.as_str(), 431),
            (many.as_str(), 431),
            (both.as_str(), 400),
            ("GET /livez HTTP/1.1\r\n\r\n", 400),
            ("NONSENSE\r\n\r\n", 400),
            ("GET /livez HTTP/3.0\r\n\r\n", 505),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        ];
        for (text, status) in cases {
            let mut client = Client::connect(&service);
            // What follows must never be taken for a request.
            client
                .send(format!("{text}GET /livez HTTP/1.1\r\nHost: h\r\n\r\n"))
                .await;
            let reply = client.reply().await;
            assert_eq!(
                (reply.status, reply.header("connection")),
                (status, Some("close")),
                "{text:.20}"
            );
            client.expect_end().await;
        }
    });
}

#[test]
fn a_head_that_never_ends_is_timed_out() {
    with_impatience(async |service| {
        let mut client = Client::connect(&service);
        client.send("GET /").await;
        for _ in 0..20 {
            tokio::time::sleep(PATIENCE / 5).await;
            client.send("x").await;
        }
        // Drops do not move the deadline: it has passed long since.
        assert_eq!(client.reply_now().await.status, 408);
        client.expect_end().await;
    });
}

#[test]
fn a_body_that_stands_still_is_timed_out() {
    with_impatience(async |service| {
        let large =
            format!("POST {PREDICT} HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n{{");
        let chunked = format!(
            "POST {PREDICT} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12"
        );
        let mut small = request(PREDICT, "", "{}");
        small.pop();
        for text in [large.into_bytes(), chunked.into_bytes(), small] {
            let mut client = Client::connect(&service);
            client.send(text).await;
            let reply = client.reply().await;
            assert_eq!(
                (reply.status, reply.header("connection")),
                (408, Some("close"))
            );
            client.expect_end().await;
        }
    });
}

#[test]
fn a_body_that_makes_progress_is_waited_for() {
    let mut settings = testing::settings();
    settings.header_timeout_ms = 400;
    with(settings, doubling(), INLINE_US, async |service| {
        let mut client = Client::connect(&service);
        let whole = request(PREDICT, "", ONE);
        let (head, body) = whole.split_at(whole.len() - ONE.len());
        client.send(head).await;
        for bytes in body.chunks(2) {
            tokio::time::sleep(Duration::from_millis(60)).await;
            client.send(bytes).await;
        }
        assert_eq!(client.reply().await.status, 200);
    });
}

#[test]
fn idle_connections_are_closed_without_a_word() {
    with_impatience(async |service| {
        let mut client = Client::connect(&service);
        assert_eq!(client.get("/livez").await.status, 200);
        let begun = Instant::now();
        client.expect_end().await;
        assert!(begun.elapsed() >= Duration::from_millis(150));
    });
}

#[test]
fn a_reader_that_stands_still_is_given_up() {
    with_impatience(async |service| {
        let mut client = Client::connect_through(&service, 4000);
        let requests = request(PREDICT, "", ONE).repeat(1000);
        // Once the answers fill the pipe, the requests do so too.
        let sent = tokio::time::timeout(PATIENCE, client.send(requests)).await;
        assert!(sent.is_err(), "the server goes on reading");
        client.expect_server_to_end().await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever comes, in whatever pieces: what is written looks like answers, and the connection ends with its client.
    #[test]
    fn anything_may_come(
        parts in prop::collection::vec(prop::sample::select(vec![
            "POST ", "GET ", PREDICT, " HTTP/1.1\r\n", " HTTP/1.0\r\n", "Host: h\r\n", "\r\n", "Content-Length: 18\r\n",
            "Content-Length: 0\r\n", "Transfer-Encoding: chunked\r\n", "Content-Encoding: gzip\r\n", "12\r\n", "0\r\n\r\n",
            "Expect: 100-continue\r\n", "Connection: close\r\n", ONE, "{", "\0", "é",
        ]), 0..24),
        pieces in 1usize..40,
    ) {
        with_impatience(async |service| {
            let mut client = Client::connect(&service);
            for piece in parts.concat().as_bytes().chunks(pieces) {
                if client.is_closed() {
                    break;
                }
                client.send(piece).await;
                tokio::task::yield_now().await;
            }
            let answers = client.rest().await;
            assert!(answers.is_empty() || answers.starts_with(b"HTTP/1.1 "), "{}", answers.escape_ascii());
        });
    }
}
