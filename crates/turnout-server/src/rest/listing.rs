//! All models with their versions: the list, and what readiness says of them. The shape is ours.

use std::collections::BTreeMap;

use serde::Serialize;
use turnout_core::snapshot::{ModelRoute, VersionStatus};

use super::document;

/// `{"models": […]}`.
pub(super) fn models(routes: &[ModelRoute]) -> Vec<u8> {
    document(&ModelsDocument {
        models: model_entries(routes),
    })
}

/// `{"ready": …, "reason": …, "models": […]}`.
pub(super) fn readiness(ready: bool, reason: &str, routes: &[ModelRoute]) -> Vec<u8> {
    document(&ReadinessDocument {
        ready,
        reason,
        models: model_entries(routes),
    })
}

#[derive(Serialize)]
struct ModelsDocument<'a> {
    models: Vec<ModelEntry<'a>>,
}

#[derive(Serialize)]
struct ReadinessDocument<'a> {
    ready: bool,
    reason: &'a str,
    models: Vec<ModelEntry<'a>>,
}

#[derive(Serialize)]
struct ModelEntry<'a> {
    name: &'a str,
    /// What requests without a version get; null for none.
    default_version: Option<u64>,
    labels: BTreeMap<&'a str, u64>,
    /// What is wrong with the model as a whole; empty where nothing is.
    problem: &'a str,
    versions: Vec<VersionEntry<'a>>,
}

#[derive(Serialize)]
struct VersionEntry<'a> {
    version: u64,
    state: &'static str,
    error_code: &'a str,
    error_message: &'a str,
}

fn model_entries(routes: &[ModelRoute]) -> Vec<ModelEntry<'_>> {
    let mut entries: Vec<ModelEntry<'_>> = routes.iter().map(model_entry).collect();
    entries.sort_by_key(|entry| entry.name);
    entries
}

fn model_entry(route: &ModelRoute) -> ModelEntry<'_> {
    let of_servable = |id| {
        route
            .versions
            .iter()
            .find(|status| status.servable == Some(id))
    };
    let mut versions: Vec<VersionEntry<'_>> = route.versions.iter().map(version_entry).collect();
    versions.sort_by_key(|entry| std::cmp::Reverse(entry.version));
    ModelEntry {
        name: &route.name,
        default_version: route
            .default
            .and_then(of_servable)
            .map(|status| status.version),
        labels: route
            .labels
            .iter()
            .map(|(label, version)| (label.as_str(), *version))
            .collect(),
        problem: &route.problem,
        versions,
    }
}

fn version_entry(status: &VersionStatus) -> VersionEntry<'_> {
    VersionEntry {
        version: status.version,
        state: status.state.name(),
        error_code: &status.error_code,
        error_message: &status.error_message,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rest::status::tests::{read, route};

    #[test]
    fn the_list_names_the_default_version() {
        let list = read(&models(&[route()]));
        assert_eq!(list["models"][0]["default_version"], 2);
        assert_eq!(list["models"][0]["labels"], json!({"old": 9, "stable": 1}));
        assert_eq!(
            list["models"][0]["versions"][0],
            json!({"version": 3, "state": "END", "error_code": "artifact_invalid", "error_message": "no \"file\""})
        );
        let ready = read(&readiness(false, "starting", &[]));
        assert_eq!(
            ready,
            json!({"ready": false, "reason": "starting", "models": []})
        );
    }
}
