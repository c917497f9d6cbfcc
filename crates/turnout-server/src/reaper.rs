//! Destroys models on a thread of its own, so that no event loop ever pays for freeing gigabytes.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use crossbeam_channel::{Sender, unbounded};
use turnout_core::event::Event;
use turnout_engine::Model;

use crate::events::Events;
use crate::threads::{self, Niceness};

/// The last reference of a servable, on its way out.
pub(crate) struct Remains {
    pub(crate) servable: u64,
    pub(crate) model: Box<dyn Model>,
    /// When the servable left the routes.
    pub(crate) retired: Option<Instant>,
}

/// The queue to the reaper; its length is bounded by the number of servables.
pub(crate) type Grave = Sender<Remains>;

/// Starts the reaper. It ends when the last [`Grave`] is dropped.
pub(crate) fn start(events: Arc<Events>) -> io::Result<(Grave, JoinHandle<()>)> {
    let (sender, receiver) = unbounded::<Remains>();
    let thread = threads::spawn("reaper".into(), Niceness::Background, move || {
        for Remains {
            servable,
            model,
            retired,
        } in receiver
        {
            let drain_ms = retired.map_or(0, |since| {
                u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
            });
            drop(model);
            events.fact(Event::Unloaded { servable, drain_ms });
        }
    })?;
    Ok((sender, thread))
}
