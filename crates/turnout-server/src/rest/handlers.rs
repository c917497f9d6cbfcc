//! What each route does.

use std::time::{Duration, Instant};

use turnout_core::{Door, Error, ErrorCode, RequestContext};

use super::classify;
use super::errors::Failure;
use super::exchange::{Body, Work};
use super::head::Head;
use super::listing;
use super::metadata;
use super::predict;
use super::response::{JSON, METRICS, Response};
use super::routes::{self, Call, Method, Target, Unroutable, Version};
use super::status;
use crate::drain::Stage;
use crate::examples::Method as Inference;
use crate::service::{Arrival, Service};

/// Starts what a request asks for.
pub(super) fn begin(service: &Service, head: &Head<'_>, body: Body<'_>, received: Instant) -> Work {
    let (timeout, timeout_error) = match head.timeout() {
        Ok(timeout) => (timeout, None),
        Err(error) => (None, Some(error)),
    };
    let context = context(service, head, timeout, received);
    if let Some(error) = timeout_error {
        return Work::Done(refuse(service, &context, &error.into()));
    }
    if head.method == Method::Options && routes::is_of_protocol(head.target) {
        return Work::Done(preflight(service, head, &context));
    }
    let metrics_path = service.settings().tf_serving_metrics_path.as_deref();
    match routes::find(head.method, head.target, metrics_path) {
        Ok(call) if call.target == Target::Predict => {
            predict::begin(service, &call, head.encoding, body, context)
        }
        Ok(call) if call.target == Target::Classify => classify::begin(
            service,
            &call,
            Inference::Classify,
            head.encoding,
            body,
            context,
        ),
        Ok(call) if call.target == Target::Regress => classify::begin(
            service,
            &call,
            Inference::Regress,
            head.encoding,
            body,
            context,
        ),
        Ok(call) => Work::Done(page(service, &call, &context)),
        Err(Unroutable::Failure(failure)) => Work::Done(refuse(service, &context, &failure)),
        Err(Unroutable::Method(allow)) => {
            let error = not_taken(head, "this path does not take that method")
                .with_hint(format!("This path takes {allow}."));
            let mut response = refuse(service, &context, &Failure::new(405, error));
            response.allow = Some(allow);
            Work::Done(response)
        }
        Err(Unroutable::Unknown) => {
            let known = routes::is_of_protocol(head.target);
            let failure = Failure::new(
                if known { 400 } else { 404 },
                not_taken(head, "there is no such path"),
            );
            Work::Done(refuse(service, &context, &failure))
        }
    }
}

/// A request that no route takes: in the protocol's words where the path is one of the protocol's.
fn not_taken(head: &Head<'_>, otherwise: &str) -> Error {
    let target = super::shorten(head.target);
    Error::malformed(if routes::is_of_protocol(head.target) {
        format!("Malformed request: {} {target}", head.method_name)
    } else {
        format!("{otherwise}: `{target}`")
    })
}

/// What a browser asks before it sends a request of another page. Whether it may is said by the headers of `rest_cors`.
fn preflight(service: &Service, head: &Head<'_>, context: &RequestContext) -> Response {
    let from_page = head.origin.is_some_and(|origin| {
        let origin = String::from_utf8_lossy(origin);
        origin.contains("http://") || origin.contains("https://")
    });
    if from_page {
        return Response::empty(context.id.clone());
    }
    let error =
        not_taken(head, "").with_hint("OPTIONS needs an `Origin` with http:// or https://.");
    refuse(service, context, &error.into())
}

fn context(
    service: &Service,
    head: &Head<'_>,
    timeout: Option<Duration>,
    received: Instant,
) -> RequestContext {
    service.context(&Arrival {
        door: Door::Rest,
        id: head.request_id,
        traceparent: head.traceparent,
        timeout,
        received,
    })
}

/// Answers a request that reached no version, and counts it.
pub(super) fn refuse(service: &Service, context: &RequestContext, failure: &Failure) -> Response {
    service.refuse(Door::Rest, failure.error.code());
    service.log_failure(context, &failure.error);
    Response::failure(context.id.clone(), failure)
}

/// An unknown label is the client's mistake to this protocol, an unknown model or version is not.
pub(super) fn not_found(error: Error, version: &Version<'_>) -> Failure {
    match version {
        Version::Label(_) if error.code() == ErrorCode::ModelNotFound => Failure::new(400, error),
        _ => error.into(),
    }
}

fn page(service: &Service, call: &Call<'_>, context: &RequestContext) -> Response {
    let id = context.id.clone();
    let routes = service.routes();
    let document = match call.target {
        Target::Live => Ok(b"{\"live\":true}".to_vec()),
        Target::Models => Ok(listing::models(&routes.models)),
        Target::Metrics => return Response::ok(id, METRICS, service.metrics_page().into_bytes()),
        Target::TfServingMetrics => {
            let page = service.tf_serving_metrics_page();
            return Response::ok(id, METRICS, page.into_bytes());
        }
        Target::Ready => {
            let (ready, reason) = readiness(service, &routes.ready.reason);
            let mut response =
                Response::ok(id, JSON, listing::readiness(ready, reason, &routes.models));
            response.status = if ready { 200 } else { 503 };
            return response;
        }
        Target::Status => {
            status::model_status(&call.model, routes.model(&call.model), &call.version)
        }
        Target::Metadata => service
            .resolve(&call.model, call.version.choice())
            .map_err(|error| not_found(error, &call.version))
            .and_then(|servable| Ok(metadata::metadata(&servable)?)),
        Target::Predict | Target::Classify | Target::Regress => {
            Err(Error::internal("bug: a prediction is no page").into())
        }
    };
    match document {
        Ok(document) => Response::ok(id, JSON, document),
        Err(failure) => refuse(service, context, &failure),
    }
}

fn readiness<'a>(service: &Service, reason: &'a str) -> (bool, &'a str) {
    match service.stage() {
        Stage::Serving => (service.is_ready(), reason),
        _ => (false, "the server is ending"),
    }
}
