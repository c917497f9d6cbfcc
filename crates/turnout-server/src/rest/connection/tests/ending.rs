use std::sync::Arc;
use std::time::{Duration, Instant};

use turnout_engine::fake::FakeRecord;

use super::client::request;
use super::{Client, PREDICT, gated, ok, with_model};
use crate::drain::{LAST_CHANCE, Stage};
use crate::testing::Bench;

#[test]
fn http_1_0_and_connection_close() {
    with_model(async |service| {
        let mut client = Client::connect(&service);
        client
            .send("GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            .await;
        assert_eq!(
            client.reply().await.header("connection"),
            Some("keep-alive")
        );
        client
            .send("GET /livez HTTP/1.0\r\n\r\nGET /livez HTTP/1.0\r\n\r\n")
            .await;
        assert_eq!(client.reply().await.header("connection"), Some("close"));
        client.expect_end().await;
        let mut client = Client::connect(&service);
        client
            .send("GET /livez HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            .await;
        assert_eq!(client.reply().await, ok(r#"{"live":true}"#));
        client.expect_end().await;
    });
}

#[test]
fn requests_under_way_are_answered_and_told_to_close() {
    let (bench, record) = (Bench::new(), Arc::new(FakeRecord::default()));
    let (model, release) = gated(&record);
    let servable = bench.servable(model, true, 16, 5_000.0);
    bench.publish(&servable);
    bench.run(async |service| {
        let mut client = Client::connect(&service);
        client
            .send(request(PREDICT, "", r#"{"instances": [1]}"#))
            .await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        bench.shared.drain.advance(Stage::Ending);
        drop(release);
        let reply = client.reply().await;
        assert_eq!(
            (reply.status, reply.header("connection")),
            (200, Some("close"))
        );
        client.expect_end().await;
    });
    drop(servable);
    bench.end();
}

#[test]
fn idle_connections_have_a_last_chance() {
    let bench = Bench::new();
    bench.run(async |service| {
        let (mut late, idle) = (Client::connect(&service), Client::connect(&service));
        tokio::task::yield_now().await;
        bench.shared.drain.advance(Stage::Ending);
        let begun = Instant::now();
        tokio::time::sleep(LAST_CHANCE / 5).await;
        let reply = late.get("/livez").await;
        assert_eq!(
            (reply.status, reply.header("connection")),
            (200, Some("close"))
        );
        late.expect_end().await;
        idle.expect_end().await;
        assert!(begun.elapsed() >= LAST_CHANCE);
    });
    bench.end();
}
