//! `PredictionService/Classify` and `PredictionService/Regress`.

use bytes::Bytes;
use turnout_core::{Error, ErrorCode, RequestContext, Result, Tensor};

use super::body::{Message, PREFIX_BYTES};
use super::call::{Reply, with_prefix};
use super::execution::{self, Answering, Prepared, Resolve, Task, split_outputs};
use super::predict::{Refused, Target};
use super::status::{Situation, Status};
use super::target;
use super::wire::{ExamplesRequestView, Inferred, Limit, encode_inference_response};
use crate::examples::{Method, Plan, find_signature};
use crate::service::Service;

/// # Errors
/// The status of the call.
pub(super) async fn answer(
    service: &Service,
    method: Method,
    message: Message,
    context: &RequestContext,
) -> Result<Reply, Status> {
    execution::answer(service, method, message, context).await
}

impl Task for Method {
    type Plan = Plan;

    fn prepare(
        self,
        resolve: Resolve<'_>,
        message: &Bytes,
        limit: Limit,
    ) -> Result<Prepared<Plan>, Refused> {
        let view = ExamplesRequestView::read(message).map_err(Error::from)?;
        let servable = target::servable(view.model_spec, resolve)?;
        let name = view.model_spec.unwrap_or_default().signature_name;
        let signature = find_signature(&servable, name).map_err(by_contract)?;
        let target = Target {
            servable,
            signature,
        };
        let made = Plan::of(self, &target.servable, signature).and_then(|plan| {
            let inputs = plan.feed(target.signature(), &view.input, message, limit)?;
            Ok((plan, inputs))
        });
        match made {
            Ok((plan, inputs)) => Ok(Prepared {
                target,
                together: Vec::new(),
                inputs,
                examples: view.input.len(),
                plan,
            }),
            Err(error) => Err(Refused {
                status: error.into(),
                target: Some(target),
            }),
        }
    }

    fn encode(self, answering: &Answering<Plan>, outputs: &[Tensor]) -> Result<Bytes, Status> {
        let target = &answering.target;
        let (outputs, _) = split_outputs(&target.servable, target.signature, outputs)?;
        let inferred = Inferred {
            model: &target.servable.model,
            version: target.servable.version,
            signature: &target.signature().name,
            result: answering.plan.results(outputs, answering.examples)?,
        };
        with_prefix(encode_inference_response(&inferred, PREFIX_BYTES)?)
    }
}

/// The status that these methods owe for an unknown signature.
pub(super) fn by_contract(error: Error) -> Status {
    if error.code() == ErrorCode::SignatureNotFound {
        return Status::by_contract(Situation::UnknownExamplesSignature, error);
    }
    error.into()
}
