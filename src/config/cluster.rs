//! `clusters`: groups of endpoints that serve the same thing.

use std::time::Duration;

use crate::runtime::net::Addr;

#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    pub endpoints: Vec<Endpoint>,
    pub load_balancing: LoadBalancing,
    /// TCP connect. Default 5 s.
    pub connect_timeout: Duration,
    /// An idle connection is closed after this. Default 60 s; `None` is "off".
    pub idle_timeout: Option<Duration>,
    /// Idle connections kept by each worker, over all hosts. Default 1024.
    pub max_idle_connections: usize,
    /// A connection is closed after this many requests. `None`: never.
    pub max_requests_per_connection: Option<u64>,
    pub circuit_breaker: CircuitBreaker,
}

/// `"host:port"` or `{ "address": "host:port", "weight": 1 }`.
#[derive(Debug, Clone, PartialEq)]
pub struct Endpoint {
    pub address: Addr,
    /// 1 to 128. Default 1.
    pub weight: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LoadBalancing {
    #[default]
    RoundRobin,
    LeastRequest,
    Random,
}

/// Limits over all workers. Beyond them: 503 with response flag `UO`, at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitBreaker {
    /// Default 1024.
    pub max_connections: u32,
    /// Requests that wait for a connection. Default 1024.
    pub max_pending_requests: u32,
    /// Default 1024.
    pub max_requests: u32,
}
