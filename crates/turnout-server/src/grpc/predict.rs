//! `PredictionService/Predict`.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use smallvec::SmallVec;
use turnout_core::admission::BytePermit;
use turnout_core::route::VersionChoice;
use turnout_core::{Door, Error, RequestContext, Result, Signature, Tensor};
use turnout_engine::Model;

use super::body::{Message, PREFIX_BYTES};
use super::call::{Reply, refused, with_prefix};
use super::status::Status;
use super::wire::{Answer, Carrier, PredictRequestView, encode_predict_response};
use super::{inputs, target};
use crate::execute::Executed;
use crate::metrics::Stages;
use crate::request_log::{Part, Sampled};
use crate::servable::Servable;
use crate::service::Service;

/// A request whose servable is known.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) servable: Arc<Servable>,
    pub(super) signature: usize,
}

impl Target {
    pub(super) fn signature(&self) -> &Signature {
        &self.servable.signatures[self.signature]
    }
}

/// A request that is ready to be executed.
struct Prepared {
    target: Target,
    inputs: Vec<Tensor>,
    outputs: Outputs,
    /// Set where the call is to be logged.
    sampled: Option<Box<Sampled>>,
}

/// The outputs that the client wants, by their index in the signature.
pub(crate) type Outputs = SmallVec<[usize; 4]>;

/// A request that will not be executed, and its servable where that is known.
pub(super) struct Refused {
    pub(super) status: Status,
    pub(super) target: Option<Target>,
}

impl<E: Into<Status>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self {
            status: error.into(),
            target: None,
        }
    }
}

/// Decodes, executes, encodes; counts the request however it ends.
///
/// # Errors
/// The status of the call.
pub(crate) async fn answer(
    service: &Service,
    message: Message,
    context: &RequestContext,
) -> Result<Reply, Status> {
    let message_bytes = message.bytes.len();
    let prepared = if message_bytes <= service.settings().offload_bytes {
        prepare_here(service, &message.bytes)
    } else {
        Box::pin(prepare_there(service, message.bytes)).await
    };
    let Prepared {
        target,
        inputs,
        outputs,
        sampled,
    } = prepared.map_err(|refused| count_refused(service, refused, context))?;
    let mut stages = Stages::received(context.received);
    stages.decoded = Some(Instant::now());
    let mut tracked = service.track(&target.servable, target.signature, Door::Grpc, stages);
    let held = Held::for_inputs(message.permit, message_bytes, &inputs);
    let executed = match held {
        Ok(Held { permit, bytes }) => {
            let (servable, signature) = (&target.servable, target.signature);
            let executed = service
                .predict(servable, signature, inputs, permit, context)
                .await;
            executed.map(|executed| (executed, bytes))
        }
        Err(error) => Err(error),
    };
    let result = match executed {
        Ok((executed, held_bytes)) => {
            tracked.stages.started = Some(executed.started);
            tracked.stages.finished = Some(executed.finished);
            reply(service, &target, &outputs, executed, held_bytes).await
        }
        Err(error) => Err(error.into()),
    };
    tracked.finish(result.as_ref().err().map(Status::catalogue_code));
    if let (Some(sampled), Ok(reply)) = (sampled, &result) {
        let answer = Part::Message(reply.frame.slice(PREFIX_BYTES..));
        sampled.answered(&target.servable, target.signature, answer, context.received);
    }
    result
}

/// A permit and the bytes that it covers: the largest of message, inputs and outputs, which follow one another.
pub(super) struct Held {
    pub(super) permit: BytePermit,
    pub(super) bytes: usize,
}

impl Held {
    pub(super) fn for_inputs(
        mut permit: BytePermit,
        message_bytes: usize,
        inputs: &[Tensor],
    ) -> Result<Self> {
        let input_bytes = size_bytes(inputs);
        permit.grow(input_bytes.saturating_sub(message_bytes))?;
        Ok(Self {
            permit,
            bytes: message_bytes.max(input_bytes),
        })
    }
}

pub(super) fn count_refused(
    service: &Service,
    failed: Refused,
    context: &RequestContext,
) -> Status {
    let Some(target) = failed.target else {
        return refused(service, failed.status);
    };
    let stages = Stages::received(context.received);
    let tracked = service.track(&target.servable, target.signature, Door::Grpc, stages);
    tracked.finish(Some(failed.status.catalogue_code()));
    failed.status
}

fn prepare_here(service: &Service, message: &Bytes) -> Result<Prepared, Refused> {
    let resolve = |model: &str, choice: VersionChoice<'_>| service.resolve(model, choice);
    prepare(resolve, message, service.settings().max_body_bytes)
}

async fn prepare_there(service: &Service, message: Bytes) -> Result<Prepared, Refused> {
    let (routes, limit_bytes) = (service.routes(), service.settings().max_body_bytes);
    let job = move || {
        let resolve = |model: &str, choice: VersionChoice<'_>| routes.resolve(model, choice);
        prepare(resolve, &message, limit_bytes)
    };
    service.offload(usize::MAX, job).await?
}

/// Everything between the message and the engine, without waiting.
fn prepare(
    resolve: impl Fn(&str, VersionChoice<'_>) -> Result<Arc<Servable>>,
    message: &Bytes,
    limit_bytes: usize,
) -> Result<Prepared, Refused> {
    let view = PredictRequestView::read(message).map_err(Error::from)?;
    let servable = target::servable(view.model_spec, resolve)?;
    let signature_name = view.model_spec.unwrap_or_default().signature_name;
    let signature = target::signature(&servable, signature_name)?;
    let target = Target {
        servable,
        signature,
    };
    let model = target.servable.engine_model();
    let decoded = decode(model, target.signature, &view, message, limit_bytes);
    match decoded {
        Ok((inputs, outputs)) => Ok(Prepared {
            sampled: target
                .servable
                .sampler
                .sample(message.len())
                .map(|ticket| Box::new(ticket.with(Part::Message(message.clone())))),
            target,
            inputs,
            outputs,
        }),
        Err(error) => Err(Refused {
            status: error.into(),
            target: Some(target),
        }),
    }
}

/// The inputs of a call of a signature, and which of its outputs are wanted.
///
/// # Errors
/// What `inputs::arrange` refuses, and an unknown alias or one given twice.
pub(crate) fn decode(
    model: &dyn Model,
    index: usize,
    view: &PredictRequestView<'_>,
    message: &Bytes,
    limit_bytes: usize,
) -> Result<(Vec<Tensor>, Outputs)> {
    let signature = &model.signatures()[index];
    let default = |input| model.default_input(index, input);
    let inputs = inputs::arrange(
        &signature.inputs,
        &view.inputs,
        default,
        message,
        limit_bytes,
    )?;
    Ok((inputs, filter(signature, &view.output_filter)?))
}

/// # Errors
/// `invalid_input` by TensorFlow Serving's texts: an unknown alias, or one given twice.
fn filter(signature: &Signature, aliases: &[&str]) -> Result<Outputs> {
    if aliases.is_empty() {
        return Ok((0..signature.outputs.len()).collect());
    }
    let mut outputs = Outputs::new();
    for alias in aliases {
        let found = signature
            .outputs
            .iter()
            .position(|spec| spec.name == *alias);
        let index = found.ok_or_else(|| unknown_alias(signature, alias))?;
        if outputs.contains(&index) {
            return Err(Error::invalid_input(format!(
                "duplicate output tensor alias: {alias}"
            )));
        }
        outputs.push(index);
    }
    Ok(outputs)
}

fn unknown_alias(signature: &Signature, alias: &str) -> Error {
    let mut names: Vec<&str> = signature
        .outputs
        .iter()
        .map(|spec| spec.name.as_str())
        .collect();
    names.sort_unstable();
    Error::invalid_input(format!(
        "output tensor alias not found in signature: {alias} Outputs expected to be in the set {{{}}}.",
        names.join(",")
    ))
}

async fn reply(
    service: &Service,
    target: &Target,
    wanted: &Outputs,
    executed: Executed,
    held_bytes: usize,
) -> Result<Reply, Status> {
    let Executed {
        outputs,
        mut permit,
        ..
    } = executed;
    let output_bytes = size_bytes(&outputs);
    permit.grow(output_bytes.saturating_sub(held_bytes))?;
    let carrier = if service.settings().grpc_tensor_content {
        Carrier::Content
    } else {
        Carrier::Typed
    };
    let frame = if output_bytes <= service.settings().offload_bytes {
        encode(target, wanted, &outputs, carrier)
    } else {
        let (target, wanted) = (target.clone(), wanted.clone());
        let job = move || encode(&target, &wanted, &outputs, carrier);
        Box::pin(service.offload(usize::MAX, job)).await?
    };
    Ok(Reply {
        frame: frame?,
        permit: Some(permit),
    })
}

fn encode(
    target: &Target,
    wanted: &Outputs,
    outputs: &[Tensor],
    carrier: Carrier,
) -> Result<Bytes, Status> {
    let signature = target.signature();
    let named = wanted.iter().map(|index| {
        let output = outputs.get(*index)?;
        Some((signature.outputs[*index].name.as_str(), output))
    });
    let named = named.collect::<Option<SmallVec<[_; 4]>>>();
    let named = named.ok_or_else(|| {
        Error::internal("an engine returned too few outputs").with_source(format!(
            "model `{}` version {}: got {}, expected {}",
            target.servable.model,
            target.servable.version,
            outputs.len(),
            signature.outputs.len()
        ))
    })?;
    let answer = Answer {
        model: &target.servable.model,
        version: target.servable.version,
        signature: &signature.name,
        outputs: &named,
        carrier,
    };
    with_prefix(encode_predict_response(&answer, PREFIX_BYTES))
}

pub(super) fn size_bytes(tensors: &[Tensor]) -> usize {
    tensors
        .iter()
        .map(|tensor| tensor.values().size_bytes())
        .sum()
}
