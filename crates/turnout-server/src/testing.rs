//! A data plane for tests: one loop, which is the test's own thread, and fake models.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::JoinHandle;

use turnout_core::curve::LatencyCurve;
use turnout_core::snapshot::{
    BatchingSettings, MergeMode, ModelRoute, Readiness, RequestLogSettings, RestMode,
    SavedModelSettings, ServableSettings, Settings, Snapshot, VersionState, VersionStatus,
};
use turnout_engine::Model;
use turnout_engine::fake::FakeModel;

use crate::event_loop;
use crate::events::Events;
use crate::executor::Executor;
use crate::metrics::Metrics;
use crate::nursery::Nursery;
use crate::offload::Offload;
use crate::reaper;
use crate::request_log::Sampler;
use crate::routes::Routes;
use crate::servable::{Facts, Parts, Servable};
use crate::service::Service;
use crate::shared::Shared;

/// A data plane of one loop, which is the test's own thread.
pub(crate) struct Bench {
    pub(crate) shared: Arc<Shared>,
    grave: reaper::Grave,
    threads: Vec<JoinHandle<()>>,
}

/// Small bounds and short waits.
pub(crate) fn settings() -> Settings {
    Settings {
        loops: 1,
        executor_threads: 1,
        inline_budget_us: 100,
        offload_bytes: 1 << 16,
        max_body_bytes: 1 << 20,
        inflight_bytes: 1 << 20,
        max_connections: 16,
        max_streams: 16,
        grpc_tensor_content: false,
        header_timeout_ms: 1_000,
        idle_timeout_ms: 1_000,
        request_timeout_ms: 10_000,
        grpc_timeout_ms: 10_000,
        reload_rpc: false,
        tf_serving_metrics_path: None,
        event_capacity: 64,
        rest_mode: RestMode::Compatible,
        rest_cors: false,
        ready_reason: "starting".into(),
        request_log: RequestLogSettings {
            dir: "/nonexistent".into(),
            file_bytes: 1 << 20,
            file_age_ms: 60_000,
            disk_bytes: 1 << 20,
        },
    }
}

/// Of no interest to the engine of these tests.
pub(crate) fn savedmodel_settings() -> SavedModelSettings {
    SavedModelSettings {
        tags: Vec::new(),
        inter_op_threads: None,
        session_config: Vec::new(),
    }
}

/// No waiting, and nothing else that is unusual.
pub(crate) fn batching() -> BatchingSettings {
    BatchingSettings {
        timeout_us: 0,
        max_enqueued_batches: 10,
        allowed_rows: Vec::new(),
        pad_lengths: false,
        split_requests: false,
        max_execution_rows: 64,
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with_settings(settings())
    }

    pub(crate) fn with_settings(settings: Settings) -> Self {
        let events = Arc::new(Events::new(64));
        let (executor, mut threads) = Executor::start(1, 1).expect("threads start");
        let (offload, codecs) = Offload::start(1).expect("threads start");
        let nursery = Nursery::start().expect("threads start");
        let (grave, reaper) = reaper::start(Arc::clone(&events)).expect("threads start");
        threads.extend(codecs);
        threads.push(reaper);
        let metrics = Arc::new(Metrics::new(2, false));
        Self {
            shared: Arc::new(Shared::new(
                settings, events, executor, offload, nursery, metrics,
            )),
            grave,
            threads,
        }
    }

    /// A servable of `model` that is predicted to take `row_us` for one row.
    pub(crate) fn servable(
        &self,
        model: FakeModel,
        mergeable: bool,
        max_queue: usize,
        row_us: f32,
    ) -> Arc<Servable> {
        self.servable_of(1, model, mergeable, max_queue, row_us)
    }

    /// The same with an id of its own.
    pub(crate) fn servable_of(
        &self,
        id: u64,
        model: FakeModel,
        mergeable: bool,
        max_queue: usize,
        row_us: f32,
    ) -> Arc<Servable> {
        let settings = ServableSettings {
            merge: MergeMode::Auto,
            max_batch_rows: 64,
            max_queue,
            intra_op_threads: 0,
            interpreters: 0,
            savedmodel: savedmodel_settings(),
            batching: batching(),
        };
        self.servable_with(id, model, mergeable, settings, row_us)
    }

    /// The same with any settings.
    pub(crate) fn servable_with(
        &self,
        id: u64,
        model: FakeModel,
        mergeable: bool,
        settings: ServableSettings,
        row_us: f32,
    ) -> Arc<Servable> {
        let curve = || {
            let curve = LatencyCurve::default();
            curve.observe(1, row_us);
            curve
        };
        let names: Vec<String> = model
            .signatures()
            .iter()
            .map(|signature| signature.name.clone())
            .collect();
        let name: Arc<str> = "m".into();
        let metrics = self.shared.metrics.servable(&name, 1, &names);
        let facts = Facts {
            load_ms: 0,
            warmup_ms: 0,
            mergeable,
            merge_reason: String::new(),
            intra_op_threads: 1,
            curves: names.iter().map(|_| curve()).collect(),
        };
        let parts = Parts {
            id,
            model: name,
            version: 1,
            settings,
            engine_model: Box::new(model),
            facts,
            metrics,
            sampler: Sampler::new(Arc::clone(&self.shared.request_log)),
        };
        Arc::new(Servable::new(parts, self.grave.clone()))
    }

    /// Routes model `m` to `servable`: its only version, the default one, and label `stable`.
    pub(crate) fn publish(&self, servable: &Arc<Servable>) {
        let version = VersionStatus {
            version: servable.version,
            servable: Some(servable.id),
            state: VersionState::Available,
            error_code: String::new(),
            error_message: String::new(),
        };
        let model = ModelRoute {
            name: servable.model.to_string(),
            default: Some(servable.id),
            labels: HashMap::from([("stable".to_owned(), servable.version)]),
            problem: String::new(),
            request_log_rate: 0.0,
            versions: vec![version],
        };
        let ready = Readiness {
            ready: true,
            reason: String::new(),
        };
        let snapshot = Snapshot {
            sequence: 1,
            ready,
            servables: Vec::new(),
            models: vec![model],
        };
        let loaded = HashMap::from([(servable.id, Arc::clone(servable))]);
        let routes = Routes::build(snapshot, &loaded).expect("the servable is loaded");
        self.shared.replace_routes(routes);
    }

    /// Runs `test` on the loop.
    pub(crate) fn run<T>(&self, test: impl AsyncFnOnce(Service) -> T) -> T {
        let runtime = event_loop::runtime().expect("a runtime");
        runtime.block_on(async { test(event_loop::service(&self.shared, 0)).await })
    }

    /// Stops all threads; none of them may have panicked.
    pub(crate) fn end(self) {
        self.shared.routes.store(Arc::new(Routes::empty("over")));
        self.shared.executor.stop();
        self.shared.offload.stop();
        drop(self.grave);
        for thread in self.threads {
            thread.join().expect("no thread panicked");
        }
    }
}
