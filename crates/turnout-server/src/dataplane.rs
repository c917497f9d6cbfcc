//! The whole API of the data plane: snapshots in, facts out, listeners, calls in process, an orderly end.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use turnout_core::event::{Event, LogLevel};
use turnout_core::snapshot::{ModelRoute, ServableSpec, Settings, Snapshot};
use turnout_core::{Error, Result};
use turnout_engine::LogSink;

use crate::drain::Stage;
use crate::event_loop::{self, LoopHandle};
use crate::events::Events;
use crate::executor::Executor;
use crate::front::Front;
use crate::loader::{self, Load};
use crate::metrics::Metrics;
use crate::nursery::Nursery;
use crate::offload::Offload;
use crate::reaper::{self, Grave};
use crate::request_log::RequestLog;
use crate::routes::Routes;
use crate::servable::Servable;
use crate::shared::Shared;
use crate::threads::{self, Niceness};
use crate::tls::{Tls, TlsFiles};
use crate::{connection, listen};

mod in_process;
mod status;
#[cfg(test)]
mod tests;

pub use in_process::{Answer, Call};
pub use status::{ServableStatus, Status};

/// How often an orderly end looks whether all connections are gone.
const DRAIN_LOOK: Duration = Duration::from_millis(2);

/// Event loops, listeners, engines and servables of one server. Every method may be called from any thread.
pub struct DataPlane {
    shared: Arc<Shared>,
    front: Option<Front>,
    held: Arc<Mutex<Held>>,
    grave: Mutex<Option<Grave>>,
    log: LogSink,
    threads: Mutex<Vec<JoinHandle<()>>>,
    tls: Mutex<Vec<Arc<Tls>>>,
}

/// What the last snapshot asked for.
#[derive(Default)]
struct Held {
    loading: HashMap<u64, Arc<AtomicBool>>,
    loaded: HashMap<u64, Arc<Servable>>,
    /// Reported as failed, and listed still: an id is loaded once.
    failed: HashSet<u64>,
    sequence: u64,
}

impl DataPlane {
    /// Starts the threads; nothing listens and nothing is loaded yet. Without loops there are no doors but `predict`.
    pub fn new(settings: Settings) -> Result<Self> {
        let failed = |source: io::Error| {
            Error::internal("the data plane could not start its threads").with_source(source)
        };
        Self::start(settings).map_err(failed)
    }

    fn start(settings: Settings) -> io::Result<Self> {
        // Shards: one per loop, one for the front, one for executors and callers.
        let loops = settings.loops;
        let events = Arc::new(Events::new(settings.event_capacity));
        let log = runtime_log(&events);
        let (executor, mut threads) = Executor::start(settings.executor_threads, loops + 1)?;
        let (offload, codecs) = Offload::start(settings.executor_threads)?;
        let nursery = Nursery::start()?;
        // The reaper may wait for a load that cannot be interrupted, so it is never joined.
        let (grave, _) = reaper::start(Arc::clone(&events))?;
        threads.extend(codecs);
        let metrics = Arc::new(Metrics::new(
            loops + 2,
            settings.tf_serving_metrics_path.is_some(),
        ));
        let shared = Arc::new(Shared::new(
            settings, events, executor, offload, nursery, metrics,
        ));
        let front = Self::start_loops(&shared, loops, &mut threads)?;
        Ok(Self {
            shared,
            front,
            held: Arc::default(),
            grave: Mutex::new(Some(grave)),
            log,
            threads: Mutex::new(threads),
            tls: Mutex::default(),
        })
    }

    fn start_loops(
        shared: &Arc<Shared>,
        loops: usize,
        threads: &mut Vec<JoinHandle<()>>,
    ) -> io::Result<Option<Front>> {
        if loops == 0 {
            return Ok(None);
        }
        let mut handles: Vec<LoopHandle> = Vec::with_capacity(loops);
        for shard in 0..loops {
            let (handle, thread) = event_loop::start(Arc::clone(shared), shard)?;
            handles.push(handle);
            threads.push(thread);
        }
        let (front, thread) = Front::start(Arc::clone(shared), handles, loops)?;
        threads.push(thread);
        Ok(Some(front))
    }

    /// Opens a listener for `door` (`rest` or `grpc`) and returns the bound address. With `tls` it speaks nothing else.
    ///
    /// # Errors
    /// `address_in_use`, `config_invalid`, or `unavailable` once an orderly end has begun.
    pub fn listen(
        &self,
        door: &str,
        address: &str,
        reuse_port: bool,
        tls: Option<TlsFiles>,
    ) -> Result<String> {
        let door = connection::door(door)?;
        let front = self
            .front
            .as_ref()
            .ok_or_else(|| Error::config_invalid("cannot listen without loops: `loops` is 0"))?;
        if self.shared.drain.stage() >= Stage::Closing {
            return Err(Error::unavailable("the server is closing"));
        }
        let tls = match tls {
            None => None,
            Some(files) => Some(Arc::new(Tls::open(files, door)?)),
        };
        let bound = listen::bind(address, reuse_port)?;
        let address = bound
            .address()
            .map_err(|source| Error::internal("a listener has no address").with_source(source))?;
        lock(&self.tls).extend(tls.clone());
        front.listen(bound, door, tls);
        Ok(address)
    }

    /// Reads the keys and certificates of all listeners anew, for connections from now on.
    ///
    /// # Errors
    /// `config_invalid`: the files of a listener are wrong, which goes on with those that it has.
    pub fn reload_certificates(&self) -> Result<()> {
        let listeners = lock(&self.tls).clone();
        listeners.iter().try_for_each(|tls| tls.reload())
    }

    /// Replaces the whole desired state: loads start, routes swap at once, what is omitted drains and unloads.
    ///
    /// # Errors
    /// `config_invalid`; nothing has changed then.
    pub fn apply(&self, mut snapshot: Snapshot) -> Result<()> {
        let mut held = lock(&self.held);
        if snapshot.sequence <= held.sequence {
            let (got, last) = (snapshot.sequence, held.sequence);
            return Err(Error::config_invalid(format!(
                "a snapshot must be newer than the last ({last}): got {got}"
            )));
        }
        let specs = std::mem::take(&mut snapshot.servables);
        check_ids(&specs)?;
        let sequence = snapshot.sequence;
        let routes = Routes::build(snapshot, &held.loaded)?;
        held.set_log_rates(&routes.models, &self.shared.request_log);
        let fresh = held.replace(specs);
        held.sequence = sequence;
        drop(held);
        self.shared.replace_routes(routes);
        for (spec, wanted) in fresh {
            self.start_load(spec, wanted);
        }
        Ok(())
    }

    fn start_load(&self, spec: ServableSpec, wanted: Arc<AtomicBool>) {
        let grave = self
            .grave
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        // A closed data plane loads nothing, and nobody waits for the fact.
        let Some(grave) = grave else { return };
        let (shared, held) = (Arc::clone(&self.shared), Arc::clone(&self.held));
        let name = format!("load-{}-{}", spec.model, spec.version);
        let id = spec.id;
        let load = Load {
            spec,
            wanted,
            grave,
            log: Arc::clone(&self.log),
        };
        let body = move || {
            loader::run(&shared, load, |servable| lock(&held).keep(servable));
            lock(&held).settle(id);
        };
        if let Err(source) = threads::spawn(name, Niceness::Background, body) {
            let error = loader::no_thread(source);
            lock(&self.held).settle(id);
            self.shared.events.fact(loader::failed(id, &error));
        }
    }

    /// Waits for the next fact, at most `timeout`.
    pub fn next_event(&self, timeout: Duration) -> Option<Event> {
        self.shared.events.next(timeout)
    }

    /// Answers a command that came as an event: done, or why not.
    pub fn answer(&self, command: u64, result: Result<()>) {
        self.shared.commands.answer(command, result);
    }

    /// The metrics page.
    pub fn metrics(&self) -> String {
        crate::metrics::render(&self.shared, env!("CARGO_PKG_VERSION"))
    }

    /// An orderly end: withdraws readiness, goes on accepting for `delay`, then stops accepting and lets every connection
    /// finish. Returns whether all did within `timeout`; what is left goes on until [`Self::close`].
    pub fn drain(&self, delay: Duration, timeout: Duration) -> bool {
        self.shared.drain.advance(Stage::Announced);
        std::thread::sleep(delay);
        let deadline = Instant::now() + timeout;
        self.shared.drain.advance(Stage::Closing);
        wait_until(deadline, || self.shared.listeners.get() == 0);
        self.shared.drain.advance(Stage::Ending);
        wait_until(deadline, || self.shared.connections.get() == 0)
    }

    /// Stops everything at once and waits for the threads. Idempotent.
    pub fn close(&self) {
        self.shared.drain.advance(Stage::Stopped);
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        self.shared.executor.stop();
        self.shared.offload.stop();
        self.shared
            .replace_routes(Routes::empty("the server is closed"));
        let mut held = lock(&self.held);
        held.loading
            .values()
            .for_each(|wanted| wanted.store(false, Ordering::Release));
        let loaded = std::mem::take(&mut held.loaded);
        drop(held);
        drop(loaded);
        drop(
            self.grave
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        // A thread that panicked has said so already.
        for thread in threads {
            drop(thread.join());
        }
        // Behind the loops and executors, so that what they have answered is in it.
        self.shared.request_log.close();
    }
}

impl Drop for DataPlane {
    fn drop(&mut self) {
        self.close();
    }
}

impl Held {
    /// Takes over the wanted set; returns what is new.
    fn replace(&mut self, specs: Vec<ServableSpec>) -> Vec<(ServableSpec, Arc<AtomicBool>)> {
        let wanted = |id: &u64| specs.iter().any(|spec| spec.id == *id);
        self.loading
            .iter()
            .filter(|(id, _)| !wanted(id))
            .for_each(|(_, flag)| flag.store(false, Ordering::Release));
        self.loaded.retain(|id, servable| {
            let keep = wanted(id);
            if !keep {
                let _ = servable.retired.set(Instant::now());
            }
            keep
        });
        self.failed.retain(wanted);
        let mut fresh = Vec::new();
        for spec in specs {
            if !self.knows(spec.id) {
                let flag = Arc::new(AtomicBool::new(true));
                self.loading.insert(spec.id, Arc::clone(&flag));
                fresh.push((spec, flag));
            }
        }
        fresh
    }

    /// Says how many calls of each version are logged.
    fn set_log_rates(&self, models: &[ModelRoute], log: &RequestLog) {
        for model in models {
            let servables = model.versions.iter().filter_map(|status| status.servable);
            for servable in servables.filter_map(|id| self.loaded.get(&id)) {
                servable.sampler.set_rate(model.request_log_rate);
            }
            if model.request_log_rate > 0.0 {
                log.start();
            }
        }
    }

    fn knows(&self, id: u64) -> bool {
        self.loading.contains_key(&id) || self.loaded.contains_key(&id) || self.failed.contains(&id)
    }

    /// Takes a loaded servable, unless a snapshot has dropped it meanwhile.
    fn keep(&mut self, servable: Servable) -> bool {
        let wanted = self
            .loading
            .get(&servable.id)
            .is_some_and(|flag| flag.load(Ordering::Acquire));
        if wanted {
            self.loaded.insert(servable.id, Arc::new(servable));
        }
        wanted
    }

    /// Notes that a load is over, well or not.
    fn settle(&mut self, id: u64) {
        let flag = self.loading.remove(&id);
        let wanted = flag.is_some_and(|flag| flag.load(Ordering::Acquire));
        if wanted && !self.loaded.contains_key(&id) {
            self.failed.insert(id);
        }
    }
}

/// Sends what runtimes log into this data plane's events. Runtimes outlive data planes, so they hold it weakly.
fn runtime_log(events: &Arc<Events>) -> LogSink {
    let events = Arc::downgrade(events);
    Arc::new(move |level: LogLevel, line: &str| {
        if let Some(events) = events.upgrade() {
            events.log(level, "runtime", line.to_owned(), serde_json::Map::new());
        }
    })
}

fn check_ids(specs: &[ServableSpec]) -> Result<()> {
    let mut ids: Vec<u64> = specs.iter().map(|spec| spec.id).collect();
    ids.sort_unstable();
    match ids.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Error::config_invalid(format!(
            "two servables have one id: {}",
            pair[0]
        ))),
        None => Ok(()),
    }
}

fn wait_until(deadline: Instant, done: impl Fn() -> bool) -> bool {
    while !done() {
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(DRAIN_LOOK);
    }
    true
}

fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it holds one of these locks.
    held.lock().unwrap_or_else(PoisonError::into_inner)
}
