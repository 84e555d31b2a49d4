//! How many hosts a cluster has, for those who only ask for numbers.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::{Health, Host};

/// Written by the control thread with each plan.
#[derive(Debug, Default)]
pub struct Membership {
    total: AtomicU32,
    healthy: AtomicU32,
    degraded: AtomicU32,
}

impl Membership {
    /// `healthy` and `degraded` hosts are others.
    pub fn set(&self, total: u32, healthy: u32, degraded: u32) {
        self.total.store(total, Relaxed);
        self.healthy.store(healthy, Relaxed);
        self.degraded.store(degraded, Relaxed);
    }

    pub fn total(&self) -> u32 {
        self.total.load(Relaxed)
    }

    pub fn healthy(&self) -> u32 {
        self.healthy.load(Relaxed)
    }

    pub fn degraded(&self) -> u32 {
        self.degraded.load(Relaxed)
    }

    pub(crate) fn count<'h>(&self, hosts: impl Iterator<Item = &'h Host>) {
        let (mut total, mut healthy, mut degraded) = (0, 0, 0);
        for host in hosts {
            total += 1;
            healthy += u32::from(host.health() == Health::Healthy);
            degraded += u32::from(host.health() == Health::Degraded);
        }
        self.set(total, healthy, degraded);
    }

    /// At least `percent` of the hosts serve, be it degraded. A cluster without hosts serves nobody: only 0 % of it do.
    pub fn has(&self, percent: f64) -> bool {
        self.is_share(self.healthy().saturating_add(self.degraded()), percent)
    }

    /// The same of hosts that are not degraded.
    pub fn has_healthy(&self, percent: f64) -> bool {
        self.is_share(self.healthy(), percent)
    }

    fn is_share(&self, hosts: u32, percent: f64) -> bool {
        let (hosts, total) = (f64::from(hosts), f64::from(self.total()));
        percent <= 0.0 || total > 0.0 && hosts * 100.0 >= percent * total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_hosts() {
        let rows = [
            ((0, 0, 0), 0.0, true),
            ((0, 0, 0), 0.1, false),
            ((4, 2, 0), 50.0, true),
            ((4, 1, 1), 50.0, true),
            ((4, 2, 0), 50.1, false),
            ((3, 3, 0), 100.0, true),
            ((3, 2, 0), 100.0, false),
            ((3, 0, 0), 0.0, true),
        ];
        for ((total, healthy, degraded), percent, expected) in rows {
            let membership = Membership::default();
            membership.set(total, healthy, degraded);
            assert_eq!(membership.has(percent), expected, "{membership:?} {percent}");
        }
    }
}
