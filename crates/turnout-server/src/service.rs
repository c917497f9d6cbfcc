//! What the doors see of the data plane: one per event loop, cheap to clone, never sent to another thread.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use tokio::sync::{oneshot, watch};
use turnout_core::admission::{ByteBudget, BytePermit};
use turnout_core::event::LogLevel;
use turnout_core::route::VersionChoice;
use turnout_core::snapshot::Settings;
use turnout_core::{
    Cancellation, Door, Error, ErrorCode, Priority, RequestContext, RequestId, Result, Tensor,
};

use crate::batcher::Batcher;
use crate::drain::Stage;
use crate::execute::{self, Executed, Pending, Reply};
use crate::metrics::{self, Stages, Tracked};
use crate::routes::Routes;
use crate::servable::Servable;
use crate::shared::{ID_BLOCK, Shared};
use crate::turn::Turn;

/// The transport-neutral service of one event loop.
#[derive(Clone)]
pub(crate) struct Service(Rc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    turn: Rc<Turn>,
    shard: usize,
    next_id: Cell<u64>,
}

/// What a door knows of a request before it has decoded the body.
pub(crate) struct Arrival<'a> {
    pub(crate) door: Door,
    /// The client's own request id; refused ones are replaced.
    pub(crate) id: Option<&'a [u8]>,
    pub(crate) traceparent: Option<&'a str>,
    /// What the client allows; None gives `request_timeout_ms`.
    pub(crate) timeout: Option<Duration>,
    pub(crate) received: Instant,
}

/// A request cancels itself when its door stops waiting for the answer.
struct CancelOnDrop<'a>(&'a Cancellation);

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Service {
    pub(crate) fn new(shared: Arc<Shared>, turn: Rc<Turn>, shard: usize) -> Self {
        Self(Rc::new(Inner {
            shared,
            turn,
            shard,
            next_id: Cell::new(0),
        }))
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.shared.settings
    }

    /// The present routing snapshot; hold it no longer than one request.
    pub(crate) fn routes(&self) -> Arc<Routes> {
        self.0.shared.routes.load_full()
    }

    /// Follows the routing snapshots.
    pub(crate) fn watch_routes(&self) -> watch::Receiver<u64> {
        self.0.shared.routes_replaced.subscribe()
    }

    /// # Errors
    /// As of [`Routes::resolve`].
    pub(crate) fn resolve(&self, model: &str, choice: VersionChoice<'_>) -> Result<Arc<Servable>> {
        self.0.shared.routes.load().resolve(model, choice)
    }

    pub(crate) fn budget(&self) -> &Arc<ByteBudget> {
        &self.0.shared.budget
    }

    /// Follows the stages of an orderly end.
    pub(crate) fn watch_drain(&self) -> watch::Receiver<Stage> {
        self.0.shared.drain.watch()
    }

    pub(crate) fn stage(&self) -> Stage {
        self.0.shared.drain.stage()
    }

    /// Whether `/readyz` is 200 and health is SERVING.
    pub(crate) fn is_ready(&self) -> bool {
        self.stage() == Stage::Serving && self.0.shared.routes.load().ready.ready
    }

    /// Waits until the server is ready; false when its end begins first.
    pub(crate) async fn becomes_ready(&self) -> bool {
        let (mut routes, mut stage) = (self.watch_routes(), self.watch_drain());
        loop {
            if self.stage() != Stage::Serving || self.is_ready() {
                return self.is_ready();
            }
            tokio::select! {
                _ = routes.changed() => {}
                _ = stage.changed() => {}
            }
        }
    }

    /// Makes the context of a request.
    pub(crate) fn context(&self, arrival: &Arrival<'_>) -> RequestContext {
        let id = arrival
            .id
            .and_then(RequestId::from_client)
            .unwrap_or_else(|| self.generate_id());
        let default = Duration::from_millis(self.settings().request_timeout_ms);
        // A time-out beyond what the clock can add is as good as the default, which is bounded.
        let timeout = arrival.timeout.unwrap_or(default);
        let deadline = arrival
            .received
            .checked_add(timeout)
            .unwrap_or(arrival.received + default);
        RequestContext {
            id,
            traceparent: arrival.traceparent.map(Into::into),
            deadline,
            cancellation: Cancellation::default(),
            principal: None,
            priority: Priority::default(),
            door: arrival.door,
            received: arrival.received,
        }
    }

    fn generate_id(&self) -> RequestId {
        let mut number = self.0.next_id.get();
        if number.is_multiple_of(ID_BLOCK) {
            number = self.0.shared.id_block();
        }
        self.0.next_id.set(number + 1);
        self.0.shared.request_id(number)
    }

    /// Counts a request from now on; `finish` it, or dropping it counts it as cancelled.
    pub(crate) fn track(
        &self,
        servable: &Servable,
        signature: usize,
        door: Door,
        stages: Stages,
    ) -> Tracked {
        Tracked::begin(&servable.metrics, self.0.shard, signature, door, stages)
    }

    /// Counts a request that failed before a servable was known for it.
    pub(crate) fn refuse(&self, door: Door, code: ErrorCode) {
        self.0.shared.metrics.refuse(door, code);
    }

    /// Executes a request: admitted by `permit`, at the end of this turn or on an executor thread. Dropping the future
    /// cancels the request.
    ///
    /// # Errors
    /// `deadline_exceeded`, `queue_full`, `execution_failed`, `internal`, `unavailable`; `invalid_input` for more rows than
    /// the operator lets one request have.
    pub(crate) async fn predict(
        &self,
        servable: &Arc<Servable>,
        signature: usize,
        inputs: Vec<Tensor>,
        permit: BytePermit,
        context: &RequestContext,
    ) -> Result<Executed> {
        self.predict_together(servable, (signature, Vec::new()), inputs, permit, context)
            .await
    }

    /// Executes a signature together with others that take the same inputs; the outputs of all come one after the other.
    ///
    /// # Errors
    /// As of [`Self::predict`].
    pub(crate) async fn predict_together(
        &self,
        servable: &Arc<Servable>,
        (signature, together): (usize, Vec<usize>),
        inputs: Vec<Tensor>,
        permit: BytePermit,
        context: &RequestContext,
    ) -> Result<Executed> {
        servable.check_rows(signature, &inputs)?;
        let waker = poll_fn(|task| Poll::Ready(task.waker().clone())).await;
        let (reply, mut answer) = oneshot::channel();
        let pending = Pending {
            servable: Arc::clone(servable),
            signature,
            together,
            inputs,
            waker,
            reply: Reply::Whole {
                sender: reply,
                permit,
            },
        };
        let _cancel = CancelOnDrop(&context.cancellation);
        let (entry, now) = (execute::entry(pending, context), Instant::now());
        if servable.batching.as_ref().is_some_and(Batcher::waits) {
            self.0.shared.executor.submit_one(servable, entry, now);
        } else {
            self.0.turn.offer(entry, now);
        }
        let lost = |_| Err(Error::internal("the request was lost to an internal fault"));
        if let Some(result) = answer_or_second_poll(&mut answer).await {
            return result.unwrap_or_else(lost);
        }
        match tokio::time::timeout_at(context.deadline.into(), answer).await {
            Ok(result) => result.unwrap_or_else(lost),
            Err(_) => Err(Error::deadline_exceeded(
                "the deadline passed before there was an answer",
            )),
        }
    }

    /// Runs a codec on another thread when `bytes` is over `offload_bytes`, else here and now.
    ///
    /// # Errors
    /// `overloaded` when too many jobs wait; `internal` when the job panicked.
    pub(crate) async fn offload<T: Send + 'static>(
        &self,
        bytes: usize,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        if bytes <= self.settings().offload_bytes {
            return Ok(job());
        }
        self.0.shared.offload.run(job).await
    }

    /// The metrics page.
    pub(crate) fn metrics_page(&self) -> String {
        metrics::render(&self.0.shared, env!("CARGO_PKG_VERSION"))
    }

    /// Has the control plane do something; see [`crate::commands::Commands::ask`].
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn command(
        &self,
        kind: &'static str,
        message: &[u8],
        deadline: Instant,
    ) -> Result<()> {
        let shared = &self.0.shared;
        shared
            .commands
            .ask(&shared.events, kind, message, deadline)
            .await
    }

    /// The page with TensorFlow Serving's names.
    pub(crate) fn tf_serving_metrics_page(&self) -> String {
        metrics::render_tf_serving(&self.0.shared.metrics)
    }

    /// Logs what a client must not see: the cause behind an internal error, under the request's id.
    pub(crate) fn log_failure(&self, context: &RequestContext, error: &Error) {
        if error.code() != ErrorCode::Internal {
            return;
        }
        let cause = std::error::Error::source(error)
            .map(ToString::to_string)
            .unwrap_or_default();
        let fields = [
            ("request_id", context.id.to_string()),
            ("door", context.door.name().to_owned()),
            ("code", error.code().slug().to_owned()),
            ("cause", cause),
        ];
        let fields: Map<String, Value> = fields
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.into()))
            .collect();
        self.0.shared.events.log(
            LogLevel::Error,
            "request",
            error.message().to_owned(),
            fields,
        );
    }
}

/// The answer, or `None` at the second look. What runs inline is answered at the end of the turn and needs no timer; the turn
/// wakes the others once, as it hands them to the executor, and only they pay for one.
async fn answer_or_second_poll<T>(
    answer: &mut oneshot::Receiver<T>,
) -> Option<Result<T, oneshot::error::RecvError>> {
    let mut looked = false;
    poll_fn(|task| match Pin::new(&mut *answer).poll(task) {
        Poll::Ready(result) => Poll::Ready(Some(result)),
        Poll::Pending if std::mem::replace(&mut looked, true) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

#[cfg(test)]
mod tests;
