//! The data plane: event loops, listeners, servables, and the thin edges that speak REST and gRPC.
//!
//! The way of every request is the same: a door makes a context, the routing table names a servable, the scheduler says what
//! runs together, a driver (the loop, an executor thread, or the caller) runs it. [`dataplane::DataPlane`] is the whole API.
#![forbid(unsafe_code)]

mod batcher;
mod commands;
mod connection;
pub mod dataplane;
mod drain;
mod event_loop;
mod events;
mod examples;
mod execute;
mod executor;
mod front;
pub mod grpc;
mod listen;
mod loader;
pub mod metrics;
mod nursery;
mod offload;
mod reaper;
mod request_log;
pub mod rest;
mod routes;
mod servable;
mod service;
mod shared;
#[cfg(test)]
mod testing;
mod threads;
mod tls;
mod turn;
mod warmup_file;

pub use dataplane::DataPlane;
pub use tls::TlsFiles;
