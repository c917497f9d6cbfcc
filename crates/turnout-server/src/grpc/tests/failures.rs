//! Which status and text answers which fault.

use std::sync::Arc;
use std::time::Instant;

use turnout_core::Error;
use turnout_engine::fake::FakeModel;

use super::*;

#[test]
fn faults_of_requests_are_said_in_the_words_of_tensorflow_serving() {
    with_model(async |service| {
        let mut client = Client::connect(&service).await;
        let x: (&str, &[f32]) = ("x", &[1.0]);
        let label = b"\x0a\x06\x0a\x01m\x22\x01z";
        #[rustfmt::skip]
        let cases: Vec<(Bytes, (&str, &str, &str))> = vec![
            (Bytes::new(), ("3", "invalid_input", "Missing ModelSpec")),
            (request("", None, "", &[x]), ("3", "invalid_input", "ModelSpec has no name specified.")),
            (request("q", None, "", &[x]), ("5", "model_not_found", "Servable not found for request: Latest(q)")),
            (request("m", Some(7), "", &[x]), ("5", "model_not_found", "Servable not found for request: Specific(m, 7)")),
            (request("m", Some(-1), "", &[x]), ("5", "model_not_found", "Servable not found for request: Specific(m, -1)")),
            (Bytes::from_static(label), ("3", "model_not_found", "Unrecognized servable version label: z")),
            (request("m", None, "s", &[x]), ("9", "signature_not_found", "Serving signature key \"s\" not found.")),
            (request("m", None, "", &[]), ("3", "invalid_input", "input size does not match signature: 0!=1 len({}) != \
              len({x}). Sent extra: {}. Missing but required: {x}.")),
            (request("m", None, "", &[("z", &[1.0])]), ("3", "invalid_input", "Signature input alias: x(feed name: x) not \
              found in request and no default value provided. Inputs expected to be in the request {z}, or default input \
              alias set: ")),
        ];
        for (message, failure) in cases {
            let answer = client.call(PREDICT, &message).await;
            assert_eq!(answer.failure(), failure);
            assert_eq!(answer.trailer("x-request-id").len(), 16);
        }
    });
}

#[test]
fn a_shape_that_one_value_would_fill_is_bounded() {
    with_model(async |service| {
        let mut client = Client::connect(&service).await;
        // float32 of shape [SIZE, 1] with the one value 1.0.
        let filled = |size: u64| {
            let mut tensor = vec![0x08, 0x01, 0x12];
            let mut dim = vec![0x08];
            crate::grpc::wire::writer::put_varint(&mut dim, size);
            let length = u8::try_from(dim.len()).expect("short");
            tensor.extend([length + 6, 0x12, length]);
            tensor.extend(dim);
            tensor.extend([0x12, 0x02, 0x08, 0x01, 0x2a, 0x04, 0, 0, 0x80, 0x3f]);
            let length = u8::try_from(tensor.len()).expect("short");
            let mut message = vec![0x0a, 0x03, 0x0a, 0x01, b'm', 0x12, length + 5];
            message.extend([0x0a, 0x01, b'x', 0x12, length]);
            message.extend(tensor);
            message
        };
        let answer = client.call(PREDICT, &filled(1 << 10)).await;
        let outputs = answer.outputs();
        assert_eq!(outputs[0].1.shape(), [1 << 10, 1]);
        let answer = client.call(PREDICT, &filled(1 << 60)).await;
        let (status, code, text) = answer.failure();
        assert_eq!((status, code), ("8", "request_too_large"));
        assert!(
            text.contains("(`max_body_bytes`): tensor `x` has 1152921504606846976 elements"),
            "{text}"
        );
    });
}

#[test]
fn a_request_that_unfolds_beyond_the_budget_is_overloaded() {
    let settings = Settings {
        inflight_bytes: 4_000,
        ..testing::settings()
    };
    with(settings, doubling(), INLINE_US, async |service| {
        let mut client = Client::connect(&service).await;
        let values = vec![1.0; 900];
        assert_eq!(
            client.call(PREDICT, &column(&values)).await.outputs().len(),
            1
        );
        let values = vec![1.0; 1_100];
        let answer = client.call(PREDICT, &column(&values)).await;
        let (status, code, text) = answer.failure();
        assert_eq!((status, code), ("8", "overloaded"));
        assert!(text.contains("`inflight_bytes`"), "{text}");
    });
}

#[test]
fn the_engine_s_words_reach_the_client_and_its_panics_do_not() {
    let model = FakeModel::new(&Arc::default()).with_behaviour(|_, inputs| {
        assert!(inputs[0].rows() > 1, "a secret");
        Err(Error::execution_failed("Expects arg[0] to be positive: é"))
    });
    with(testing::settings(), model, INLINE_US, async |service| {
        let mut client = Client::connect(&service).await;
        let answer = client.call(PREDICT, &column(&[1.0, 2.0])).await;
        let text = "Expects arg[0] to be positive: %C3%A9";
        assert_eq!(answer.failure(), ("3", "execution_failed", text));
        let answer = client
            .call_with(PREDICT, &[("x-request-id", "r1")], &column(&[1.0]))
            .await;
        let text = "internal error; the server's log has the cause under request id `r1`";
        assert_eq!(answer.failure(), ("13", "internal", text));
    });
}

#[test]
fn deadlines_are_kept() {
    let (model, release) = gated();
    with(
        testing::settings(),
        model,
        EXECUTOR_US,
        async move |service| {
            let mut client = Client::connect(&service).await;
            let begun = Instant::now();
            let answer = client
                .call_with(PREDICT, &[("grpc-timeout", "30m")], &column(&[1.0]))
                .await;
            let text = "the deadline passed before there was an answer";
            assert_eq!(answer.failure(), ("4", "deadline_exceeded", text));
            assert!(begun.elapsed() < Duration::from_secs(5));
            let answer = client
                .call_with(PREDICT, &[("grpc-timeout", "0n")], &column(&[1.0]))
                .await;
            assert_eq!(answer.failure().0, "4");
            let answer = client
                .call_with(PREDICT, &[("grpc-timeout", "5s")], &column(&[1.0]))
                .await;
            let text = "`grpc-timeout` is not up to 8 digits and a unit of `HMSmun`: `5s`";
            assert_eq!(answer.failure(), ("3", "malformed_request", text));
            drop(release);
        },
    );
}

#[test]
fn a_full_queue_is_unavailable() {
    let (model, release) = gated();
    let bench = Bench::with_settings(testing::settings());
    let servable = bench.servable(model, false, 1, EXECUTOR_US);
    bench.publish(&servable);
    bench.run(async |service| {
        let mut client = Client::connect(&service).await;
        let mut calls = Vec::new();
        for _ in 0..4 {
            let mut call = client.open(PREDICT, &[]).await;
            call.send(client::frame(&column(&[1.0])), true);
            calls.push(call);
        }
        let refused = calls.pop().expect("four calls").answer().await;
        let (status, code, text) = refused.failure();
        assert_eq!((status, code), ("14", "queue_full"));
        assert!(text.contains("`max_queue`"), "{text}");
        drop(release);
        for call in calls {
            call.answer().await;
        }
    });
    drop(servable);
    bench.end();
}
