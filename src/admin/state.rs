//! What the admin server knows of the process, and what it may ask of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::cluster::Host;
use crate::config::{CircuitBreaker, Node};
use crate::explain::{Explanation, Question};
use crate::runtime::net::Addr;
use crate::runtime_values::{Entry, Refusal};
use crate::stats::{Filter, Snapshot};
use crate::tls::CertificateInfo;

/// The process, as operators see it. Lives on the control thread; methods return at once, changes may go on behind.
pub trait AdminState {
    fn info(&self) -> ServerInfo;

    /// All numbers; gauges of the process (uptime, memory, circuit breakers) are brought up to date first.
    fn stats(&self, filter: &Filter) -> Snapshot;

    fn clusters(&self) -> Vec<ClusterStatus>;

    fn listeners(&self) -> Vec<ListenerStatus>;

    fn certificates(&self) -> Vec<CertificateStatus>;

    /// The running configuration as a JSON text, every default filled in. It names secrets by path and holds none.
    fn config_dump(&self) -> String;

    fn reset_counters(&self);

    /// Opens the access logs again by their names.
    fn reopen_logs(&self);

    /// What would become of a request now.
    fn explain(&self, question: &Question) -> Explanation;

    /// Runtime values, in the order of their keys.
    fn runtime(&self) -> Vec<Entry>;

    /// Changes the operators' layer of runtime values, all or nothing; an empty value takes a key out of it.
    fn modify_runtime(&self, changes: &[(String, String)]) -> Result<(), Refusal>;

    /// Listeners take no more connections; existing ones end as in a drain, with or without `graceful`.
    fn drain_listeners(&self, graceful: bool);

    /// `/healthcheck/fail` and `/healthcheck/ok`: a failed server is not ready, and says so to load balancers in front.
    fn set_healthy(&self, healthy: bool);

    /// Ends the process as SIGTERM does. Called after the answer has been sent.
    fn quit(&self);
}

/// Whether the process serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerState {
    Live,
    /// It drains, or its health was set to failed.
    Draining,
    /// The first configuration is not in force yet.
    Initializing,
}

impl ServerState {
    /// Envoy's word.
    pub fn as_str(self) -> &'static str {
        match self {
            ServerState::Live => "LIVE",
            ServerState::Draining => "DRAINING",
            ServerState::Initializing => "INITIALIZING",
        }
    }

    /// Envoy's number: the gauge `server.state`.
    pub fn number(self) -> i64 {
        match self {
            ServerState::Live => 0,
            ServerState::Draining => 1,
            ServerState::Initializing => 3,
        }
    }
}

/// `/server_info`
#[derive(Debug, Clone)]
pub struct ServerInfo {
    pub state: ServerState,
    pub version: &'static str,
    pub uptime: Duration,
    pub workers: usize,
    pub node: Node,
    /// The configuration file.
    pub config_path: String,
}

/// One cluster of `/clusters`.
#[derive(Debug, Clone)]
pub struct ClusterStatus {
    pub name: Arc<str>,
    pub circuit_breaker: CircuitBreaker,
    pub hosts: Vec<Arc<Host>>,
}

/// Certificates of one listener or cluster, for `/certs`.
#[derive(Debug, Clone)]
pub struct CertificateStatus {
    pub owner: CertificateOwner,
    /// Whom it believes, if a file says.
    pub authorities: Vec<CertificateInfo>,
    /// What it shows.
    pub own: Vec<CertificateInfo>,
}

/// Whose certificates they are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum CertificateOwner {
    /// By the name of the listener's chain.
    Listener(Arc<str>),
    Cluster(Arc<str>),
}

impl fmt::Display for CertificateOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CertificateOwner::Listener(name) => write!(f, "listener {name}"),
            CertificateOwner::Cluster(name) => write!(f, "cluster {name}"),
        }
    }
}

/// One listener of `/listeners`.
#[derive(Debug, Clone)]
pub struct ListenerStatus {
    pub name: Arc<str>,
    /// As bound: with the port that the kernel chose.
    pub address: Addr,
}
