//! Whole-proxy tests: real sockets on loopback, a client and an upstream played byte by byte. One behaviour a file.

#![allow(clippy::unwrap_used, reason = "tests")]

mod harness;

mod keep_alive;
