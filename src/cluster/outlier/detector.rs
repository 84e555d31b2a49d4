//! Which hosts are ejected, and for how long. Runs on the control thread, which alone decides: so the most hosts that may be
//! ejected are never exceeded.
//!
//! ```text
//!   failures in a row, told by workers --+
//!   success rate, failure percentage ----+--> enforced? --> serving without it? --> fewer ejected than may be? --> ejected
//!   and time of an interval -------------+       |no              |no                    |no                        |
//!                                            only told           told as overflow        |             its time is over, or
//!                                                                                                      a check passed: back
//! ```
//! The Nth ejection in a row takes N times as long; each interval that a host does well takes one from N.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::counters::{Sample, Share, Suspicion};
use super::statistics;
use crate::cluster::{Flag, Health, Host};
use crate::config::OutlierDetection;

/// Of one cluster.
pub struct Detector {
    config: OutlierDetection,
    /// Hosts that have been ejected, by their place in memory: each record holds its host.
    records: HashMap<*const Host, Record>,
    sweep_at: Instant,
}

struct Record {
    host: Arc<Host>,
    /// It comes back then, if it is ejected.
    until: Option<Instant>,
    /// Times `base_ejection_time` that the last ejection took.
    multiplier: u32,
    /// In all.
    ejections: u32,
    /// When it was last ejected or came back.
    acted: Instant,
}

/// What has been found of a host.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Finding {
    Consecutive5xx,
    ConsecutiveGatewayFailure,
    ConsecutiveLocalOriginFailure,
    /// In percent. `local`: of tries, and not of answers.
    SuccessRate {
        local: bool,
        rate: f64,
        mean: f64,
        limit: f64,
    },
    FailurePercentage {
        local: bool,
        success_rate: f64,
    },
    /// The mean of the host, and the median of its peers.
    Latency {
        mean: Duration,
        peers: Duration,
    },
}

/// What has been done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Action {
    /// For this long.
    Ejected(Finding, Duration),
    /// An ejection that is not enforced.
    Found(Finding),
    /// As many are ejected as may be, or no other host serves.
    Overflow(Finding),
    Returned,
}

#[derive(Debug, Clone)]
pub struct Event {
    pub host: Arc<Host>,
    pub action: Action,
    /// Ejections of the host so far.
    pub ejections: u32,
    /// Since it was last ejected or came back.
    pub since: Option<Duration>,
}

/// One look at the hosts.
struct Look<'a> {
    hosts: &'a [Arc<Host>],
    serving: usize,
    ejected: usize,
    now: Instant,
    rng: &'a mut Rng,
    events: Vec<Event>,
}

impl Detector {
    pub fn new(config: OutlierDetection, now: Instant) -> Detector {
        Detector { sweep_at: now + config.interval, config, records: HashMap::new() }
    }

    /// Looks at all `hosts` of the cluster: when a worker has called, and at [`Detector::next_deadline`].
    pub fn look(&mut self, hosts: &[Arc<Host>], now: Instant, rng: &mut Rng) -> Vec<Event> {
        let mut look = Look { hosts, serving: 0, ejected: 0, now, rng, events: Vec::new() };
        self.end_ejections(&mut look);
        for host in hosts {
            look.serving += usize::from(host.health() != Health::Unhealthy);
            look.ejected += usize::from(host.has(Flag::Ejected));
        }
        for host in hosts {
            for suspicion in host.outlier.take_suspicions() {
                let (finding, enforcing) = self.of_row(suspicion);
                self.find(&mut look, host, finding, enforcing);
            }
        }
        if now >= self.sweep_at {
            self.sweep_at = now + self.config.interval;
            self.sweep(&mut look);
        }
        look.events
    }

    /// When to look again, whatever happens.
    pub fn next_deadline(&self) -> Instant {
        self.records.values().filter_map(|record| record.until).fold(self.sweep_at, Instant::min)
    }

    /// Hosts come back whose time is over, or whose check passed. One that nobody here has ejected was so by a detector that is
    /// gone.
    fn end_ejections(&mut self, look: &mut Look<'_>) {
        for host in look.hosts {
            let passed = host.outlier.take_check_passed() && self.config.successful_active_health_check_uneject_host;
            if !host.has(Flag::Ejected) {
                continue;
            }
            match self.records.get_mut(&Arc::as_ptr(host)).filter(|record| record.until.is_some()) {
                Some(record) if passed || record.until.is_some_and(|until| until <= look.now) => {
                    record.until = None;
                    let since = Some(look.now.saturating_duration_since(record.acted));
                    record.acted = look.now;
                    let (host, ejections) = (host.clone(), record.ejections);
                    look.events.push(Event { host, action: Action::Returned, ejections, since });
                }
                Some(_) => continue,
                None => {}
            }
            host.outlier.clear();
            host.set(Flag::Ejected, false);
        }
    }

    fn of_row(&self, suspicion: Suspicion) -> (Finding, f64) {
        let config = &self.config;
        match suspicion {
            Suspicion::Consecutive5xx => (Finding::Consecutive5xx, config.enforcing_consecutive_5xx),
            Suspicion::ConsecutiveGatewayFailure => {
                (Finding::ConsecutiveGatewayFailure, config.enforcing_consecutive_gateway_failure)
            }
            Suspicion::ConsecutiveLocalOriginFailure => {
                (Finding::ConsecutiveLocalOriginFailure, config.enforcing_consecutive_local_origin_failure)
            }
        }
    }

    /// The end of an interval.
    fn sweep(&mut self, look: &mut Look<'_>) {
        let hosts: Vec<&Arc<Host>> = look.hosts.iter().collect();
        self.records.retain(|place, _| hosts.iter().any(|host| Arc::as_ptr(host) == *place));
        for record in self.records.values_mut().filter(|record| record.until.is_none()) {
            if look.now.saturating_duration_since(record.acted) >= self.config.interval {
                record.multiplier = record.multiplier.saturating_sub(1);
            }
        }
        // What the ejected do in their last requests is not what their peers are measured by.
        let sampled = hosts.iter().map(|host| (*host, host.outlier.take_sample()));
        let samples: Vec<(&Arc<Host>, Sample)> =
            sampled.filter(|(host, _)| host.health() != Health::Unhealthy).collect();
        let answers: Vec<(&Arc<Host>, Share)> = samples.iter().map(|(host, it)| (*host, it.answers)).collect();
        self.sweep_rates(look, &answers, false);
        if self.config.split_external_local_origin_errors {
            let local: Vec<(&Arc<Host>, Share)> = samples.iter().map(|(host, it)| (*host, it.local)).collect();
            self.sweep_rates(look, &local, true);
        }
        self.sweep_times(look, &samples);
    }

    fn sweep_rates(&mut self, look: &mut Look<'_>, shares: &[(&Arc<Host>, Share)], local: bool) {
        let config = &self.config;
        let with_volume = |volume: u32, least: u32| {
            let rates = shares.iter().filter(|(_, share)| share.total >= volume);
            let rates: Vec<(&Arc<Host>, f64, u32)> =
                rates.map(|(host, share)| (*host, share.success_rate(), share.total)).collect();
            if rates.len() >= least as usize { rates } else { Vec::new() }
        };
        let rated = with_volume(config.success_rate_request_volume, config.success_rate_minimum_hosts);
        let counted = with_volume(config.failure_percentage_request_volume, config.failure_percentage_minimum_hosts);
        let (enforcing_rate, enforcing_percentage) = match local {
            false => (config.enforcing_success_rate, config.enforcing_failure_percentage),
            true => (config.enforcing_local_origin_success_rate, config.enforcing_failure_percentage_local_origin),
        };
        let threshold = config.failure_percentage_threshold;
        let rates: Vec<(f64, u32)> = rated.iter().map(|(_, rate, total)| (*rate, *total)).collect();
        let (low, mean, limit) = statistics::low_rates(&rates, config.success_rate_stdev_factor);
        for at in low {
            let (host, rate, _) = rated[at];
            self.find(look, host, Finding::SuccessRate { local, rate, mean, limit }, enforcing_rate);
        }
        for (host, success_rate, _) in counted.into_iter().filter(|(_, rate, _)| 100.0 - rate >= threshold) {
            self.find(look, host, Finding::FailurePercentage { local, success_rate }, enforcing_percentage);
        }
    }

    fn sweep_times(&mut self, look: &mut Look<'_>, samples: &[(&Arc<Host>, Sample)]) {
        let Some(latency) = self.config.latency else { return };
        let timed = samples.iter().filter(|(_, sample)| sample.answered >= latency.request_volume);
        let (hosts, times): (Vec<&Arc<Host>>, Vec<Duration>) = timed.map(|(host, sample)| (*host, sample.mean)).unzip();
        if hosts.len() < latency.minimum_hosts as usize {
            return;
        }
        for (at, peers) in statistics::slow_times(&times, latency.factor, latency.floor) {
            self.find(look, hosts[at], Finding::Latency { mean: times[at], peers }, latency.enforcing);
        }
    }

    /// A host is an outlier: it is ejected, if that is to be.
    fn find(&mut self, look: &mut Look<'_>, host: &Arc<Host>, finding: Finding, enforcing: f64) {
        // It is out already, or nobody picks it anyway.
        if host.health() == Health::Unhealthy {
            return;
        }
        let action = if look.rng.f64() * 100.0 >= enforcing {
            Action::Found(finding)
        } else if look.serving < 2 || look.ejected >= self.most(look.hosts.len()) {
            Action::Overflow(finding)
        } else {
            Action::Ejected(finding, self.ejection_time(host, look))
        };
        let record = self.records.get_mut(&Arc::as_ptr(host));
        let (ejections, acted) = record.as_ref().map_or((0, None), |record| (record.ejections, Some(record.acted)));
        let since = acted.filter(|acted| *acted < look.now).map(|acted| look.now.duration_since(acted));
        let mut event = Event { host: host.clone(), action, ejections, since };
        if let Action::Ejected(_, time) = action {
            event.ejections += 1;
            self.eject(host, time, look);
        }
        look.events.push(event);
    }

    /// Most hosts of so many that may be ejected at once.
    fn most(&self, hosts: usize) -> usize {
        // From 0 to 100 percent of what fits.
        let share = (hosts as f64 * self.config.max_ejection_percent / 100.0) as usize;
        share.max(usize::from(self.config.always_eject_one_host))
    }

    /// How long the next ejection of `host` is.
    fn ejection_time(&self, host: &Arc<Host>, look: &mut Look<'_>) -> Duration {
        let config = &self.config;
        let multiplier = self.records.get(&Arc::as_ptr(host)).map_or(0, |record| record.multiplier);
        let time = config.base_ejection_time.saturating_mul(multiplier.saturating_add(1));
        let jitter = u64::try_from(config.max_ejection_time_jitter.as_millis()).unwrap_or(u64::MAX);
        let jitter = Duration::from_millis(look.rng.u64(..=jitter));
        time.min(config.max_ejection_time.max(config.base_ejection_time)) + jitter
    }

    fn eject(&mut self, host: &Arc<Host>, time: Duration, look: &mut Look<'_>) {
        let config = &self.config;
        let new = || Record { host: host.clone(), until: None, multiplier: 0, ejections: 0, acted: look.now };
        let record = self.records.entry(Arc::as_ptr(host)).or_insert_with(new);
        record.until = Some(look.now + time);
        record.acted = look.now;
        record.ejections = record.ejections.saturating_add(1);
        // Beyond the longest time more would only take longer to be forgotten.
        if config.base_ejection_time.saturating_mul(record.multiplier) < config.max_ejection_time {
            record.multiplier += 1;
        }
        record.host.set(Flag::Ejected, true);
        look.serving -= 1;
        look.ejected += 1;
    }
}
