use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use turnout_core::{DType, ErrorCode, Signature, Tensor, TensorSpec, Values};
use turnout_engine::fake::FakeModel;

use super::client::request;
use super::{Client, EXECUTOR_US, INLINE_US, PREDICT, doubling, gated, ok, with, with_model};
use crate::testing;

const ONE: &str = r#"{"instances": [1]}"#;

#[test]
fn a_prediction_by_default_version_number_and_label() {
    with_model(async |service| {
        let mut client = Client::connect(&service);
        for path in [
            PREDICT,
            "/v1/models/m/versions/1:predict",
            "/V1/models/m/labels/stable:predict?x",
        ] {
            let reply = client.post(path, r#"{"instances": [1, 2.5]}"#).await;
            assert_eq!(reply, ok(r#"{"predictions":[[2.0],[5.0]]}"#));
            assert_eq!(reply.header("content-type"), Some("application/json"));
            assert_eq!(reply.header("x-turnout-model-version"), Some("1"));
            assert!(
                reply
                    .header("date")
                    .is_some_and(|date| date.ends_with(" GMT"))
            );
        }
        let reply = client.post(PREDICT, r#"{"inputs": {"x": []}}"#).await;
        assert_eq!(reply, ok(r#"{"outputs":[]}"#));
        client.leave().await;
    });
}

#[test]
fn the_request_id_comes_back() {
    with_model(async |service| {
        let mut client = Client::connect(&service);
        let reply = client
            .post_with(PREDICT, "X-Request-Id: mine-1\r\n", ONE)
            .await;
        assert_eq!(reply.header("x-request-id"), Some("mine-1"));
        let mut seen = Vec::new();
        for body in [ONE, "nonsense"] {
            let reply = client
                .post_with(PREDICT, "X-Request-Id: no spaces\r\n", body)
                .await;
            seen.push(reply.header("x-request-id").expect("always").to_owned());
        }
        seen.push(
            client
                .get("/nowhere")
                .await
                .header("x-request-id")
                .expect("always")
                .to_owned(),
        );
        seen.dedup();
        assert_eq!((seen.len(), seen[0].len()), (3, 16));
    });
}

#[test]
fn failures_have_their_status_code_and_words() {
    with_model(async |service| {
        let mut client = Client::connect(&service);
        let (unknown, malformed) = (ErrorCode::ModelNotFound, ErrorCode::MalformedRequest);
        #[rustfmt::skip]
        let cases = [
            ("/v1/models/n:predict", ONE, 404, unknown, "Servable not found for request: Latest(n)"),
            ("/v1/models/m/versions/9:predict", ONE, 404, unknown, "Servable not found for request: Specific(m, 9)"),
            ("/v1/models/m/labels/x:predict", ONE, 400, unknown, "Unrecognized servable version label: x"),
            ("/v1/models/m/versions/99999999999999999999:predict", ONE, 400, malformed, "Failed to convert version: 99999999999999999999 to numeric."),
            ("/v1/models/n:predict", "{", 400, malformed, "JSON Parse error: Missing a name for object member. at offset: 1"),
            (PREDICT, "", 400, malformed, "JSON Parse error: The document is empty"),
            (PREDICT, r#"{"signature_name": "q", "instances": [1]}"#, 400, ErrorCode::SignatureNotFound, "Serving signature name: \"q\" not found in signature def"),
            (PREDICT, r#"{"instances": [[1, 2]]}"#, 400, ErrorCode::InvalidInput, "input `x` has the wrong shape: got [1, 2], expected [?, 1]"),
        ];
        for (path, body, status, code, message) in cases {
            let reply = client.post(path, body).await;
            assert_eq!(
                (reply.status, reply.header("x-turnout-code")),
                (status, Some(code.slug())),
                "{path} {body}"
            );
            assert_eq!(reply.json(), json!({"error": message}), "{path} {body}");
        }
        assert_eq!(
            client.post(PREDICT, ONE).await.status,
            200,
            "the connection is kept"
        );
    });
}

#[test]
fn pipelined_requests_are_answered_in_order_and_run_together() {
    let record = Arc::default();
    with(
        testing::settings(),
        FakeModel::new(&record),
        INLINE_US,
        async |service| {
            let mut client = Client::connect(&service);
            let mut requests = Vec::new();
            for index in 0..8 {
                requests.extend(request(
                    PREDICT,
                    "",
                    format!("{{\"instances\": [{index}]}}"),
                ));
                requests.extend(b"GET /livez HTTP/1.1\r\nHost: h\r\n\r\n\r\n");
            }
            client.send(requests).await;
            for index in 0..8 {
                assert_eq!(
                    client.reply().await,
                    ok(&format!("{{\"predictions\":[[{}.0]]}}", 2 * index))
                );
                assert_eq!(client.reply().await, ok(r#"{"live":true}"#));
            }
        },
    );
    assert_eq!(record.rows(), [8], "one call for the whole turn");
}

#[test]
fn more_requests_than_may_be_under_way_are_all_answered() {
    with_model(async |service| {
        let mut client = Client::connect(&service);
        client.send(request(PREDICT, "", ONE).repeat(200)).await;
        for _ in 0..200 {
            assert_eq!(client.reply().await, ok(r#"{"predictions":[[2.0]]}"#));
        }
    });
}

#[test]
fn bytes_may_come_one_by_one() {
    with_model(async |service| {
        let mut client = Client::connect(&service);
        for byte in request(PREDICT, "", ONE).repeat(2) {
            client.send([byte]).await;
            tokio::task::yield_now().await;
        }
        for _ in 0..2 {
            assert_eq!(client.reply().await, ok(r#"{"predictions":[[2.0]]}"#));
        }
    });
}

#[test]
fn a_deadline_of_the_client_is_kept() {
    let (model, release) = gated(&Arc::default());
    with(
        testing::settings(),
        model,
        EXECUTOR_US,
        async move |service| {
            let mut client = Client::connect(&service);
            let reply = client
                .post_with(PREDICT, "X-Request-Timeout-Ms: 20\r\n", ONE)
                .await;
            assert_eq!(
                (reply.status, reply.header("x-turnout-code")),
                (504, Some("deadline_exceeded"))
            );
            let reply = client
                .post_with(PREDICT, "X-Request-Timeout-Ms: soon\r\n", ONE)
                .await;
            assert_eq!(
                (reply.status, reply.header("x-turnout-code")),
                (400, Some("malformed_request"))
            );
            drop(release);
        },
    );
}

#[test]
fn a_client_that_leaves_cancels_what_waits() {
    let record = Arc::default();
    let (model, release) = gated(&record);
    let seen = Arc::clone(&record);
    with(
        testing::settings(),
        model,
        EXECUTOR_US,
        async move |service| {
            let (mut running, mut leaving) = (Client::connect(&service), Client::connect(&service));
            running.send(request(PREDICT, "", ONE)).await;
            while seen.rows().is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            leaving
                .send(request(PREDICT, "", r#"{"instances": [1, 2, 3]}"#))
                .await;
            tokio::time::sleep(Duration::from_millis(5)).await;
            leaving.leave().await;
            drop(release);
            assert_eq!(running.reply().await.status, 200);
            assert_eq!(
                running
                    .post(PREDICT, r#"{"instances": [1, 2]}"#)
                    .await
                    .status,
                200
            );
        },
    );
    assert_eq!(record.rows(), [1, 2], "the one who left was never run");
}

#[test]
fn a_panicking_model_costs_one_request() {
    let model = doubling().with_behaviour(|_, inputs| {
        assert!(inputs[0].rows() != 3, "three rows");
        Ok(inputs)
    });
    with(testing::settings(), model, INLINE_US, async |service| {
        let mut client = Client::connect(&service);
        let reply = client.post(PREDICT, r#"{"instances": [1, 2, 3]}"#).await;
        assert_eq!(
            (reply.status, reply.header("x-turnout-code")),
            (500, Some("internal"))
        );
        assert!(!reply.body.contains("three rows"), "{}", reply.body);
        assert_eq!(client.post(PREDICT, ONE).await.status, 200);
    });
}

#[test]
fn the_signature_after_the_tensors_and_several_outputs() {
    let spec = |name: &str, dtype| TensorSpec {
        name: name.into(),
        tensor: name.into(),
        dtype,
        shape: Some(vec![None]),
        any_shape: false,
    };
    let inputs = || vec![spec("a", DType::Int64), spec("b", DType::String)];
    let signature = |name: &str, outputs| Signature {
        name: name.into(),
        inputs: inputs(),
        outputs,
    };
    let other = vec![spec("n", DType::Int64), spec("b_bytes", DType::String)];
    let signatures = vec![
        signature("serving_default", inputs()),
        signature("other", other),
    ];
    with(
        testing::settings(),
        doubling().with_signatures(signatures),
        INLINE_US,
        async |service| {
            let mut client = Client::connect(&service);
            let body =
                r#"{"instances": [{"a": 7, "b": {"b64": "aGk="}}], "signature_name": "other"}"#;
            assert_eq!(
                client.post(PREDICT, body).await,
                ok(r#"{"predictions":[{"n":7,"b_bytes":{"b64":"aGk="}}]}"#)
            );
            let body = r#"{"inputs": {"b": ["x", "y"], "a": [1, 2]}}"#;
            assert_eq!(
                client.post(PREDICT, body).await,
                ok(r#"{"outputs":{"a":[1,2],"b":["x","y"]}}"#)
            );
        },
    );
}

#[test]
fn an_answer_that_rows_cannot_hold_is_refused() {
    let model = doubling().with_behaviour(|_, _| {
        let scalar = Tensor::new([].into_iter().collect(), Values::Float32(vec![1.0]))?;
        Ok(vec![scalar])
    });
    with(testing::settings(), model, INLINE_US, async |service| {
        let mut client = Client::connect(&service);
        let reply = client.post(PREDICT, ONE).await;
        let message = "Tensor name: y has no shape information ";
        assert_eq!(
            (reply.status, reply.json()["error"].as_str()),
            (400, Some(message))
        );
        assert_eq!(
            client.post(PREDICT, r#"{"inputs": [1]}"#).await,
            ok(r#"{"outputs":1.0}"#)
        );
    });
}
