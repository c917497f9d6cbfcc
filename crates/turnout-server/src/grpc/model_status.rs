//! `ModelService/GetModelStatus`.

use prost::Message;
use turnout_core::snapshot::{ModelRoute, VersionState, VersionStatus};
use turnout_core::{Error, ErrorCode};

use super::status::{Situation, Status, default_code};
use super::target;
use super::wire::VersionField;
use super::wire::messages::{
    GetModelStatusRequest, GetModelStatusResponse, ModelVersionStatus, State, StatusProto,
};
use crate::routes::Routes;

/// The states of the versions that the request names, the newest first.
///
/// # Errors
/// `model_not_found` by TensorFlow Serving's texts; a label that names no version is `INVALID_ARGUMENT`.
pub(crate) fn answer(routes: &Routes, message: &[u8]) -> Result<GetModelStatusResponse, Status> {
    let request = GetModelStatusRequest::decode(message).map_err(|source| {
        Error::malformed(format!("the message is not valid protobuf: {source}"))
    })?;
    let spec = target::named(
        request
            .model_spec
            .as_ref()
            .map(super::wire::messages::ModelSpec::view),
    )?;
    let unknown_model = || {
        Error::model_not_found(format!(
            "Could not find any versions of model {}",
            spec.name
        ))
    };
    let model = routes.model(spec.name).ok_or_else(unknown_model)?;
    if model.versions.is_empty() {
        return Err(match model.problem.as_str() {
            "" => unknown_model(),
            problem => unknown_model().with_hint(problem),
        }
        .into());
    }
    let version = wanted(model, spec.version)?;
    let mut versions: Vec<&VersionStatus> = model
        .versions
        .iter()
        .filter(|status| version.is_none_or(|version| i128::from(status.version) == version))
        .collect();
    if let (Some(version), []) = (version, versions.as_slice()) {
        let text = format!("Could not find version {version} of model {}", spec.name);
        return Err(Error::model_not_found(text).into());
    }
    versions.sort_by_key(|status| std::cmp::Reverse(status.version));
    Ok(GetModelStatusResponse {
        model_version_status: versions.into_iter().map(version_status).collect(),
    })
}

/// The version number that was asked for; none gives all of them.
fn wanted(model: &ModelRoute, version: VersionField<'_>) -> Result<Option<i128>, Status> {
    match version {
        VersionField::None => Ok(None),
        VersionField::Number(number) => Ok(Some(number.into())),
        VersionField::Label(label) => match model.labels.get(label) {
            Some(number) => Ok(Some((*number).into())),
            None => Err(Status::by_contract(
                Situation::UnknownLabel,
                Error::model_not_found(format!("Unrecognized servable version label: {label}")),
            )),
        },
    }
}

fn version_status(status: &VersionStatus) -> ModelVersionStatus {
    let code = ErrorCode::ALL
        .iter()
        .find(|code| code.slug() == status.error_code);
    ModelVersionStatus {
        version: status.version.cast_signed(),
        state: state(status.state).into(),
        status: Some(StatusProto {
            error_code: code.map_or(0, |code| default_code(*code).number()),
            error_message: status.error_message.clone(),
        }),
    }
}

fn state(state: VersionState) -> State {
    match state {
        VersionState::Start => State::Start,
        VersionState::Loading => State::Loading,
        VersionState::Available => State::Available,
        VersionState::Unloading => State::Unloading,
        VersionState::End => State::End,
    }
}
