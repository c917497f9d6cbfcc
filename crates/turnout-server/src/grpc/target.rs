//! From a `ModelSpec` to the servable that answers.

use std::sync::Arc;

use turnout_core::route::VersionChoice;
use turnout_core::{Error, ErrorCode, Result};

use super::status::{Situation, Status};
use super::wire::{ModelSpecView, VersionField};
use crate::servable::Servable;

/// Finds the servable that `spec` names, by `resolve`.
///
/// # Errors
/// By TensorFlow Serving's texts and statuses: no spec or no name, an unknown model, version or label.
pub(crate) fn servable(
    spec: Option<ModelSpecView<'_>>,
    resolve: impl Fn(&str, VersionChoice<'_>) -> Result<Arc<Servable>>,
) -> Result<Arc<Servable>, Status> {
    let spec = named(spec)?;
    let choice = choice(&spec)?;
    resolve(spec.name, choice).map_err(|error| match (choice, error.code()) {
        (VersionChoice::Label(_), ErrorCode::ModelNotFound) => {
            Status::by_contract(Situation::UnknownLabel, error)
        }
        _ => error.into(),
    })
}

/// The spec, if it is there and has a name.
///
/// # Errors
/// `invalid_input`.
pub(crate) fn named(spec: Option<ModelSpecView<'_>>) -> Result<ModelSpecView<'_>> {
    let spec = spec.ok_or_else(|| Error::invalid_input("Missing ModelSpec"))?;
    if spec.name.is_empty() {
        return Err(Error::invalid_input("ModelSpec has no name specified."));
    }
    Ok(spec)
}

fn choice<'a>(spec: &ModelSpecView<'a>) -> Result<VersionChoice<'a>> {
    Ok(match spec.version {
        VersionField::None => VersionChoice::Default,
        VersionField::Label(label) => VersionChoice::Label(label),
        VersionField::Number(number) => {
            VersionChoice::Number(u64::try_from(number).map_err(|_| {
                let text = format!(
                    "Servable not found for request: Specific({}, {number})",
                    spec.name
                );
                Error::model_not_found(text)
            })?)
        }
    })
}

/// The index of the signature of that name; none or empty gives the default one.
///
/// # Errors
/// `signature_not_found`, by TensorFlow Serving's text.
pub(crate) fn signature(servable: &Servable, name: &str) -> Result<usize> {
    servable.signature(Some(name)).map_err(|error| {
        if error.code() != ErrorCode::SignatureNotFound {
            return error;
        }
        Error::signature_not_found(format!("Serving signature key \"{name}\" not found."))
    })
}
