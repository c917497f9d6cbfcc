//! A folder of this process's own.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use turnout_core::snapshot::FileSpec;
use turnout_core::{Error, Result};

use super::checked;

/// Locked as long as the folder is in use, so that what a killed process left behind can be told from what is in use.
const LOCK_NAME: &str = ".turnout-lock";

/// A folder that only its owner can enter. Removed on drop.
#[derive(Debug)]
pub(super) struct PrivateFolder {
    path: PathBuf,
    /// Unlocked by the operating system, however this process ends.
    _lock: File,
}

impl PrivateFolder {
    /// Makes the folder; takes over one that a dead process left.
    ///
    /// # Errors
    /// `load_failed` when it cannot be made, is in use, or holds something that is not ours.
    pub(super) fn create(path: &Path) -> Result<Self> {
        let failed = |error: io::Error| failed(path, error);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => clear_leftover(path)?,
            Err(error) => return Err(failed(error)),
        }
        let lock = open_options().open(path.join(LOCK_NAME)).map_err(failed)?;
        lock.try_lock().map_err(|error| locked(path, error))?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Copies `name` from the folder `source`, checking what is copied; returns its bytes.
    pub(super) fn copy(
        &self,
        source: &Path,
        name: &str,
        expected: Option<&FileSpec>,
    ) -> Result<u64> {
        let target = self.path.join(name);
        let failed = |error: io::Error| failed(&target, error);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        let mut copy = open_options().open(&target).map_err(failed)?;
        checked::read(&source.join(name), expected, |chunk| {
            copy.write_all(chunk).map_err(failed)
        })
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        // What cannot be removed now is taken over by the next owner of this path.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// New files only: nothing that is there already is written to or followed.
fn open_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options
}

/// Empties a folder of ours whose owner is dead; refuses any other that is not empty.
fn clear_leftover(path: &Path) -> Result<()> {
    let is_empty = fs::read_dir(path)
        .map_err(|error| failed(path, error))?
        .next()
        .is_none();
    if !is_empty {
        let lock = OpenOptions::new()
            .write(true)
            .open(path.join(LOCK_NAME))
            .map_err(|error| foreign(path, error))?;
        lock.try_lock().map_err(|error| locked(path, error))?;
    }
    fs::remove_dir_all(path)
        .and_then(|()| DirBuilder::new().mode(0o700).create(path))
        .map_err(|error| failed(path, error))
}

fn failed(path: &Path, error: io::Error) -> Error {
    Error::load_failed(format!(
        "a private copy cannot be made: {error}: `{}`",
        path.display()
    ))
    .with_source(error)
}

fn locked(path: &Path, error: TryLockError) -> Error {
    Error::load_failed(format!(
        "the folder for a private copy is in use by another load: `{}`",
        path.display()
    ))
    .with_source(error)
}

fn foreign(path: &Path, error: io::Error) -> Error {
    Error::load_failed(format!(
        "the folder for a private copy holds other files: `{}`",
        path.display()
    ))
    .with_hint("name a folder that is empty or does not exist")
    .with_source(error)
}
