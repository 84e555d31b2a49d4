//! Whole-proxy tests: real sockets on loopback, a client and an upstream played byte by byte. One behaviour a file.

#![allow(clippy::unwrap_used, reason = "tests")]

mod harness;

mod back_pressure;
mod bodyless;
mod cancel;
mod connect;
mod duplex;
mod early_response;
mod expect;
mod keep_alive;
mod stale_pool;
mod truncation;
mod upgrade;
