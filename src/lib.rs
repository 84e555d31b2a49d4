//! The proxy: everything that touches sockets, clocks and threads.

pub mod config;
pub mod runtime;
