//! How long each operator takes, from the file that ONNX Runtime writes of its runs. Its times are whole microseconds.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Deserialize;
use turnout_core::{Error, Result, Signature, Tensor};

use super::api::Runtime;
use super::session::OnnxModel;
use crate::profile::{Collector, OperatorRun, Profile, Profiler};
use crate::{Artifact, LoadOptions, Model};

/// Operators that run another graph: its operators are recorded too, and are in the time of these.
const CALLERS: [&str; 4] = ["If", "Loop", "Scan", "SequenceMap"];
/// What an operator's event is called behind its name.
const KERNEL: &str = "_kernel_time";

#[derive(Debug)]
pub(super) struct OnnxProfiler {
    model: OnnxModel,
    /// Of each run, and whether it counts.
    runs: Vec<(Duration, bool)>,
}

impl OnnxProfiler {
    pub(super) fn new(
        runtime: &'static Runtime,
        artifact: &Artifact,
        options: &LoadOptions,
        folder: &Path,
    ) -> Result<Self> {
        let prefix = CString::new(folder.join("runs").as_os_str().as_bytes())
            .map_err(|error| Error::internal("a folder has a zero byte").with_source(error))?;
        Ok(Self {
            model: OnnxModel::load(runtime, artifact, options, Some(&prefix))?,
            runs: Vec::new(),
        })
    }
}

impl Profiler for OnnxProfiler {
    fn signatures(&self) -> &[Signature] {
        self.model.signatures()
    }

    fn run(&mut self, signature: usize, inputs: Vec<Tensor>, measured: bool) -> Result<()> {
        let begun = Instant::now();
        self.model.run(signature, inputs)?;
        self.runs.push((begun.elapsed(), measured));
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Profile> {
        let unreadable = |error: &dyn std::fmt::Display| {
            Error::internal(format!(
                "ONNX Runtime's record of its runs cannot be read: {error}"
            ))
        };
        let record = std::fs::read(self.model.end_record()?).map_err(|error| unreadable(&error))?;
        let events: Vec<Event> =
            serde_json::from_slice(&record).map_err(|error| unreadable(&error))?;
        collect(events, &self.runs)
            .ok_or_else(|| unreadable(&"it lacks runs, as one of more than a million events does"))
    }
}

/// An event of the record.
#[derive(Debug, Deserialize)]
struct Event {
    #[serde(rename = "cat", default)]
    category: String,
    #[serde(default)]
    name: String,
    #[serde(rename = "dur", default)]
    micros: f64,
    #[serde(default)]
    args: Arguments,
}

#[derive(Debug, Default, Deserialize)]
struct Arguments {
    #[serde(default)]
    op_name: String,
}

/// Deals the operators out to the runs: the event of a run comes behind those of its operators. None where runs are missing.
fn collect(events: Vec<Event>, runs: &[(Duration, bool)]) -> Option<Profile> {
    let (mut collector, mut operators) = (Collector::default(), Vec::new());
    let mut runs = runs.iter();
    for event in events {
        match (event.category.as_str(), event.name.as_str()) {
            ("Node", name) => {
                if let Some(name) = name.strip_suffix(KERNEL) {
                    operators.push(OperatorRun {
                        name: name.to_owned(),
                        has_others: CALLERS.contains(&event.args.op_name.as_str()),
                        op: event.args.op_name,
                        micros: event.micros,
                    });
                }
            }
            ("Session", "model_run") => {
                let (took, measured) = runs.next()?;
                let operators = std::mem::take(&mut operators);
                if *measured {
                    collector.add_call(*took, operators);
                }
            }
            _ => {}
        }
    }
    runs.next().is_none().then(|| collector.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"[
        {"cat": "Session", "name": "model_loading_array", "dur": 7, "args": {}},
        {"cat": "Node", "name": "a_kernel_time", "dur": 50, "args": {"op_name": "Conv"}},
        {"cat": "Session", "name": "model_run", "dur": 60, "args": {}},
        {"cat": "Node", "name": "a_fence_before", "dur": 1, "args": {"op_name": "Conv"}},
        {"cat": "Node", "name": "a_kernel_time", "dur": 5, "args": {"op_name": "Conv", "thread_scheduling_stats": {}}},
        {"cat": "Node", "name": "b_kernel_time", "dur": 6, "args": {"op_name": "Loop"}},
        {"cat": "Session", "name": "model_run", "dur": 12, "args": {}}
    ]"#;

    #[test]
    fn operators_belong_to_the_run_that_ends_behind_them() {
        let events = || serde_json::from_str::<Vec<Event>>(RECORD).expect("a record");
        let (first, second) = (Duration::from_micros(61), Duration::from_micros(13));
        let profile = collect(events(), &[(first, false), (second, true)]).expect("whole");
        let found: Vec<_> = profile
            .operators
            .iter()
            .map(|each| (each.op.as_str(), each.call_us.clone(), each.has_others))
            .collect();
        let want = [("Conv", vec![5.0], false), ("Loop", vec![6.0], true)];
        assert_eq!(found, want);
        assert!(collect(events(), &[(first, true); 3]).is_none());
        assert!(collect(events(), &[(first, true)]).is_none());
    }
}
