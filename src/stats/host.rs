//! One endpoint, counted by all workers at once: a host's counters are few and each request touches one host.

use super::{SharedCounter, SharedGauge};

/// What `/clusters` says of an endpoint.
#[derive(Debug, Default)]
pub struct HostStats {
    pub cx_total: SharedCounter,
    pub cx_active: SharedGauge,
    pub cx_connect_fail: SharedCounter,
    pub rq_total: SharedCounter,
    pub rq_success: SharedCounter,
    pub rq_error: SharedCounter,
    pub rq_timeout: SharedCounter,
}

impl HostStats {
    /// A request was answered.
    pub fn answered(&self, status: u16) {
        if status >= 500 { self.rq_error.inc() } else { self.rq_success.inc() }
    }

    /// Each value under Envoy's name, in the order of Envoy's `/clusters`. `rq_active`: the host itself counts these.
    pub fn values(&self, rq_active: u32) -> [(&'static str, i64); 8] {
        let count = |counter: &SharedCounter| i64::try_from(counter.get()).unwrap_or(i64::MAX);
        [
            ("cx_active", self.cx_active.get()),
            ("cx_connect_fail", count(&self.cx_connect_fail)),
            ("cx_total", count(&self.cx_total)),
            ("rq_active", i64::from(rq_active)),
            ("rq_error", count(&self.rq_error)),
            ("rq_success", count(&self.rq_success)),
            ("rq_timeout", count(&self.rq_timeout)),
            ("rq_total", count(&self.rq_total)),
        ]
    }
}
