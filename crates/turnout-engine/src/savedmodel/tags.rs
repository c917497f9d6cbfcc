//! Which of a SavedModel's graphs is meant: each has a set of tags.

use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use turnout_core::{Error, Result};

use super::wire::fields;

/// What TensorFlow says where no graph has the tags that were asked for.
const NO_SUCH_GRAPH: &str = "Could not find meta graph def matching supplied tags";

/// # Errors
/// `load_failed` for a tag with a zero byte.
pub(super) fn to_c(tags: &[String]) -> Result<Vec<CString>> {
    let to_c = |tag: &String| {
        CString::new(tag.as_str())
            .map_err(|_| Error::load_failed(format!("a tag has a zero byte: {tag:?}")))
    };
    tags.iter().map(to_c).collect()
}

/// Adds to TensorFlow's words which tags there are, where that is what went wrong.
pub(super) fn explain(error: Error, folder: &CStr) -> Error {
    if !error.message().contains(NO_SUCH_GRAPH) {
        return error;
    }
    let file = Path::new(OsStr::from_bytes(folder.to_bytes())).join("saved_model.pb");
    // What cannot be read, such as a file in text form, leaves the error as it is.
    let Some(graphs) = std::fs::read(file)
        .ok()
        .and_then(|file| read(&file).ok())
        .filter(|graphs| !graphs.is_empty())
    else {
        return error;
    };
    let listed = graphs
        .iter()
        .map(|tags| format!("{tags:?}"))
        .collect::<Vec<_>>();
    error.with_hint(format!(
        "`savedmodel_tags` of the model says which graph to take; there are: {}",
        listed.join(", ")
    ))
}

/// The tags (4) of the description (1) of each graph (2) of a `SavedModel`.
fn read(message: &[u8]) -> Result<Vec<Vec<String>>> {
    let mut graphs = Vec::new();
    for field in fields(message) {
        let (2, graph) = field? else { continue };
        let mut tags = Vec::new();
        for field in fields(graph.bytes()?) {
            let (1, description) = field? else { continue };
            for field in fields(description.bytes()?) {
                if let (4, tag) = field? {
                    tags.push(tag.text()?.to_owned());
                }
            }
        }
        graphs.push(tags);
    }
    Ok(graphs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_each_graph_are_read() {
        let two_tags = [0x12, 8, 0x0a, 6, 0x22, 1, b'a', 0x22, 1, b'b'];
        let none = [0x12, 2, 0x12, 0];
        let message = [&[8, 1][..], &two_tags, &none].concat();
        let want = vec![vec!["a".to_owned(), "b".to_owned()], Vec::new()];
        assert_eq!(read(&message).expect("whole"), want);
        assert!(read(&message[..8]).is_err());
    }

    #[test]
    fn tags_with_a_zero_byte_are_refused() {
        let error = to_c(&["a\0b".to_owned()]).expect_err("refused");
        assert_eq!(error.message(), "a tag has a zero byte: \"a\\0b\"");
    }
}
