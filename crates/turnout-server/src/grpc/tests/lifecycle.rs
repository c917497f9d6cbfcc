//! Connections that begin badly, rest, break or end in order.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use turnout_engine::fake::{FakeModel, FakeRecord};

use super::client::{Windows, frame};
use super::*;
use crate::drain::Stage;
use crate::grpc::connection;

fn quick() -> Settings {
    Settings {
        header_timeout_ms: 50,
        idle_timeout_ms: 50,
        ..testing::settings()
    }
}

#[test]
fn whoever_does_not_greet_in_http_2_is_sent_away() {
    with(quick(), doubling(), INLINE_US, async |service| {
        for greeting in ["", "GET / HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n"] {
            let (mut here, there) = tokio::io::duplex(1 << 10);
            let server = tokio::task::spawn_local(connection::serve(there, service.clone()));
            here.write_all(greeting.as_bytes()).await.expect("room");
            server.await.expect("ends by itself");
            let mut rest = Vec::new();
            here.read_to_end(&mut rest).await.expect("closed");
        }
    });
}

#[test]
fn an_idle_connection_is_told_to_go_and_a_used_one_is_not() {
    with(quick(), doubling(), INLINE_US, async |service| {
        let mut client = Client::connect(&service).await;
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(200) {
            assert_eq!(
                client.call(PREDICT, &column(&[1.0])).await.outputs().len(),
                1
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let ended = client.connection.await.expect("no panic");
        assert!(ended.is_ok(), "without an error: {ended:?}");
        client.server.await.expect("ends by itself");
    });
}

#[test]
fn a_long_call_outlives_the_idle_timeout_of_a_peer_that_answers_pings() {
    let (model, release) = gated();
    with(quick(), model, EXECUTOR_US, async move |service| {
        let mut client = Client::connect(&service).await;
        let mut call = client.open(PREDICT, &[]).await;
        call.send(frame(&column(&[1.0])), true);
        tokio::time::sleep(Duration::from_millis(250)).await;
        drop(release);
        assert_eq!(call.answer().await.outputs().len(), 1);
    });
}

#[test]
fn a_peer_that_is_silent_with_calls_open_is_dropped() {
    let (model, release) = gated();
    with(quick(), model, EXECUTOR_US, async move |service| {
        let silence = Rc::new(Notify::new());
        let mut client = Client::through_silence(&service, Rc::clone(&silence), false).await;
        let mut call = client.open(PREDICT, &[]).await;
        call.send(frame(&column(&[1.0])), true);
        tokio::time::sleep(Duration::from_millis(20)).await;
        silence.notify_one();
        let ended = tokio::time::timeout(Duration::from_secs(5), client.server).await;
        ended.expect("dropped in time").expect("no panic");
        drop(release);
    });
}

#[test]
fn a_peer_that_asks_and_does_not_read_is_dropped() {
    with(quick(), doubling(), INLINE_US, async |service| {
        let silence = Rc::new(Notify::new());
        let mut client = Client::through_silence(&service, Rc::clone(&silence), true).await;
        assert_eq!(client.call(CHECK, b"").await.messages.len(), 1);
        silence.notify_one();
        let mut calls = Vec::new();
        for _ in 0..8 {
            let mut call = client.open(PREDICT, &[]).await;
            call.send(frame(&column(&vec![1.0; 8_000])), true);
            calls.push(call);
        }
        // One more call goes on sending, so that the peer is heard all the time.
        let mut long = client.open(PREDICT, &[]).await;
        let mut bytes = frame(&[0; 1_000]);
        let begun = Instant::now();
        while !client.server.is_finished() && !bytes.is_empty() {
            long.send(bytes.split_to(1), false);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(begun.elapsed() < Duration::from_secs(2), "dropped in time");
    });
}

/// A model that is busy with one call while others wait, and what it ran.
fn busy() -> (FakeModel, Arc<FakeRecord>, std::sync::mpsc::Sender<()>) {
    let record = Arc::new(FakeRecord::default());
    let (release, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let model = FakeModel::new(&record).with_behaviour(move |_, inputs| {
        let _ = gate.lock().expect("no panic").recv();
        Ok(inputs)
    });
    (model, record, release)
}

fn abandoned(abandon: impl AsyncFnOnce(Client, client::Call)) {
    let (model, record, release) = busy();
    let bench = Bench::with_settings(testing::settings());
    let servable = bench.servable(model, false, 16, EXECUTOR_US);
    bench.publish(&servable);
    bench.run(async |service| {
        let mut first = Client::connect(&service).await;
        let mut running = first.open(PREDICT, &[]).await;
        running.send(frame(&column(&[1.0])), true);
        let begun = async || record.rows().len() == 1;
        assert!(within_a_second(begun).await, "the first call runs");
        let mut second = Client::connect(&service).await;
        let mut call = second.open(PREDICT, &[]).await;
        call.send(frame(&column(&[1.0, 2.0])), true);
        let waits = async || servable.waiting() == 1;
        assert!(within_a_second(waits).await, "the second one waits");
        abandon(second, call).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        drop(release);
        assert_eq!(running.answer().await.outputs().len(), 1);
        let free = async || service.budget().used_bytes() == 0;
        assert!(within_a_second(free).await, "all permits are given back");
        assert_eq!(record.rows(), [1], "what was abandoned never ran");
    });
    drop(servable);
    bench.end();
}

#[test]
fn a_reset_stream_stops_costing() {
    abandoned(async |_client, mut call| {
        call.stream.send_reset(h2::Reason::CANCEL);
        tokio::time::sleep(Duration::from_millis(20)).await;
    });
}

#[test]
fn a_lost_connection_stops_costing() {
    abandoned(async |client, _call| client.connection.abort());
}

#[test]
fn an_orderly_end_answers_what_is_under_way_and_takes_nothing_new() {
    let (model, release) = gated();
    let bench = Bench::with_settings(testing::settings());
    let servable = bench.servable(model, true, 16, EXECUTOR_US);
    bench.publish(&servable);
    bench.run(async |service| {
        let mut client = Client::connect(&service).await;
        let mut call = client.open(PREDICT, &[]).await;
        call.send(frame(&column(&[1.0])), true);
        tokio::time::sleep(Duration::from_millis(20)).await;
        bench.shared.drain.advance(Stage::Announced);
        assert_eq!(**client.call(CHECK, b"").await.message(), *b"\x08\x02");
        bench.shared.drain.advance(Stage::Ending);
        tokio::time::sleep(Duration::from_millis(20)).await;
        let refused = client.requests.clone().ready().await;
        assert!(
            refused.is_err(),
            "after the last GOAWAY no stream is opened"
        );
        drop(release);
        assert_eq!(call.answer().await.outputs().len(), 1);
        client
            .connection
            .await
            .expect("no panic")
            .expect("no error");
        client.server.await.expect("ends by itself");
    });
    drop(servable);
    bench.end();
}

#[test]
fn an_answer_that_nobody_reads_is_cut_off() {
    let settings = Settings {
        header_timeout_ms: 50,
        ..testing::settings()
    };
    with(settings, doubling(), INLINE_US, async |service| {
        let mut client = Client::with_windows(&service, Windows(1_000)).await;
        let mut call = client.open(PREDICT, &[]).await;
        call.send(frame(&column(&vec![1.0; 100_000])), true);
        let mut begun = call.begun().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let mut last = begun.body.data().await;
        while let Some(Ok(_)) = last {
            last = begun.body.data().await;
        }
        let error = last.expect("not whole").expect_err("cut off");
        assert_eq!(error.reason(), Some(h2::Reason::CANCEL));
    });
}

#[test]
fn more_streams_than_allowed_wait_their_turn() {
    let settings = Settings {
        max_streams: 2,
        ..testing::settings()
    };
    let (model, release) = gated();
    with(settings, model, EXECUTOR_US, async move |service| {
        let mut client = Client::connect(&service).await;
        assert_eq!(
            client.call(CHECK, b"").await.messages.len(),
            1,
            "settings have arrived"
        );
        let mut calls = Vec::new();
        for _ in 0..2 {
            let mut call = client.open(PREDICT, &[]).await;
            call.send(frame(&column(&[1.0])), true);
            calls.push(call);
        }
        let mut third = client.open(CHECK, &[]).await;
        third.send(frame(b""), true);
        let third = tokio::task::spawn_local(third.answer());
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!third.is_finished(), "the third has to wait");
        drop(release);
        for call in calls {
            assert_eq!(call.answer().await.outputs().len(), 1);
        }
        assert_eq!(third.await.expect("no panic").messages.len(), 1);
    });
}
