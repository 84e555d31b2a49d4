//! The proxy: everything that touches sockets, clocks and threads.

pub mod access_log;
pub mod runtime;
pub mod stats;
