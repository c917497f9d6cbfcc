//! The REST door: HTTP/1.1 with the paths and documents of TensorFlow Serving.

mod chunked;
mod classify;
pub(crate) mod connection;
mod date;
mod errors;
mod exchange;
mod handlers;
mod head;
mod inflate;
pub mod json;
mod listing;
mod metadata;
mod predict;
mod response;
mod routes;
mod status;

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::PrettyFormatter;
use turnout_core::Error;

pub use errors::http_status;
pub use routes::routes;

/// Most of a client's own text that a message repeats.
const SHOWN_CHARACTERS: usize = 128;

fn shorten(text: &str) -> String {
    text.chars().take(SHOWN_CHARACTERS).collect()
}

fn body_too_large(limit_bytes: usize) -> Error {
    Error::too_large(format!(
        "the body is larger than `max_body_bytes`: limit {limit_bytes}"
    ))
}

/// A document with the white space of protobuf's JSON, for pages that people and their scripts read line by line.
fn spaced_document(content: &impl Serialize) -> Vec<u8> {
    let mut text = Vec::new();
    let layout = PrettyFormatter::with_indent(b" ");
    content
        .serialize(&mut Serializer::with_formatter(&mut text, layout))
        .expect("bug: a document with keys that are not text");
    text.push(b'\n');
    text
}

fn document(content: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(content).expect("bug: a document with keys that are not text")
}
