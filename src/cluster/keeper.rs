//! The control thread's side of one cluster: who its hosts are, how they are, and what workers may pick.
//!
//! ```text
//!   discovery ---names---> Roster --+
//!   active checks --flags--> Host --+--> Plan --Published--> workers, at their next pick
//!   outlier detection -----flags----+
//!   slow start: the plan itself says when it wants to be made anew
//! ```
//! One task, and everything it starts ends with it. Whoever changes something raises [`Cluster::signal`]; workers do so when a
//! host looks bad. Plans are made at most once in [`PAUSE`], however much changes: a worker that picks by an old plan
//! picks a host that was good a moment ago, and retries are for that.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::outlier::{self, Outliers};
use super::roster::Roster;
use super::{Cluster, Host, Identity, Plan};
use crate::config::Discovery;
use crate::runtime::control::{self, Control, Owned};

/// Between two plans.
const PAUSE: Duration = Duration::from_millis(10);

/// Keeps a cluster until it is dropped.
pub struct Keeper(#[expect(dead_code, reason = "it lives as long as this")] Owned);

impl Keeper {
    pub fn start(control: &Control, cluster: &Arc<Cluster>) -> Keeper {
        let hosts = cluster.hosts();
        let outliers = Outliers::new(cluster, control::now());
        if outliers.is_none() {
            outlier::forget(&hosts);
        }
        let mut keeping = Keeping { roster: Roster::new(hosts, false), outliers, cluster: cluster.clone() };
        if cluster.config.discovery == Discovery::Static {
            let named: Vec<_> = cluster.config.endpoints.iter().map(|it| (it.identity(), it.weight)).collect();
            keeping.on_named(&named);
        }
        Keeper(control.spawn_owned(keeping.run()))
    }
}

struct Keeping {
    cluster: Arc<Cluster>,
    roster: Roster,
    outliers: Option<Outliers>,
}

impl Keeping {
    async fn run(mut self) {
        let mut raised = true;
        loop {
            let deadline = self.look(control::now(), raised);
            control::sleep(PAUSE).await;
            let signal = self.cluster.signal.raised();
            raised = match deadline {
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(control::now());
                    control::timeout(left, signal).await.is_some()
                }
                None => {
                    signal.await;
                    true
                }
            };
        }
    }

    /// Discovery has spoken.
    fn on_named(&mut self, named: &[(Identity, u32)]) {
        let change = self.roster.name(named);
        let stats = self.cluster.stats.control();
        if change.is_nothing() {
            return;
        }
        if change.added + change.removed > 0 {
            stats.membership_change.inc();
            let name = &self.cluster.name;
            log::debug!("cluster {name}: {} hosts added, {} removed", change.added, change.removed);
        }
    }

    /// Looks at all that may have changed, and publishes a plan if something has; `raised`: somebody says so. Says when to
    /// look again, whatever happens.
    fn look(&mut self, now: Instant, raised: bool) -> Option<Instant> {
        self.roster.release();
        let hosts: Vec<Arc<Host>> = self.roster.hosts().to_vec();
        let looked = self.outliers.as_mut().map(|outliers| outliers.look(&hosts, now));
        if raised || looked.is_some_and(|(_, changed)| changed) {
            self.cluster.publish(Plan { hosts });
        }
        looked.map(|(deadline, _)| deadline)
    }
}
