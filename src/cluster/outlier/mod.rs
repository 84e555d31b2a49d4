//! Outlier detection: hosts are judged by how they serve, and those that are unlike the others are ejected for a while.
//!
//! ```text
//!  worker: ClusterView::report --> Counters (atomics in the host) --so many in a row--> suspect, the keeper is woken
//!  control thread: Detector    --> suspects are looked at; each `interval` hosts are compared --> ejected
//!                                  their time is over, an active check went well, nobody else is left --> returned
//! ```
//! * `counters`: what workers count. A cluster without `outlier_detection` counts nothing.
//! * `compare`: which hosts are unlike the others. Arithmetic.
//! * `detector`: who is ejected and who returns. Sans-IO. It alone decides, so that limits hold exactly.
//! * `events`: who is told.

mod compare;
mod counters;
mod detector;
mod events;

use std::sync::Arc;
use std::time::Instant;

pub use self::counters::{Counters, Outcome, Verdict};
pub use self::detector::Detector;
pub use self::events::{Action, Event, Return};

use self::events::Events;
use super::{Cluster, ClusterView, Flag, Host, HostView};
use crate::access_log::LineLog;
use crate::runtime::control;
use crate::stats::{OutlierStats, Registry, Scope};

/// What a host is ejected for (Envoy's `OutlierEjectionType`; the latency is ours).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    Consecutive5xx,
    ConsecutiveGatewayFailure,
    ConsecutiveLocalOriginFailure,
    SuccessRate,
    LocalOriginSuccessRate,
    FailurePercentage,
    LocalOriginFailurePercentage,
    Latency,
}

impl Cause {
    /// Those that workers find.
    const CONSECUTIVE: [Cause; 3] =
        [Cause::Consecutive5xx, Cause::ConsecutiveGatewayFailure, Cause::ConsecutiveLocalOriginFailure];

    fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// What a cluster has for its outliers, where it detects them.
pub struct ClusterOutliers {
    pub stats: Arc<Scope<OutlierStats>>,
    /// Where events go, if they are logged.
    pub log: Option<LineLog>,
}

impl ClusterOutliers {
    pub(super) fn new(cluster: &str, registry: &mut Registry) -> ClusterOutliers {
        // Only the control thread counts.
        let stats = registry.scope::<OutlierStats>(&format!("cluster.{cluster}.outlier_detection"), 0);
        ClusterOutliers { stats, log: None }
    }
}

impl ClusterView {
    /// Somebody wants to know what comes of requests.
    #[inline]
    pub fn detects_outliers(&self) -> bool {
        self.shared.config.outlier_detection.is_some()
    }

    /// Something has come of a request to `host`.
    #[inline]
    pub fn report(&self, host: &HostView, outcome: Outcome) {
        let Some(settings) = &self.shared.config.outlier_detection else { return };
        if host.outlier.on_result(settings, outcome) == Verdict::Suspect {
            self.shared.signal.raise();
        }
    }
}

impl Cluster {
    /// An active check of `host` went well: where that ends an ejection, it ends.
    pub fn on_check_passed(&self, host: &Host) {
        let Some(settings) = &self.config.outlier_detection else { return };
        if settings.successful_active_health_check_uneject_host && host.has(Flag::Ejected) {
            host.outlier.on_check_passed();
            self.signal.raise();
        }
    }
}

/// Outlier detection of one cluster, on the control thread.
pub(super) struct Outliers {
    detector: Detector,
    events: Events,
    rng: fastrand::Rng,
}

impl Outliers {
    /// `None`: the cluster does without.
    pub(super) fn new(cluster: &Cluster, now: Instant) -> Option<Outliers> {
        let (settings, shared) = cluster.config.outlier_detection.clone().zip(cluster.outliers.as_ref())?;
        let events = Events::new(&cluster.name, shared);
        Some(Outliers { detector: Detector::new(*settings, now), events, rng: fastrand::Rng::new() })
    }

    /// Ejects and returns what is due. Says when to look again, and whether anything has changed.
    pub(super) fn look(&mut self, hosts: &[Arc<Host>], now: Instant) -> (Instant, bool) {
        let events = self.detector.look(hosts, now, &mut self.rng);
        self.events.tell(&events, control::system_time());
        self.events.count_active(hosts);
        let changed = events.iter().any(|event| event.is_change());
        (self.detector.next_deadline(), changed)
    }
}

/// Nobody judges these hosts any more: they take traffic like any other.
pub(super) fn forget(hosts: &[Arc<Host>]) {
    for host in hosts {
        if host.set(Flag::Ejected, false) {
            host.outlier.ejection().until = None;
        }
        host.outlier.set_success_rate(None);
    }
}

#[cfg(test)]
mod tests;
