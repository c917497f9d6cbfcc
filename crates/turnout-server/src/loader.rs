//! Loading and warming up, each on a low-priority thread of its own.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use turnout_core::curve::LatencyCurve;
use turnout_core::event::{Event, Loaded, LogLevel};
use turnout_core::snapshot::{MergeMode, ServableSpec};
use turnout_core::{Error, Result};
use turnout_engine::warmup::{self, Limits, Warmup};
use turnout_engine::{Artifact, Engine, LoadOptions, LogSink, Model, Threads};

use crate::batcher;
use crate::execute::panic_text;
use crate::reaper::Grave;
use crate::request_log::Sampler;
use crate::servable::{Facts, Parts, Servable};
use crate::shared::Shared;
use crate::warmup_file::WarmupRun;

/// A load under way; cleared `wanted` means that its result is to be dropped.
pub(crate) struct Load {
    pub(crate) spec: ServableSpec,
    pub(crate) wanted: Arc<AtomicBool>,
    pub(crate) grave: Grave,
    pub(crate) log: LogSink,
}

/// What a load ends with, handed to `keep` before the fact is reported, so that a snapshot may name it at once.
pub(crate) fn run(shared: &Shared, load: Load, keep: impl FnOnce(Servable) -> bool) {
    let id = load.spec.id;
    let wanted = Arc::clone(&load.wanted);
    let made = catch_unwind(AssertUnwindSafe(|| make(shared, load))).unwrap_or_else(|panic| {
        Err(Error::internal("loading failed unexpectedly").with_source(panic_text(&*panic)))
    });
    match made {
        Ok(servable) => {
            let loaded = describe(&servable);
            if wanted.load(Ordering::Acquire) && keep(servable) {
                shared.events.fact(Event::Loaded(loaded));
            }
        }
        Err(error) => shared.events.fact(failed(id, &error)),
    }
}

/// The fact of a failed load, with its cause.
pub(crate) fn failed(servable: u64, error: &Error) -> Event {
    let cause = std::error::Error::source(error)
        .map(|source| format!(": {source}"))
        .unwrap_or_default();
    Event::LoadFailed {
        servable,
        code: error.code().slug(),
        message: format!("{}{cause}", error.message()),
        hint: error.hint().map(str::to_owned),
    }
}

fn describe(servable: &Servable) -> Loaded {
    Loaded {
        servable: servable.id,
        signatures: servable.signatures.clone(),
        load_ms: servable.facts.load_ms,
        warmup_ms: servable.facts.warmup_ms,
        mergeable: servable.facts.mergeable,
        merge_reason: servable.facts.merge_reason.clone(),
        intra_op_threads: servable.facts.intra_op_threads,
        row_us: Some(servable.predict_us(0, 1)).filter(|micros| micros.is_finite()),
    }
}

struct Warm {
    model: Box<dyn Model>,
    warmup: Warmup,
    threads: Threads,
    load_ms: u64,
    warmup_ms: u64,
}

fn make(shared: &Shared, load: Load) -> Result<Servable> {
    let (spec, wanted) = (load.spec, load.wanted);
    let (wanted_engine, log) = (spec.engine.clone(), load.log);
    // Opening a library may make threads, once in the process.
    let open = move || turnout_engine::open(&wanted_engine, &log);
    let engine = shared.nursery.run(open).map_err(no_thread)??;
    let source = Loading {
        shared,
        wanted: &wanted,
        engine,
        artifact: Arc::new(Artifact::read(&spec.artifact)?),
        spec: &spec,
        callers: shared.settings.loops + shared.settings.executor_threads,
    };
    let mut warm = source.load_and_warm()?;
    source.run_warmup_file(&mut warm)?;
    let names: Vec<String> = warm
        .model
        .signatures()
        .iter()
        .map(|signature| signature.name.clone())
        .collect();
    let model: Arc<str> = spec.model.into();
    let metrics = shared.metrics.servable(&model, spec.version, &names);
    let facts = facts(&warm, spec.settings.merge);
    let parts = Parts {
        id: spec.id,
        model,
        version: spec.version,
        settings: spec.settings,
        engine_model: warm.model,
        facts,
        metrics,
        sampler: Sampler::new(Arc::clone(&shared.request_log)),
    };
    Ok(Servable::new(parts, load.grave))
}

/// A load that ends before it begins.
pub(crate) fn no_thread(source: io::Error) -> Error {
    Error::load_failed("a load could not start its thread").with_source(source)
}

/// What a model is loaded from, maybe twice.
struct Loading<'load> {
    shared: &'load Shared,
    wanted: &'load AtomicBool,
    engine: Arc<dyn Engine>,
    artifact: Arc<Artifact>,
    spec: &'load ServableSpec,
    /// Threads that may execute requests at one time.
    callers: usize,
}

impl Loading<'_> {
    /// Loads with the caller's thread alone; a model whose rows are slow is loaded again to share the process's pool.
    fn load_and_warm(&self) -> Result<Warm> {
        let asked = self.spec.settings.intra_op_threads;
        let threads = match asked {
            0 | 1 => Threads::Caller,
            count => Threads::Own(count),
        };
        let warm = self.load_once(threads)?;
        if asked != 0 {
            return Ok(warm);
        }
        match warmup::choose_threads(&warm.warmup.row_us) {
            Threads::Caller => Ok(warm),
            Threads::SharedPool if !self.engine.has_shared_pool() => Ok(warm),
            other => {
                drop(warm);
                self.load_once(other)
            }
        }
    }

    /// Runs the requests that lie beside the artifact, on the model as it will serve.
    fn run_warmup_file(&self, warm: &mut Warm) -> Result<()> {
        let Some(spec) = &self.spec.warmup else {
            return Ok(());
        };
        let begun = Instant::now();
        let run = WarmupRun {
            model: &*warm.model,
            iterations: spec.iterations,
            limit_bytes: self.shared.settings.max_body_bytes,
            wanted: self.wanted,
        };
        let left_out = run.file(&self.spec.artifact.path, &spec.file)?;
        if let Some(text) = left_out {
            let (model, version) = (&self.spec.model, self.spec.version);
            let line = format!("model `{model}` version {version}: {text}");
            self.shared.log(LogLevel::Warning, "warmup", line);
        }
        warm.warmup_ms += millis(begun, Instant::now());
        Ok(())
    }

    fn load_once(&self, threads: Threads) -> Result<Warm> {
        let begun = Instant::now();
        let model = self.load(threads)?;
        let loaded = Instant::now();
        let limits = Limits::for_batches_of(self.spec.settings.max_batch_rows);
        let warmup = warmup::measure(&*model, &limits, &Instant::now);
        let (load_ms, warmup_ms) = (millis(begun, loaded), millis(loaded, Instant::now()));
        Ok(Warm {
            model,
            warmup,
            threads,
            load_ms,
            warmup_ms,
        })
    }

    /// As many as there are threads that execute, unless somebody chose: none of them then waits for another's.
    fn interpreters(&self) -> usize {
        match self.spec.settings.interpreters {
            0 => self.callers.max(1),
            chosen => chosen,
        }
    }

    fn load(&self, threads: Threads) -> Result<Box<dyn Model>> {
        let options = LoadOptions {
            threads,
            signatures: self.spec.signatures.clone(),
            savedmodel: self.spec.settings.savedmodel.clone(),
            interpreters: self.interpreters(),
        };
        if !self.engine.makes_threads(threads) {
            return self.engine.load(&self.artifact, &options);
        }
        let (engine, artifact) = (Arc::clone(&self.engine), Arc::clone(&self.artifact));
        let load = move || engine.load(&artifact, &options);
        self.shared.nursery.run(load).map_err(no_thread)?
    }
}

fn millis(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.duration_since(from).as_millis()).unwrap_or(u64::MAX)
}

/// An operator's word goes for what was not shown; nobody can vouch for what is no batch.
fn vouched_for(warm: &Warm, found: &str) -> (bool, String) {
    if warm.warmup.mergeable {
        return (true, format!("`merge` is `always`, and {found}"));
    }
    let model = &*warm.model;
    let merges = |(index, signature)| batcher::merges(model, index, signature);
    if model.signatures().iter().enumerate().any(merges) {
        return (true, format!("`merge` is `always`, although {found}"));
    }
    (false, format!("in spite of `merge` = `always`: {found}"))
}

fn facts(warm: &Warm, merge: MergeMode) -> Facts {
    // The warm-up times the default signature; the others begin with its curve and learn their own.
    let curve = |_| {
        let curve = LatencyCurve::default();
        warm.warmup
            .row_us
            .iter()
            .for_each(|(rows, micros)| curve.observe(*rows, *micros));
        curve
    };
    let found = &warm.warmup.reason;
    let (mergeable, merge_reason) = match merge {
        MergeMode::Auto => (warm.warmup.mergeable, warm.warmup.reason.clone()),
        MergeMode::Never => (false, "`merge` is `never`".to_owned()),
        MergeMode::Always => vouched_for(warm, found),
    };
    Facts {
        load_ms: warm.load_ms,
        warmup_ms: warm.warmup_ms,
        mergeable,
        merge_reason,
        intra_op_threads: match warm.threads {
            Threads::Caller => 1,
            Threads::Own(count) => count,
            Threads::SharedPool => crate::threads::cores(),
        },
        curves: warm.model.signatures().iter().map(curve).collect(),
    }
}
