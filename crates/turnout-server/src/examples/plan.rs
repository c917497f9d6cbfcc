//! What a signature is to Classify and Regress: what it is fed with, and which of its outputs mean what.

use turnout_core::{DType, Error, Result, Signature, TensorSpec};

/// The alias of the only input, in TensorFlow Serving's contract.
const INPUTS: &str = "inputs";
const CLASSES: &str = "classes";
const SCORES: &str = "scores";
const OUTPUTS: &str = "outputs";

/// What the outputs of converted classifiers are called, the first name going before.
const LABEL_NAMES: [&str; 4] = [CLASSES, "label", "labels", "output_label"];
const SCORE_NAMES: [&str; 4] = [SCORES, "probabilities", "output_probability", "logits"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Classify,
    Regress,
}

/// How a signature answers a method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Whether the engine takes serialized Examples; outputs are then held to TensorFlow Serving's contract.
    pub(crate) engine_parses: bool,
    pub(super) outputs: Outputs,
}

/// Indices among the outputs of the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outputs {
    /// One of them at least.
    Classes {
        labels: Option<usize>,
        scores: Option<usize>,
    },
    Values(usize),
}

impl Plan {
    /// # Errors
    /// `invalid_input`, by TensorFlow Serving's texts where the contract is its own.
    pub(crate) fn new(method: Method, signature: &Signature, engine_parses: bool) -> Result<Self> {
        let outputs = match (method, engine_parses) {
            (Method::Classify, true) => contract_classes(signature),
            (Method::Regress, true) => contract_value(signature),
            (Method::Classify, false) => found_classes(signature),
            (Method::Regress, false) => found_value(signature),
        };
        Ok(Self {
            engine_parses,
            outputs: outputs?,
        })
    }
}

fn contract_classes(signature: &Signature) -> Result<Outputs> {
    check_one_input(signature)?;
    let count = signature.outputs.len();
    if !(1..=2).contains(&count) {
        return Err(Error::invalid_input(format!(
            "Expected one or two output Tensors, found {count}"
        )));
    }
    check_input_name(signature, "classification")?;
    let (labels, scores) = (find(signature, &[CLASSES]), find(signature, &[SCORES]));
    if labels.is_none() && scores.is_none() {
        return Err(Error::invalid_input(format!(
            "Expected classification signature outputs to contain at least one of \"{CLASSES}\" or \"{SCORES}\". Signature \
             was: {}",
            described(signature)
        )));
    }
    Ok(Outputs::Classes { labels, scores })
}

fn contract_value(signature: &Signature) -> Result<Outputs> {
    check_one_input(signature)?;
    if signature.outputs.len() != 1 {
        return Err(Error::invalid_input("Expected one output Tensor."));
    }
    check_input_name(signature, "regression")?;
    let value = find(signature, &[OUTPUTS]).ok_or_else(|| {
        Error::invalid_input(format!(
            "No regression outputs found in SignatureDef: {}",
            described(signature)
        ))
    })?;
    Ok(Outputs::Values(value))
}

fn check_one_input(signature: &Signature) -> Result<()> {
    match signature.inputs.len() {
        1 => Ok(()),
        _ => Err(Error::invalid_input("Expected one input Tensor.")),
    }
}

fn check_input_name(signature: &Signature, method: &str) -> Result<()> {
    if signature.input(INPUTS).is_some() {
        return Ok(());
    }
    Err(Error::invalid_input(format!(
        "No {method} inputs found in SignatureDef: {}",
        described(signature)
    )))
}

/// By name, or the only output by its type.
fn found_classes(signature: &Signature) -> Result<Outputs> {
    let (mut labels, mut scores) = (find(signature, &LABEL_NAMES), find(signature, &SCORE_NAMES));
    if let (None, None, [only]) = (labels, scores, signature.outputs.as_slice()) {
        if is_float(only) {
            scores = Some(0);
        } else {
            labels = Some(0);
        }
    }
    if labels.is_none() && scores.is_none() {
        return Err(Error::invalid_input(format!(
            "signature `{}` has no output that could be a class: got {}, expected one of `{}` for labels or `{}` for scores, \
             or a single output",
            signature.name,
            listed(&signature.outputs),
            LABEL_NAMES.join("`, `"),
            SCORE_NAMES.join("`, `")
        )));
    }
    Ok(Outputs::Classes { labels, scores })
}

fn found_value(signature: &Signature) -> Result<Outputs> {
    let value = match signature.outputs.as_slice() {
        [_] => Some(0),
        _ => find(signature, &[OUTPUTS]),
    };
    value.map(Outputs::Values).ok_or_else(|| {
        Error::invalid_input(format!(
            "signature `{}` has no output that could be a value: got {}, expected `{OUTPUTS}` or a single output",
            signature.name,
            listed(&signature.outputs)
        ))
    })
}

/// The output of the first name that the signature has.
fn find(signature: &Signature, names: &[&str]) -> Option<usize> {
    let position = |name: &&str| {
        let mut outputs = signature.outputs.iter();
        outputs.position(|spec| spec.name == **name)
    };
    names.iter().find_map(position)
}

fn is_float(spec: &TensorSpec) -> bool {
    matches!(
        spec.dtype,
        DType::Float16 | DType::Bfloat16 | DType::Float32 | DType::Float64
    )
}

fn described(signature: &Signature) -> String {
    format!(
        "`{}` with inputs {} and outputs {}",
        signature.name,
        listed(&signature.inputs),
        listed(&signature.outputs)
    )
}

fn listed(specs: &[TensorSpec]) -> String {
    let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
    format!("`{}`", names.join("`, `"))
}
