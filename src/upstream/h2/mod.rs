//! HTTP/2 towards a host: a connection carries many streams, and is opened once for all that wait for it.
//!
//! ```text
//!  first request: Acquire connects, the others wait in `Connections`
//!    | connected, and the host's SETTINGS are here: until then the first request alone is on it
//!    v
//!  Open: in `Connections`, found by every request of this worker; its own task (`connection`) moves the bytes
//!    | GOAWAY, `max_requests_per_connection`, the cluster is gone: takes no further streams
//!    v
//!  Draining: what is in flight goes on
//!    | the last stream is gone, idle for too long, broken
//!    v
//!  closed, and out of `Connections`
//! ```

mod connection;
mod exchange;
mod host;

pub use connection::Connection;
pub use exchange::Exchange;
pub use host::{Connections, Wait};
