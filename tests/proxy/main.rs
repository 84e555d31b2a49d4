//! Whole-proxy tests: real sockets on loopback, a client and an upstream played byte by byte. One behaviour a file.

#![allow(clippy::unwrap_used, reason = "tests")]

mod harness;

mod access_log;
mod affinity;
mod attempt_count;
mod back_pressure;
mod balance;
mod bodyless;
mod cancel;
mod certs;
mod chains;
mod circuit_breaker;
mod client_tls_auth;
mod connect;
mod connect_failure;
mod discovery;
mod drain;
mod duplex;
mod early_response;
mod expect;
mod explain;
mod filters;
mod grpc;
mod h2;
mod health;
mod hop_by_hop;
mod keep_alive;
mod outlier;
mod proxy_protocol;
mod race;
mod refused;
mod retry;
mod routes;
mod runtime_values;
mod shadow;
mod sockets;
mod stale_pool;
mod tcp;
mod tcp_tunnel;
mod timeouts;
mod tls;
mod truncation;
mod udp;
mod upgrade;
