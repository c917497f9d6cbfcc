//! What a request is told whose model or version does not answer: to come back, or why not.

use turnout_core::route::VersionChoice;
use turnout_core::snapshot::{ModelRoute, VersionState, VersionStatus};
use turnout_core::{Error, ErrorCode};

/// Adds to `error`, by which no route was found, what the status of the model says.
///
/// A version that is on its way is `unavailable`, which clients may try again; the text of the error stays, since clients of
/// TensorFlow Serving look for it. One that failed, and a model without versions, get a hint.
pub(super) fn explain(error: Error, model: &ModelRoute, choice: VersionChoice<'_>) -> Error {
    if error.code() != ErrorCode::ModelNotFound {
        return error;
    }
    let wanted = |status: &&VersionStatus| match choice {
        VersionChoice::Default => true,
        VersionChoice::Number(number) => status.version == number,
        VersionChoice::Label(label) => model.labels.get(label) == Some(&status.version),
    };
    let candidates: Vec<&VersionStatus> = model.versions.iter().filter(wanted).collect();
    let coming = candidates
        .iter()
        .find(|status| matches!(status.state, VersionState::Start | VersionState::Loading));
    if let Some(status) = coming {
        let message = format!(
            "{}: version {} is being loaded",
            error.message(),
            status.version
        );
        return Error::unavailable(message);
    }
    match failed(&candidates).or_else(|| without_versions(model)) {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

fn failed(candidates: &[&VersionStatus]) -> Option<String> {
    let at_fault = candidates
        .iter()
        .filter(|status| !status.error_message.is_empty());
    let newest = at_fault.max_by_key(|status| status.version)?;
    let cause = newest.error_message.lines().next().unwrap_or_default();
    Some(format!("version {} failed: {cause}", newest.version))
}

fn without_versions(model: &ModelRoute) -> Option<String> {
    let nothing = model.versions.is_empty() && !model.problem.is_empty();
    nothing.then(|| model.problem.clone())
}
