//! The answers of Classify and Regress: `results`, an element for each Example.

use super::write::{write_f32, write_string};
use crate::examples::InferenceResult;

/// See [`super::encode_results`].
pub(super) fn encode(result: &InferenceResult<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"results\":");
    match result {
        InferenceResult::Values(values) => {
            write_list(values.iter(), out, |value, out| write_f32(*value, out));
        }
        InferenceResult::Classes(table) => write_list(table.rows(), out, |row, out| {
            write_list(row, out, |class, out| {
                out.push(b'[');
                class.label.with_text(|label| write_string(label, out));
                out.push(b',');
                write_f32(class.score, out);
                out.push(b']');
            });
        }),
    }
    out.push(b'}');
}

fn write_list<T>(
    items: impl Iterator<Item = T>,
    out: &mut Vec<u8>,
    write: impl Fn(T, &mut Vec<u8>),
) {
    out.push(b'[');
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(item, out);
    }
    out.push(b']');
}
