//! What is learnt of a version before it serves: its speed by rows, and whether its requests may be merged.

pub mod generate;
mod merge;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use turnout_core::{Result, Signature};

use crate::{Model, Threads};

/// Runs of one size, of which the median counts.
const REPEATS: usize = 9;
/// Time after which one size has been measured well enough, whatever its runs.
const SIZE_BUDGET: Duration = Duration::from_millis(10);
/// A single row at least this long gains from more than one core.
const LONG_ROW_US: f32 = 2_000.0;

/// Bounds of a warm-up. Each is looked at between calls of the model: the one that is running is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most rows that a batch will have.
    pub max_rows: usize,
    /// The most bytes of generated inputs for one call.
    pub max_input_bytes: usize,
    /// Time to learn the curve.
    pub curve: Duration,
    /// Time to show mergeability.
    pub merge: Duration,
}

impl Limits {
    /// A fifth of a second for the curve, two seconds for mergeability, 64 MiB of inputs.
    #[must_use]
    pub fn for_batches_of(max_rows: usize) -> Self {
        Self {
            max_rows,
            max_input_bytes: 64 << 20,
            curve: Duration::from_millis(200),
            merge: Duration::from_secs(2),
        }
    }
}

/// What a warm-up found.
#[derive(Clone, Debug, PartialEq)]
pub struct Warmup {
    /// (rows, microseconds) of the default signature, rows rising: to seed [`turnout_core::curve::LatencyCurve`].
    /// Empty when the model failed on generated inputs, or when a call would change it.
    pub row_us: Vec<(usize, f32)>,
    pub mergeable: bool,
    /// Why, in words for status and manifest.
    pub reason: String,
}

/// Runs the model on generated inputs: every signature once, the default one at rising sizes, then in merged pairs.
///
/// Signatures that change the model's state are not run, so that its first client finds it as it was saved; with one of
/// them the model is not mergeable.
///
/// A model that fails on generated inputs is not at fault (an index may be out of its range): it is not mergeable, and
/// what could not be measured is learnt from requests.
pub fn measure(model: &dyn Model, limits: &Limits, now: &dyn Fn() -> Instant) -> Warmup {
    let first_calls = run_each_once(model, limits);
    let row_us = measure_curve(model, limits, now);
    let shown = first_calls
        .and_then(|()| refuse_state(model))
        .and_then(|()| refuse_shapes(model))
        .and_then(|()| merge::show(model, &row_us, limits, now));
    let mergeable = shown.is_ok();
    Warmup {
        row_us,
        mergeable,
        reason: shown.unwrap_or_else(|reason| reason),
    }
}

/// The first call of a session is slow, whatever its signature. The failure, in words.
fn run_each_once(model: &dyn Model, limits: &Limits) -> Result<(), String> {
    for (index, signature) in model.signatures().iter().enumerate() {
        if model.state_change(index).is_some() {
            continue;
        }
        if generate::size_bytes(signature, 1) > limits.max_input_bytes {
            return Err(format!(
                "one row of signature `{}` is larger than a warm-up makes",
                signature.name
            ));
        }
        let run = generate::inputs(signature, 1, 0).and_then(|inputs| model.run(index, inputs));
        run.map_err(|error| {
            format!(
                "signature `{}` failed on a generated row: {error}",
                signature.name
            )
        })?;
    }
    Ok(())
}

/// Joined rows would be one step of a model that should make several.
fn refuse_state(model: &dyn Model) -> Result<(), String> {
    let mut signatures = model.signatures().iter().enumerate();
    let changing =
        signatures.find_map(|(index, each)| Some((&each.name, model.state_change(index)?)));
    changing.map_or(Ok(()), |(name, cause)| {
        Err(format!(
            "signature `{name}` may change the model's state: `{cause}`"
        ))
    })
}

fn refuse_shapes(model: &dyn Model) -> Result<(), String> {
    if model.compiles_shapes() {
        return Err("the model is compiled anew for each number of rows".to_owned());
    }
    Ok(())
}

/// Where the operators of a model run, from what [`measure`] found with [`Threads::Caller`].
///
/// Short rows gain nothing from a second core and lose the hand-over; a model that could not be measured keeps to its
/// caller. The caller of this function loads the model again where the answer is another.
#[must_use]
pub fn choose_threads(row_us: &[(usize, f32)]) -> Threads {
    match row_us.first() {
        Some((_, micros)) if *micros >= LONG_ROW_US => Threads::SharedPool,
        _ => Threads::Caller,
    }
}

/// Doubles the rows until they are enough, the time is up, or the model fails.
fn measure_curve(
    model: &dyn Model,
    limits: &Limits,
    now: &dyn Fn() -> Instant,
) -> Vec<(usize, f32)> {
    let signature = &model.signatures()[0];
    let start = now();
    let mut curve = Vec::new();
    if model.state_change(0).is_some() {
        return curve;
    }
    let mut rows = 1;
    while rows <= limits.max_rows && generate::size_bytes(signature, rows) <= limits.max_input_bytes
    {
        let size_start = now();
        let Ok(micros) = measure_size(model, signature, rows, now) else {
            break;
        };
        curve.push((generate::rows_of(signature, rows), micros));
        let next = now().saturating_duration_since(size_start) * 2;
        let spent = now().saturating_duration_since(start);
        if model.compiles_shapes()
            || !generate::takes_rows(signature)
            || spent + next > limits.curve
        {
            break;
        }
        rows *= 2;
    }
    curve
}

/// The median time of some runs with the same inputs, of one at least.
fn measure_size(
    model: &dyn Model,
    signature: &Signature,
    rows: usize,
    now: &dyn Fn() -> Instant,
) -> Result<f32> {
    let inputs = generate::inputs(signature, rows, 0)?;
    let start = now();
    let mut times = Vec::with_capacity(REPEATS);
    loop {
        let inputs = inputs.clone();
        let run_start = now();
        model.run(0, inputs)?;
        let run_end = now();
        times.push(run_end.saturating_duration_since(run_start));
        if times.len() == REPEATS || run_end.saturating_duration_since(start) >= SIZE_BUDGET {
            break;
        }
    }
    times.sort_unstable();
    Ok(times[times.len() / 2].as_secs_f32() * 1e6)
}
