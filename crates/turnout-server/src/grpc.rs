//! The gRPC door: TensorFlow Serving's services, health and reflection.
//!
//! From the wire inwards: [`connection`] speaks HTTP/2 and gives every stream a task, `stream` turns one stream into messages
//! and back, `call` is the seam above HTTP/2, and one file per method answers. Messages are read and written by `wire`, by
//! the numbers of the one table in `descriptors`.

mod body;
mod call;
mod classify;
mod compression;
pub(crate) mod connection;
mod descriptors;
mod execution;
mod health;
mod inputs;
mod liveness;
mod metadata;
mod model_metadata;
mod model_status;
mod multi_inference;
pub(crate) mod predict;
mod reflection;
mod reload_config;
mod response;
mod status;
mod stream;
mod target;
#[cfg(test)]
mod tests;
pub mod wire;

pub use descriptors::file_descriptor_set;
pub use status::status_name;
