//! The bytes of a version, brought to where no change of the repository can reach them.
//!
//! A runtime that maps a repository's file dies with SIGBUS when somebody truncates it. So one file is read into memory,
//! and several are copied to a private folder.

mod checked;
mod private;
#[cfg(test)]
mod tests;

use std::collections::TryReserveError;
use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};
use std::sync::Arc;

use bytes::Bytes;
use turnout_core::snapshot::{ArtifactSpec, FileSpec};
use turnout_core::{Error, Result};

use crate::memory::{self, GiveBack};
use private::PrivateFolder;

/// A version's files, checked against what the snapshot says of them. A private folder is removed on drop, unless a model
/// holds it.
#[derive(Debug)]
pub struct Artifact(Contents);

#[derive(Debug)]
enum Contents {
    Memory {
        bytes: Bytes,
        _freed: GiveBack,
    },
    Folder {
        entry: CString,
        size_bytes: usize,
        folder: Arc<PrivateFolder>,
    },
}

/// A private folder in use by a model.
#[derive(Debug)]
pub(crate) struct Held(
    #[expect(dead_code, reason = "removes the folder when it is dropped")] Arc<PrivateFolder>,
);

/// Where an engine finds the entry file.
#[derive(Clone, Copy, Debug)]
pub enum Source<'artifact> {
    Memory(&'artifact [u8]),
    /// A path in a private folder, beside copies of all other files of the version.
    File(&'artifact CStr),
}

impl Artifact {
    /// Reads the entry into memory, or copies all files when the spec names a private folder. May take seconds.
    ///
    /// An artifact may be dropped as soon as the model is loaded: what an engine has mapped outlives the removal of the
    /// files, and one that goes on opening them holds the folder.
    ///
    /// # Errors
    /// `artifact_invalid` when a file is missing, unreadable, or not of the size and hash that the spec gives.
    pub fn read(spec: &ArtifactSpec) -> Result<Self> {
        for name in spec
            .files
            .iter()
            .map(|file| &file.name)
            .chain([&spec.entry])
        {
            check_name(name)?;
        }
        match &spec.private_copy {
            None => Ok(Self::from_bytes(read_entry(spec)?)),
            Some(folder) => Ok(Self(copy_files(spec, folder)?)),
        }
    }

    /// An artifact that is in memory already, such as one that a test or a child process was given.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        let freed = GiveBack::after(bytes.len());
        Self(Contents::Memory {
            bytes: bytes.into(),
            _freed: freed,
        })
    }

    /// Bytes of all files.
    pub(crate) fn size_bytes(&self) -> usize {
        match &self.0 {
            Contents::Memory { bytes, .. } => bytes.len(),
            Contents::Folder { size_bytes, .. } => *size_bytes,
        }
    }

    /// Keeps a private folder for as long as what is returned lives.
    pub(crate) fn hold(&self) -> Option<Held> {
        match &self.0 {
            Contents::Memory { .. } => None,
            Contents::Folder { folder, .. } => Some(Held(Arc::clone(folder))),
        }
    }

    /// What is in memory, to be kept beyond the artifact without a copy.
    pub(crate) fn shared_bytes(&self) -> Option<Bytes> {
        match &self.0 {
            Contents::Memory { bytes, .. } => Some(bytes.clone()),
            Contents::Folder { .. } => None,
        }
    }

    #[must_use]
    pub fn source(&self) -> Source<'_> {
        match &self.0 {
            Contents::Memory { bytes, .. } => Source::Memory(bytes),
            Contents::Folder { entry, .. } => Source::File(entry),
        }
    }
}

/// Reads a file that lies beside the artifact's own, of which `limit_bytes` are allowed.
///
/// # Errors
/// `artifact_invalid` when it is larger, missing, unreadable, or not of the size and hash that `file` gives.
pub fn read_beside(folder: &Path, file: &FileSpec, limit_bytes: u64) -> Result<Vec<u8>> {
    check_name(&file.name)?;
    let path = folder.join(&file.name);
    if file.size_bytes > limit_bytes {
        return Err(Error::artifact_invalid(format!(
            "a file is too large: got {}, expected at most {limit_bytes} bytes: `{}`",
            file.size_bytes,
            path.display()
        )));
    }
    read_into_memory(&path, Some(file))
}

fn read_entry(spec: &ArtifactSpec) -> Result<Vec<u8>> {
    read_into_memory(&spec.path.join(&spec.entry), find(spec, &spec.entry))
}

fn read_into_memory(path: &Path, expected: Option<&FileSpec>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // A guess: the file may change, and one that cannot be looked at is reported by the reading.
    let guess = path.metadata().map_or(0, |metadata| metadata.len());
    bytes
        .try_reserve_exact(usize::try_from(guess).unwrap_or(usize::MAX))
        .map_err(|error| too_large(path, error))?;
    memory::prefer_huge_pages(bytes.spare_capacity_mut());
    checked::read(path, expected, |chunk| {
        // Refused rather than aborted: a file may be larger than memory.
        bytes
            .try_reserve(chunk.len())
            .map_err(|error| too_large(path, error))?;
        bytes.extend_from_slice(chunk);
        Ok(())
    })?;
    Ok(bytes)
}

fn too_large(path: &Path, error: TryReserveError) -> Error {
    Error::artifact_invalid(format!(
        "a file does not fit into memory: `{}`",
        path.display()
    ))
    .with_source(error)
}

fn copy_files(spec: &ArtifactSpec, folder: &Path) -> Result<Contents> {
    let folder = PrivateFolder::create(folder)?;
    let mut size_bytes = 0;
    for file in &spec.files {
        size_bytes += folder.copy(&spec.path, &file.name, Some(file))?;
    }
    if find(spec, &spec.entry).is_none() {
        size_bytes += folder.copy(&spec.path, &spec.entry, None)?;
    }
    let entry = folder.path().join(&spec.entry);
    let entry = CString::new(entry.as_os_str().as_bytes())
        .map_err(|error| Error::artifact_invalid("the path has a zero byte").with_source(error))?;
    Ok(Contents::Folder {
        entry,
        size_bytes: usize::try_from(size_bytes).unwrap_or(usize::MAX),
        folder: Arc::new(folder),
    })
}

fn find<'spec>(spec: &'spec ArtifactSpec, name: &str) -> Option<&'spec FileSpec> {
    spec.files.iter().find(|file| file.name == name)
}

/// Refuses names that lead out of the version's folder, and so out of the private one.
fn check_name(name: &str) -> Result<()> {
    let stays_inside = |component| matches!(component, Component::Normal(_));
    if !name.is_empty() && Path::new(name).components().all(stays_inside) {
        return Ok(());
    }
    Err(Error::artifact_invalid(format!(
        "a file's name leads out of the version's folder: `{name}`"
    )))
}
