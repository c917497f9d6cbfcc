//! `grpc.health.v1.Health`: of the whole server (`""`), of its services, and of each model by name.

use prost::Message;
use tokio::sync::watch;
use turnout_core::Error;
use turnout_core::route::VersionChoice;

use super::status::Status;
use super::wire::messages::{HealthCheckRequest, HealthCheckResponse, ServingStatus};
use crate::drain::Stage;
use crate::service::Service;

/// Answered as the whole server is. TensorFlow Serving knows the short names, other clients ask for the full ones.
const SERVICES: [&str; 4] = [
    "tensorflow.serving.PredictionService",
    "tensorflow.serving.ModelService",
    "PredictionService",
    "ModelService",
];

/// # Errors
/// `model_not_found` for a name that is neither a service nor a model.
pub(crate) fn check(service: &Service, message: &[u8]) -> Result<HealthCheckResponse, Status> {
    let name = read(message)?;
    let status = serving_status(service, &name).ok_or_else(|| {
        Error::model_not_found(format!("no service or model of that name: `{name}`"))
    })?;
    Ok(response(status))
}

fn read(message: &[u8]) -> Result<String, Error> {
    let request = HealthCheckRequest::decode(message);
    request
        .map(|request| request.service)
        .map_err(|source| Error::malformed(format!("the message is not valid protobuf: {source}")))
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status.into(),
    }
}

/// The health of a name; None for one that is unknown. A model of a service's name goes first.
fn serving_status(service: &Service, name: &str) -> Option<ServingStatus> {
    let routes = service.routes();
    let serving = if !name.is_empty() && routes.model(name).is_some() {
        let routable = routes.resolve(name, VersionChoice::Default).is_ok();
        routable && service.stage() == Stage::Serving
    } else if name.is_empty() || SERVICES.contains(&name) {
        service.is_ready()
    } else {
        return None;
    };
    Some(if serving {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    })
}

/// A stream of the health of one name.
pub(crate) struct Watch {
    name: String,
    last: Option<ServingStatus>,
    stage: watch::Receiver<Stage>,
    routes: watch::Receiver<u64>,
}

impl Watch {
    /// # Errors
    /// `malformed_request`. A name that is unknown is not an error: it may become known.
    pub(crate) fn new(service: &Service, message: &[u8]) -> Result<Self, Error> {
        Ok(Self {
            name: read(message)?,
            last: None,
            stage: service.watch_drain(),
            routes: service.watch_routes(),
        })
    }

    /// The first status at once, then each change; None when the server ends its connections.
    pub(crate) async fn next(&mut self, service: &Service) -> Option<HealthCheckResponse> {
        loop {
            // Marked as seen before it is looked at, so that no change falls between.
            let stage = *self.stage.borrow_and_update();
            self.routes.mark_unchanged();
            let status =
                serving_status(service, &self.name).unwrap_or(ServingStatus::ServiceUnknown);
            if self.last.replace(status) != Some(status) {
                return Some(response(status));
            }
            if stage >= Stage::Ending {
                return None;
            }
            let changed = tokio::select! {
                changed = self.stage.changed() => changed,
                changed = self.routes.changed() => changed,
            };
            changed.ok()?;
        }
    }
}
