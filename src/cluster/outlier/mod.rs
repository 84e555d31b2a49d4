//! Outlier detection: hosts that fail their clients, or are far slower than their peers, are ejected for a while.
//!
//! * `counters`: what workers note of each try ([`Counters::on_result`]); it stands in the [`Host`].
//! * `detector`: who is ejected, and for how long. Sans-IO.
//! * `statistics`: what sets a host apart from its peers.
//! * `events`: who is told.
//! * [`Outliers`]: all of it for one cluster, on the control thread. Its owner calls [`Outliers::look`] when the cluster's
//!   signal is raised, and when the last look said.

mod counters;
mod detector;
mod events;
mod statistics;
#[cfg(test)]
mod simulation;

use std::sync::Arc;
use std::time::{Instant, SystemTime};

pub use counters::{Counters, Outcome, Verdict};
pub use detector::{Action, Detector, Event, Finding};

use self::events::Events;
use super::{Cluster, Host};
use crate::access_log::LineLog;
use crate::stats::{OutlierStats, Registry, Scope};

/// What the control thread and operators share of it.
pub struct ClusterOutliers {
    pub stats: Arc<Scope<OutlierStats>>,
    /// Where events go, if they are logged.
    pub log: Option<LineLog>,
}

impl ClusterOutliers {
    pub(super) fn new(cluster: &str, registry: &mut Registry, workers: usize) -> ClusterOutliers {
        let stats = registry.scope::<OutlierStats>(&format!("cluster.{cluster}.outlier_detection"), workers);
        ClusterOutliers { stats, log: None }
    }
}

impl Cluster {
    /// A worker has seen the end of a try. Costs nothing where outliers are not looked for.
    pub fn on_result(&self, host: &Host, outcome: Outcome) {
        if let Some(config) = &self.config.outlier_detection
            && host.outlier.on_result(config, outcome) == Verdict::Suspect
        {
            self.signal.raise();
        }
    }
}

/// The outliers among one cluster's hosts.
pub struct Outliers {
    detector: Detector,
    events: Events,
    rng: fastrand::Rng,
}

impl Outliers {
    /// `None`: nobody looks for outliers in this cluster.
    pub fn new(cluster: &Cluster, now: Instant) -> Option<Outliers> {
        let (config, shared) = cluster.config.outlier_detection.clone().zip(cluster.outliers.as_ref())?;
        Some(Outliers {
            events: Events::new(&cluster.name, shared.stats.control(), shared.log.as_ref()),
            detector: Detector::new(config, now),
            rng: fastrand::Rng::new(),
        })
    }

    /// Ejects hosts and lets them back, by [`super::Flag::Ejected`]. `hosts` are all of the cluster. Says when to look again.
    pub fn look(&mut self, hosts: &[Arc<Host>], now: Instant, time: SystemTime) -> Instant {
        for event in self.detector.look(hosts, now, &mut self.rng) {
            self.events.tell(&event, time);
        }
        self.events.count_ejected(hosts);
        self.detector.next_deadline()
    }
}
