//! Running a batch on an engine: the same few lines for every driver.

mod pieces;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use tokio::sync::oneshot;
use turnout_core::admission::BytePermit;
use turnout_core::batch::Padding;
use turnout_core::scheduler::{Batch, Bucket, Dropped, Entry};
use turnout_core::{Error, RequestContext, Result, Tensor, TensorSpec};

use crate::servable::Servable;

/// One request, decoded and admitted, on its way to an engine.
pub(crate) struct Pending {
    pub(crate) servable: Arc<Servable>,
    pub(crate) signature: usize,
    /// Signatures that are executed with it, on the same inputs. Their outputs follow its own.
    pub(crate) together: Vec<usize>,
    pub(crate) inputs: Vec<Tensor>,
    /// Woken when the request leaves its turn for an executor thread: its door then watches the deadline.
    pub(crate) waker: Waker,
    pub(crate) reply: Reply,
}

/// Where an answer goes. The receiver may be gone with its client.
pub(crate) enum Reply {
    Whole {
        sender: oneshot::Sender<Result<Executed>>,
        permit: BytePermit,
    },
    /// To the other pieces of the same request.
    Piece(pieces::Piece),
}

/// What a call gave to one request, and when it began and ended.
type Outcome = (Vec<Tensor>, Instant, Instant);

impl Reply {
    pub(crate) fn send(self, result: Result<Outcome>) {
        match self {
            Self::Whole { sender, permit } => {
                let executed = result.map(|(outputs, started, finished)| Executed {
                    outputs,
                    started,
                    finished,
                    permit,
                });
                let _ = sender.send(executed);
            }
            Self::Piece(piece) => piece.send(result),
        }
    }
}

/// The outputs of one request and when they were made.
pub(crate) struct Executed {
    pub(crate) outputs: Vec<Tensor>,
    pub(crate) started: Instant,
    pub(crate) finished: Instant,
    /// Held by the door until the answer has been written.
    pub(crate) permit: BytePermit,
}

/// Wraps a request for a scheduler.
pub(crate) fn entry(pending: Pending, context: &RequestContext) -> Entry<Pending> {
    let rows = pending.inputs.first().map_or(1, Tensor::rows);
    let specs = &pending.servable.signatures[pending.signature].inputs;
    let mut bucket = Bucket {
        signature: pending.signature,
        shapes: 0,
        as_shown: pending.together.is_empty() && are_as_shown(specs, &pending.inputs),
    };
    match &pending.servable.batching {
        None => bucket.shapes = shape_hash(&pending.inputs, rows, |dim| dim),
        Some(batching) => {
            bucket.shapes = shape_hash(&pending.inputs, rows, |dim| batching.length_class(dim));
            bucket.as_shown &= batching.merges(bucket.signature) && have_rows(&pending.inputs);
        }
    }
    Entry {
        rows,
        weight: weight(&pending, rows),
        bucket,
        deadline: context.deadline,
        cancellation: context.cancellation.clone(),
        work: pending,
    }
}

/// A sequence of a hundred tokens is one row and takes as long as a hundred of the warm-up's, which has one token each.
fn weight(pending: &Pending, rows: usize) -> usize {
    let elements: usize = pending
        .inputs
        .iter()
        .map(|input| input.values().len())
        .sum();
    let row_elements = pending.servable.row_elements[pending.signature];
    rows.max(elements.div_ceil(row_elements))
}

/// Whether inputs have the shapes for which the warm-up has shown what it has: an engine may take others.
fn are_as_shown(specs: &[TensorSpec], inputs: &[Tensor]) -> bool {
    let mut pairs = specs.iter().zip(inputs);
    pairs.all(|(spec, input)| !spec.any_shape || spec.describes(input.shape()))
}

/// Whether all inputs have as many rows.
fn have_rows(inputs: &[Tensor]) -> bool {
    let rows = inputs.first().and_then(|first| first.shape().first());
    rows.is_some() && inputs.iter().all(|input| input.shape().first() == rows)
}

/// FNV-1a over the trailing dimensions, as `class` has them. Inputs that disagree on dimension 0 get a bucket of their own row count, so that they
/// are never merged with others.
fn shape_hash(inputs: &[Tensor], rows: usize, class: impl Fn(usize) -> usize) -> u64 {
    let step = |hash: u64, value: usize| (hash ^ value as u64).wrapping_mul(0x0100_0000_01b3);
    inputs.iter().fold(0xcbf2_9ce4_8422_2325, |hash, input| {
        let hash = step(hash, usize::MAX - input.shape().len());
        let hash = if input.rows() == rows && !input.shape().is_empty() {
            hash
        } else {
            step(hash, rows ^ 0x5bd1)
        };
        input
            .shape()
            .iter()
            .skip(1)
            .fold(hash, |hash, dim| step(hash, class(*dim)))
    })
}

/// Answers an entry that will not be executed.
pub(crate) fn answer_dropped(entry: Entry<Pending>, why: Dropped) {
    let error = match why {
        Dropped::DeadlinePassed => {
            Error::deadline_exceeded("the deadline passed while the request waited to be executed")
        }
        Dropped::Cancelled => {
            Error::cancelled("the client went away while the request waited to be executed")
        }
    };
    entry.work.reply.send(Err(error));
}

/// Executes a batch and answers every entry in it. A request that fails in a merged call is tried again alone, so that it
/// fails alone.
pub(crate) fn run(servable: &Servable, batch: Batch<Pending>, shard: usize) {
    servable
        .metrics
        .observe_batch(shard, batch.entries.len(), batch.rows);
    // Whatever panics in here takes its batch's replies along, which their doors see; the driver lives on.
    let _ = catch_unwind(AssertUnwindSafe(|| run_batch(servable, batch)));
}

fn run_batch(servable: &Servable, batch: Batch<Pending>) {
    let padding = padding(servable, &batch);
    if batch.entries.len() == 1 && padding.rows == 0 {
        return batch
            .entries
            .into_iter()
            .for_each(|entry| run_alone(servable, entry));
    }
    match run_merged(servable, padding, &batch) {
        Ok((parts, started, finished)) => {
            for (entry, outputs) in batch.entries.into_iter().zip(parts) {
                entry.work.reply.send(Ok((outputs, started, finished)));
            }
        }
        Err(_) => batch
            .entries
            .into_iter()
            .for_each(|entry| run_alone(servable, entry)),
    }
}

type Parts = (Vec<Vec<Tensor>>, Instant, Instant);

/// What the operator wants a batch to be filled up with.
fn padding(servable: &Servable, batch: &Batch<Pending>) -> Padding {
    let batching = servable.batching.as_ref();
    let batching = batching.filter(|_| batch.entries[0].bucket.as_shown);
    batching.map_or(Padding::default(), |batching| batching.padding(batch.rows))
}

fn run_merged(servable: &Servable, padding: Padding, batch: &Batch<Pending>) -> Result<Parts> {
    let signature = batch.entries[0].bucket.signature;
    let inputs: Vec<&[Tensor]> = batch
        .entries
        .iter()
        .map(|entry| entry.work.inputs.as_slice())
        .collect();
    let merged = turnout_core::batch::merge(&inputs, padding)?;
    let (outputs, started, finished) = timed_call(servable, signature, &[], merged, batch.weight)?;
    let counts: Vec<usize> = batch.entries.iter().map(|entry| entry.rows).collect();
    Ok((
        turnout_core::batch::split(outputs, &counts, padding.rows)?,
        started,
        finished,
    ))
}

fn run_alone(servable: &Servable, entry: Entry<Pending>) {
    let Pending {
        signature,
        together,
        inputs,
        reply,
        ..
    } = entry.work;
    reply.send(timed_call(
        servable,
        signature,
        &together,
        inputs,
        entry.weight,
    ));
}

fn timed_call(
    servable: &Servable,
    signature: usize,
    together: &[usize],
    inputs: Vec<Tensor>,
    weight: usize,
) -> Result<Outcome> {
    let started = Instant::now();
    let model = servable.engine_model();
    let call = AssertUnwindSafe(|| match together {
        [] => model.run(signature, inputs),
        others => model.run_together(&[&[signature], others].concat(), inputs),
    });
    let result = catch_unwind(call).unwrap_or_else(|panic| {
        Err(Error::internal("the engine failed unexpectedly").with_source(panic_text(&*panic)))
    });
    let finished = Instant::now();
    let outputs = result?;
    let micros = finished.duration_since(started).as_secs_f32() * 1e6;
    // What several signatures take together says nothing about one.
    if together.is_empty() {
        servable.facts.curves[signature].observe(weight, micros);
    }
    Ok((outputs, started, finished))
}

/// What a panic said, for the log.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use turnout_core::{DType, Shape, Values};

    use super::*;

    #[test]
    fn only_shapes_of_the_signature_are_as_shown() {
        let spec = |any_shape| TensorSpec {
            name: "x".to_owned(),
            tensor: "x".to_owned(),
            dtype: DType::Uint8,
            shape: Some(vec![None, Some(2)]),
            any_shape,
        };
        let input = |shape: &[usize]| {
            let values = vec![0; shape.iter().product()];
            Tensor::new(Shape::from_slice(shape), Values::Uint8(values)).expect("as many")
        };
        let cases: [(&[usize], bool); 5] = [
            (&[1, 2], true),
            (&[7, 2], true),
            (&[2], false),
            (&[], false),
            (&[2, 3], false),
        ];
        for (shape, want) in cases {
            let inputs = [input(&[3, 2]), input(shape)];
            let specs = [spec(true), spec(true)];
            assert_eq!(are_as_shown(&specs, &inputs), want, "{shape:?}");
            // Where the engine checks shapes, others do not come this far.
            assert!(are_as_shown(&[spec(false), spec(false)], &inputs));
        }
    }
}
