//! A model whose delay and behaviour a test chooses.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use turnout_core::signature::DEFAULT_SIGNATURE;
use turnout_core::{DType, Result, Signature, Tensor, TensorSpec, Values};

use crate::{Artifact, Engine, LoadOptions, Model};

type Behaviour = dyn Fn(usize, Vec<Tensor>) -> Result<Vec<Tensor>> + Send + Sync;
type Delay = dyn Fn(usize) -> Duration + Send + Sync;
type Loader = dyn Fn(&Artifact, &LoadOptions) -> Result<FakeModel> + Send + Sync;

/// What fake models did; the test keeps a clone of the `Arc`.
#[derive(Debug, Default)]
pub struct FakeRecord {
    live: AtomicUsize,
    rows: Mutex<Vec<usize>>,
}

impl FakeRecord {
    /// Models that exist now.
    pub fn live(&self) -> usize {
        self.live.load(Ordering::SeqCst)
    }

    /// Rows of each call so far, in the order in which the calls began.
    pub fn rows(&self) -> Vec<usize> {
        self.rows
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// A model that computes `y = 2 x` for `x` of `[?, 1]` at once, unless told otherwise.
pub struct FakeModel {
    signatures: Vec<Signature>,
    behaviour: Box<Behaviour>,
    delay: Box<Delay>,
    state_change: Option<String>,
    parses_examples: bool,
    record: Arc<FakeRecord>,
}

impl FakeModel {
    #[must_use]
    pub fn new(record: &Arc<FakeRecord>) -> Self {
        record.live.fetch_add(1, Ordering::SeqCst);
        Self {
            signatures: vec![column_signature()],
            behaviour: Box::new(|_, inputs| inputs.into_iter().map(double).collect()),
            delay: Box::new(|_| Duration::ZERO),
            state_change: None,
            parses_examples: false,
            record: record.clone(),
        }
    }

    #[must_use]
    pub fn with_signatures(mut self, signatures: Vec<Signature>) -> Self {
        self.signatures = signatures;
        self
    }

    /// Called with the signature's index and the inputs, after the delay.
    #[must_use]
    pub fn with_behaviour(
        mut self,
        behaviour: impl Fn(usize, Vec<Tensor>) -> Result<Vec<Tensor>> + Send + Sync + 'static,
    ) -> Self {
        self.behaviour = Box::new(behaviour);
        self
    }

    /// What every signature changes the model's state by.
    #[must_use]
    pub fn with_state_change(mut self, cause: &str) -> Self {
        self.state_change = Some(cause.to_owned());
        self
    }

    /// A model that takes serialized Examples.
    #[must_use]
    pub fn with_example_parser(mut self) -> Self {
        self.parses_examples = true;
        self
    }

    /// How long a call of so many rows sleeps.
    #[must_use]
    pub fn with_delay(mut self, delay: impl Fn(usize) -> Duration + Send + Sync + 'static) -> Self {
        self.delay = Box::new(delay);
        self
    }
}

impl Model for FakeModel {
    fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    fn state_change(&self, _signature: usize) -> Option<&str> {
        self.state_change.as_deref()
    }

    fn parses_examples(&self) -> bool {
        self.parses_examples
    }

    fn run(&self, signature: usize, inputs: Vec<Tensor>) -> Result<Vec<Tensor>> {
        let rows = inputs.first().map_or(1, Tensor::rows);
        self.record
            .rows
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(rows);
        let delay = (self.delay)(rows);
        if !delay.is_zero() {
            thread::sleep(delay);
        }
        (self.behaviour)(signature, inputs)
    }
}

impl Drop for FakeModel {
    fn drop(&mut self) {
        self.record.live.fetch_sub(1, Ordering::SeqCst);
    }
}

/// An engine whose loads a test chooses.
pub struct FakeEngine(Box<Loader>);

impl FakeEngine {
    pub fn new(
        loader: impl Fn(&Artifact, &LoadOptions) -> Result<FakeModel> + Send + Sync + 'static,
    ) -> Self {
        Self(Box::new(loader))
    }
}

impl Engine for FakeEngine {
    fn version(&self) -> &'static str {
        "fake"
    }

    fn load(&self, artifact: &Artifact, options: &LoadOptions) -> Result<Box<dyn Model>> {
        Ok(Box::new((self.0)(artifact, options)?))
    }
}

/// `serving_default`: float32 `x` of `[?, 1]` to float32 `y` of `[?, 1]`.
#[must_use]
pub fn column_signature() -> Signature {
    let spec = |name: &str| TensorSpec {
        name: name.to_owned(),
        tensor: name.to_owned(),
        dtype: DType::Float32,
        shape: Some(vec![None, Some(1)]),
        any_shape: false,
    };
    Signature {
        name: DEFAULT_SIGNATURE.to_owned(),
        inputs: vec![spec("x")],
        outputs: vec![spec("y")],
    }
}

/// Doubles float32 values and leaves all others as they are.
fn double(tensor: Tensor) -> Result<Tensor> {
    let (shape, mut values) = tensor.into_parts();
    if let Values::Float32(values) = &mut values {
        for value in values {
            *value *= 2.0;
        }
    }
    Tensor::new(shape, values)
}
