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
    pub fn total(&self) -> u32 {
        self.total.load(Relaxed)
    }

    pub fn healthy(&self) -> u32 {
        self.healthy.load(Relaxed)
    }

    pub fn degraded(&self) -> u32 {
        self.degraded.load(Relaxed)
    }

    pub(super) fn count<'h>(&self, hosts: impl Iterator<Item = &'h Host>) {
        let (mut total, mut healthy, mut degraded) = (0, 0, 0);
        for host in hosts {
            total += 1;
            healthy += u32::from(host.health() == Health::Healthy);
            degraded += u32::from(host.health() == Health::Degraded);
        }
        self.total.store(total, Relaxed);
        self.healthy.store(healthy, Relaxed);
        self.degraded.store(degraded, Relaxed);
    }
}
