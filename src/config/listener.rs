//! `listeners`: where traffic comes in.

use super::{AccessLog, Filter, Http, Route};
use crate::runtime::net::Addr;

#[derive(Debug, Clone, PartialEq)]
pub struct Listener {
    /// Unique. Default: the address.
    pub name: String,
    pub address: Addr,
    pub protocol: Protocol,
    pub http: Http,
    pub filters: Vec<Filter>,
    pub routes: Vec<Route>,
    /// `None`: the file's `access_log`.
    pub access_log: Option<Vec<AccessLog>>,
    /// Most connections over all workers. Default 10 000.
    pub max_connections: u64,
    /// Most connections waiting for accept. Default 4096.
    pub tcp_backlog_size: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    #[default]
    Http,
}
