//! A loaded model.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use bytes::Bytes;
use turnout_core::{Error, Result, Signature, Tensor, TensorSpec};

use super::api::RtModel;
use super::interpreter::Interpreter;
use super::options::Kernels;
use super::pool::Pool;
use super::reshapes::with_known_sizes;
use super::runtime::Runtime;
use super::schema::File;
use super::signature::{self, Call};
use crate::artifact::Source;
use crate::handle::Owned;
use crate::memory::GiveBack;
use crate::warmup::generate;
use crate::{Artifact, LoadOptions, Model, Threads};

/// What a flatbuffer's values are aligned to, counted from its first byte.
const ALIGNMENT_BYTES: usize = 16;

/// A file in memory and the interpreters that execute it.
#[derive(Debug)]
pub(super) struct TfliteModel {
    /// Before the model that they were compiled from.
    interpreters: Pool<Interpreter>,
    source: SourceModel,
    signatures: Vec<Signature>,
    calls: Vec<Call>,
    /// Behind everything, which it follows.
    _freed: GiveBack,
}

/// What further interpreters are compiled from.
#[derive(Debug)]
struct SourceModel {
    runtime: &'static Runtime,
    /// Before the bytes that it reads from.
    model: Owned<RtModel>,
    _bytes: Bytes,
    threads: usize,
    kernels: Kernels,
    signatures: usize,
}

// SAFETY: an interpreter is used by the one thread that has taken it from the pool; the model is only read after its
// construction, also by those that compile another interpreter of it.
unsafe impl Send for TfliteModel {}
// SAFETY: as above.
unsafe impl Sync for TfliteModel {}

impl TfliteModel {
    /// # Errors
    /// `load_failed` with LiteRT's words or ours, `unsupported` for operators and types that cannot be served.
    pub(super) fn load(
        runtime: &'static Runtime,
        artifact: &Artifact,
        options: &LoadOptions,
        warn: &dyn Fn(&str),
    ) -> Result<Self> {
        let (file, bytes) = read_file(artifact)?;
        let (own, calls): (Vec<_>, Vec<_>) = signature::read(&file)?.into_iter().unzip();
        let (signatures, calls) = match options.signatures.as_slice() {
            [] => (own, calls),
            given => rename(given, &own, calls)?,
        };
        refuse_passed_on(&runtime.version, &signatures, &calls)?;
        // SAFETY: the bytes are kept, unchanged, behind the model.
        let model = unsafe { runtime.read_model(&bytes) }?;
        let mut source = SourceModel {
            runtime,
            model,
            _bytes: bytes,
            threads: match options.threads {
                // LiteRT has no pool that models share; calls run beside each other in interpreters of their own.
                Threads::Caller | Threads::SharedPool => 1,
                Threads::Own(count) => count.max(1),
            },
            kernels: match file.unknown_size() {
                None => Kernels::Xnnpack,
                Some(_) => Kernels::Builtin,
            },
            signatures: file.signatures.len(),
        };
        if let Some(operator) = file.unknown_size() {
            warn(&format!(
                "a model runs without XNNPACK, which may be slower: sizes are computed while it runs, first by its operator \
                 number {operator}"
            ));
        }
        let mut first = source.compile_first(&calls, warn)?;
        for (signature, call) in signatures.iter().zip(&calls) {
            try_once(&mut first, signature, call)?;
        }
        // State is an interpreter's own: with several of them, answers would depend on which one is free.
        let keeps_state = calls.iter().any(|call| call.state_change.is_some());
        let limit = if keeps_state { 1 } else { options.interpreters };
        Ok(Self {
            interpreters: Pool::new(first, limit),
            source,
            signatures,
            calls,
            _freed: GiveBack::after(artifact.size_bytes()),
        })
    }
}

impl Model for TfliteModel {
    fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    fn state_change(&self, signature: usize) -> Option<&str> {
        self.calls.get(signature)?.state_change.as_deref()
    }

    fn run(&self, signature: usize, inputs: Vec<Tensor>) -> Result<Vec<Tensor>> {
        let call = self
            .calls
            .get(signature)
            .ok_or_else(|| Error::internal("bug: no such signature"))?;
        if inputs.len() != call.inputs.len() {
            return Err(Error::internal(
                "bug: another number of inputs than the signature's",
            ));
        }
        let mut interpreter = self.interpreters.take(|| self.source.compile())?;
        interpreter.run(call, &inputs)
    }
}

impl SourceModel {
    fn compile(&self) -> Result<Interpreter> {
        Interpreter::new(
            self.runtime,
            &self.model,
            self.threads,
            self.kernels,
            self.signatures,
        )
    }

    /// Compiles with XNNPACK, and where XNNPACK refuses the model without it.
    fn compile_first(&mut self, calls: &[Call], warn: &dyn Fn(&str)) -> Result<Interpreter> {
        let with = self.compile_and_plan(calls);
        let Err(error) = with else { return with };
        if self.kernels == Kernels::Builtin {
            return Err(error);
        }
        self.kernels = Kernels::Builtin;
        let Ok(interpreter) = self.compile_and_plan(calls) else {
            return Err(error);
        };
        warn(&format!(
            "a model runs without XNNPACK, which may be slower: {}",
            error.message()
        ));
        Ok(interpreter)
    }

    fn compile_and_plan(&self, calls: &[Call]) -> Result<Interpreter> {
        let interpreter = self.compile()?;
        calls.iter().try_for_each(|call| interpreter.plan(call))?;
        Ok(interpreter)
    }
}

/// LiteRT 2.2 fails a call one of whose outputs is one of its inputs.
fn refuse_passed_on(version: &str, signatures: &[Signature], calls: &[Call]) -> Result<()> {
    let passes_on = |call: &Call| {
        let mut outputs = call.outputs.iter();
        outputs.any(|output| {
            call.inputs
                .iter()
                .any(|input| input.tensor == output.tensor)
        })
    };
    let found = signatures
        .iter()
        .zip(calls)
        .find(|(_, call)| passes_on(call));
    match found {
        Some((signature, _)) if version.starts_with("2.2.") => Err(Error::unsupported(format!(
            "an output of signature `{}` is one of its inputs, which LiteRT {version} cannot serve",
            signature.name
        ))
        .with_hint("pip install 'ai-edge-litert==2.3.*'")),
        _ => Ok(()),
    }
}

/// The file, where need be with sizes that LiteRT knows before it runs.
fn read_file(artifact: &Artifact) -> Result<(File, Bytes)> {
    let bytes = bytes_of(artifact)?;
    let file = File::read(&bytes)?;
    if file.unknown_size().is_none() {
        return Ok((file, bytes));
    }
    match with_known_sizes(&bytes)? {
        None => Ok((file, bytes)),
        Some(changed) => {
            let changed = aligned(changed.into());
            Ok((File::read(&changed)?, changed))
        }
    }
}

/// The file's bytes, for as long as the model lives: LiteRT reads constants from them.
fn bytes_of(artifact: &Artifact) -> Result<Bytes> {
    let bytes = match artifact.source() {
        Source::Memory(bytes) => artifact
            .shared_bytes()
            .unwrap_or_else(|| Bytes::copy_from_slice(bytes)),
        // Beside other files of the version. It is read, never mapped.
        Source::File(path) => {
            let path = Path::new(std::ffi::OsStr::from_bytes(path.to_bytes()));
            let read = fs::read(path).map_err(|error| {
                Error::load_failed(format!("the private copy cannot be read: {error}"))
                    .with_source(error)
            })?;
            Bytes::from(read)
        }
    };
    Ok(aligned(bytes))
}

/// The same bytes at an address that their values can be read from.
fn aligned(bytes: Bytes) -> Bytes {
    if bytes.as_ptr().align_offset(ALIGNMENT_BYTES) == 0 {
        return bytes;
    }
    let mut copy = vec![0; bytes.len() + ALIGNMENT_BYTES];
    let skipped = copy.as_ptr().align_offset(ALIGNMENT_BYTES);
    copy[skipped..skipped + bytes.len()].copy_from_slice(&bytes);
    Bytes::from(copy).slice(skipped..skipped + bytes.len())
}

/// Signatures of a manifest, which may rename and leave out what the file has.
fn rename(
    given: &[Signature],
    own: &[Signature],
    calls: Vec<Call>,
) -> Result<(Vec<Signature>, Vec<Call>)> {
    let disagrees = |signature: &Signature, how: &str| {
        Error::artifact_invalid(format!(
            "signature `{}` does not fit the model: {how}",
            signature.name
        ))
    };
    let mut pairs: Vec<(&Signature, Option<Call>)> =
        own.iter().zip(calls.into_iter().map(Some)).collect();
    let mut renamed = Vec::new();
    for signature in given {
        let (own, call) = pairs
            .iter_mut()
            .find(|(own, call)| own.name == signature.name && call.is_some())
            .ok_or_else(|| disagrees(signature, "the model has no signature of this name"))?;
        let inputs = positions(&signature.inputs, &own.inputs)
            .filter(|found| found.len() == own.inputs.len())
            .ok_or_else(|| disagrees(signature, "its inputs are not those of the model"))?;
        let outputs = positions(&signature.outputs, &own.outputs)
            .filter(|found| !found.is_empty())
            .ok_or_else(|| disagrees(signature, "its outputs are not those of the model"))?;
        let mut call = call
            .take()
            .ok_or_else(|| Error::internal("bug: a signature is taken twice"))?;
        for port in &mut call.inputs {
            port.named = inputs
                .iter()
                .position(|index| *index == port.named)
                .ok_or_else(|| disagrees(signature, "an input of the model is missing"))?;
        }
        call.answers = outputs.iter().map(|index| call.answers[*index]).collect();
        renamed.push(call);
    }
    Ok((given.to_vec(), renamed))
}

/// For each spec which of the model's own it names; None where one is missing, of another dtype, or named twice.
fn positions(given: &[TensorSpec], own: &[TensorSpec]) -> Option<Vec<usize>> {
    let mut found = Vec::with_capacity(given.len());
    for spec in given {
        let index = own
            .iter()
            .position(|own| own.tensor == spec.tensor && own.dtype == spec.dtype)?;
        if found.contains(&index) {
            return None;
        }
        found.push(index);
    }
    Some(found)
}

/// Runs a signature on made-up inputs, to refuse at once what no call could get: an operator without a kernel, an output
/// that LiteRT does not hand out. What fails because of the inputs is none of that.
fn try_once(interpreter: &mut Interpreter, signature: &Signature, call: &Call) -> Result<()> {
    if call.state_change.is_some() {
        return Ok(());
    }
    let Ok(inputs) = generate::inputs(signature, 1, 0) else {
        return Ok(());
    };
    match interpreter.run(call, &inputs) {
        Err(error) if error.code() == turnout_core::ErrorCode::Unsupported => Err(error),
        _ => Ok(()),
    }
}
