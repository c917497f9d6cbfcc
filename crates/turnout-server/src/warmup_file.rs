//! Warm-up files: recorded requests that a version answers before it serves.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use turnout_core::signature::DEFAULT_SIGNATURE;
use turnout_core::snapshot::FileSpec;
use turnout_core::tfrecord::Records;
use turnout_core::{Error, Result};
use turnout_engine::{Model, artifact};

use crate::grpc::predict;
use crate::grpc::wire::{LogKind, PredictRequestView, PredictionLogView};

/// TensorFlow Serving's bound.
const MAX_RECORDS: usize = 1000;
/// The whole file is in memory while it is used.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// What the records are run on, and how.
pub(crate) struct WarmupRun<'load> {
    pub(crate) model: &'load dyn Model,
    /// How often each record is run.
    pub(crate) iterations: u32,
    /// What the inputs of one record may take in memory, as those of a client's request.
    pub(crate) limit_bytes: usize,
    /// Cleared when the load is given up; looked at between two runs.
    pub(crate) wanted: &'load AtomicBool,
}

impl WarmupRun<'_> {
    /// Runs every record of a file, in its order. Names of models and versions in the records do not matter: what was
    /// recorded of one version warms the next.
    ///
    /// Returns what was left out, in words, if anything was.
    ///
    /// # Errors
    /// `artifact_invalid` where the file is no file of records, has too many or one that does not fit the model;
    /// `unsupported` for a kind of record that cannot be run; `load_failed` where the model fails on a record.
    pub(crate) fn file(&self, folder: &Path, file: &FileSpec) -> Result<Option<String>> {
        let path = folder.join(&file.name);
        let bytes = artifact::read_beside(folder, file, MAX_FILE_BYTES)?;
        self.records(&Bytes::from(bytes), &path)
    }

    fn records(&self, file: &Bytes, path: &Path) -> Result<Option<String>> {
        // Looked at as a whole before the first is run: a broken file changes nothing in a model.
        let records = split(file, path)?;
        let mut left_out = BTreeMap::<LogKind, usize>::new();
        for (index, record) in records.iter().enumerate() {
            let failed = |error: Error| at_record(&error, index, path);
            let view = PredictionLogView::read(record).map_err(|error| failed(error.into()))?;
            match view.kind {
                Some(LogKind::Predict) => {
                    let message = file.slice_ref(view.request);
                    self.predict(&message).map_err(failed)?;
                }
                Some(kind @ (LogKind::Classify | LogKind::Regress | LogKind::MultiInference)) => {
                    *left_out.entry(kind).or_default() += 1;
                }
                Some(kind) => return Err(failed(cannot_run(kind.name()))),
                None => return Err(failed(cannot_run("no known one"))),
            }
        }
        Ok(describe(&left_out, path))
    }

    fn predict(&self, message: &Bytes) -> Result<()> {
        let view = PredictRequestView::read(message)?;
        let name = match view.model_spec.unwrap_or_default().signature_name {
            "" => DEFAULT_SIGNATURE,
            name => name,
        };
        let mut signatures = self.model.signatures().iter();
        let found = signatures.position(|signature| signature.name == name);
        let index = found.ok_or_else(|| {
            Error::signature_not_found(format!("Serving signature key \"{name}\" not found."))
        })?;
        let (inputs, _) = predict::decode(self.model, index, &view, message, self.limit_bytes)?;
        for _ in 0..self.iterations {
            if !self.wanted.load(Ordering::Acquire) {
                return Err(Error::load_failed("the load was given up"));
            }
            self.model.run(index, inputs.clone())?;
        }
        Ok(())
    }
}

fn split<'a>(file: &'a Bytes, path: &Path) -> Result<Vec<&'a [u8]>> {
    let mut records = Vec::new();
    for record in Records::new(file) {
        if records.len() == MAX_RECORDS {
            return Err(Error::artifact_invalid(format!(
                "Number of warmup records exceeds the maximum ({MAX_RECORDS}) at {}",
                path.display()
            ))
            .with_hint("keep the records that matter, or record fewer"));
        }
        records.push(record.map_err(|fault| {
            Error::artifact_invalid(format!(
                "{fault} of `{}`. Please verify your warmup data is in TFRecord format.",
                path.display()
            ))
        })?);
    }
    Ok(records)
}

fn cannot_run(kind: &str) -> Error {
    Error::unsupported(format!(
        "Unsupported log_type for warmup: {kind}; expected `predict_log`"
    ))
}

/// The failure of a whole load by one record. What is wrong with a request is wrong with the file.
fn at_record(error: &Error, index: usize, path: &Path) -> Error {
    use turnout_core::ErrorCode::{ArtifactInvalid, ExecutionFailed, LoadFailed, Unsupported};
    let cause = std::error::Error::source(error)
        .map(|source| format!(": {source}"))
        .unwrap_or_default();
    let code = match error.code() {
        ExecutionFailed | LoadFailed => LoadFailed,
        Unsupported => Unsupported,
        _ => ArtifactInvalid,
    };
    let message = format!(
        "warm-up record {index} of `{}` failed: {}{cause}",
        path.display(),
        error.message()
    );
    Error::new(code, message)
        .with_hint("`warmup_iterations = 0` in the model's settings loads it without the file")
}

fn describe(left_out: &BTreeMap<LogKind, usize>, path: &Path) -> Option<String> {
    let counts: Vec<String> = left_out
        .iter()
        .map(|(kind, count)| format!("{count} of `{}`", kind.name()))
        .collect();
    (!counts.is_empty()).then(|| {
        format!(
            "warm-up records were left out, which cannot be run yet: {}: `{}`",
            counts.join(", "),
            path.display()
        )
    })
}

#[cfg(test)]
mod tests;
