//! One interpreter: a compiled model, and the memory of its last call of each signature.

use std::ffi::c_int;
use std::ptr::NonNull;

use turnout_core::signature::shape_text;
use turnout_core::tensor::element_count;
use turnout_core::{DType, Error, Result, Shape, Tensor};

use super::api::{Api, CompiledModel, Layout, RtModel, TensorBuffer};
use super::buffer::{Buffer, bytes_of};
use super::options::{Kernels, make_options};
use super::runtime::Runtime;
use super::signature::{Call, Port};
use super::status::{Doing, check, take_messages};
use crate::handle::Owned;
use crate::raw::copy_values;

/// What LiteRT says when an output turns out larger than its memory.
const TOO_SMALL: &str = "Custom allocation is too small";
/// What it says of an operator that only XNNPACK has, when XNNPACK does not take it.
const STUB: &str = "Stub operation invoked";
/// What it says, where it says anything, of an output that it keeps in memory of its own.
const KEPT: &str = "allocation_type == kTfLiteArenaRw";
/// How often the memory of outputs whose size is not known before is doubled.
const DOUBLINGS: usize = 24;
/// What outputs are filled with, to see whether they are written: one may happen to hold the first, none both.
const MARKS: [u8; 2] = [0xEE, 0x11];

/// A compiled model. One call at a time.
#[derive(Debug)]
pub(super) struct Interpreter {
    /// Before the memory that its tensors point to.
    compiled: Owned<CompiledModel>,
    api: &'static Api,
    /// By the index of the signature in the file.
    prepared: Vec<Option<Prepared>>,
}

/// Memory for calls with inputs of these shapes.
#[derive(Debug)]
struct Prepared {
    input_shapes: Vec<Shape>,
    /// One for each tensor of the graph that is an input or an output.
    buffers: Vec<(usize, Buffer)>,
    inputs: Vec<*mut TensorBuffer>,
    outputs: Vec<*mut TensorBuffer>,
    /// Whether LiteRT was seen to write all outputs.
    is_checked: bool,
}

impl Prepared {
    fn buffer(&self, tensor: usize) -> Option<&Buffer> {
        let found = self.buffers.iter().find(|(index, _)| *index == tensor);
        found.map(|(_, buffer)| buffer)
    }

    fn buffer_mut(&mut self, tensor: usize) -> Option<&mut Buffer> {
        let found = self.buffers.iter_mut().find(|(index, _)| *index == tensor);
        found.map(|(_, buffer)| buffer)
    }

    fn is_input(call: &Call, tensor: usize) -> bool {
        call.inputs.iter().any(|port| port.tensor == tensor)
    }
}

impl Interpreter {
    /// Compiles the model for one or more threads; `signatures` is how many the file has.
    ///
    /// # Errors
    /// `load_failed` with LiteRT's words.
    pub(super) fn new(
        runtime: &'static Runtime,
        model: &Owned<RtModel>,
        threads: usize,
        kernels: Kernels,
        signatures: usize,
    ) -> Result<Self> {
        let api = runtime.api;
        let options = make_options(api, threads, kernels)?;
        let mut compiled = std::ptr::null_mut();
        // SAFETY: environment, model and options are alive; the model stays so as long as what is made of it does.
        let status = unsafe {
            (api.create_compiled_model)(
                runtime.environment(),
                model.as_ptr(),
                options.as_ptr(),
                &raw mut compiled,
            )
        };
        check(status, Doing::Loading)?;
        let compiled = NonNull::new(compiled)
            .ok_or_else(|| Error::internal("bug: no compiled model and no reason"))?;
        // SAFETY: the compiled model was made for us, and this is the function that destroys it.
        let compiled = unsafe { Owned::new(compiled, api.destroy_compiled_model) };
        Ok(Self {
            compiled,
            api,
            prepared: (0..signatures).map(|_| None).collect(),
        })
    }

    /// Lets LiteRT plan the memory of a signature for the shapes that the file declares.
    ///
    /// # Errors
    /// `load_failed` with LiteRT's words: an operator that it has no kernel for, or that does not fit its tensors.
    pub(super) fn plan(&self, call: &Call) -> Result<()> {
        self.layouts(call, true, Doing::Loading).map(|_| ())
    }

    /// Executes one call; the inputs are in the order of the signature.
    ///
    /// # Errors
    /// `execution_failed` with LiteRT's words, `unsupported` when an output cannot be had, `invalid_input` for a shape that
    /// LiteRT does not take.
    pub(super) fn run(&mut self, call: &Call, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let is_prepared = self.prepared[call.index].as_ref().is_some_and(|prepared| {
            let shapes = prepared.input_shapes.iter().map(Shape::as_slice);
            shapes.eq(inputs.iter().map(Tensor::shape))
        });
        // Until the next call has been registered, the graph's tensors point to the memory of the last.
        let _last = if is_prepared {
            None
        } else {
            let prepared = self.prepare(call, inputs)?;
            self.prepared[call.index].replace(prepared)
        };
        let mut prepared = self.prepared[call.index]
            .take()
            .ok_or_else(|| Error::internal("bug: a call without memory"))?;
        let outputs = self.run_prepared(call, inputs, &mut prepared);
        // Also after a failure: the graph's tensors still point to it.
        self.prepared[call.index] = Some(prepared);
        outputs
    }

    /// Resizes the inputs, and makes memory for them and for what comes out.
    fn prepare(&self, call: &Call, inputs: &[Tensor]) -> Result<Prepared> {
        let mut buffers = Vec::with_capacity(call.inputs.len() + call.outputs.len());
        for (position, port) in call.inputs.iter().enumerate() {
            let shape = inputs[port.named].shape();
            if shape.contains(&0) {
                return Err(Error::invalid_input(format!(
                    "LiteRT takes no empty tensors: got {}",
                    shape_text(shape.iter().map(|dim| Some(*dim)))
                )));
            }
            buffers.push((port.tensor, Buffer::of_shape(self.api, port.dtype, shape)?));
            if port.shape.as_ref().is_some_and(|dims| dims.contains(&None)) {
                self.resize(call, position, shape)?;
            }
        }
        let layouts = self.layouts(call, true, Doing::Running)?;
        let rows = inputs.first().and_then(|input| input.shape().first());
        for (port, layout) in call.outputs.iter().zip(&layouts) {
            if buffers.iter().all(|(tensor, _)| *tensor != port.tensor) {
                let size_bytes = guess_bytes(port, layout, rows.copied().unwrap_or(1))?;
                buffers.push((
                    port.tensor,
                    Buffer::of_size(self.api, port.dtype, size_bytes)?,
                ));
            }
        }
        let mut prepared = Prepared {
            input_shapes: inputs
                .iter()
                .map(|input| Shape::from_slice(input.shape()))
                .collect(),
            buffers,
            inputs: Vec::new(),
            outputs: Vec::new(),
            is_checked: false,
        };
        prepared.inputs = views(&prepared, &call.inputs);
        prepared.outputs = views(&prepared, &call.outputs);
        Ok(prepared)
    }

    fn resize(&self, call: &Call, position: usize, shape: &[usize]) -> Result<()> {
        let dims: Vec<c_int> = shape
            .iter()
            .map(|dim| c_int::try_from(*dim).unwrap_or(c_int::MAX))
            .collect();
        // SAFETY: the model is alive, and there are as many dimensions as is said.
        let status = unsafe {
            let (model, index) = (self.compiled.as_ptr(), call.index);
            (self.api.resize_input_tensor)(model, index, position, dims.as_ptr(), dims.len())
        };
        self.check(status, Doing::Running)
    }

    /// The shapes of all outputs: planned for the inputs' present shapes, or as the last call left them.
    fn layouts(&self, call: &Call, plan: bool, doing: Doing) -> Result<Vec<Layout>> {
        let mut layouts = vec![Layout::default(); call.outputs.len()];
        // SAFETY: the model is alive, and there is room for as many layouts as is said.
        let status = unsafe {
            let (model, index) = (self.compiled.as_ptr(), call.index);
            let (count, data) = (layouts.len(), layouts.as_mut_ptr());
            (self.api.get_output_tensor_layouts)(model, index, count, data, plan)
        };
        self.check(status, doing)?;
        Ok(layouts)
    }

    fn run_prepared(
        &self,
        call: &Call,
        inputs: &[Tensor],
        prepared: &mut Prepared,
    ) -> Result<Vec<Tensor>> {
        let shapes = if prepared.is_checked {
            self.run_once(call, inputs, prepared)?
        } else {
            let shapes = self.run_checked(call, inputs, prepared)?;
            prepared.is_checked = true;
            shapes
        };
        call.answers
            .iter()
            .map(|tensor| read_output(call, prepared, &shapes, *tensor))
            .collect()
    }

    /// As [`run_once`](Self::run_once), for the first call with these shapes: LiteRT leaves an output alone that it keeps
    /// in memory of its own, as it does where its size depends on values.
    fn run_checked(
        &self,
        call: &Call,
        inputs: &[Tensor],
        prepared: &mut Prepared,
    ) -> Result<Vec<Shape>> {
        mark(call, prepared, MARKS[0]);
        let shapes = self.run_once(call, inputs, prepared)?;
        let unwritten = unwritten(call, prepared, &shapes, MARKS[0])?;
        if unwritten.is_empty() {
            return Ok(shapes);
        }
        // A second call would change the state a second time: there the first one decides.
        if call.state_change.is_none() {
            mark(call, prepared, MARKS[1]);
            let shapes = self.run_once(call, inputs, prepared)?;
            if unwritten != self::unwritten(call, prepared, &shapes, MARKS[1])? {
                return Ok(shapes);
            }
        }
        Err(kept_output())
    }

    /// Copies the inputs in and calls; the shapes of the outputs, by the graph's order.
    fn run_once(
        &self,
        call: &Call,
        inputs: &[Tensor],
        prepared: &mut Prepared,
    ) -> Result<Vec<Shape>> {
        for _ in 0..DOUBLINGS {
            for port in &call.inputs {
                copy_input(prepared, port, &inputs[port.named])?;
            }
            match self.call(call, prepared) {
                Ok(()) => {
                    let layouts = self.layouts(call, false, Doing::Running)?;
                    return layouts.iter().map(shape_of).collect();
                }
                Err(error)
                    if error.message().contains(TOO_SMALL) && call.state_change.is_none() =>
                {
                    self.enlarge(call, prepared)?;
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::execution_failed(
            "the model's outputs are larger than can be served",
        ))
    }

    fn call(&self, call: &Call, prepared: &Prepared) -> Result<()> {
        // SAFETY: the model is alive and used by this thread alone; so are the buffers, as many as is said, which have the
        // inputs' shapes, and for outputs a size that LiteRT holds against what it writes.
        let status = unsafe {
            (self.api.run_compiled_model)(
                self.compiled.as_ptr(),
                call.index,
                prepared.inputs.len(),
                prepared.inputs.as_ptr(),
                prepared.outputs.len(),
                prepared.outputs.as_ptr(),
            )
        };
        self.check(status, Doing::Running)
    }

    /// Doubles the memory of outputs whose size is not fixed.
    fn enlarge(&self, call: &Call, prepared: &mut Prepared) -> Result<()> {
        for port in call.outputs.iter().filter(|port| varies(port)) {
            if Prepared::is_input(call, port.tensor) {
                continue;
            }
            if let Some(buffer) = prepared.buffer_mut(port.tensor) {
                let size_bytes = buffer.bytes().len().saturating_mul(2);
                *buffer = Buffer::of_size(self.api, port.dtype, size_bytes)?;
            }
        }
        prepared.outputs = views(prepared, &call.outputs);
        Ok(())
    }

    fn check(&self, status: i32, doing: Doing) -> Result<()> {
        if status == 0 {
            return Ok(());
        }
        let words = take_messages(self.api, &self.compiled);
        if words.contains(STUB) {
            return Err(Error::unsupported(format!(
                "LiteRT has no kernel for an operator as the model uses it: {words}"
            )));
        }
        if words.contains(KEPT) {
            return Err(kept_output());
        }
        Err(doing.error(status, &words))
    }
}

/// The outputs of some operators lie where LiteRT's interface does not reach, when their sizes are values that other
/// operators compute.
fn kept_output() -> Error {
    Error::unsupported(
        "LiteRT's interface does not hand out an output whose size the model computes for itself",
    )
    .with_hint("convert the model for a fixed batch size, or serve it as a SavedModel")
}

fn varies(port: &Port) -> bool {
    port.shape.as_ref().is_none_or(|dims| dims.contains(&None))
}

fn views(prepared: &Prepared, ports: &[Port]) -> Vec<*mut TensorBuffer> {
    ports
        .iter()
        .filter_map(|port| prepared.buffer(port.tensor).map(Buffer::as_ptr))
        .collect()
}

/// What was planned; where the plan is made only while the model runs, what the declared shape has for so many rows.
fn guess_bytes(port: &Port, layout: &Layout, rows: usize) -> Result<usize> {
    let planned = bytes_of(port.dtype, &shape_of(layout)?)?;
    if !varies(port) {
        return Ok(planned);
    }
    let declared: Shape = port
        .shape
        .iter()
        .flatten()
        .map(|dim| dim.unwrap_or(rows))
        .collect();
    Ok(planned.max(bytes_of(port.dtype, &declared)?))
}

fn shape_of(layout: &Layout) -> Result<Shape> {
    let rank = (layout.rank & 127) as usize;
    let dims = layout
        .dims
        .get(..rank)
        .ok_or_else(|| Error::internal("bug: an output has too many dimensions"))?;
    Ok(dims
        .iter()
        .map(|dim| usize::try_from(*dim).unwrap_or(0))
        .collect())
}

fn copy_input(prepared: &mut Prepared, port: &Port, input: &Tensor) -> Result<()> {
    let bytes = input
        .values()
        .as_bytes()
        .ok_or_else(|| Error::internal("bug: strings are no fixed-size elements"))?;
    let place = prepared
        .buffer_mut(port.tensor)
        .map(Buffer::bytes_mut)
        .filter(|place| place.len() == bytes.len())
        .ok_or_else(|| Error::internal("bug: an input does not fit its memory"))?;
    place.copy_from_slice(bytes);
    Ok(())
}

/// Fills the memory of all outputs that are not inputs, too.
fn mark(call: &Call, prepared: &mut Prepared, value: u8) {
    for port in &call.outputs {
        if Prepared::is_input(call, port.tensor) {
            continue;
        }
        if let Some(buffer) = prepared.buffer_mut(port.tensor) {
            buffer.bytes_mut().fill(value);
        }
    }
}

/// The tensors of outputs that still hold the mark.
fn unwritten(call: &Call, prepared: &Prepared, shapes: &[Shape], value: u8) -> Result<Vec<usize>> {
    let mut found = Vec::new();
    for (port, shape) in call.outputs.iter().zip(shapes) {
        let (bytes, _) = output_bytes(prepared, port, shape)?;
        let is_marked = bytes.iter().all(|byte| *byte == value);
        if !Prepared::is_input(call, port.tensor) && !bytes.is_empty() && is_marked {
            found.push(port.tensor);
        }
    }
    Ok(found)
}

/// The part of an output's memory that a call has filled, and how many elements it is.
fn output_bytes<'call>(
    prepared: &'call Prepared,
    port: &Port,
    shape: &[usize],
) -> Result<(&'call [u8], usize)> {
    let count =
        element_count(shape).ok_or_else(|| Error::internal("bug: an output's size overflows"))?;
    let size_bytes = bytes_of(port.dtype, shape)?;
    prepared
        .buffer(port.tensor)
        .and_then(|buffer| buffer.bytes().get(..size_bytes))
        .map(|bytes| (bytes, count))
        .ok_or_else(|| Error::internal("bug: an output is larger than its memory"))
}

fn read_output(
    call: &Call,
    prepared: &Prepared,
    shapes: &[Shape],
    tensor: usize,
) -> Result<Tensor> {
    let (port, shape) = call
        .outputs
        .iter()
        .zip(shapes)
        .find(|(port, _)| port.tensor == tensor)
        .ok_or_else(|| Error::internal("bug: no such output"))?;
    let (bytes, count) = output_bytes(prepared, port, shape)?;
    debug_assert!(port.dtype != DType::String, "no signature has strings");
    // SAFETY: so many elements of this dtype lie there; they are numbers, of which any bytes are some, and aligned.
    let values = unsafe { copy_values(port.dtype, bytes.as_ptr().cast(), count) };
    Tensor::new(shape.clone(), values)
}
