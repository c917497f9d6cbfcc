//! Calls in the caller's own thread: the third driver of the same road.

use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use turnout_core::route::VersionChoice;
use turnout_core::scheduler::{NoWait, Scheduler};
use turnout_core::{
    Cancellation, Door, Error, Priority, RequestContext, Result, Tensor, TensorSpec,
};

use super::DataPlane;
use crate::drain::Stage;
use crate::execute::{self, Executed, Pending, Reply};
use crate::metrics::{Stages, Tracked};

/// A call from within the process.
pub struct Call<'a> {
    pub model: &'a str,
    pub version: Option<u64>,
    pub signature: Option<&'a str>,
    pub inputs: Vec<(String, Tensor)>,
    pub timeout: Option<Duration>,
}

/// Who answered, and what.
pub struct Answer {
    pub version: u64,
    pub outputs: Vec<(String, Tensor)>,
}

impl DataPlane {
    /// Runs one request in the calling thread: route, context, scheduler, engine, as for every door.
    ///
    /// # Errors
    /// `model_not_found`, `signature_not_found`, `invalid_input`, `deadline_exceeded`, `overloaded`, `execution_failed`.
    pub fn predict(&self, call: Call<'_>) -> Result<Answer> {
        let received = Instant::now();
        let refuse = |error: Error| {
            self.shared.metrics.refuse(Door::InProcess, error.code());
            error
        };
        if self.shared.drain.stage() >= Stage::Stopped {
            return Err(refuse(Error::unavailable("the data plane is closed")));
        }
        let choice = call
            .version
            .map_or(VersionChoice::Default, VersionChoice::Number);
        let servable = self
            .shared
            .routes
            .load()
            .resolve(call.model, choice)
            .map_err(refuse)?;
        let signature = servable.signature(call.signature).map_err(refuse)?;
        let mut stages = Stages::received(received);
        let inputs =
            arrange(&servable.signatures[signature].inputs, call.inputs).map_err(refuse)?;
        servable.check_rows(signature, &inputs).map_err(refuse)?;
        let bytes = inputs
            .iter()
            .map(|tensor| tensor.values().size_bytes())
            .sum();
        let permit = self.shared.budget.acquire(bytes).map_err(refuse)?;
        stages.decoded = Some(Instant::now());
        let shard = self.shared.settings.loops + 1;
        let mut tracked =
            Tracked::begin(&servable.metrics, shard, signature, Door::InProcess, stages);
        let (reply, answer) = oneshot::channel();
        let waker = Waker::noop().clone();
        let pending = Pending {
            servable: Arc::clone(&servable),
            signature,
            together: Vec::new(),
            inputs,
            waker,
            reply: Reply::Whole {
                sender: reply,
                permit,
            },
        };
        let result = self.run_here(pending, answer, received, call.timeout);
        if let Ok(executed) = &result {
            tracked.stages.started = Some(executed.started);
            tracked.stages.finished = Some(executed.finished);
        }
        tracked.finish(result.as_ref().err().map(Error::code));
        let names = servable.signatures[signature]
            .outputs
            .iter()
            .map(|spec| spec.name.clone());
        Ok(Answer {
            version: servable.version,
            outputs: names.zip(result?.outputs).collect(),
        })
    }

    fn run_here(
        &self,
        pending: Pending,
        mut answer: oneshot::Receiver<Result<Executed>>,
        received: Instant,
        timeout: Option<Duration>,
    ) -> Result<Executed> {
        let default = Duration::from_millis(self.shared.settings.request_timeout_ms);
        let deadline = received
            .checked_add(timeout.unwrap_or(default))
            .unwrap_or(received + default);
        let context = RequestContext {
            id: self.shared.request_id(self.shared.id_block()),
            traceparent: None,
            deadline,
            cancellation: Cancellation::default(),
            principal: None,
            priority: Priority::default(),
            door: Door::InProcess,
            received,
        };
        let servable = Arc::clone(&pending.servable);
        let mut scheduler = NoWait::new(servable.turn_options());
        let now = Instant::now();
        // A queue without places gives the entry back, whose reply then says so.
        drop(scheduler.offer(execute::entry(pending, &context), now));
        let next = scheduler.next_batch(now, usize::MAX);
        for (entry, why) in next.dropped {
            execute::answer_dropped(entry, why);
        }
        if let Some(batch) = next.batch {
            execute::run(&servable, batch, self.shared.settings.loops + 1);
        }
        let no_place = |_| {
            Err(Error::queue_full(
                "the queue of this version has no place (`max_queue`)",
            ))
        };
        answer.try_recv().unwrap_or_else(no_place)
    }
}

/// Puts named tensors into the signature's order and fits them.
fn arrange(specs: &[TensorSpec], mut inputs: Vec<(String, Tensor)>) -> Result<Vec<Tensor>> {
    let matches = inputs.len() == specs.len()
        && specs
            .iter()
            .all(|spec| inputs.iter().any(|(name, _)| *name == spec.name));
    if !matches {
        let got: Vec<&str> = inputs.iter().map(|(name, _)| name.as_str()).collect();
        let expected: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
        let message = format!(
            "inputs do not match the signature: got `{}`, expected `{}`",
            got.join("`, `"),
            expected.join("`, `")
        );
        return Err(Error::invalid_input(message));
    }
    let take = |spec: &TensorSpec| {
        let index = inputs.iter().position(|(name, _)| *name == spec.name);
        let index = index
            .ok_or_else(|| Error::invalid_input(format!("input given twice: `{}`", spec.name)))?;
        spec.fit(inputs.swap_remove(index).1)
    };
    specs.iter().map(take).collect()
}
