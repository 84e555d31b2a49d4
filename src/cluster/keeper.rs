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

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::discovery::{self, Found};
use super::health::Checks;
use super::roster::Roster;
use super::{Cluster, Flag, Host, Identity, Plan};
use crate::config::Discovery;
use crate::dns::Resolver;
use crate::runtime::control::{self, Control, Owned};

/// Between two plans.
const PAUSE: Duration = Duration::from_millis(10);

/// Keeps a cluster until it is dropped.
pub struct Keeper(#[expect(dead_code, reason = "it lives as long as this")] Owned);

impl Keeper {
    pub fn start(control: &Control, cluster: &Arc<Cluster>, resolver: &Resolver) -> Keeper {
        let (hosts, found) = (cluster.hosts(), Rc::default());
        let mut keeping = Keeping {
            _discovery: discovery::start(control, cluster, &hosts, resolver, &found),
            found,
            checks: Checks::new(cluster),
            checking: BTreeMap::new(),
            roster: Roster::new(hosts, cluster.config.health_check.is_some()),
            published: Vec::new(),
            control: control.clone(),
            cluster: cluster.clone(),
        };
        keeping.forget_what_nobody_finds();
        if cluster.config.discovery == Discovery::Static {
            let named: Vec<_> =
                cluster.config.endpoints.iter().filter_map(|it| Some((it.identity()?, it.weight))).collect();
            keeping.on_named(&named);
        }
        Keeper(control.spawn_owned(keeping.run()))
    }
}

struct Keeping {
    cluster: Arc<Cluster>,
    roster: Roster,
    /// What discovery says, if the hosts are to be found.
    found: Rc<Found>,
    _discovery: Option<Owned>,
    checks: Option<Rc<Checks>>,
    /// By the address of the host in memory, which lives at least as long.
    checking: BTreeMap<*const Host, Owned>,
    /// What the last plan was made of.
    published: Vec<(*const Host, u32, u32)>,
    control: Control,
}

impl Keeping {
    async fn run(mut self) {
        loop {
            let deadline = self.look(control::now());
            control::sleep(PAUSE).await;
            let raised = self.cluster.signal.raised();
            match deadline {
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(control::now());
                    control::timeout(left, raised).await;
                }
                None => raised.await,
            }
        }
    }

    /// Hosts of a cluster that this one replaces may be marked by what is not there any more.
    fn forget_what_nobody_finds(&self) {
        if self.checks.is_some() {
            return;
        }
        for host in self.roster.hosts() {
            for flag in [Flag::FailedActive, Flag::Unchecked, Flag::Degraded] {
                host.set(flag, false);
            }
        }
    }

    /// Discovery has spoken.
    fn on_named(&mut self, named: &[(Identity, u32)]) {
        let change = self.roster.name(named);
        if change.added + change.removed > 0 {
            self.cluster.stats.control().membership_change.inc();
            let name = &self.cluster.name;
            log::debug!("cluster {name}: {} hosts added, {} removed", change.added, change.removed);
        }
    }

    /// Looks at all that may have changed, and publishes a plan if anything has. Says when to look again, whatever happens.
    fn look(&mut self, _now: Instant) -> Option<Instant> {
        if let Some(named) = self.found.take() {
            self.on_named(&named);
        }
        self.note_passive_failures();
        self.roster.release();
        self.check_hosts();
        let is = |host: &Arc<Host>| (Arc::as_ptr(host), host.flags(), host.weight());
        let made_of: Vec<_> = self.roster.hosts().iter().map(is).collect();
        if made_of != self.published {
            self.cluster.publish(Plan { hosts: self.roster.hosts().to_vec() });
            self.published = made_of;
        }
        None
    }

    /// Every host has its checks, and no other.
    fn check_hosts(&mut self) {
        let Some(checks) = &self.checks else { return };
        let mut before = std::mem::take(&mut self.checking);
        for host in self.roster.hosts() {
            let cluster = self.cluster.clone();
            let start = || {
                let changed = move || cluster.signal.raise();
                self.control.spawn_owned(checks.clone().check_host(host.clone(), changed))
            };
            let task = before.remove(&Arc::as_ptr(host)).unwrap_or_else(start);
            self.checking.insert(Arc::as_ptr(host), task);
        }
    }

    /// Hosts that workers have marked because a response said so.
    fn note_passive_failures(&self) {
        let (Some(checks), Some(health)) = (&self.checks, &self.cluster.health) else { return };
        while let Ok(host) = health.failures.try_recv() {
            checks.on_passive_failure(&host);
        }
    }
}
