//! `:predict`: from a body to tensors, through the service, and back to a body.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use turnout_core::admission::BytePermit;
use turnout_core::snapshot::RestMode;
use turnout_core::{Door, Error, RequestContext, Result, Tensor};

use super::errors::Failure;
use super::exchange::{Body, Work};
use super::handlers::{not_found, refuse};
use super::head::Encoding;
use super::inflate::gunzip;
use super::json::{
    DecodedPredict, Format, JsonOptions, check_document, decode_predict, encode_predict,
};
use super::response::{JSON, Response};
use super::routes::Call;
use crate::execute::Executed;
use crate::metrics::Stages;
use crate::request_log::{Part, Sampled, Ticket};
use crate::servable::Servable;
use crate::service::Service;

/// How the documents of this server's clients are read.
pub(super) fn json_options(service: &Service) -> JsonOptions {
    JsonOptions {
        strict: service.settings().rest_mode == RestMode::Strict,
    }
}

/// Takes room for a body of `bytes`.
///
/// # Errors
/// `request_too_large` where it can never be had, `overloaded` where it cannot be had now.
pub(super) fn admit(service: &Service, bytes: usize) -> Result<BytePermit> {
    let limit = service.budget().limit_bytes();
    if bytes > limit {
        return Err(Error::too_large(format!(
            "the body is larger than `inflight_bytes`: got {bytes}, limit {limit}"
        )));
    }
    service.budget().acquire(bytes)
}

/// Decodes a small body here and now; leaves a large or compressed one to another thread.
pub(super) fn begin(
    service: &Service,
    call: &Call<'_>,
    encoding: Encoding,
    body: Body<'_>,
    context: RequestContext,
) -> Work {
    let resolved = service.resolve(&call.model, call.version.choice());
    let resolved = resolved.map_err(|error| not_found(error, &call.version));
    let admitted = match body {
        Body::Borrowed(bytes) => {
            admit(service, bytes.len()).map(|permit| (Cow::Borrowed(bytes), permit))
        }
        Body::Owned(bytes, permit) => Ok((Cow::Owned(bytes), permit)),
    };
    let options = json_options(service);
    let (bytes, permit) = match admitted {
        Ok(admitted) if !encoding.is_refused(options.strict) => admitted,
        Ok(_) => return Work::Done(refuse(service, &context, &unknown_encoding())),
        Err(error) => return Work::Done(refuse(service, &context, &error.into())),
    };
    let gzip = encoding == Encoding::Gzip;
    if gzip || bytes.len() > service.settings().offload_bytes {
        let limit_bytes = service.settings().max_body_bytes;
        let body = LargeBody {
            bytes: bytes.into_owned(),
            gzip,
            limit_bytes,
            options,
            permit,
        };
        return Work::Waiting(Box::pin(predict_large(
            service.clone(),
            context,
            resolved,
            body,
        )));
    }
    match decode(&bytes, resolved, options) {
        Ok((servable, decoded)) => Work::Waiting(Box::pin(execute(
            service.clone(),
            context,
            servable,
            decoded,
            permit,
        ))),
        Err(failure) => Work::Done(refuse(service, &context, &failure)),
    }
}

pub(super) fn unknown_encoding() -> Failure {
    Failure::new(
        415,
        Error::unsupported(
            "the body's `Content-Encoding` is not known: expected `gzip` or `identity`",
        ),
    )
}

/// A body that is no JSON is refused as that, whether its model is known or not.
fn decode(
    bytes: &[u8],
    resolved: Result<Arc<Servable>, Failure>,
    options: JsonOptions,
) -> Result<(Arc<Servable>, DecodedPredict), Failure> {
    match resolved {
        Ok(servable) => {
            let decoded = decode_predict(bytes, &servable.signatures, options)?;
            Ok((servable, decoded))
        }
        Err(failure) => {
            check_document(bytes, options)?;
            Err(failure)
        }
    }
}

struct LargeBody {
    bytes: Vec<u8>,
    gzip: bool,
    limit_bytes: usize,
    options: JsonOptions,
    permit: BytePermit,
}

type Decoded = (Arc<Servable>, DecodedPredict, BytePermit);

impl LargeBody {
    fn decode(mut self, resolved: Result<Arc<Servable>, Failure>) -> Result<Decoded, Failure> {
        if self.gzip {
            self.bytes = gunzip(&self.bytes, self.limit_bytes, |bytes| {
                self.permit.grow(bytes)
            })?;
        }
        let (servable, decoded) = decode(&self.bytes, resolved, self.options)?;
        // Text can be shorter than what it says.
        let needed = size_bytes(&decoded.inputs);
        self.permit.grow(needed.saturating_sub(self.bytes.len()))?;
        Ok((servable, decoded, self.permit))
    }
}

pub(super) fn size_bytes(tensors: &[Tensor]) -> usize {
    tensors
        .iter()
        .map(|tensor| tensor.values().size_bytes())
        .sum()
}

async fn predict_large(
    service: Service,
    context: RequestContext,
    resolved: Result<Arc<Servable>, Failure>,
    body: LargeBody,
) -> Response {
    // How much a compressed body holds is known only afterwards.
    let bytes = if body.gzip {
        usize::MAX
    } else {
        body.bytes.len()
    };
    let decoded = service.offload(bytes, move || body.decode(resolved)).await;
    match decoded.unwrap_or_else(|error| Err(error.into())) {
        Ok((servable, decoded, permit)) => {
            execute(service, context, servable, decoded, permit).await
        }
        Err(failure) => refuse(&service, &context, &failure),
    }
}

async fn execute(
    service: Service,
    context: RequestContext,
    servable: Arc<Servable>,
    decoded: DecodedPredict,
    permit: BytePermit,
) -> Response {
    let DecodedPredict {
        signature,
        mut inputs,
        format,
    } = decoded;
    let mut stages = Stages::received(context.received);
    stages.decoded = Some(Instant::now());
    let mut tracked = service.track(&servable, signature, Door::Rest, stages);
    let mut sampled = None;
    if let Some(ticket) = servable.sampler.sample(size_bytes(&inputs)) {
        (inputs, sampled) = Box::pin(keep(&service, inputs, ticket)).await;
    }
    let answer = match service
        .predict(&servable, signature, inputs, permit, &context)
        .await
    {
        Ok(executed) => {
            tracked.stages.started = Some(executed.started);
            tracked.stages.finished = Some(executed.finished);
            let sampled = sampled.map(|sampled| (sampled, context.received));
            encode(&service, &servable, signature, format, executed, sampled).await
        }
        Err(error) => Err(error),
    };
    tracked.finish(answer.as_ref().err().map(Error::code));
    match answer {
        Ok((body, permit)) => {
            let mut response = Response::ok(context.id, JSON, body);
            response.version = Some(servable.version);
            response.permit = Some(permit);
            response
        }
        Err(error) => {
            service.log_failure(&context, &error);
            Response::failure(context.id, &error.into())
        }
    }
}

async fn encode(
    service: &Service,
    servable: &Arc<Servable>,
    signature: usize,
    format: Format,
    executed: Executed,
    sampled: Option<(Box<Sampled>, Instant)>,
) -> Result<(Vec<u8>, BytePermit)> {
    let Executed {
        outputs,
        mut permit,
        ..
    } = executed;
    let bytes = size_bytes(&outputs);
    let servable = Arc::clone(servable);
    let write = move || {
        let mut body = Vec::new();
        encode_predict(&outputs, &servable.signatures[signature], format, &mut body)?;
        permit.grow(body.len())?;
        if let Some((sampled, received)) = sampled {
            sampled.answered(&servable, signature, Part::Tensors(outputs), received);
        }
        Ok((body, permit))
    };
    service.offload(bytes, write).await?
}

/// Copies the inputs of a call that is logged, since the engine takes the originals; large ones on another thread.
async fn keep(
    service: &Service,
    inputs: Vec<Tensor>,
    ticket: Ticket,
) -> (Vec<Tensor>, Option<Box<Sampled>>) {
    let (bytes, inputs) = (size_bytes(&inputs), Arc::new(inputs));
    let originals = Arc::clone(&inputs);
    let copy = service.offload(bytes, move || originals.to_vec()).await;
    let sampled = if let Ok(copy) = copy {
        Some(Box::new(ticket.with(Part::Tensors(copy))))
    } else {
        ticket.lose();
        None
    };
    (Arc::unwrap_or_clone(inputs), sampled)
}
