//! One request and its response, from route to log line. `run` is the whole story; the files beside it hold one
//! step each.

pub mod buffers;
mod attempt;
pub mod flush;
pub mod info;
pub mod edits;
mod ends;
mod grpc;
mod hash;
mod head;
mod hold;
mod race;
mod replay;
mod reply;
mod report;
mod request;
mod response;
mod retry;
mod run;
mod shadow;
mod timeouts;

pub use ends::{Downstream, Outcome};
pub use info::{ConnectionInfo, StreamInfo, Times};
pub use reply::DRAIN_LIMIT;
pub use run::Stream;

/// Bytes of one direction that may wait to be sent before more is pulled (table 1.8 of the limits).
pub const WATERMARK: usize = 32 * 1024;
