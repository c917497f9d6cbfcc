//! `PredictionService/MultiInference`: several signatures of one model on the same Examples, in one call of the engine.

use std::collections::HashSet;

use bytes::Bytes;
use turnout_core::{Error, RequestContext, Result, Tensor};

use super::body::{Message, PREFIX_BYTES};
use super::call::{Reply, with_prefix};
use super::classify::by_contract;
use super::execution::{self, Answering, Prepared, Resolve, split_outputs};
use super::predict::{Refused, Target};
use super::status::Status;
use super::target;
use super::wire::{
    Inferred, Limit, MultiInferenceRequestView, TaskView, encode_multi_inference_response,
};
use crate::examples::{Method, Plan, find_signature_or, signature_name};
use crate::servable::Servable;
use crate::service::Service;

const CLASSIFY: &str = "tensorflow/serving/classify";
const REGRESS: &str = "tensorflow/serving/regress";

/// # Errors
/// The status of the call.
pub(super) async fn answer(
    service: &Service,
    message: Message,
    context: &RequestContext,
) -> Result<Reply, Status> {
    execution::answer(service, MultiInference, message, context).await
}

#[derive(Clone, Copy)]
struct MultiInference;

/// A signature and what its outputs mean.
struct Part {
    signature: usize,
    plan: Plan,
}

impl execution::Task for MultiInference {
    type Plan = Vec<Part>;

    fn prepare(
        self,
        resolve: Resolve<'_>,
        message: &Bytes,
        limit: Limit,
    ) -> Result<Prepared<Vec<Part>>, Refused> {
        let view = MultiInferenceRequestView::read(message).map_err(Error::from)?;
        // Of all tasks the first one's version counts.
        let spec = view.tasks.first().and_then(|task| task.model_spec);
        let servable = target::servable(Some(spec.unwrap_or_default()), resolve)?;
        let plan = parts(&servable, &view.tasks)?;
        let signatures: Vec<usize> = plan.iter().map(|part| part.signature).collect();
        let target = Target {
            servable,
            signature: signatures[0],
        };
        let fed = plan[0]
            .plan
            .feed(target.signature(), &view.input, message, limit);
        match fed {
            Ok(inputs) => Ok(Prepared {
                target,
                together: signatures[1..].to_vec(),
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

    fn encode(self, answering: &Answering<Vec<Part>>, outputs: &[Tensor]) -> Result<Bytes, Status> {
        let servable = &answering.target.servable;
        let mut rest = outputs;
        let mut results = Vec::with_capacity(answering.plan.len());
        for part in &answering.plan {
            let (own, behind) = split_outputs(servable, part.signature, rest)?;
            rest = behind;
            results.push(Inferred {
                model: &servable.model,
                version: servable.version,
                signature: &servable.signatures[part.signature].name,
                result: part.plan.results(own, answering.examples)?,
            });
        }
        with_prefix(encode_multi_inference_response(&results, PREFIX_BYTES)?)
    }
}

/// One part for each task, the first of which has a model.
///
/// # Errors
/// By TensorFlow Serving's texts: other models, a signature twice or unknown, another method, other inputs.
fn parts(servable: &Servable, tasks: &[TaskView<'_>]) -> Result<Vec<Part>, Status> {
    let model = tasks[0].model_spec.unwrap_or_default().name;
    let (mut names, mut parts) = (HashSet::new(), Vec::<Part>::with_capacity(tasks.len()));
    for task in tasks {
        let spec = task.model_spec.unwrap_or_default();
        if spec.name.is_empty() {
            let text = "Found ModelSpec with an empty model name.";
            return Err(Error::invalid_input(text).into());
        }
        if spec.name != model {
            let text = "All ModelSpecs in a MultiInferenceRequest must access the same model name.";
            return Err(Error::invalid_input(text).into());
        }
        let name = signature_name(spec.signature_name);
        if !names.insert(name) {
            let text = format!("Duplicate evaluation of signature: {name}");
            return Err(Error::invalid_input(text).into());
        }
        let words = "Requested signature not found in model graph: ";
        let signature = find_signature_or(servable, name, words).map_err(by_contract)?;
        let plan = Plan::of(method(task.method_name)?, servable, signature)?;
        if let Some(first) = parts.first() {
            check_same_inputs(servable, first.signature, signature)?;
        }
        parts.push(Part { signature, plan });
    }
    Ok(parts)
}

fn method(name: &str) -> Result<Method> {
    match name {
        CLASSIFY => Ok(Method::Classify),
        REGRESS => Ok(Method::Regress),
        other => Err(Error::unsupported(format!(
            "Unsupported signature method_name: {other}"
        ))),
    }
}

/// One call feeds each tensor once.
fn check_same_inputs(servable: &Servable, first: usize, other: usize) -> Result<()> {
    let inputs = |signature: usize| {
        let specs = servable.signatures[signature].inputs.iter();
        specs.map(|spec| (&spec.name, &spec.tensor))
    };
    if inputs(first).eq(inputs(other)) {
        return Ok(());
    }
    Err(Error::invalid_input(
        "Input tensor must be the same for all Signatures.",
    ))
}
