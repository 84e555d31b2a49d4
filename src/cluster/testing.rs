//! Hosts, plans and picks for the simulations of cluster policy.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::balance::{PickCx, Picker};
use super::{Flag, Health, Host, Identity, LocalZones, Plan};
use crate::config::Balancing;
use crate::stats::{ClusterStats, LazyHandle};

/// When simulations start.
#[allow(
    clippy::disallowed_methods,
    reason = "an instant cannot be had in another way, and which it is does not matter"
)]
pub(super) fn start() -> Instant {
    Instant::now()
}

/// One cluster on one worker.
pub(super) struct Sim {
    pub(super) hosts: Vec<Arc<Host>>,
    pub(super) settings: Balancing,
    pub(super) local: Option<LocalZones>,
    pub(super) now: Instant,
    pub(super) rng: fastrand::Rng,
    pub(super) stats: LazyHandle<ClusterStats>,
    pub(super) plan: Plan,
    picker: Picker,
}

/// What a host is like.
#[derive(Clone, Default)]
pub(super) struct Spec {
    pub(super) weight: u32,
    pub(super) priority: u32,
    pub(super) zone: &'static str,
    pub(super) metadata: &'static [(&'static str, &'static str)],
    pub(super) health: Option<Health>,
}

impl Spec {
    pub(super) fn weight(weight: u32) -> Spec {
        Spec { weight, ..Spec::default() }
    }

    pub(super) fn zone(zone: &'static str) -> Spec {
        Spec { zone, ..Spec::weight(1) }
    }

    /// So many of these.
    pub(super) fn times(self, count: usize) -> impl Iterator<Item = Spec> {
        std::iter::repeat_n(self, count)
    }

    fn host(&self, at: usize) -> Arc<Host> {
        let address = format!("192.0.{}.{}:80", 2 + at / 250, at % 250);
        let pairs = self.metadata.iter().map(|&(key, value)| (key.to_owned(), value.to_owned()));
        let identity = Identity {
            priority: self.priority,
            zone: Arc::from(self.zone),
            metadata: pairs.collect::<BTreeMap<_, _>>().into(),
            ..Identity::of(address.parse().unwrap())
        };
        let host = Host::new(identity, self.weight.max(1));
        set_health(&host, self.health.unwrap_or(Health::Healthy));
        Arc::new(host)
    }
}

pub(super) fn set_health(host: &Host, health: Health) {
    host.set(Flag::FailedActive, health == Health::Unhealthy);
    host.set(Flag::Degraded, health == Health::Degraded);
}

pub(super) fn hosts(specs: impl IntoIterator<Item = Spec>) -> Vec<Arc<Host>> {
    specs.into_iter().enumerate().map(|(at, spec)| spec.host(at)).collect()
}

impl Sim {
    pub(super) fn new(specs: impl IntoIterator<Item = Spec>, settings: Balancing, seed: u64) -> Sim {
        Sim::with_hosts(hosts(specs), settings, None, seed)
    }

    pub(super) fn with_hosts(hosts: Vec<Arc<Host>>, settings: Balancing, local: Option<LocalZones>, seed: u64) -> Sim {
        let (stats, now) = (LazyHandle::<ClusterStats>::detached(), start());
        let plan = Plan::build(hosts.clone(), &settings, "a", local.as_ref(), now);
        let picker = Picker::new(&settings, stats.clone());
        Sim { hosts, settings, local, now, rng: fastrand::Rng::with_seed(seed), stats, plan, picker }
    }

    /// Something changed: the plan is made anew.
    pub(super) fn rebuild(&mut self) {
        self.plan = Plan::build(self.hosts.clone(), &self.settings, "a", self.local.as_ref(), self.now);
    }

    pub(super) fn pick(&mut self, cx: &PickCx<'_>) -> Option<usize> {
        self.picker.pick(&self.plan, cx, &mut self.rng)
    }

    /// Picks by host.
    pub(super) fn counts(&mut self, picks: usize) -> Vec<usize> {
        self.counts_with(picks, |_| PickCx::default())
    }

    pub(super) fn counts_with<'a>(&mut self, picks: usize, cx: impl Fn(usize) -> PickCx<'a>) -> Vec<usize> {
        let mut counts = vec![0; self.hosts.len()];
        for at in 0..picks {
            if let Some(host) = self.pick(&cx(at)) {
                counts[host] += 1;
            }
        }
        counts
    }

    /// The part of the picks that each host gets.
    pub(super) fn shares(&mut self, picks: usize) -> Vec<f64> {
        self.counts(picks).into_iter().map(|count| count as f64 / picks as f64).collect()
    }
}

/// Each share is near to what is expected.
#[track_caller]
pub(super) fn assert_near(shares: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(shares.len(), expected.len(), "{what}");
    for (share, expected) in shares.iter().zip(expected) {
        assert!((share - expected).abs() <= tolerance, "{what}: {share} for {expected} in {shares:?}");
    }
}
