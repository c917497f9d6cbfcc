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
    pub ready_reason: String,
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

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServableSettings {
    pub merge: MergeMode,
    pub max_batch_rows: usize,
    pub max_queue: usize,
    /// 0 lets the warm-up decide.
    pub intra_op_threads: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MergeMode {
    Auto,
    Never,
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
