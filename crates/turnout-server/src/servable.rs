//! A loaded version with its queue, its learnt times and its statistics.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use turnout_core::curve::LatencyCurve;
use turnout_core::scheduler::{Batching, NoWait, NoWaitOptions, Scheduler};
use turnout_core::signature::DEFAULT_SIGNATURE;
use turnout_core::snapshot::ServableSettings;
use turnout_core::{Error, Result, Signature, Tensor};
use turnout_engine::Model;
use turnout_engine::warmup::generate;

use crate::batcher::Batcher;
use crate::execute::Pending;
use crate::metrics::ServableMetrics;
use crate::reaper::{Grave, Remains};
use crate::request_log::Sampler;

/// What loading and warming up found out.
pub(crate) struct Facts {
    pub(crate) load_ms: u64,
    pub(crate) warmup_ms: u64,
    pub(crate) mergeable: bool,
    pub(crate) merge_reason: String,
    pub(crate) intra_op_threads: usize,
    /// One curve per signature, seeded by the warm-up.
    pub(crate) curves: Vec<LatencyCurve>,
}

/// What waits for an executor thread, and how many threads look after it now.
pub(crate) struct ExecutorQueue {
    pub(crate) scheduler: Box<dyn Scheduler<Pending>>,
    pub(crate) threads: usize,
    /// The last that was set; it may have rung.
    pub(crate) alarm: Option<Instant>,
}

/// Shared by routes and by the requests it is answering; when the last of them lets go, the model goes to the reaper.
pub(crate) struct Servable {
    pub(crate) id: u64,
    pub(crate) model: Arc<str>,
    pub(crate) version: u64,
    pub(crate) signatures: Vec<Signature>,
    /// Of the rows that the warm-up made, by signature.
    pub(crate) row_elements: Vec<usize>,
    pub(crate) settings: ServableSettings,
    /// None where requests are merged in turns, as they come.
    pub(crate) batching: Option<Batcher>,
    pub(crate) facts: Facts,
    pub(crate) metrics: Arc<ServableMetrics>,
    pub(crate) sampler: Sampler,
    /// What waits for an executor thread.
    pub(crate) queue: Mutex<ExecutorQueue>,
    pub(crate) retired: OnceLock<Instant>,
    engine_model: Option<Box<dyn Model>>,
    grave: Grave,
}

/// What names a servable and what it is made of.
pub(crate) struct Parts {
    pub(crate) id: u64,
    pub(crate) model: Arc<str>,
    pub(crate) version: u64,
    pub(crate) settings: ServableSettings,
    pub(crate) engine_model: Box<dyn Model>,
    pub(crate) facts: Facts,
    pub(crate) metrics: Arc<ServableMetrics>,
    pub(crate) sampler: Sampler,
}

impl Servable {
    pub(crate) fn new(parts: Parts, grave: Grave) -> Self {
        let Parts {
            id,
            model,
            version,
            settings,
            engine_model,
            facts,
            metrics,
            sampler,
        } = parts;
        let batching = Batcher::new(&settings, &*engine_model);
        let scheduler: Box<dyn Scheduler<Pending>> = match &batching {
            Some(batching) => Box::new(Batching::new(batching.options())),
            None => Box::new(NoWait::new(NoWaitOptions {
                max_queue: settings.max_queue,
                max_batch_rows: settings.max_batch_rows,
                mergeable: facts.mergeable,
            })),
        };
        let signatures = engine_model.signatures().to_vec();
        Self {
            id,
            model,
            version,
            row_elements: signatures.iter().map(generate::row_elements).collect(),
            signatures,
            settings,
            batching,
            facts,
            metrics,
            sampler,
            queue: Mutex::new(ExecutorQueue {
                scheduler,
                threads: 0,
                alarm: None,
            }),
            retired: OnceLock::new(),
            engine_model: Some(engine_model),
            grave,
        }
    }

    pub(crate) fn engine_model(&self) -> &dyn Model {
        self.engine_model
            .as_deref()
            .expect("bug: a servable is used after it was dropped")
    }

    /// Bounds and mergeability for what runs together in a turn.
    pub(crate) fn turn_options(&self) -> NoWaitOptions {
        NoWaitOptions {
            max_queue: self.settings.max_queue,
            max_batch_rows: self.settings.max_batch_rows,
            mergeable: self.facts.mergeable,
        }
    }

    /// # Errors
    /// `invalid_input` for more rows than the operator lets one request have.
    pub(crate) fn check_rows(&self, signature: usize, inputs: &[Tensor]) -> Result<()> {
        match (&self.batching, inputs.first()) {
            (Some(batching), Some(first)) if batching.merges(signature) => {
                batching.check_rows(first.rows())
            }
            _ => Ok(()),
        }
    }

    /// Finds a signature by name; none or empty gives the default one.
    pub(crate) fn signature(&self, name: Option<&str>) -> Result<usize> {
        let name = name
            .filter(|name| !name.is_empty())
            .unwrap_or(DEFAULT_SIGNATURE);
        let found = self
            .signatures
            .iter()
            .position(|signature| signature.name == name);
        found.ok_or_else(|| {
            Error::signature_not_found(format!(
                "Serving signature name: \"{name}\" not found in signature def"
            ))
        })
    }

    /// Requests that wait for an executor thread.
    pub(crate) fn waiting(&self) -> usize {
        self.queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .scheduler
            .len()
    }

    pub(crate) fn predict_us(&self, signature: usize, weight: usize) -> f32 {
        self.facts.curves[signature].predict_us(weight)
    }
}

impl Drop for Servable {
    fn drop(&mut self) {
        if let Some(model) = self.engine_model.take() {
            let remains = Remains {
                servable: self.id,
                model,
                retired: self.retired.get().copied(),
            };
            // The reaper is gone only when the whole data plane is; the model is then freed here, with it.
            let _ = self.grave.send(remains);
        }
    }
}
