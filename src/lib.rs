//! The proxy: everything that touches sockets, clocks and threads.

pub mod runtime;
pub mod stats;
