//! Tensors, signatures, the error catalogue, the seam's structs, and every decision of the data plane.
//!
//! Everything here is pure: no sockets, no threads, no clock of its own. What depends on time takes `now`.
#![forbid(unsafe_code)]

pub mod admission;
pub mod batch;
pub mod context;
pub mod curve;
pub mod dtype;
pub mod error;
pub mod event;
pub mod route;
pub mod scheduler;
pub mod signature;
pub mod snapshot;
pub mod tensor;
pub mod tfrecord;

pub use context::{Cancellation, Door, Priority, RequestContext, RequestId};
pub use dtype::DType;
pub use error::{Error, ErrorCode, Result};
pub use signature::{Signature, TensorSpec};
pub use tensor::{Shape, Tensor, Values};
