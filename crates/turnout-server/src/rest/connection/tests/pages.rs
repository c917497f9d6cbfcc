use serde_json::json;

use super::{Client, PREDICT, ok, with_model};
use crate::drain::Stage;
use crate::testing::Bench;

#[test]
fn pages_of_the_server_and_its_models() {
    with_model(async |service| {
        let mut client = Client::connect(&service);
        assert_eq!(client.get("/livez").await, ok(r#"{"live":true}"#));
        let version =
            json!({"version": 1, "state": "AVAILABLE", "error_code": "", "error_message": ""});
        let models = json!([{"name": "m", "default_version": 1, "labels": {"stable": 1}, "problem": "", "versions": [version]}]);
        let ready = client.get("/readyz").await;
        assert_eq!(
            (ready.status, ready.json()),
            (200, json!({"ready": true, "reason": "", "models": models}))
        );
        assert_eq!(
            client.get("/v1/models").await.json(),
            json!({"models": models})
        );
        let entry = json!({"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}});
        for path in [
            "/v1/models/m",
            "/v1/models/m/versions/1",
            "/v1/models/m/labels/stable",
        ] {
            assert_eq!(
                client.get(path).await.json(),
                json!({"model_version_status": [entry]})
            );
        }
        let metadata = client.get("/v1/models/m/metadata").await.json();
        assert_eq!(
            metadata["model_spec"],
            json!({"name": "m", "signature_name": "", "version": "1"})
        );
        let signature = &metadata["metadata"]["signature_def"]["signature_def"]["serving_default"];
        assert_eq!(signature["inputs"]["x"]["dtype"], "DT_FLOAT");
    });
}

#[test]
fn metrics_count_requests() {
    with_model(async |service| {
        let mut client = Client::connect(&service);
        client.post(PREDICT, r#"{"instances": [1]}"#).await;
        client.get("/nowhere").await;
        let metrics = client.get("/metrics").await;
        assert_eq!(
            metrics.header("content-type"),
            Some("text/plain; version=0.0.4; charset=utf-8")
        );
        let counts = |line: &str| {
            metrics
                .body
                .lines()
                .any(|found| found.starts_with(line) && found.ends_with(" 1"))
        };
        assert!(
            counts("turnout_requests_total{model=\"m\""),
            "{}",
            metrics.body
        );
        assert!(
            counts("turnout_refused_requests_total{door=\"rest\",code=\"malformed_request\"}"),
            "{}",
            metrics.body
        );
    });
}

#[test]
fn what_is_not_there() {
    with_model(async |service| {
        let mut client = Client::connect(&service);
        #[rustfmt::skip]
        let cases = [
            ("/v1/models/n", 404, "Could not find any versions of model n"),
            ("/v1/models/m/versions/2", 404, "Could not find version 2 of model m"),
            ("/v1/models/m/labels/x", 400, "Unrecognized servable version label: x"),
            ("/v1/models/n/metadata", 404, "Servable not found for request: Latest(n)"),
            ("/v1/models/m/labels/x/metadata", 400, "Unrecognized servable version label: x"),
            ("/nowhere", 404, "there is no such path: `/nowhere`"),
            ("/v1/nowhere?x=1", 400, "Malformed request: GET /v1/nowhere?x=1"),
            (PREDICT, 405, "Malformed request: GET /v1/models/m:predict"),
        ];
        for (path, status, message) in cases {
            let reply = client.get(path).await;
            assert_eq!(
                (reply.status, reply.json()["error"].as_str()),
                (status, Some(message)),
                "{path}"
            );
        }
        let allowed = client.post("/livez", "").await;
        assert_eq!(
            (allowed.status, allowed.header("allow")),
            (405, Some("GET, HEAD"))
        );
    });
}

#[test]
fn head_has_the_headers_of_get_and_no_body() {
    with_model(async |service| {
        let mut client = Client::connect(&service);
        for path in ["/livez", "/v1/models", "/nowhere"] {
            let length = client.get(path).await.body.len().to_string();
            client
                .send(format!("HEAD {path} HTTP/1.1\r\nHost: h\r\n\r\n"))
                .await;
            assert_eq!(
                client.reply_to("HEAD").await.header("content-length"),
                Some(length.as_str())
            );
        }
    });
}

#[test]
fn readiness_is_withdrawn_first() {
    let bench = Bench::new();
    bench.run(async |service| {
        let mut client = Client::connect(&service);
        let starting = client.get("/readyz").await;
        assert_eq!(
            (starting.status, starting.json()["reason"].as_str()),
            (503, Some("starting"))
        );
        bench.shared.drain.advance(Stage::Announced);
        let ending = client.get("/readyz").await;
        assert_eq!(
            (ending.status, ending.json()["reason"].as_str()),
            (503, Some("the server is ending"))
        );
        assert_eq!(client.get("/livez").await.status, 200);
    });
    bench.end();
}
