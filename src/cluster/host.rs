//! One endpoint of a cluster, shared by all workers.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::runtime::net::Addr;
use crate::stats::HostStats;

/// An endpoint and what all workers know of it.
#[derive(Debug)]
pub struct Host {
    pub address: Addr,
    /// 1 to 128.
    pub weight: u32,
    /// Requests in flight, over all workers.
    active_requests: AtomicU32,
    pub stats: HostStats,
}

impl Host {
    pub fn new(address: Addr, weight: u32) -> Host {
        Host { address, weight, active_requests: AtomicU32::new(0), stats: HostStats::default() }
    }

    pub fn active_requests(&self) -> u32 {
        self.active_requests.load(Relaxed)
    }

    pub(crate) fn request_started(&self) {
        self.active_requests.fetch_add(1, Relaxed);
    }

    pub(crate) fn request_ended(&self) {
        self.active_requests.fetch_sub(1, Relaxed);
    }
}
