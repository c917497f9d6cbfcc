//! One single-threaded event loop: its runtime, its turn, its connections.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, LocalRuntime};
use tokio::sync::mpsc;
use turnout_core::Door;
use turnout_core::event::LogLevel;

use crate::connection::{self, Incoming};
use crate::drain::{ConnectionCount, Stage};
use crate::service::Service;
use crate::shared::Shared;
use crate::threads::{self, Niceness};
use crate::turn::Turn;

/// The way to a loop: connections go in, its load comes out.
#[derive(Clone)]
pub(crate) struct LoopHandle {
    // Bounded by `max_connections`, which the acceptor checks before it sends.
    sender: mpsc::UnboundedSender<Incoming>,
    /// Of REST and of gRPC.
    connections: [ConnectionCount; 2],
}

impl LoopHandle {
    /// The loop's connections of one door.
    pub(crate) fn connections(&self, door: Door) -> &ConnectionCount {
        &self.connections[door as usize]
    }

    /// How busy the loop is to a new connection of `door`: the least takes it. One connection of gRPC carries many calls at
    /// a time, one of REST a single one, so each door is spread by itself.
    pub(crate) fn load(&self, door: Door) -> (usize, usize) {
        let all = self.connections.iter().map(ConnectionCount::get).sum();
        (self.connections(door).get(), all)
    }

    /// Hands a connection over; it is closed when the loop has ended.
    pub(crate) fn send(&self, incoming: Incoming) {
        let _ = self.sender.send(incoming);
    }
}

/// A runtime for one thread.
pub(crate) fn runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build_local(tokio::runtime::LocalOptions::default())
}

/// Starts the turn of the present loop and returns its service. Call inside a [`runtime`].
pub(crate) fn service(shared: &Arc<Shared>, shard: usize) -> Service {
    let turn = Turn::new(Arc::clone(shared), shard);
    drop(tokio::task::spawn_local(turn.clone().drive()));
    Service::new(Arc::clone(shared), turn, shard)
}

/// Starts a loop on a thread of its own; it runs until [`Stage::Stopped`].
pub(crate) fn start(shared: Arc<Shared>, shard: usize) -> io::Result<(LoopHandle, JoinHandle<()>)> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let handle = LoopHandle {
        sender,
        connections: Default::default(),
    };
    let thread = threads::spawn(format!("loop-{shard}"), Niceness::Normal, move || {
        threads::pin(shard, shared.settings.loops);
        match runtime() {
            Ok(runtime) => runtime.block_on(run(shared, shard, receiver)),
            Err(error) => shared.log(
                LogLevel::Error,
                "loop",
                format!("an event loop could not start: {error}"),
            ),
        }
    })?;
    Ok((handle, thread))
}

async fn run(shared: Arc<Shared>, shard: usize, mut receiver: mpsc::UnboundedReceiver<Incoming>) {
    let service = service(&shared, shard);
    let mut stage = shared.drain.watch();
    loop {
        tokio::select! {
            incoming = receiver.recv() => match incoming {
                Some(incoming) => drop(tokio::task::spawn_local(connection::serve(incoming, service.clone()))),
                None => return,
            },
            _ = stage.wait_for(|stage| *stage >= Stage::Stopped) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connections_of_each_door_are_spread_by_themselves() {
        let handle = || LoopHandle {
            sender: mpsc::unbounded_channel().0,
            connections: Default::default(),
        };
        let loops = [handle(), handle()];
        let mut counted = Vec::new();
        let doors = [Door::Rest, Door::Grpc, Door::Rest, Door::Rest, Door::Grpc];
        let chosen = doors.map(|door| {
            let index = (0..loops.len())
                .min_by_key(|index| loops[*index].load(door))
                .expect("there are two");
            counted.push(loops[index].connections(door).enter());
            index
        });
        assert_eq!(chosen, [0, 1, 1, 0, 0], "each door alternates");
    }
}
