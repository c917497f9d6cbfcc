//! Logs of a fake model's calls, in folders of their own.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use bytes::Bytes;
use turnout_core::event::Event;
use turnout_core::tfrecord::Records;
use turnout_engine::fake::FakeModel;

use super::*;
use crate::grpc::wire::{LogKind, PredictionLogView};
use crate::servable::Servable;
use crate::testing::{Bench, settings};

/// A folder that is removed on drop.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("turnout-log-{}-{number}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    /// All files, the oldest first, by their names.
    fn files(&self) -> Vec<PathBuf> {
        let models = fs::read_dir(&self.0).into_iter().flatten();
        let files = models.flat_map(|model| {
            let entries = fs::read_dir(model.expect("readable").path()).expect("a folder");
            entries.map(|entry| entry.expect("readable").path())
        });
        let mut files: Vec<PathBuf> = files.collect();
        files.sort();
        files
    }

    fn bytes(&self) -> u64 {
        let files = self.files().into_iter();
        // The writer may close or remove a file while it is looked at.
        let sizes = files.filter_map(|path| path.metadata().ok());
        sizes.map(|metadata| metadata.len()).sum()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The requests of all records of a file, which has to be whole.
fn requests(path: &Path) -> Vec<Vec<u8>> {
    assert_eq!(path.extension().expect("one"), "tfrecord", "{path:?}");
    let file = fs::read(path).expect("readable");
    let request = |record: Result<&[u8], _>| {
        let view = PredictionLogView::read(record.expect("whole")).expect("protobuf");
        assert_eq!(view.kind, Some(LogKind::Predict));
        view.request.to_vec()
    };
    Records::new(&file).map(request).collect()
}

struct Logged {
    bench: Bench,
    servable: Arc<Servable>,
    sampled: Cell<u64>,
}

impl Logged {
    fn new(dir: &Path, file_bytes: u64, disk_bytes: u64) -> Self {
        let mut settings = settings();
        settings.request_log = RequestLogSettings {
            dir: dir.to_owned(),
            file_bytes,
            file_age_ms: 60_000,
            disk_bytes,
        };
        let bench = Bench::with_settings(settings);
        let servable = bench.servable(FakeModel::new(&Arc::default()), true, 8, 1.0);
        servable.sampler.set_rate(1.0);
        bench.shared.request_log.start();
        Self {
            bench,
            servable,
            sampled: Cell::new(0),
        }
    }

    fn log(&self) -> &RequestLog {
        &self.bench.shared.request_log
    }

    /// Logs a call if it can be sampled.
    fn call(&self, request: &[u8]) {
        let part = |bytes: &[u8]| Part::Message(Bytes::copy_from_slice(bytes));
        if let Some(ticket) = self.servable.sampler.sample(request.len()) {
            self.sampled.set(self.sampled.get() + 1);
            let sampled = ticket.with(part(request));
            sampled.answered(&self.servable, 0, part(b"answer"), Instant::now());
        }
    }

    /// Waits until every sampled call was written or is lost.
    fn settle(&self) {
        let counters = self.log().counters();
        let ended = || {
            let lost = Loss::ALL.map(|why| counters.lost(why));
            counters.written() + lost.iter().sum::<u64>()
        };
        while ended() < self.sampled.get() || self.log().budget.used_bytes() > 0 {
            std::thread::yield_now();
        }
    }

    fn warnings(&self) -> Vec<String> {
        let next = || self.bench.shared.events.next(Duration::ZERO);
        let events = std::iter::from_fn(next);
        let message = |event| match event {
            Event::Log(record) => Some(record.message),
            _ => None,
        };
        events.filter_map(message).collect()
    }

    fn end(self) -> u64 {
        self.log().close();
        let written = self.log().counters().written();
        drop(self.servable);
        self.bench.end();
        written
    }
}

#[test]
fn calls_are_written_in_their_order_into_files_that_only_the_owner_can_read() {
    let folder = Folder::new();
    let logged = Logged::new(&folder.0.join("deep/log"), 1 << 20, 1 << 20);
    let calls: Vec<Vec<u8>> = (0..200u8).map(|call| vec![call; 1_000]).collect();
    for call in &calls {
        logged.call(call);
    }
    assert_eq!(logged.end(), 200);
    let inner = Folder(folder.0.join("deep/log"));
    let files = inner.files();
    assert_eq!(files.len(), 1);
    assert_eq!(requests(&files[0]), calls);
    let mode = |path: &Path| path.metadata().expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&files[0]), 0o600);
    assert_eq!(mode(files[0].parent().expect("a model's")), 0o700);
    assert_eq!(mode(&inner.0), 0o700);
}

#[test]
fn files_are_closed_at_their_size_and_the_oldest_go() {
    let folder = Folder::new();
    let logged = Logged::new(&folder.0, 10_000, 35_000);
    for call in 0..100u8 {
        logged.call(&[call; 2_000]);
        logged.settle();
        assert!(folder.bytes() <= 35_000, "{}", folder.bytes());
    }
    assert_eq!(logged.end(), 100);
    let files = folder.files();
    let left: Vec<u8> = files
        .iter()
        .flat_map(|path| requests(path))
        .map(|request| request[0])
        .collect();
    let expected: Vec<u8> = (100 - u8::try_from(left.len()).expect("few")..100).collect();
    assert_eq!(left, expected);
    assert!(left.len() >= 12, "{left:?}");
    assert!(
        files
            .iter()
            .all(|path| path.metadata().expect("there").len() <= 10_000)
    );
}

#[test]
fn a_bound_that_is_full_of_an_open_file_closes_it() {
    let folder = Folder::new();
    let logged = Logged::new(&folder.0, 10_000, 10_000);
    for call in 0..20u8 {
        logged.call(&[call; 3_000]);
        logged.settle();
        assert!(folder.bytes() <= 10_000, "{}", folder.bytes());
    }
    assert_eq!(logged.end(), 20);
    let last = folder.files().pop().expect("a file");
    assert_eq!(requests(&last).pop().expect("a record"), [19; 3_000]);
}

#[test]
fn what_does_not_fit_is_counted() {
    let folder = Folder::new();
    let logged = Logged::new(&folder.0, 1_000, 10_000);
    logged.call(&[1; 990]);
    logged.settle();
    logged.call(&[2; 1_001]);
    assert_eq!(logged.log().counters().lost(Loss::TooLarge), 2);
    assert_eq!(logged.end(), 0);
    assert!(folder.files().is_empty());

    let logged = Logged::new(&folder.0, u64::MAX, u64::MAX);
    let held = logged
        .servable
        .sampler
        .sample(QUEUE_BYTES - 10)
        .expect("room");
    logged.call(&[3; 11]);
    assert_eq!(logged.log().counters().lost(Loss::Queue), 1);
    // The answer takes room, too.
    logged.call(&[4; 8]);
    assert_eq!(logged.log().counters().lost(Loss::Queue), 2);
    drop(held);
    logged.call(&[5; 11]);
    assert_eq!(logged.end(), 1);
}

#[test]
fn only_the_sampled_part_is_taken_and_none_where_the_log_is_off() {
    let logged = Logged::new(&Folder::new().0, 1_000, 1_000);
    let sampler = &logged.servable.sampler;
    let drawn = || (0..20_000).filter(|_| sampler.sample(0).is_some()).count();
    assert_eq!(drawn(), 20_000);
    sampler.set_rate(0.1);
    assert!((1_700..2_300).contains(&drawn()));
    sampler.set_rate(0.0);
    assert_eq!(drawn(), 0);
    logged.end();
}

#[test]
fn a_disk_that_refuses_is_said_once_and_calls_are_counted() {
    let folder = Folder::new();
    fs::create_dir_all(&folder.0).expect("makes");
    let blocked = folder.0.join("file");
    fs::write(&blocked, "in the way").expect("writes");
    let logged = Logged::new(&blocked, 1_000, 10_000);
    for _ in 0..5 {
        logged.call(&[1; 10]);
    }
    logged.settle();
    let warnings = logged.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let begin = "the request log cannot be written, serving goes on without it: ";
    assert!(warnings[0].starts_with(begin), "{warnings:?}");
    assert!(
        warnings[0].ends_with(&format!("`{}`", blocked.display())),
        "{warnings:?}"
    );
    assert_eq!(logged.log().counters().lost(Loss::Disk), 5);
    assert_eq!(logged.end(), 0);
}

#[test]
fn what_a_dead_writer_left_is_mended_and_what_a_living_one_writes_is_left_alone() {
    let folder = Folder::new();
    let first = Logged::new(&folder.0, 100_000, 100_000);
    first.call(b"whole");
    first.settle();
    let open = folder.files().pop().expect("an open file");
    let copy = open.with_file_name("0-dead.part");
    let mut bytes = fs::read(&open).expect("readable");
    bytes.extend_from_slice(&[7; 5]);
    fs::write(&copy, &bytes).expect("writes");
    fs::write(open.with_file_name("1-empty.part"), [1; 3]).expect("writes");

    let second = Logged::new(&folder.0, 100_000, 100_000);
    second.call(b"another");
    second.settle();
    let files = folder.files();
    assert_eq!(files.len(), 3, "{files:?}");
    assert!(files[0].ends_with("0-dead.tfrecord"), "{files:?}");
    let open = files[1..]
        .iter()
        .filter(|path| path.extension().is_some_and(|name| name == "part"));
    assert_eq!(open.count(), 2, "{files:?}");
    assert_eq!((first.end(), second.end()), (1, 1));
    let all: Vec<Vec<u8>> = folder
        .files()
        .iter()
        .flat_map(|path| requests(path))
        .collect();
    assert_eq!(
        all,
        [b"whole".to_vec(), b"whole".to_vec(), b"another".to_vec()]
    );
}

#[test]
fn old_files_are_closed_while_nothing_happens() {
    let folder = Folder::new();
    let mut settings = settings();
    settings.request_log = RequestLogSettings {
        dir: folder.0.clone(),
        file_bytes: 1_000,
        file_age_ms: 50,
        disk_bytes: 1_000,
    };
    let bench = Bench::with_settings(settings);
    let servable = bench.servable(FakeModel::new(&Arc::default()), true, 8, 1.0);
    servable.sampler.set_rate(1.0);
    bench.shared.request_log.start();
    let logged = Logged {
        bench,
        servable,
        sampled: Cell::new(0),
    };
    logged.call(b"one");
    let begun = Instant::now();
    let closed = |path: &PathBuf| {
        path.extension()
            .is_some_and(|extension| extension == "tfrecord")
    };
    while !folder.files().iter().any(closed) {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "{:?}",
            folder.files()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(logged.end(), 1);
}
