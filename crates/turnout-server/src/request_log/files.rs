//! The files of the log: written beside their name, renamed when whole, the oldest removed when there is no room.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use turnout_core::tfrecord::Records;

const WHOLE: &str = "tfrecord";
/// A file that is being written. It is locked; without a lock its writer is dead.
const PARTIAL: &str = "part";
/// A partial file is read into memory to be mended; none of ours is so large.
const MAX_MENDED_BYTES: u64 = 1 << 30;

/// Numbers the files of this process.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// One file of one model while it is written.
pub(super) struct OpenFile {
    path: PathBuf,
    file: File,
    pub(super) begun: Instant,
    /// Whole records on the disk.
    pub(super) bytes: u64,
    /// Frames that have not been written yet.
    pub(super) buffer: Vec<u8>,
    pub(super) buffered_records: u64,
}

impl OpenFile {
    /// Makes a file for `model` in its own folder below `root`; only its owner can read either.
    pub(super) fn create(root: &Path, model: &str) -> io::Result<Self> {
        let folder = root.join(model);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)?;
        let millis = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |elapsed| elapsed.as_millis());
        let (path, file) = (0..1000)
            .find_map(|_| {
                // In the order of making, also within one tick of the clock.
                let number = NEXT.fetch_add(1, Ordering::Relaxed);
                let name = format!("{millis:013}-{}-{number:06}", std::process::id());
                let path = folder.join(name).with_extension(PARTIAL);
                let mut options = OpenOptions::new();
                options.write(true).create_new(true).mode(0o600);
                match options.open(&path) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => None,
                    opened => Some(opened.map(|file| (path, file))),
                }
            })
            .ok_or_else(|| io::Error::other("no name is free"))??;
        file.try_lock()?;
        Ok(Self {
            path,
            file,
            begun: Instant::now(),
            bytes: 0,
            buffer: Vec::new(),
            buffered_records: 0,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the buffer; returns how many records it held. After a failure only what was written before is whole.
    pub(super) fn flush(&mut self) -> io::Result<u64> {
        self.file.write_all(&self.buffer)?;
        self.bytes += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(std::mem::take(&mut self.buffered_records))
    }

    /// Gives the file its name; returns it as it is then. What is in the buffer is lost.
    pub(super) fn finish(self) -> io::Result<Option<WholeFile>> {
        // A failed write may have left the beginning of a record.
        self.file.set_len(self.bytes)?;
        if self.bytes == 0 {
            fs::remove_file(&self.path)?;
            return Ok(None);
        }
        let path = self.path.with_extension(WHOLE);
        fs::rename(&self.path, &path)?;
        Ok(Some(WholeFile {
            path,
            bytes: self.bytes,
            modified: SystemTime::now(),
        }))
    }
}

/// A file that is no longer written.
#[derive(Debug)]
pub(super) struct WholeFile {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    modified: SystemTime,
}

/// What is in the log's folder.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// The oldest first.
    pub(super) whole: VecDeque<WholeFile>,
    pub(super) whole_bytes: u64,
    /// Of files that somebody is writing.
    pub(super) partial_bytes: u64,
    partial: Vec<PathBuf>,
}

impl Listing {
    /// Lists the files of all models, those of other processes among them. A folder that is not there is empty.
    pub(super) fn read(root: &Path) -> io::Result<Self> {
        let mut listing = Self::default();
        for folder in entries(root)? {
            if !folder.file_type()?.is_dir() {
                continue;
            }
            for entry in entries(&folder.path())? {
                // What vanishes meanwhile is not there.
                if let Ok(metadata) = entry.metadata() {
                    listing.note(entry.path(), &metadata);
                }
            }
        }
        let age = |a: &WholeFile, b: &WholeFile| (a.modified, &a.path).cmp(&(b.modified, &b.path));
        listing.whole.make_contiguous().sort_by(age);
        Ok(listing)
    }

    /// Adds a file that is newer than all others.
    pub(super) fn add(&mut self, file: WholeFile) {
        self.whole_bytes += file.bytes;
        self.whole.push_back(file);
    }

    pub(super) fn take_oldest(&mut self) -> Option<WholeFile> {
        let oldest = self.whole.pop_front()?;
        self.whole_bytes -= oldest.bytes;
        Some(oldest)
    }

    fn note(&mut self, path: PathBuf, metadata: &fs::Metadata) {
        let extension = path.extension().and_then(|extension| extension.to_str());
        match extension {
            Some(WHOLE) if metadata.is_file() => self.add(WholeFile {
                path,
                bytes: metadata.len(),
                modified: metadata.modified().unwrap_or(UNIX_EPOCH),
            }),
            Some(PARTIAL) if metadata.is_file() => {
                self.partial_bytes += metadata.len();
                self.partial.push(path);
            }
            _ => {}
        }
    }

    /// Mends what writers left behind that did not end in good order: whole records are kept.
    pub(super) fn mend(&self) -> io::Result<()> {
        self.partial.iter().try_for_each(|path| mend(path))
    }
}

fn entries(folder: &Path) -> io::Result<Vec<fs::DirEntry>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn mend(path: &Path) -> io::Result<()> {
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if file.try_lock().is_err() || file.metadata()?.len() > MAX_MENDED_BYTES {
        return Ok(());
    }
    let bytes = fs::read(path)?;
    let mut records = Records::new(&bytes);
    while let Some(Ok(_)) = records.next() {}
    file.set_len(records.offset() as u64)?;
    if records.offset() == 0 {
        fs::remove_file(path)
    } else {
        fs::rename(path, path.with_extension(WHOLE))
    }
}
