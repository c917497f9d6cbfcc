//! The states of a model's versions, in TensorFlow Serving's shape.

use serde::Serialize;
use turnout_core::snapshot::{ModelRoute, VersionStatus};
use turnout_core::{Error, ErrorCode};

use super::errors::Failure;
use super::routes::Version;
use super::spaced_document;

/// `{"model_version_status": […]}`: one version, a label's version, or all with the newest first.
///
/// # Errors
/// `model_not_found`; for a label, which the client made up, with the status of a bad request.
pub(super) fn model_status(
    name: &str,
    route: Option<&ModelRoute>,
    version: &Version<'_>,
) -> Result<Vec<u8>, Failure> {
    let versions = select(name, route, version)?;
    let model_version_status = versions.into_iter().map(StatusEntry::new).collect();
    Ok(spaced_document(&StatusDocument {
        model_version_status,
    }))
}

fn select<'a>(
    name: &str,
    route: Option<&'a ModelRoute>,
    version: &Version<'_>,
) -> Result<Vec<&'a VersionStatus>, Failure> {
    let none = || Error::model_not_found(format!("Could not find any versions of model {name}"));
    let route = route.ok_or_else(none)?;
    if route.versions.is_empty() {
        return Err(match route.problem.as_str() {
            "" => none(),
            problem => none().with_hint(problem),
        }
        .into());
    }
    let number = match version {
        Version::Default => {
            let mut all: Vec<&VersionStatus> = route.versions.iter().collect();
            all.sort_by_key(|status| std::cmp::Reverse(status.version));
            return Ok(all);
        }
        Version::Number(number) => *number,
        Version::Label(label) => {
            let text = || format!("Unrecognized servable version label: {label}");
            let unknown = || Failure::new(400, Error::model_not_found(text()));
            *route.labels.get(label.as_ref()).ok_or_else(unknown)?
        }
    };
    let found: Vec<&VersionStatus> = route
        .versions
        .iter()
        .filter(|status| status.version == number)
        .collect();
    if found.is_empty() {
        return Err(Error::model_not_found(format!(
            "Could not find version {number} of model {name}"
        ))
        .into());
    }
    Ok(found)
}

#[derive(Serialize)]
struct StatusDocument<'a> {
    model_version_status: Vec<StatusEntry<'a>>,
}

/// 64-bit numbers are strings in the JSON of protobuf.
#[derive(Serialize)]
struct StatusEntry<'a> {
    version: String,
    state: &'static str,
    status: StatusCode<'a>,
}

#[derive(Serialize)]
struct StatusCode<'a> {
    error_code: &'static str,
    error_message: &'a str,
}

impl<'a> StatusEntry<'a> {
    fn new(version: &'a VersionStatus) -> Self {
        let error_message = version.error_message.as_str();
        let status = StatusCode {
            error_code: protobuf_code(&version.error_code),
            error_message,
        };
        Self {
            version: version.version.to_string(),
            state: version.state.name(),
            status,
        }
    }
}

/// The name that protobuf's status has for a catalogue slug; clients parse it as that enum.
fn protobuf_code(slug: &str) -> &'static str {
    if slug.is_empty() {
        return "OK";
    }
    let known = ErrorCode::ALL.iter().find(|code| code.slug() == slug);
    known.map_or("UNKNOWN", |code| crate::grpc::status_name(*code))
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::*;

    pub(crate) fn route() -> ModelRoute {
        serde_json::from_value(json!({
            "name": "m", "default": 8, "labels": {"stable": 1, "old": 9}, "problem": "", "request_log_rate": 0.0,
            "versions": [
                {"version": 1, "servable": 7, "state": "AVAILABLE", "error_code": "", "error_message": ""},
                {"version": 2, "servable": 8, "state": "AVAILABLE", "error_code": "", "error_message": ""},
                {"version": 3, "servable": null, "state": "END", "error_code": "artifact_invalid", "error_message": "no \"file\""},
            ],
        }))
        .expect("a route")
    }

    pub(crate) fn read(document: &[u8]) -> Value {
        serde_json::from_slice(document).expect("JSON")
    }

    #[test]
    fn status_is_newest_first_and_by_version_or_label() {
        let route = route();
        let one =
            |version: &Version<'_>| read(&model_status("m", Some(&route), version).expect("known"));
        let available = |version| json!({"version": version, "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}});
        let all = one(&Version::Default);
        let versions: Vec<&str> = all["model_version_status"]
            .as_array()
            .expect("list")
            .iter()
            .filter_map(|entry| entry["version"].as_str())
            .collect();
        assert_eq!(versions, ["3", "2", "1"]);
        assert_eq!(
            all["model_version_status"][0]["status"]["error_message"],
            "no \"file\""
        );
        assert_ne!(all["model_version_status"][0]["status"]["error_code"], "OK");
        assert_eq!(
            one(&Version::Number(2)),
            json!({"model_version_status": [available("2")]})
        );
        assert_eq!(
            one(&Version::Label("stable".into())),
            json!({"model_version_status": [available("1")]})
        );
    }

    #[test]
    fn what_is_not_there_has_the_words_that_clients_know() {
        let route = route();
        let text = |route, version: &Version<'_>| {
            model_status("m", route, version)
                .expect_err("unknown")
                .error
                .message()
                .to_owned()
        };
        assert_eq!(
            text(None, &Version::Default),
            "Could not find any versions of model m"
        );
        assert_eq!(
            text(Some(&route), &Version::Number(4)),
            "Could not find version 4 of model m"
        );
        assert_eq!(
            text(Some(&route), &Version::Label("x".into())),
            "Unrecognized servable version label: x"
        );
        assert_eq!(
            text(Some(&route), &Version::Label("old".into())),
            "Could not find version 9 of model m"
        );
    }
}
