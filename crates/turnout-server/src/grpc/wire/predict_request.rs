//! `tensorflow.serving.PredictRequest`: read by the server, written by the client.

use bytes::Bytes;
use smallvec::SmallVec;
use turnout_core::{Result, Tensor};

use super::WireError;
use super::fields::{map_entry, predict};
use super::model_spec::{ModelSpecView, VersionField};
use super::reader::{Reader, Value, text};
use super::tensor_view::{Limit, TensorView};
use super::tensor_writer::TensorParts;
use super::writer::{bytes_len, put_bytes_head};

/// Entries of one map or list; a view takes about 200 bytes where two on the wire may be enough.
const MAX_ENTRIES: usize = 1 << 16;

/// A request that borrows from its message.
#[derive(Debug, Default)]
pub(crate) struct PredictRequestView<'a> {
    pub(crate) model_spec: Option<ModelSpecView<'a>>,
    /// Names are unique, and in no particular order.
    pub(crate) inputs: NamedTensors<'a>,
    pub(crate) output_filter: SmallVec<[&'a str; 2]>,
}

pub(crate) type NamedTensors<'a> = SmallVec<[(&'a str, TensorView<'a>); 2]>;

impl<'a> PredictRequestView<'a> {
    pub(crate) fn read(message: &'a [u8]) -> Result<Self, WireError> {
        let mut view = Self::default();
        let mut reader = Reader::new(message);
        while let Some((number, value)) = reader.field()? {
            match (number, value) {
                (predict::REQUEST_MODEL_SPEC, Value::Bytes(spec)) => {
                    view.model_spec.get_or_insert_default().merge(spec)?;
                }
                (predict::INPUTS, Value::Bytes(entry)) => {
                    push(&mut view.inputs, tensor_entry(entry)?)?;
                }
                (predict::OUTPUT_FILTER, Value::Bytes(alias)) => {
                    push(&mut view.output_filter, text(alias)?)?;
                }
                _ => {}
            }
        }
        keep_last_of_each_name(&mut view.inputs);
        Ok(view)
    }
}

/// A request that owns what it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct PredictRequest {
    pub model: String,
    pub version: RequestedVersion,
    /// Empty for the default one.
    pub signature: String,
    /// Sorted by name.
    pub inputs: Vec<(String, Tensor)>,
    pub output_filter: Vec<String>,
}

/// Which version a request names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestedVersion {
    Default,
    Number(i64),
    Label(String),
}

/// Parses a request whose signature is not known. The door itself reads requests by their signature and copies less.
///
/// # Errors
/// `malformed_request` when it is not protobuf, `invalid_input` when a tensor is not whole, `request_too_large` when the
/// tensors would take more than `limit_bytes` of memory.
pub fn decode_predict_request(message: &Bytes, limit_bytes: usize) -> Result<PredictRequest> {
    let view = PredictRequestView::read(message)?;
    let spec = view.model_spec.unwrap_or_default();
    Ok(PredictRequest {
        model: spec.name.to_owned(),
        version: match spec.version {
            VersionField::None => RequestedVersion::Default,
            VersionField::Number(number) => RequestedVersion::Number(number),
            VersionField::Label(label) => RequestedVersion::Label(label.to_owned()),
        },
        signature: spec.signature_name.to_owned(),
        inputs: to_tensors(&view.inputs, message, limit_bytes)?,
        output_filter: view
            .output_filter
            .iter()
            .map(|&alias| alias.to_owned())
            .collect(),
    })
}

/// All tensors of a map, within one limit.
pub(super) fn to_tensors(
    views: &NamedTensors<'_>,
    message: &Bytes,
    limit_bytes: usize,
) -> Result<Vec<(String, Tensor)>> {
    let mut limit = Limit::of_caller(limit_bytes);
    let mut tensors = Vec::with_capacity(views.len());
    for (name, view) in views {
        let tensor = view.to_tensor(name, message, limit)?;
        limit = limit.less(&tensor);
        tensors.push(((*name).to_owned(), tensor));
    }
    Ok(tensors)
}

pub(super) fn push<A: smallvec::Array>(
    entries: &mut SmallVec<A>,
    entry: A::Item,
) -> Result<(), WireError> {
    if entries.len() == MAX_ENTRIES {
        return Err(WireError::TooManyEntries);
    }
    entries.push(entry);
    Ok(())
}

/// One entry of a `map<string, TensorProto>`.
pub(super) fn tensor_entry(entry: &[u8]) -> Result<(&str, TensorView<'_>), WireError> {
    let (mut name, mut tensor) = ("", TensorView::default());
    let mut reader = Reader::new(entry);
    while let Some((number, value)) = reader.field()? {
        match (number, value) {
            (map_entry::KEY, Value::Bytes(key)) => name = text(key)?,
            (map_entry::VALUE, Value::Bytes(part)) => tensor.merge(part)?,
            _ => {}
        }
    }
    Ok((name, tensor))
}

/// The last entry of a key counts. Sorting keeps hostile requests of many entries cheap.
pub(super) fn keep_last_of_each_name(inputs: &mut NamedTensors<'_>) {
    if inputs.len() < 2 {
        return;
    }
    inputs.reverse();
    inputs.sort_by_key(|(name, _)| *name);
    inputs.dedup_by_key(|(name, _)| *name);
}

/// Serializes a request: fixed-size values go into `tensor_content`.
///
/// # Errors
/// `invalid_input` when a tensor's data does not have the length that its shape and dtype say.
pub fn encode_predict_request(
    model: &str,
    version: Option<i64>,
    signature: &str,
    inputs: &[(&str, TensorParts<'_>)],
) -> Result<Vec<u8>> {
    let version = version.map_or(VersionField::None, VersionField::Number);
    let spec = ModelSpecView {
        name: model,
        version,
        signature_name: signature,
    };
    let mut out = Vec::new();
    put_bytes_head(&mut out, predict::REQUEST_MODEL_SPEC, spec.encoded_len());
    spec.put(&mut out);
    for (name, tensor) in inputs {
        tensor.check(name)?;
        let tensor_bytes = tensor.encoded_len();
        put_entry_head(&mut out, predict::INPUTS, name, tensor_bytes);
        tensor.put(&mut out);
    }
    Ok(out)
}

/// Bytes of a map entry, without its own key and length.
pub(super) fn entry_len(name: &str, tensor_bytes: usize) -> usize {
    bytes_len(map_entry::KEY, name.len()) + bytes_len(map_entry::VALUE, tensor_bytes)
}

/// A map entry up to its value, whose `tensor_bytes` are appended next.
pub(super) fn put_entry_head(out: &mut Vec<u8>, number: u32, name: &str, tensor_bytes: usize) {
    put_bytes_head(out, number, entry_len(name, tensor_bytes));
    super::writer::put_bytes(out, map_entry::KEY, name.as_bytes());
    put_bytes_head(out, map_entry::VALUE, tensor_bytes);
}
