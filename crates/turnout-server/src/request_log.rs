//! The request log: sampled calls and their answers, on their way from a door to files of records.
//!
//! A door never waits for the disk. It hands a finished call to a bounded queue, or counts it as dropped; one thread writes.
//! A call whose model is not logged costs one look at an atomic.

mod files;
mod sampling;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use turnout_core::admission::{ByteBudget, BytePermit};
use turnout_core::event::LogLevel;
use turnout_core::snapshot::RequestLogSettings;

pub(crate) use sampling::{Part, Sampled, Sampler, Ticket};

use crate::events::Events;
use crate::threads::{self, Niceness};
use sampling::Record;

/// Requests and answers that wait for the writer, or for their answer, take no more memory than this.
const QUEUE_BYTES: usize = 64 << 20;
const QUEUE_RECORDS: usize = 4096;
/// How long an end waits for what is in the queue; a disk that hangs must not hang the process.
const CLOSE_WAIT: Duration = Duration::from_secs(5);

/// Why a sampled call is not in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// The writer is behind.
    Queue,
    /// A record would be larger than a file.
    TooLarge,
    /// The disk refuses.
    Disk,
}

impl Loss {
    pub(crate) const ALL: [Self; 3] = [Self::Queue, Self::TooLarge, Self::Disk];

    /// The metric's label.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue_full",
            Self::TooLarge => "too_large",
            Self::Disk => "disk",
        }
    }
}

/// What became of sampled calls.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    written: AtomicU64,
    lost: [AtomicU64; Loss::ALL.len()],
    disk_bytes: AtomicU64,
}

impl Counters {
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    pub(crate) fn lost(&self, why: Loss) -> u64 {
        self.lost[why as usize].load(Ordering::Relaxed)
    }

    /// Of all files in the log's folder, as far as the writer knows.
    pub(crate) fn disk_bytes(&self) -> u64 {
        self.disk_bytes.load(Ordering::Relaxed)
    }

    fn count_lost(&self, why: Loss, records: u64) {
        self.lost[why as usize].fetch_add(records, Ordering::Relaxed);
    }
}

enum Message {
    Record(Box<Record>),
    Stop,
}

struct Writer {
    sender: Sender<Message>,
    /// Closed when the thread has ended.
    ended: Receiver<()>,
}

/// One per data plane. Its thread begins with the first model that is logged.
pub(crate) struct RequestLog {
    settings: RequestLogSettings,
    events: Arc<Events>,
    /// Covers sampled calls from their request to the disk.
    budget: Arc<ByteBudget>,
    counters: Arc<Counters>,
    writer: OnceLock<Writer>,
    starting: Mutex<()>,
}

impl RequestLog {
    pub(crate) fn new(settings: RequestLogSettings, events: Arc<Events>) -> Arc<Self> {
        Arc::new(Self {
            settings,
            events,
            budget: ByteBudget::new(QUEUE_BYTES),
            counters: Arc::default(),
            writer: OnceLock::new(),
            starting: Mutex::new(()),
        })
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Starts the writer, unless it runs. Where that fails the log says so, and sampled calls are counted as lost.
    pub(crate) fn start(&self) {
        let _starting = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        if self.writer.get().is_some() {
            return;
        }
        let (sender, messages) = bounded(QUEUE_RECORDS);
        let (alive, ended) = bounded(0);
        let mut writer = writer::Writer::new(
            self.settings.clone(),
            Arc::clone(&self.events),
            Arc::clone(&self.counters),
        );
        let body = move || {
            writer.run(&messages);
            drop(alive);
        };
        match threads::spawn("request-log".into(), Niceness::Work, body) {
            Ok(_) => drop(self.writer.set(Writer { sender, ended })),
            Err(error) => self.events.log(
                LogLevel::Warning,
                "request_log",
                format!("the request log could not start its thread: {error}"),
                serde_json::Map::new(),
            ),
        }
    }

    /// Takes room for a sampled request, or counts it as lost.
    fn admit(&self, request_bytes: usize) -> Option<BytePermit> {
        if request_bytes as u64 > self.settings.file_bytes {
            self.counters.count_lost(Loss::TooLarge, 1);
            return None;
        }
        let permit = self.budget.acquire(request_bytes).ok();
        if permit.is_none() {
            self.counters.count_lost(Loss::Queue, 1);
        }
        permit
    }

    /// Hands a record to the writer, or counts it as lost; never waits.
    fn submit(&self, record: Box<Record>) {
        let Some(writer) = self.writer.get() else {
            return self.counters.count_lost(Loss::Disk, 1);
        };
        if writer.sender.try_send(Message::Record(record)).is_err() {
            self.counters.count_lost(Loss::Queue, 1);
        }
    }

    /// Writes what waits and closes the files; gives up on a disk that hangs.
    pub(crate) fn close(&self) {
        let Some(writer) = self.writer.get() else {
            return;
        };
        // Fails where the thread has ended already, or does not get on.
        let asked = writer.sender.send_timeout(Message::Stop, CLOSE_WAIT);
        if asked.is_ok() {
            let _ = writer.ended.recv_timeout(CLOSE_WAIT);
        }
    }
}
