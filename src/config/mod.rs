//! The configuration as the operator wrote it, typed and complete: every default is filled in, every name
//! is checked. `text` reads JSON with positions, the files beside it hold one section each. Nothing here
//! opens a socket or a certificate: that is what the rest of the proxy makes of it.

mod access_log;
mod admin;
mod cidr;
mod cluster;
mod filter;
mod header_edits;
mod http;
mod listener;
mod matcher;
mod route;

use std::collections::BTreeMap;
use std::time::Duration;

pub use access_log::{AccessLog, LogFormat, LogPath};
pub use admin::Admin;
pub use cidr::Cidr;
pub use cluster::{CircuitBreaker, Cluster, Endpoint, LoadBalancing};
pub use filter::{Buffer, Cors, Fault, FaultAbort, FaultDelay, Filter, FilterOverride, HeaderMutation, LocalRateLimit};
pub use header_edits::{HeaderEdits, HeaderTemplate};
pub use http::{EscapedSlashes, Http, ServerHeader, Underscores, Upgrade};
pub use listener::{Listener, Protocol};
pub use matcher::{Matcher, Pattern};
pub use route::{
    Action, HostPattern, Match, PathMatch, PathPattern, Redirect, Respond, Rewrite, Route, WeightedCluster,
};

/// One configuration file.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub node: Node,
    pub workers: Workers,
    pub admin: Option<Admin>,
    /// How long a drain waits for requests in flight. Default 30 s.
    pub drain_time: Duration,
    /// Reload when the file changes. Default false.
    pub watch: bool,
    /// Most downstream connections over all listeners. `None`: half of the open-file limit.
    pub max_connections: Option<u64>,
    /// For every listener that has none of its own. Default: none.
    pub access_log: Vec<AccessLog>,
    pub listeners: Vec<Listener>,
    pub clusters: BTreeMap<String, Cluster>,
}

/// Who this proxy is, for its operators.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Node {
    pub id: String,
    pub cluster: String,
    pub zone: String,
}

/// How many worker threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Workers {
    /// One for each CPU the process may run on.
    #[default]
    Auto,
    /// 1 to 1024.
    Count(usize),
}
