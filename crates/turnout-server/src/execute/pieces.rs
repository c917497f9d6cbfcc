//! A request in pieces: cut to fill batches, and put together again when the last of them has been executed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use turnout_core::scheduler::Cut;
use turnout_core::{Error, Result, Shape, Tensor, batch};

use super::{Outcome, Pending, Reply};

/// One piece of a request that was cut.
pub(crate) struct Piece {
    index: usize,
    whole: Arc<Mutex<Whole>>,
}

/// What the pieces of one request have in common.
struct Whole {
    /// None once the request has been answered.
    reply: Option<Box<Reply>>,
    /// By piece; None while it has not been executed.
    outputs: Vec<Option<Vec<Tensor>>>,
    rows: Vec<usize>,
    times: Option<(Instant, Instant)>,
}

impl Piece {
    /// Adds what was made of the piece. The last one, or the first that fails, answers the request.
    pub(super) fn send(self, result: Result<Outcome>) {
        // Nothing panics while it holds this lock.
        let mut whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = match result {
            Err(error) => Err(error),
            Ok(outcome) => {
                whole.add(self.index, outcome);
                if whole.outputs.iter().any(Option::is_none) {
                    return;
                }
                whole.join()
            }
        };
        let reply = whole.reply.take();
        drop(whole);
        if let Some(reply) = reply {
            reply.send(answer);
        }
    }
}

impl Whole {
    fn add(&mut self, index: usize, (outputs, started, finished): Outcome) {
        let (first, last) = self.times.unwrap_or((started, finished));
        self.times = Some((first.min(started), last.max(finished)));
        self.outputs[index] = Some(outputs);
    }

    fn join(&mut self) -> Result<Outcome> {
        let pieces: Vec<Vec<Tensor>> = std::mem::take(&mut self.outputs)
            .into_iter()
            .flatten()
            .collect();
        for (outputs, rows) in pieces.iter().zip(&self.rows) {
            if let Some(wrong) = outputs
                .iter()
                .find(|output| output.shape().first() != Some(rows))
            {
                return Err(Error::execution_failed(format!(
                    "an output of a request that was cut has the wrong number of rows: got {}, expected {rows}",
                    wrong.rows()
                )));
            }
        }
        // Where lengths are filled up, the batches of two pieces may have had two lengths.
        let padding = batch::Padding {
            rows: 0,
            lengths: true,
        };
        let parts: Vec<&[Tensor]> = pieces.iter().map(Vec::as_slice).collect();
        let (started, finished) = self
            .times
            .ok_or_else(|| Error::internal("bug: a request in no pieces"))?;
        Ok((batch::merge(&parts, padding)?, started, finished))
    }
}

impl Cut for Pending {
    fn cut(self, rows: &[usize]) -> Vec<Self> {
        let Self {
            servable,
            signature,
            together,
            inputs,
            waker,
            reply,
        } = self;
        let whole = Arc::new(Mutex::new(Whole {
            reply: Some(Box::new(reply)),
            outputs: rows.iter().map(|_| None).collect(),
            rows: rows.to_vec(),
            times: None,
        }));
        let mut start = 0;
        let piece = |(index, count): (usize, &usize)| {
            let inputs = inputs.iter().map(|input| slice(input, start, *count));
            let inputs = inputs.collect();
            start += count;
            Self {
                servable: Arc::clone(&servable),
                signature,
                together: together.clone(),
                inputs,
                waker: waker.clone(),
                reply: Reply::Piece(Piece {
                    index,
                    whole: Arc::clone(&whole),
                }),
            }
        };
        rows.iter().enumerate().map(piece).collect()
    }
}

/// Rows of a tensor.
fn slice(tensor: &Tensor, start: usize, rows: usize) -> Tensor {
    let mut shape = Shape::from_slice(tensor.shape());
    let width: usize = shape[1..].iter().product();
    shape[0] = rows;
    let values = tensor.values().slice(start * width..(start + rows) * width);
    Tensor::new(shape, values).expect("bug: rows of a tensor that do not fill their shape")
}
