//! How long each operator takes, from the `StepStats` of calls that TensorFlow was asked to trace.

use std::time::Instant;

use turnout_core::{Result, Signature, Tensor};

use super::session::{SavedModel, bytes_of, own_buffer};
use super::wire::fields;
use crate::Model;
use crate::profile::{Collector, OperatorRun, Profile, Profiler};

/// Operators that call functions: the operators of those are traced too, and are in the time of these.
const CALLERS: [&str; 10] = [
    "BatchFunction",
    "Case",
    "If",
    "MapDefun",
    "PartitionedCall",
    "StatefulPartitionedCall",
    "StatelessCase",
    "StatelessIf",
    "StatelessWhile",
    "While",
];

#[derive(Debug)]
pub(super) struct SavedModelProfiler {
    model: SavedModel,
    collector: Collector,
}

impl SavedModelProfiler {
    pub(super) fn new(model: SavedModel) -> Self {
        Self {
            model,
            collector: Collector::default(),
        }
    }
}

impl Profiler for SavedModelProfiler {
    fn signatures(&self) -> &[Signature] {
        self.model.signatures()
    }

    fn run(&mut self, signature: usize, inputs: Vec<Tensor>, measured: bool) -> Result<()> {
        if !measured {
            self.model.run(signature, inputs)?;
            return Ok(());
        }
        let api = self.model.api();
        // SAFETY: the function makes an empty buffer for its caller.
        let trace = own_buffer(api, unsafe { (api.new_buffer)() });
        let begun = Instant::now();
        self.model.run_with(signature, inputs, Some(&trace))?;
        let took = begun.elapsed();
        self.collector.add_call(took, read(bytes_of(&trace))?);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Profile> {
        Ok(self.collector.finish())
    }
}

/// The operators of a `RunMetadata`: of each device (1) of the step's statistics (1) the nodes (2).
fn read(metadata: &[u8]) -> Result<Vec<OperatorRun>> {
    let mut runs = Vec::new();
    for field in fields(metadata) {
        let (1, stats) = field? else { continue };
        for field in fields(stats.bytes()?) {
            let (1, device) = field? else { continue };
            for field in fields(device.bytes()?) {
                if let (2, node) = field? {
                    runs.push(read_node(node.bytes()?)?);
                }
            }
        }
    }
    Ok(runs)
}

/// A `NodeExecStats`: name 1, label 8, and from when to when it computed in nanoseconds, 14 and 15.
fn read_node(message: &[u8]) -> Result<OperatorRun> {
    let (mut name, mut label, mut begin, mut end) = ("", "", 0, 0);
    for field in fields(message) {
        match field? {
            (1, field) => name = field.text()?,
            (8, field) => label = field.text()?,
            (14, field) => begin = field.number()?.cast_signed(),
            (15, field) => end = field.number()?.cast_signed(),
            _ => {}
        }
    }
    // `name = Op(inputs)`.
    let op = label.split_once(" = ").map_or(label, |(_, call)| call);
    let op = op.split_once('(').map_or(op, |(op, _)| op);
    #[expect(
        clippy::cast_precision_loss,
        reason = "a call of 100 days is not measured"
    )]
    let micros = end.saturating_sub(begin).max(0) as f64 / 1e3;
    Ok(OperatorRun {
        name: name.to_owned(),
        op: op.to_owned(),
        micros,
        has_others: CALLERS.contains(&op),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).expect("short");
        [&[tag, length], content].concat()
    }

    #[test]
    fn nodes_are_found_below_their_devices() {
        let node = |name: &[u8], label: &[u8]| {
            let times = [0x70, 0xe8, 7, 0x78, 0xd0, 15]; // 1000 and 2000
            message(
                0x12,
                &[message(0x0a, name), message(0x42, label), times.to_vec()].concat(),
            )
        };
        let nodes = [node(b"a", b"a = If(b)"), node(b"c", b"c")].concat();
        let device = message(0x0a, &[message(0x0a, b"cpu"), nodes].concat());
        let runs = read(&message(0x0a, &device)).expect("whole");
        let found: Vec<_> = runs
            .iter()
            .map(|run| {
                (
                    run.name.as_str(),
                    run.op.as_str(),
                    run.micros,
                    run.has_others,
                )
            })
            .collect();
        assert_eq!(found, [("a", "If", 1.0, true), ("c", "c", 1.0, false)]);
        assert!(read(&[0x0a, 9, 1]).is_err());
    }
}
