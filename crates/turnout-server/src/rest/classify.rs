//! `:classify` and `:regress`: from a body to serialized Examples, through the service, and back to a body.

use std::sync::Arc;
use std::time::Instant;

use turnout_core::admission::BytePermit;
use turnout_core::{Door, Error, RequestContext, Result, Tensor};

use super::errors::Failure;
use super::exchange::{Body, Work};
use super::handlers::{not_found, refuse};
use super::head::Encoding;
use super::inflate::gunzip;
use super::json::{ExamplesDocument, JsonOptions, decode_examples, encode_results};
use super::predict::{admit, json_options, size_bytes, unknown_encoding};
use super::response::{JSON, Response};
use super::routes::Call;
use crate::examples::{Method, Plan, find_signature};
use crate::execute::Executed;
use crate::grpc::wire::{InputView, Limit};
use crate::metrics::Stages;
use crate::servable::Servable;
use crate::service::Service;

type Resolved = Result<Arc<Servable>, Failure>;

/// Decodes a small body here and now; leaves a large or compressed one to another thread.
pub(super) fn begin(
    service: &Service,
    call: &Call<'_>,
    method: Method,
    encoding: Encoding,
    body: Body<'_>,
    context: RequestContext,
) -> Work {
    let resolved = service.resolve(&call.model, call.version.choice());
    let resolved = resolved.map_err(|error| not_found(error, &call.version));
    let admitted = match body {
        Body::Borrowed(bytes) => admit(service, bytes.len()).map(|permit| (bytes.to_vec(), permit)),
        Body::Owned(bytes, permit) => Ok((bytes, permit)),
    };
    let options = json_options(service);
    let (bytes, permit) = match admitted {
        Ok(admitted) if !encoding.is_refused(options.strict) => admitted,
        Ok(_) => return Work::Done(refuse(service, &context, &unknown_encoding())),
        Err(error) => return Work::Done(refuse(service, &context, &error.into())),
    };
    let body = Received {
        bytes,
        gzip: encoding == Encoding::Gzip,
        limit_bytes: service.settings().max_body_bytes,
        options,
        permit,
    };
    let run = run(service.clone(), method, context, resolved, body);
    Work::Waiting(Box::pin(run))
}

struct Received {
    bytes: Vec<u8>,
    gzip: bool,
    limit_bytes: usize,
    options: JsonOptions,
    permit: BytePermit,
}

/// A request that is ready to be executed.
struct Prepared {
    servable: Arc<Servable>,
    signature: usize,
    plan: Plan,
    inputs: Vec<Tensor>,
    examples: usize,
    permit: BytePermit,
}

/// A request that will not be executed, and its servable and signature where they are known.
struct Refused {
    failure: Failure,
    target: Option<(Arc<Servable>, usize)>,
}

impl<E: Into<Failure>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self {
            failure: error.into(),
            target: None,
        }
    }
}

impl Received {
    /// What is wrong with the document goes before what is wrong with the model's name.
    fn prepare(mut self, method: Method, resolved: Resolved) -> Result<Prepared, Refused> {
        if self.gzip {
            self.bytes = gunzip(&self.bytes, self.limit_bytes, |bytes| {
                self.permit.grow(bytes)
            })?;
        }
        let document = decode_examples(&self.bytes, self.options)?;
        let servable = resolved?;
        let signature = find_signature(&servable, &document.signature_name)?;
        match self.decode(method, &servable, signature, &document) {
            Ok((plan, inputs, examples)) => Ok(Prepared {
                servable,
                signature,
                plan,
                inputs,
                examples,
                permit: self.permit,
            }),
            Err(error) => Err(Refused {
                failure: error.into(),
                target: Some((servable, signature)),
            }),
        }
    }

    fn decode(
        &mut self,
        method: Method,
        servable: &Servable,
        signature: usize,
        document: &ExamplesDocument,
    ) -> Result<(Plan, Vec<Tensor>, usize)> {
        let plan = Plan::of(method, servable, signature)?;
        let limit = Limit {
            bytes: self.limit_bytes,
            setting: "max_body_bytes",
        };
        let view = InputView::of_list(&document.list)?;
        let inputs = plan.feed(
            &servable.signatures[signature],
            &view,
            &document.list,
            limit,
        )?;
        // Text can be shorter than what it says.
        let needed = size_bytes(&inputs);
        self.permit.grow(needed.saturating_sub(self.bytes.len()))?;
        Ok((plan, inputs, view.len()))
    }
}

async fn run(
    service: Service,
    method: Method,
    context: RequestContext,
    resolved: Resolved,
    body: Received,
) -> Response {
    // How much a compressed body holds is known only afterwards.
    let bytes = if body.gzip {
        usize::MAX
    } else {
        body.bytes.len()
    };
    let job = move || body.prepare(method, resolved);
    let prepared = service.offload(bytes, job).await;
    match prepared.unwrap_or_else(|error| Err(error.into())) {
        Ok(prepared) => execute(&service, context, prepared).await,
        Err(refused) => count_refused(&service, &context, refused),
    }
}

fn count_refused(service: &Service, context: &RequestContext, refused: Refused) -> Response {
    let Refused { failure, target } = refused;
    let Some((servable, signature)) = target else {
        return refuse(service, context, &failure);
    };
    let stages = Stages::received(context.received);
    let tracked = service.track(&servable, signature, Door::Rest, stages);
    tracked.finish(Some(failure.error.code()));
    service.log_failure(context, &failure.error);
    Response::failure(context.id.clone(), &failure)
}

async fn execute(service: &Service, context: RequestContext, prepared: Prepared) -> Response {
    let Prepared {
        servable,
        signature,
        plan,
        inputs,
        examples,
        permit,
    } = prepared;
    let mut stages = Stages::received(context.received);
    stages.decoded = Some(Instant::now());
    let mut tracked = service.track(&servable, signature, Door::Rest, stages);
    let executed = service
        .predict(&servable, signature, inputs, permit, &context)
        .await;
    let answer = match executed {
        Ok(executed) => {
            tracked.stages.started = Some(executed.started);
            tracked.stages.finished = Some(executed.finished);
            encode(service, plan, examples, executed).await
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
    plan: Plan,
    examples: usize,
    executed: Executed,
) -> Result<(Vec<u8>, BytePermit)> {
    let Executed {
        outputs,
        mut permit,
        ..
    } = executed;
    let bytes = size_bytes(&outputs);
    let write = move || {
        let mut body = Vec::new();
        encode_results(&plan.results(&outputs, examples)?, &mut body);
        permit.grow(body.len())?;
        Ok((body, permit))
    };
    service.offload(bytes, write).await?
}
