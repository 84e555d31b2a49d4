//! Active health checks: whether a host serves is found out by asking it.
//!
//! * `state`: what results make of a host, and when it is asked next. Sans-IO.
//! * `probe`: how it is asked, by the `type` of the check.
//! * `events`: who is told.
//! * [`Checks`]: the checks of one cluster on the control thread. Its owner spawns [`Checks::check_host`] for each host and
//!   drops the future with the host; told of a change, it plans anew.
//!
//! A host says that it is not healthy in a response to a client too (`x-envoy-immediate-health-check-fail`): the worker that
//! sees it calls [`ClusterHealth::on_response_head`], which marks the host and tells the owner by a channel.

mod events;
mod probe;
mod state;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nuncio_http::{HeaderId, ResponseHead};

pub use state::{Checker, Failure, Outcome, Transition};

use self::events::Events;
use self::probe::{Prober, Refusal};
use super::{Cluster, Flag, Host};
use crate::access_log::LineLog;
use crate::config::HealthCheck;
use crate::runtime::control::{self, Receiver, Semaphore, Sender};
use crate::stats::{Handle, HealthCheckStats, Registry, Scope};

/// Hosts that said so themselves and wait for the control thread.
const PASSIVE: usize = 256;

/// How often a check that waits for the first traffic of its cluster looks for it, at least.
const LOOK: Duration = Duration::from_secs(1);

/// What workers and the control thread share of the checks of a cluster.
pub struct ClusterHealth {
    pub stats: Arc<Scope<HealthCheckStats>>,
    /// Where events go, if they are logged.
    pub log: Option<LineLog>,
    failed: Sender<Arc<Host>>,
    /// Hosts that have just been marked because a response said so. The owner of [`Checks`] passes them on to
    /// [`Checks::on_passive_failure`].
    pub failures: Receiver<Arc<Host>>,
}

impl ClusterHealth {
    pub(super) fn new(cluster: &str, registry: &mut Registry, workers: usize) -> ClusterHealth {
        let (failed, failures) = control::channel(PASSIVE);
        let stats = registry.scope::<HealthCheckStats>(&format!("cluster.{cluster}.health_check"), workers);
        ClusterHealth { stats, log: None, failed, failures }
    }

    /// A worker has received a response from `host`. Says whether it has marked the host.
    pub fn on_response_head(&self, host: &Arc<Host>, head: &ResponseHead) -> bool {
        let fails =
            head.headers.contains(HeaderId::XEnvoyImmediateHealthCheckFail) && host.set(Flag::FailedActive, true);
        if fails {
            // Full: the host is marked, and nobody is told of this one.
            let _ = self.failed.try_send(host.clone());
        }
        fails
    }
}

/// How many checks run at once, over all clusters: beyond, they wait for each other. Its owner has the keepers of all clusters, and
/// hands it down.
#[derive(Clone)]
pub struct CheckLimit(Rc<Semaphore>);

impl CheckLimit {
    const MOST: usize = 256;
}

impl Default for CheckLimit {
    fn default() -> CheckLimit {
        CheckLimit(Rc::new(Semaphore::new(CheckLimit::MOST)))
    }
}

/// The checks of one cluster's hosts.
pub struct Checks {
    cluster: Arc<Cluster>,
    settings: Box<HealthCheck>,
    limit: CheckLimit,
    stats: Handle<HealthCheckStats>,
    events: Events,
    rng: RefCell<fastrand::Rng>,
    /// Some request has gone to the cluster.
    had_traffic: Cell<bool>,
}

impl Checks {
    /// `None`: the hosts of this cluster are not checked.
    pub fn new(cluster: &Arc<Cluster>, limit: &CheckLimit) -> Option<Rc<Checks>> {
        let (settings, health) = cluster.config.health_check.clone().zip(cluster.health.as_ref())?;
        let log = health.log.as_ref().zip(settings.log.as_ref());
        Some(Rc::new(Checks {
            stats: health.stats.control(),
            events: Events::new(&cluster.name, &settings.probe, log),
            rng: RefCell::new(fastrand::Rng::new()),
            had_traffic: Cell::new(false),
            cluster: cluster.clone(),
            limit: limit.clone(),
            settings,
        }))
    }

    /// Checks `host` until it is dropped, at once and then again and again. `changed` is called when its flags have
    /// changed.
    pub async fn check_host(self: Rc<Self>, host: Arc<Host>, changed: impl Fn()) {
        let mut checker = self.checker(&host);
        let mut prober = Prober::new(self.cluster.clone(), host.clone(), &self.settings, self.stats.clone());
        let mut counted = Counted::new(&self.stats);
        counted.set(checker.is_healthy(), host.has(Flag::Degraded));
        loop {
            self.wait(&checker).await;
            let result = {
                let _running = self.limit.0.acquire().await;
                self.stats.attempt.inc();
                // Boxed: most of the time there is no check, and then it should take no memory.
                Box::pin(prober.check(&self.settings)).await
            };
            let (outcome, why) = match result {
                Ok(outcome) => (outcome, String::new()),
                Err(Refusal { failure: Some(failure), why }) => (Outcome::Failed(failure), why),
                Err(Refusal { failure: None, why }) => {
                    // That says nothing of the host.
                    log::warn!("cluster {}: {} was not checked: {why}", self.cluster.name, host.address);
                    control::sleep(self.settings.interval).await;
                    continue;
                }
            };
            self.count(outcome);
            if checker.is_healthy() && host.has(Flag::FailedActive) {
                // What a response said meanwhile, and the cluster's owner has been told.
                checker.on_passive_failure();
            }
            let transition = checker.on_result(outcome, &self.settings, control::now(), &mut self.rng.borrow_mut());
            self.events.on_result(&host, outcome, transition, &why, control::system_time());
            host.last_check.set(outcome, control::system_time());
            host.set(Flag::FailedActive, !checker.is_healthy());
            if let Some(degraded) = transition.degraded {
                host.set(Flag::Degraded, degraded);
            }
            host.set(Flag::Unchecked, false);
            if matches!(outcome, Outcome::Healthy { .. }) {
                self.cluster.on_check_passed(&host);
            }
            counted.set(checker.is_healthy(), host.has(Flag::Degraded));
            if transition.is_change() {
                changed();
            }
        }
    }

    /// A response from `host` said that it is not healthy: see [`ClusterHealth::failures`].
    pub fn on_passive_failure(&self, host: &Host) {
        self.stats.failure.inc();
        self.stats.passive_failure.inc();
        self.events.on_passive_failure(host, control::system_time());
    }

    fn checker(&self, host: &Host) -> Checker {
        let (now, mut rng) = (control::now(), self.rng.borrow_mut());
        if host.has(Flag::Unchecked) {
            return Checker::new(&self.settings, now, &mut rng);
        }
        let (healthy, degraded) = (!host.has(Flag::FailedActive), host.has(Flag::Degraded));
        Checker::known(&self.settings, healthy, degraded, now, &mut rng)
    }

    /// Until the next check is due. Without traffic that is long from now, and traffic may begin.
    async fn wait(&self, checker: &Checker) {
        loop {
            let had_traffic = self.had_traffic();
            let pause = checker.due(had_traffic).saturating_duration_since(control::now());
            if pause.is_zero() {
                return;
            }
            let look = self.settings.interval.max(LOOK);
            control::sleep(if had_traffic { pause } else { pause.min(look) }).await;
        }
    }

    fn had_traffic(&self) -> bool {
        let had = || self.cluster.stats.any(|stats| stats.upstream_cx_total.get() > 0);
        // Counters may be reset; what was, was.
        if !self.had_traffic.get() {
            self.had_traffic.set(had());
        }
        self.had_traffic.get()
    }

    fn count(&self, outcome: Outcome) {
        match outcome {
            Outcome::Healthy { .. } => self.stats.success.inc(),
            Outcome::Failed(failure) => {
                self.stats.failure.inc();
                if matches!(failure, Failure::Network | Failure::Timeout) {
                    self.stats.network_failure.inc();
                }
            }
        }
    }
}

/// A host in the gauges; out of them when its checks end.
struct Counted<'a> {
    stats: &'a HealthCheckStats,
    healthy: bool,
    degraded: bool,
}

impl Counted<'_> {
    fn new(stats: &HealthCheckStats) -> Counted<'_> {
        Counted { stats, healthy: false, degraded: false }
    }

    fn set(&mut self, healthy: bool, degraded: bool) {
        self.stats.healthy.add(i64::from(healthy) - i64::from(self.healthy));
        self.stats.degraded.add(i64::from(degraded) - i64::from(self.degraded));
        (self.healthy, self.degraded) = (healthy, degraded);
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.set(false, false);
    }
}
