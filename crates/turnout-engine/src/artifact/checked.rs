//! Reading a file once, and checking what was read.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};
use turnout_core::snapshot::FileSpec;
use turnout_core::{Error, Result};

const CHUNK_BYTES: usize = 1 << 20;

/// Gives the file's bytes to `sink`, chunk by chunk, and fails unless all of them are what `expected` says;
/// returns how many they were.
///
/// The check is on the bytes that the sink got, not on a second reading: a file may change at any time.
///
/// # Errors
/// `artifact_invalid`, or the sink's own.
pub(super) fn read(
    path: &Path,
    expected: Option<&FileSpec>,
    mut sink: impl FnMut(&[u8]) -> Result<()>,
) -> Result<u64> {
    let mut file = open(path)?;
    let limit = expected.map_or(u64::MAX, |expected| expected.size_bytes);
    let mut hash = expected
        .and_then(|expected| expected.sha256.as_ref())
        .map(|_| Sha256::new());
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut size_bytes = 0u64;
    loop {
        let count = file
            .read(&mut chunk)
            .map_err(|error| unreadable(path, error))?;
        size_bytes += count as u64;
        // Stops at the first byte too many: a file that grows without end is refused, not read.
        if count == 0 || size_bytes > limit {
            break;
        }
        if let Some(hash) = &mut hash {
            hash.update(&chunk[..count]);
        }
        sink(&chunk[..count])?;
    }
    if let Some(expected) = expected {
        check(path, expected, size_bytes, hash.map(Sha256::finalize))?;
    }
    Ok(size_bytes)
}

fn open(path: &Path) -> Result<File> {
    // Looked at before opening: opening a named pipe would wait for a writer.
    let metadata = path.metadata().map_err(|error| unreadable(path, error))?;
    if !metadata.is_file() {
        return Err(Error::artifact_invalid(format!(
            "not a file: `{}`",
            path.display()
        )));
    }
    File::open(path).map_err(|error| unreadable(path, error))
}

fn check(
    path: &Path,
    expected: &FileSpec,
    size_bytes: u64,
    hash: Option<impl AsRef<[u8]>>,
) -> Result<()> {
    if size_bytes != expected.size_bytes {
        let got = if size_bytes > expected.size_bytes {
            "more".to_owned()
        } else {
            size_bytes.to_string()
        };
        return Err(Error::artifact_invalid(format!(
            "a file has the wrong size: got {got}, expected {} bytes: `{}`",
            expected.size_bytes,
            path.display()
        )));
    }
    let (Some(got), Some(want)) = (hash.map(|hash| hex(hash.as_ref())), &expected.sha256) else {
        return Ok(());
    };
    if got.eq_ignore_ascii_case(want) {
        return Ok(());
    }
    Err(Error::artifact_invalid(format!(
        "a file has the wrong sha256: got {got}, expected {want}: `{}`",
        path.display()
    )))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    Error::artifact_invalid(format!(
        "a file cannot be read: {error}: `{}`",
        path.display()
    ))
    .with_source(error)
}
