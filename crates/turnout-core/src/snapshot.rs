//! The structs of the seam: what Python tells the data plane. See `docs/concepts/seam.md`. No defaults live here.

use std::collections::HashMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Signature;

/// What a data plane is made with.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub loops: usize,
    pub executor_threads: usize,
    pub inline_budget_us: u32,
    pub offload_bytes: usize,
    pub max_body_bytes: usize,
    pub inflight_bytes: usize,
    pub max_connections: usize,
    pub max_streams: u32,
    pub header_timeout_ms: u64,
    pub idle_timeout_ms: u64,
    pub request_timeout_ms: u64,
    /// Of gRPC calls that bring no deadline.
    pub grpc_timeout_ms: u64,
    /// Whether clients may change which models are served.
    pub reload_rpc: bool,
    /// Where REST serves TensorFlow Serving's metrics; None for nowhere.
    pub tf_serving_metrics_path: Option<String>,
    pub event_capacity: usize,
    pub grpc_tensor_content: bool,
    pub rest_mode: RestMode,
    pub rest_cors: bool,
    pub ready_reason: String,
    pub request_log: RequestLogSettings,
}

/// Where sampled calls are written, and how much of them is kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestLogSettings {
    pub dir: PathBuf,
    /// The size and the age at which a file is closed.
    pub file_bytes: u64,
    pub file_age_ms: u64,
    /// Of all files together.
    pub disk_bytes: u64,
}

/// What the REST door makes of requests that TensorFlow Serving takes although something in them is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestMode {
    /// It takes them as well.
    Compatible,
    /// It refuses them.
    Strict,
}

/// The whole desired state.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    pub sequence: u64,
    pub ready: Readiness,
    pub servables: Vec<ServableSpec>,
    pub models: Vec<ModelRoute>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Readiness {
    pub ready: bool,
    pub reason: String,
}

/// One version to hold in memory. `id` is never used twice.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServableSpec {
    pub id: u64,
    pub model: String,
    pub version: u64,
    pub engine: EngineSpec,
    pub artifact: ArtifactSpec,
    /// Requests to run before the version is reported as loaded.
    pub warmup: Option<WarmupSpec>,
    pub signatures: Vec<Signature>,
    pub settings: ServableSettings,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineSpec {
    pub kind: String,
    /// The runtime's shared library, found by Python in the installed wheel.
    pub library: PathBuf,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArtifactSpec {
    pub path: PathBuf,
    pub entry: String,
    /// A folder to copy all files to before the runtime opens them; None reads `entry` into memory.
    pub private_copy: Option<PathBuf>,
    pub files: Vec<FileSpec>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSpec {
    pub name: String,
    pub size_bytes: u64,
    pub sha256: Option<String>,
}

/// A file of recorded requests in the artifact's folder, and how often each is run.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WarmupSpec {
    pub file: FileSpec,
    pub iterations: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServableSettings {
    pub merge: MergeMode,
    pub max_batch_rows: usize,
    pub max_queue: usize,
    /// 0 lets the warm-up decide.
    pub intra_op_threads: usize,
    /// How requests wait for one another; read where `merge` is [`MergeMode::Always`].
    pub batching: BatchingSettings,
    /// The most interpreters of a version whose runtime's serve one call each; 0 for one per thread that executes requests.
    pub interpreters: usize,
    pub savedmodel: SavedModelSettings,
}

/// What the engine `savedmodel` is told; others take no notice.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedModelSettings {
    /// The graph is the one that has exactly these tags.
    pub tags: Vec<String>,
    /// None lets the warm-up decide, 0 is `TensorFlow`'s pool for all models, less than 0 the calling thread.
    pub inter_op_threads: Option<i32>,
    /// Serialized fields of a `ConfigProto`, which win over those that the engine sets.
    pub session_config: Vec<u8>,
}

/// TensorFlow Serving's batching parameters, of one model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchingSettings {
    /// How long a request waits for others at most.
    pub timeout_us: u64,
    pub max_enqueued_batches: usize,
    /// Rising; a batch is filled up to the next of them. Empty leaves batches as they are.
    pub allowed_rows: Vec<usize>,
    /// Whether requests of different trailing dimensions are filled up to the largest.
    pub pad_lengths: bool,
    /// Whether a request may be cut, to fill batches.
    pub split_requests: bool,
    /// Most rows of one execution where requests may be cut; `max_batch_rows` then bounds the request alone.
    pub max_execution_rows: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MergeMode {
    /// Where it was shown to change nothing.
    Auto,
    Never,
    /// Wherever it is possible, as the operator vouches, and with [`BatchingSettings`].
    Always,
}

/// What clients may ask of one model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRoute {
    pub name: String,
    /// The servable of requests without a version.
    pub default: Option<u64>,
    pub labels: HashMap<String, u64>,
    /// What is wrong with the model as a whole; empty where nothing is.
    pub problem: String,
    /// Which part of the calls is logged, from 0 to 1.
    pub request_log_rate: f64,
    pub versions: Vec<VersionStatus>,
}

/// One version as the status API shows it; routable when it names a loaded servable.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionStatus {
    pub version: u64,
    pub servable: Option<u64>,
    pub state: VersionState,
    pub error_code: String,
    pub error_message: String,
}

/// TensorFlow Serving's states, by its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum VersionState {
    Start,
    Loading,
    Available,
    Unloading,
    End,
}

impl VersionState {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "START",
            Self::Loading => "LOADING",
            Self::Available => "AVAILABLE",
            Self::Unloading => "UNLOADING",
            Self::End => "END",
        }
    }
}
