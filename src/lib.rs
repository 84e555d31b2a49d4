//! The proxy: everything that touches sockets, clocks and threads. The modules stand in the order in which a request
//! meets them; `README.md` tells its life.

pub mod config;
pub mod runtime;
pub mod runtime_values;

pub mod listener;
pub mod tls;
pub mod downstream;
pub mod stream;
pub mod route;
pub mod filter;
pub mod dns;
pub mod cluster;
pub mod upstream;
mod h2;
pub mod grpc;

pub mod access_log;
pub mod admin;
pub mod cli;
pub mod error;
pub mod explain;
mod order;
pub mod server;
pub mod stats;

#[cfg(test)]
mod mutation;
