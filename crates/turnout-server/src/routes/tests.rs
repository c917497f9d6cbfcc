use serde_json::json;
use turnout_core::ErrorCode;

use super::*;

/// Version 1 failed, 2 is being loaded, 3 failed later; nothing answers yet.
fn routes(versions: &serde_json::Value, problem: &str) -> Routes {
    let snapshot = serde_json::from_value(json!({
        "sequence": 1, "ready": {"ready": false, "reason": "loading: m"}, "servables": [],
        "models": [{"name": "m", "default": null, "labels": {"canary": 2, "old": 1}, "problem": problem, "request_log_rate": 0.0, "versions": versions}],
    }));
    Routes::build(snapshot.expect("a snapshot"), &HashMap::new()).expect("routes")
}

fn status(version: u64, state: &str, message: &str) -> serde_json::Value {
    json!({"version": version, "servable": null, "state": state, "error_code": "load_failed", "error_message": message})
}

fn refusal(routes: &Routes, choice: VersionChoice<'_>) -> (ErrorCode, String, Option<String>) {
    let Err(error) = routes.resolve("m", choice) else {
        unreachable!("nothing is loaded")
    };
    (
        error.code(),
        error.message().to_owned(),
        error.hint().map(str::to_owned),
    )
}

#[test]
fn what_is_being_loaded_is_to_be_tried_again() {
    let routes = routes(
        &json!([status(1, "END", "cut"), status(2, "LOADING", "")]),
        "",
    );
    let (code, message, _) = refusal(&routes, VersionChoice::Default);
    assert_eq!(code, ErrorCode::Unavailable);
    assert_eq!(
        message,
        "Servable not found for request: Latest(m): version 2 is being loaded"
    );
    for choice in [VersionChoice::Number(2), VersionChoice::Label("canary")] {
        assert_eq!(refusal(&routes, choice).0, ErrorCode::Unavailable);
    }
}

#[test]
fn what_failed_says_why() {
    let failures = json!([
        status(1, "END", "cut\nhint: mend it"),
        status(3, "END", "too new")
    ]);
    let routes = routes(&failures, "");
    let hint = |choice| refusal(&routes, choice).2;
    assert_eq!(
        refusal(&routes, VersionChoice::Default).0,
        ErrorCode::ModelNotFound
    );
    assert_eq!(
        hint(VersionChoice::Default).as_deref(),
        Some("version 3 failed: too new")
    );
    assert_eq!(
        hint(VersionChoice::Label("old")).as_deref(),
        Some("version 1 failed: cut")
    );
    assert_eq!(hint(VersionChoice::Number(9)), None);
}

#[test]
fn a_model_without_versions_says_what_is_wrong_with_it() {
    let routes = routes(&json!([]), "model.toml: unknown setting: `colour`");
    let (code, _, hint) = refusal(&routes, VersionChoice::Default);
    assert_eq!(code, ErrorCode::ModelNotFound);
    assert_eq!(
        hint.as_deref(),
        Some("model.toml: unknown setting: `colour`")
    );
}
