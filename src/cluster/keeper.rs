//! The control thread's side of one cluster: who its hosts are, how they are, and what workers may pick.
//!
//! ```text
//!   discovery ---names---> Roster --+
//!   active checks --flags--> Host --+--> Plan --Published--> workers, at their next pick
//!   outlier detection -----flags----+
//!   slow start: the plan itself says when it wants to be made anew
//! ```
//! One task, and everything it starts ends with it. Whoever changes something raises [`Cluster::signal`]; workers do so when a
//! host looks bad. Plans are made at most once in `PAUSE`, however much changes: a worker that picks by an old plan
//! picks a host that was good a moment ago, and retries are for that.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::discovery::{self, Found};
use super::health::{CheckLimit, Checks};
use super::outlier::{self, Outliers};
use super::roster::Roster;
use super::{Cluster, Flag, Host, Identity, LocalZones, Plan};
use crate::config::{self, Discovery};
use crate::dns::Resolver;
use crate::runtime::control::{self, Control, Owned};

/// Between two plans, at least.
const PAUSE: Duration = Duration::from_millis(10);
/// And so many times as long as the last one took: hash tables of many hosts are not all that the control thread has to do.
const SHARE: u32 = 10;
/// Workers have all taken a new plan within this time, be it at their sweep.
const REPLACED: Duration = Duration::from_secs(2);

/// Keeps a cluster until it is dropped.
pub struct Keeper(#[expect(dead_code, reason = "it lives as long as this")] Option<Owned>);

impl Keeper {
    pub fn start(control: &Control, cluster: &Arc<Cluster>, resolver: &Resolver, checks: &CheckLimit) -> Keeper {
        let (hosts, found) = (cluster.hosts(), Rc::default());
        let outliers = Outliers::new(cluster, control::now());
        let mut keeping = Box::new(Keeping {
            _discovery: discovery::start(control, cluster, &hosts, resolver, &found),
            found,
            checks: Checks::new(cluster, checks),
            checking: BTreeMap::new(),
            roster: Roster::new(hosts, cluster.config.health_check.is_some()),
            outliers,
            replaced: Vec::new(),
            published: MadeOf::default(),
            next_change: None,
            control: control.clone(),
            cluster: cluster.clone(),
        });
        // The cluster came with a plan of these hosts: another one is made when something is different.
        keeping.published = MadeOf { place: Default::default(), ..keeping.made_of() };
        cluster.membership.count(keeping.roster.hosts().iter().map(|host| &**host));
        keeping.next_change = cluster.plan.get().next_change;
        keeping.forget_what_nobody_finds();
        if cluster.config.discovery == Discovery::Static {
            let named: Vec<_> =
                cluster.config.endpoints.iter().filter_map(|it| Some((it.identity()?, it.weight))).collect();
            keeping.on_named(&named);
        }
        if is_fixed(&cluster.config) {
            keeping.look(control::now());
            return Keeper(None);
        }
        Keeper(Some(control.spawn_owned(keeping.run())))
    }
}

/// Nothing that happens to such a cluster changes who its hosts are, how they are or what they get: nobody has to look after it.
fn is_fixed(config: &config::Cluster) -> bool {
    matches!(config.discovery, Discovery::Static | Discovery::OriginalDst)
        && config.health_check.is_none()
        && config.outlier_detection.is_none()
        && config.balancing.slow_start.is_none()
        && config.balancing.zone_aware.is_none()
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
    published: MadeOf,
    /// When the next is due, whatever happens.
    next_change: Option<Instant>,
    control: Control,
    outliers: Option<Outliers>,
    /// Plans that workers may still pick by. To free one of thousands of hosts takes a while: the last reference is here.
    replaced: Vec<Arc<Plan>>,
}

/// All that a plan depends on, but time.
#[derive(Default, PartialEq)]
struct MadeOf {
    /// Each host with its flags and its weight.
    hosts: Vec<(*const Host, u32, u32)>,
    place: (Arc<str>, Option<LocalZones>),
}

impl Keeping {
    /// Boxed: a future holds what it is given more than once.
    async fn run(mut self: Box<Self>) {
        loop {
            let started = control::now();
            let deadline = self.look(started);
            let took = control::now().saturating_duration_since(started);
            control::sleep(PAUSE.max(took * SHARE)).await;
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
        if self.outliers.is_none() {
            outlier::forget(self.roster.hosts());
        }
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
    fn look(&mut self, now: Instant) -> Option<Instant> {
        if let Some(named) = self.found.take() {
            self.on_named(&named);
        }
        self.note_passive_failures();
        self.roster.release();
        self.check_hosts();
        let outliers = self.outliers.as_mut().map(|outliers| outliers.look(self.roster.hosts(), now).0);
        self.roster.hosts().iter().for_each(|host| host.look(now));
        let made_of = self.made_of();
        let is_time = self.next_change.is_some_and(|at| at <= now);
        if is_time || made_of != self.published {
            let (zone, local) = &made_of.place;
            let hosts = self.roster.hosts().to_vec();
            let plan = Plan::build(hosts, &self.cluster.config.balancing, zone, local.as_ref(), now);
            self.next_change = plan.next_change;
            self.replaced.push(self.cluster.publish(plan));
            self.published = made_of;
        }
        self.replaced.retain(|plan| Arc::strong_count(plan) > 1);
        let let_go = if self.replaced.is_empty() { None } else { now.checked_add(REPLACED) };
        [self.next_change, outliers, let_go].into_iter().flatten().min()
    }

    /// What a plan of now would be made of.
    fn made_of(&self) -> MadeOf {
        let is = |host: &Arc<Host>| (Arc::as_ptr(host), host.flags(), host.weight());
        let goes_by_zones = self.cluster.config.balancing.zone_aware.is_some();
        let place = if goes_by_zones { self.cluster.place.get() } else { Default::default() };
        MadeOf { hosts: self.roster.hosts().iter().map(is).collect(), place }
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
