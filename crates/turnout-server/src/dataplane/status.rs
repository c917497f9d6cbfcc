//! What the data plane holds, as a record for people and scripts.

use serde::Serialize;

use super::{DataPlane, lock};

/// One loaded servable.
#[derive(Debug, Serialize)]
pub struct ServableStatus {
    pub servable: u64,
    pub model: String,
    pub version: u64,
    pub mergeable: bool,
    pub merge_reason: String,
    pub intra_op_threads: usize,
    pub queue_depth_requests: usize,
    /// Learnt microseconds of one row by signature; null while nothing was measured.
    pub row_us: Vec<Option<f32>>,
}

/// The whole.
#[derive(Debug, Serialize)]
pub struct Status {
    pub sequence: u64,
    pub loading: Vec<u64>,
    pub servables: Vec<ServableStatus>,
    pub inflight_bytes: usize,
    pub connections: usize,
}

impl DataPlane {
    /// What is held now.
    pub fn status(&self) -> Status {
        let held = lock(&self.held);
        let mut servables: Vec<ServableStatus> = held
            .loaded
            .values()
            .map(|servable| servable_status(servable))
            .collect();
        servables.sort_by_key(|status| status.servable);
        let mut loading: Vec<u64> = held.loading.keys().copied().collect();
        loading.sort_unstable();
        Status {
            sequence: held.sequence,
            loading,
            servables,
            inflight_bytes: self.shared.budget.used_bytes(),
            connections: self.shared.connections.get(),
        }
    }
}

fn servable_status(servable: &crate::servable::Servable) -> ServableStatus {
    let row_us =
        |signature| Some(servable.predict_us(signature, 1)).filter(|micros| micros.is_finite());
    ServableStatus {
        servable: servable.id,
        model: servable.model.to_string(),
        version: servable.version,
        mergeable: servable.facts.mergeable,
        merge_reason: servable.facts.merge_reason.clone(),
        intra_op_threads: servable.facts.intra_op_threads,
        queue_depth_requests: servable.waiting(),
        row_us: (0..servable.signatures.len()).map(row_us).collect(),
    }
}
