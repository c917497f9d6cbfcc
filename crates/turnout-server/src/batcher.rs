//! What an operator's batching parameters mean for one servable.

use std::time::Duration;

use turnout_core::batch::Padding;
use turnout_core::scheduler::BatchingOptions;
use turnout_core::snapshot::{MergeMode, ServableSettings};
use turnout_core::{Error, Result, Signature};
use turnout_engine::Model;

/// Dimensions up to this one are filled up to one another; of longer ones only those within a factor of two.
const SHORT_DIM: usize = 16;

/// The parameters, and for which signatures they hold.
#[derive(Debug)]
pub(crate) struct Batcher {
    max_request_rows: usize,
    options: BatchingOptions,
    allowed_rows: Vec<usize>,
    pad_lengths: bool,
    /// By signature.
    merges: Vec<bool>,
}

impl Batcher {
    /// None where requests are merged in turns, as they come.
    pub(crate) fn new(settings: &ServableSettings, model: &dyn Model) -> Option<Self> {
        if settings.merge != MergeMode::Always {
            return None;
        }
        let batching = &settings.batching;
        let max_execution_rows = if batching.split_requests {
            batching.max_execution_rows
        } else {
            settings.max_batch_rows
        };
        let options = BatchingOptions {
            max_queue: settings.max_queue,
            max_execution_rows: max_execution_rows.max(1),
            max_enqueued_batches: batching.max_enqueued_batches.max(1),
            timeout: Duration::from_micros(batching.timeout_us),
            splits: batching.split_requests,
        };
        let merges = |(index, signature)| merges(model, index, signature);
        Some(Self {
            max_request_rows: settings.max_batch_rows,
            options,
            allowed_rows: batching.allowed_rows.clone(),
            pad_lengths: batching.pad_lengths,
            merges: model.signatures().iter().enumerate().map(merges).collect(),
        })
    }

    pub(crate) fn options(&self) -> BatchingOptions {
        self.options
    }

    /// Whether requests wait in the servable's own queue; otherwise the turns of the loops take them first.
    pub(crate) fn waits(&self) -> bool {
        self.options.splits || !self.options.timeout.is_zero()
    }

    /// Whether requests of a signature may be merged at all.
    pub(crate) fn merges(&self, signature: usize) -> bool {
        self.merges[signature]
    }

    /// What stands for a trailing dimension: those of one class are merged.
    pub(crate) fn length_class(&self, dim: usize) -> usize {
        if self.pad_lengths {
            dim.max(SHORT_DIM).next_power_of_two()
        } else {
            dim
        }
    }

    /// What a batch of `rows` is filled up with.
    pub(crate) fn padding(&self, rows: usize) -> Padding {
        let allowed = self.allowed_rows.iter().find(|allowed| **allowed >= rows);
        Padding {
            rows: allowed.map_or(0, |allowed| allowed - rows),
            lengths: self.pad_lengths,
        }
    }

    /// # Errors
    /// `invalid_input` by TensorFlow Serving's text, for more rows than a request may have.
    pub(crate) fn check_rows(&self, rows: usize) -> Result<()> {
        if rows <= self.max_request_rows {
            return Ok(());
        }
        Err(Error::invalid_input(format!(
            "Task size {rows} is larger than maximum input batch size {}",
            self.max_request_rows
        )))
    }
}

/// Whether requests of a signature may be merged where an operator vouches for it: they are rows as far as is known, and
/// change no state.
pub(crate) fn merges(model: &dyn Model, index: usize, signature: &Signature) -> bool {
    model.state_change(index).is_none() && may_have_rows(signature)
}

/// Whether nothing that is known of a signature says that it has no batch dimension.
fn may_have_rows(signature: &Signature) -> bool {
    let specs = signature.inputs.iter().chain(&signature.outputs);
    let may_vary = |shape: &Vec<Option<usize>>| matches!(shape.first(), Some(None));
    !signature.inputs.is_empty() && specs.filter_map(|spec| spec.shape.as_ref()).all(may_vary)
}
