//! The requests of Classify and Regress, which have the same fields, and of `MultiInference`.

use smallvec::SmallVec;

use super::WireError;
use super::fields::inference::{
    REQUEST_INPUT, REQUEST_MODEL_SPEC, TASK_METHOD_NAME, TASK_MODEL_SPEC, TASKS, TASKS_INPUT,
};
use super::input::InputView;
use super::model_spec::ModelSpecView;
use super::predict_request::push;
use super::reader::{Reader, Value, text};

/// A `ClassificationRequest` or `RegressionRequest` that borrows from its message.
#[derive(Debug, Default)]
pub(crate) struct ExamplesRequestView<'a> {
    pub(crate) model_spec: Option<ModelSpecView<'a>>,
    pub(crate) input: InputView<'a>,
}

impl<'a> ExamplesRequestView<'a> {
    pub(crate) fn read(message: &'a [u8]) -> Result<Self, WireError> {
        let mut view = Self::default();
        let mut reader = Reader::new(message);
        while let Some((number, value)) = reader.field()? {
            match (number, value) {
                (REQUEST_MODEL_SPEC, Value::Bytes(spec)) => {
                    view.model_spec.get_or_insert_default().merge(spec)?;
                }
                (REQUEST_INPUT, Value::Bytes(input)) => view.input.merge(input)?,
                _ => {}
            }
        }
        Ok(view)
    }
}

/// An `InferenceTask` that borrows from its message.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TaskView<'a> {
    pub(crate) model_spec: Option<ModelSpecView<'a>>,
    pub(crate) method_name: &'a str,
}

/// A `MultiInferenceRequest` that borrows from its message.
#[derive(Debug, Default)]
pub(crate) struct MultiInferenceRequestView<'a> {
    pub(crate) tasks: SmallVec<[TaskView<'a>; 2]>,
    pub(crate) input: InputView<'a>,
}

impl<'a> MultiInferenceRequestView<'a> {
    pub(crate) fn read(message: &'a [u8]) -> Result<Self, WireError> {
        let mut view = Self::default();
        let mut reader = Reader::new(message);
        while let Some((number, value)) = reader.field()? {
            match (number, value) {
                (TASKS, Value::Bytes(task)) => push(&mut view.tasks, TaskView::read(task)?)?,
                (TASKS_INPUT, Value::Bytes(input)) => view.input.merge(input)?,
                _ => {}
            }
        }
        Ok(view)
    }
}

impl<'a> TaskView<'a> {
    fn read(message: &'a [u8]) -> Result<Self, WireError> {
        let mut view = Self::default();
        let mut reader = Reader::new(message);
        while let Some((number, value)) = reader.field()? {
            match (number, value) {
                (TASK_MODEL_SPEC, Value::Bytes(spec)) => {
                    view.model_spec.get_or_insert_default().merge(spec)?;
                }
                (TASK_METHOD_NAME, Value::Bytes(name)) => view.method_name = text(name)?,
                _ => {}
            }
        }
        Ok(view)
    }
}
