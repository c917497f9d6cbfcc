use serde_json::json;
use turnout_core::ErrorCode;

use super::*;

const REGRESS: &str = "/v1/models/m:regress";

#[test]
fn examples_are_answered_whatever_way_their_body_comes() {
    with_model(async |service| {
        let mut client = Client::connect(&service);
        let one = r#"{"examples": [{"x": 1.5}], "context": {"y": 1}}"#;
        for path in [
            REGRESS,
            "/v1/models/m/versions/1:regress",
            "/v1/models/m/labels/stable:regress",
        ] {
            let reply = client.post(path, one).await;
            assert_eq!(reply, ok(r#"{"results":[3.0]}"#));
            assert_eq!(reply.header("x-turnout-model-version"), Some("1"));
        }
        let reply = client.post("/v1/models/m:classify", one).await;
        assert_eq!(reply, ok(r#"{"results":[[["0",3.0]]]}"#));
        // Beyond the offload limit, and received apart.
        let rows = 20_000;
        let large = format!(
            "{{\"examples\": [{}{{\"x\": 1.0}}]}}",
            "{\"x\": 2.0},".repeat(rows)
        );
        assert!(large.len() > service.settings().offload_bytes);
        let reply = client.post(REGRESS, &large).await;
        let expected = format!("{{\"results\":[{}2.0]}}", "4.0,".repeat(rows));
        assert_eq!(reply, ok(&expected));
    });
}

#[test]
fn failures_have_their_status_code_and_words() {
    with_model(async |service| {
        let mut client = Client::connect(&service);
        let one = r#"{"examples": [{"x": 1.0}]}"#;
        let (unknown, malformed) = (ErrorCode::ModelNotFound, ErrorCode::MalformedRequest);
        #[rustfmt::skip]
        let cases = [
            ("/v1/models/n:regress", one, 404, unknown, "Servable not found for request: Latest(n)"),
            ("/v1/models/n:regress", "{}", 400, malformed, "JSON Value: {} When method is classify, key 'examples' is expected and was not found"),
            ("/v1/models/m/versions/9:classify", one, 404, unknown, "Servable not found for request: Specific(m, 9)"),
            ("/v1/models/m/labels/x:classify", one, 400, unknown, "Unrecognized servable version label: x"),
            (REGRESS, r#"{"signature_name": "q", "examples": [{}]}"#, 400, ErrorCode::SignatureNotFound, "No signature was found with the name: q"),
            (REGRESS, r#"{"examples": [{}]}"#, 400, ErrorCode::InvalidInput, "example 0 has no feature `x`: expected `x`"),
        ];
        for (path, body, status, code, message) in cases {
            let reply = client.post(path, body).await;
            let got = (reply.status, reply.header("x-turnout-code"));
            assert_eq!(got, (status, Some(code.slug())), "{path} {body}");
            assert_eq!(reply.json(), json!({"error": message}));
        }
        assert_eq!(
            client.post(REGRESS, one).await.status,
            200,
            "the connection is kept"
        );
    });
}

#[test]
fn a_client_that_waits_no_longer_is_told_so() {
    let record = Arc::default();
    let (model, release) = gated(&record);
    with(
        testing::settings(),
        model,
        EXECUTOR_US,
        async move |service| {
            let mut client = Client::connect(&service);
            let header = "X-Request-Timeout-Ms: 30\r\n";
            let reply = client
                .post_with(REGRESS, header, r#"{"examples": [{"x": 1.0}]}"#)
                .await;
            assert_eq!(reply.status, 504);
            drop(release);
        },
    );
}
