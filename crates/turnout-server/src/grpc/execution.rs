//! The road of the methods that take Examples: a message is prepared, executed and answered, as one of Predict is.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use turnout_core::route::VersionChoice;
use turnout_core::{Door, Error, RequestContext, Result, Tensor};

use super::body::Message;
use super::call::Reply;
use super::predict::{Held, Refused, Target, count_refused, size_bytes};
use super::status::Status;
use super::wire::Limit;
use crate::execute::Executed;
use crate::metrics::Stages;
use crate::servable::Servable;
use crate::service::Service;

/// Finds the servable of a model and a choice of version.
pub(super) type Resolve<'a> = &'a dyn Fn(&str, VersionChoice<'_>) -> Result<Arc<Servable>>;

/// A message that is ready to be executed.
pub(super) struct Prepared<P> {
    pub(super) target: Target,
    /// Other signatures of the same servable, executed together with the target's.
    pub(super) together: Vec<usize>,
    pub(super) inputs: Vec<Tensor>,
    /// How many Examples the message has.
    pub(super) examples: usize,
    /// What the outputs will mean.
    pub(super) plan: P,
}

/// What the answer is made of, beside the outputs.
pub(super) struct Answering<P> {
    pub(super) target: Target,
    pub(super) examples: usize,
    pub(super) plan: P,
}

/// What makes one method differ from another.
pub(super) trait Task: Copy + Send + 'static {
    type Plan: Send + 'static;

    /// Everything between the message and the engine, without waiting; at most `limit` of memory for the inputs.
    fn prepare(
        self,
        resolve: Resolve<'_>,
        message: &Bytes,
        limit: Limit,
    ) -> Result<Prepared<Self::Plan>, Refused>;

    /// The framed answer.
    fn encode(self, answering: &Answering<Self::Plan>, outputs: &[Tensor])
    -> Result<Bytes, Status>;
}

/// Decodes, executes, encodes; counts the request however it ends, under its first signature.
///
/// # Errors
/// The status of the call.
pub(super) async fn answer<T: Task>(
    service: &Service,
    task: T,
    message: Message,
    context: &RequestContext,
) -> Result<Reply, Status> {
    let message_bytes = message.bytes.len();
    let prepared = prepare(service, task, message.bytes).await;
    let prepared = prepared.map_err(|refused| count_refused(service, refused, context))?;
    let Prepared {
        target,
        together,
        inputs,
        examples,
        plan,
    } = prepared;
    let mut stages = Stages::received(context.received);
    stages.decoded = Some(Instant::now());
    let mut tracked = service.track(&target.servable, target.signature, Door::Grpc, stages);
    let held = Held::for_inputs(message.permit, message_bytes, &inputs);
    let executed = match held {
        Ok(Held { permit, bytes }) => {
            let signatures = (target.signature, together);
            let executed = service
                .predict_together(&target.servable, signatures, inputs, permit, context)
                .await;
            executed.map(|executed| (executed, bytes))
        }
        Err(error) => Err(error),
    };
    let result = match executed {
        Ok((executed, held_bytes)) => {
            tracked.stages.started = Some(executed.started);
            tracked.stages.finished = Some(executed.finished);
            let answering = Answering {
                target,
                examples,
                plan,
            };
            reply(service, task, answering, executed, held_bytes).await
        }
        Err(error) => Err(error.into()),
    };
    tracked.finish(result.as_ref().err().map(Status::catalogue_code));
    result
}

async fn prepare<T: Task>(
    service: &Service,
    task: T,
    message: Bytes,
) -> Result<Prepared<T::Plan>, Refused> {
    let limit = Limit {
        bytes: service.settings().max_body_bytes,
        setting: "max_body_bytes",
    };
    let bytes = message.len();
    let routes = service.routes();
    let job = move || {
        let resolve = |model: &str, choice: VersionChoice<'_>| routes.resolve(model, choice);
        task.prepare(&resolve, &message, limit)
    };
    service.offload(bytes, job).await?
}

async fn reply<T: Task>(
    service: &Service,
    task: T,
    answering: Answering<T::Plan>,
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
    let frame = service
        .offload(output_bytes, move || task.encode(&answering, &outputs))
        .await?;
    Ok(Reply {
        frame: frame?,
        permit: Some(permit),
    })
}

/// The outputs of one signature among those of several, and what is behind them.
///
/// # Errors
/// `internal` where the engine gave fewer.
pub(super) fn split_outputs<'a>(
    servable: &Servable,
    signature: usize,
    outputs: &'a [Tensor],
) -> Result<(&'a [Tensor], &'a [Tensor])> {
    let expected = servable.signatures[signature].outputs.len();
    outputs.split_at_checked(expected).ok_or_else(|| {
        Error::internal("an engine returned too few outputs").with_source(format!(
            "model `{}` version {}: got {}, expected {expected}",
            servable.model,
            servable.version,
            outputs.len()
        ))
    })
}
