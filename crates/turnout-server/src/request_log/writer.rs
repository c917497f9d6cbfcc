//! The thread that writes: it alone touches the disk.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use turnout_core::event::LogLevel;
use turnout_core::snapshot::RequestLogSettings;
use turnout_core::tfrecord::{framed_len, put_record};

use super::files::{Listing, OpenFile};
use super::sampling::{Part, Record};
use super::{Counters, Loss, Message};
use crate::events::Events;
use crate::grpc::wire::{
    Answer, Carrier, LogMetadata, encode_predict_response, encode_prediction_log,
    encode_request_of_tensors,
};

/// What is gathered before it is written; the rest is written as soon as nothing more waits.
const BUFFER_BYTES: usize = 256 << 10;
/// How long a disk that refused is left alone.
const REST: Duration = Duration::from_secs(10);
/// Whole files that are kept, however small they are.
const MAX_FILES: usize = 10_000;
/// Without files to look after there is nothing to wake up for.
const IDLE: Duration = Duration::from_hours(1);

pub(super) struct Writer {
    settings: RequestLogSettings,
    events: Arc<Events>,
    counters: Arc<Counters>,
    open: HashMap<Arc<str>, OpenFile>,
    listing: Listing,
    /// Since the disk refused: when to try it again.
    try_again: Option<Instant>,
}

/// What failed, on which path.
struct Fault {
    path: PathBuf,
    error: io::Error,
}

impl Writer {
    pub(super) fn new(
        settings: RequestLogSettings,
        events: Arc<Events>,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            settings,
            events,
            counters,
            open: HashMap::new(),
            listing: Listing::default(),
            try_again: None,
        }
    }

    /// Writes until it is told to stop, or until nobody can send any more.
    pub(super) fn run(&mut self, messages: &Receiver<Message>) {
        let mended = self.list().and_then(|()| {
            let mended = self.listing.mend();
            mended.map_err(|error| self.fault_of(error))
        });
        self.settle(mended);
        loop {
            match messages.recv_timeout(self.patience()) {
                Ok(Message::Record(record)) => self.take(*record, messages.is_empty()),
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            }
            self.close_old();
        }
        let closed = self.close_all();
        self.settle(closed);
    }

    /// Until the oldest file is to be closed.
    fn patience(&self) -> Duration {
        let ages = self.open.values().map(|file| file.begun.elapsed());
        ages.max()
            .map_or(IDLE, |age| self.max_age().saturating_sub(age))
    }

    fn max_age(&self) -> Duration {
        Duration::from_millis(self.settings.file_age_ms)
    }

    /// Encodes a record and puts it into its model's file; `last` says that nothing more waits.
    fn take(&mut self, record: Record, last: bool) {
        if self.try_again.is_some_and(|at| Instant::now() < at) {
            return self.counters.count_lost(Loss::Disk, 1);
        }
        let model = Arc::clone(&record.model);
        let log = encode(record);
        let bytes = framed_len(log.len()) as u64;
        if bytes > self.settings.file_bytes {
            self.counters.count_lost(Loss::TooLarge, 1);
            return;
        }
        if let Err(fault) = self.open_for(&model, bytes) {
            self.counters.count_lost(Loss::Disk, 1);
            return self.settle(Err(fault));
        }
        let file = self.open.get_mut(&model).expect("bug: a file was opened");
        put_record(&mut file.buffer, &log);
        file.buffered_records += 1;
        let full = file.buffer.len() >= BUFFER_BYTES;
        let written = match (last, full) {
            (true, _) => self.flush_all(),
            (false, true) => self.flush(&model),
            (false, false) => return,
        };
        self.settle(written);
    }

    /// Opens a file for a model that has room for so many bytes, unless one is open.
    fn open_for(&mut self, model: &Arc<str>, bytes: u64) -> Result<(), Fault> {
        let full = |file: &OpenFile| {
            file.bytes + file.buffer.len() as u64 + bytes > self.settings.file_bytes
        };
        if self.open.get(model).is_some_and(full) {
            self.close(model)?;
        }
        if !self.open.contains_key(model) {
            self.list()?;
        }
        // May close this model's file, too.
        self.make_room(bytes)?;
        if !self.open.contains_key(model) {
            let file = OpenFile::create(&self.settings.dir, model);
            let file = file.map_err(|error| self.fault_of(error))?;
            self.open.insert(Arc::clone(model), file);
        }
        Ok(())
    }

    /// Removes the oldest files until `bytes` more fit into the bound; closes files of our own where no other is left.
    fn make_room(&mut self, bytes: u64) -> Result<(), Fault> {
        while self.disk_bytes() + bytes > self.settings.disk_bytes
            || self.listing.whole.len() > MAX_FILES
        {
            if self.listing.whole.is_empty() && !self.open.is_empty() {
                self.close_all()?;
                continue;
            }
            let Some(oldest) = self.listing.take_oldest() else {
                let text = "files that others write take all of `request_log_disk_bytes`";
                return Err(self.fault_of(io::Error::other(text)));
            };
            match fs::remove_file(&oldest.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Fault {
                        path: oldest.path,
                        error,
                    });
                }
                // Another process may have removed it first.
                _ => {}
            }
        }
        Ok(())
    }

    fn disk_bytes(&self) -> u64 {
        let open = self.open.values();
        let ours: u64 = open.map(|file| file.bytes + file.buffer.len() as u64).sum();
        self.listing.whole_bytes + ours + self.listing.partial_bytes
    }

    /// Looks at the folder anew. Our own open files are counted apart.
    fn list(&mut self) -> Result<(), Fault> {
        let listing = Listing::read(&self.settings.dir);
        self.listing = listing.map_err(|error| self.fault_of(error))?;
        let ours: u64 = self.open.values().map(|file| file.bytes).sum();
        self.listing.partial_bytes = self.listing.partial_bytes.saturating_sub(ours);
        Ok(())
    }

    fn flush(&mut self, model: &Arc<str>) -> Result<(), Fault> {
        let Some(file) = self.open.get_mut(model) else {
            return Ok(());
        };
        match file.flush() {
            Ok(records) => {
                self.counters.written.fetch_add(records, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => Err(Fault {
                path: file.path().to_owned(),
                error,
            }),
        }
    }

    fn flush_all(&mut self) -> Result<(), Fault> {
        let waiting = self.open.iter().filter(|(_, file)| !file.buffer.is_empty());
        let models: Vec<Arc<str>> = waiting.map(|(model, _)| Arc::clone(model)).collect();
        models.iter().try_for_each(|model| self.flush(model))
    }

    /// Writes and closes a model's file.
    fn close(&mut self, model: &Arc<str>) -> Result<(), Fault> {
        self.flush(model)?;
        let Some(file) = self.open.remove(model) else {
            return Ok(());
        };
        let path = file.path().to_owned();
        let whole = file.finish().map_err(|error| Fault { path, error })?;
        if let Some(file) = whole {
            self.listing.add(file);
        }
        Ok(())
    }

    fn close_all(&mut self) -> Result<(), Fault> {
        let models: Vec<Arc<str>> = self.open.keys().cloned().collect();
        models.iter().try_for_each(|model| self.close(model))
    }

    fn close_old(&mut self) {
        let max_age = self.max_age();
        let old = self
            .open
            .iter()
            .filter(|(_, file)| file.begun.elapsed() >= max_age);
        let models: Vec<Arc<str>> = old.map(|(model, _)| Arc::clone(model)).collect();
        let closed = models.iter().try_for_each(|model| self.close(model));
        self.settle(closed);
    }

    fn fault_of(&self, error: io::Error) -> Fault {
        Fault {
            path: self.settings.dir.clone(),
            error,
        }
    }

    /// Says once that the disk refuses, and once that it does no longer.
    fn settle(&mut self, outcome: Result<(), Fault>) {
        match outcome {
            Ok(()) => {
                if self.try_again.is_some() && !self.open.is_empty() {
                    self.try_again = None;
                    self.say(
                        LogLevel::Info,
                        "the request log is written again".to_owned(),
                    );
                }
            }
            Err(Fault { path, error }) => {
                self.give_up_files();
                if self.try_again.is_none() {
                    let text = format!(
                        "the request log cannot be written, serving goes on without it: {error}: `{}`",
                        path.display()
                    );
                    self.say(LogLevel::Warning, text);
                }
                self.try_again = Some(Instant::now() + REST);
            }
        }
        self.counters
            .disk_bytes
            .store(self.disk_bytes(), Ordering::Relaxed);
    }

    /// Keeps what is on the disk of the open files; what is not is lost.
    fn give_up_files(&mut self) {
        for (_, file) in self.open.drain() {
            self.counters.count_lost(Loss::Disk, file.buffered_records);
            // Where this fails too, the next writer mends the file.
            let _ = file.finish();
        }
    }

    fn say(&self, level: LogLevel, text: String) {
        self.events
            .log(level, "request_log", text, serde_json::Map::new());
    }
}

fn encode(record: Record) -> Vec<u8> {
    let Record {
        kind,
        model,
        version,
        signature,
        rate,
        timestamp_secs,
        duration_us,
        request,
        answer,
        ..
    } = record;
    let request = match request {
        Part::Message(bytes) => bytes.into(),
        Part::Tensors(tensors) => {
            let names = signature.inputs.iter().map(|spec| spec.name.as_str());
            let named: Vec<_> = names.zip(&tensors).collect();
            encode_request_of_tensors(&model, &signature.name, &named)
        }
    };
    let answer = match answer {
        Part::Message(bytes) => bytes.into(),
        Part::Tensors(tensors) => {
            let names = signature.outputs.iter().map(|spec| spec.name.as_str());
            let named: Vec<_> = names.zip(&tensors).collect();
            let answer = Answer {
                model: &model,
                version,
                signature: &signature.name,
                outputs: &named,
                carrier: Carrier::Typed,
            };
            encode_predict_response(&answer, 0)
        }
    };
    let metadata = LogMetadata {
        model: &model,
        version,
        signature: &signature.name,
        sampling_rate: rate,
        timestamp_secs,
        duration_us,
    };
    encode_prediction_log(&metadata, kind, &request, &answer)
}
