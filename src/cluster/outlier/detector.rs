//! Who is ejected and who returns. Sans-IO: hosts, the time and chance are arguments.
//!
//! The rules, besides those of Envoy:
//! * The last host that serves is never ejected; when no other one is left, those that are ejected return.
//! * One host may go even if `max_ejection_percent` comes to none (`always_eject_one_host`).
//! * An ejection is one `base_ejection_time` longer than the last one. An interval in which the host has served well takes one
//!   off again; an interval without requests, or with failures mostly, does not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::compare::{failing, low, slow};
use super::counters::{Interval, Tally};
use super::events::{Action, Event, Finding, Return};
use super::{Cause, Flag, Host};
use crate::cluster::Health;
use crate::config::OutlierDetection;

/// Outlier detection of the hosts of one cluster. What it knows of a host stands in the host.
#[derive(Debug)]
pub struct Detector {
    settings: OutlierDetection,
    next_sweep: Instant,
    /// The first host returns then.
    next_return: Option<Instant>,
}

/// The requests of an interval that are judged together.
type Part = fn(&Interval) -> Tally;

/// How many hosts may be ejected.
struct Room {
    ejected: usize,
    /// Hosts that are taken.
    serving: usize,
    most: usize,
}

impl Detector {
    pub fn new(settings: OutlierDetection, now: Instant) -> Detector {
        Detector { next_sweep: now + settings.interval, next_return: None, settings }
    }

    /// When to look again, even if no worker has found anything.
    pub fn next_deadline(&self) -> Instant {
        self.next_return.map_or(self.next_sweep, |at| at.min(self.next_sweep))
    }

    /// Returns hosts whose time is over, looks at those that workers suspect, and compares all when that is due.
    pub fn look(&mut self, hosts: &[Arc<Host>], now: Instant, rng: &mut fastrand::Rng) -> Vec<Event> {
        let mut events = Vec::new();
        for host in hosts.iter().filter(|host| host.has(Flag::Ejected)) {
            let passed = host.outlier.take_check_passed();
            let over = host.outlier.ejection().until.is_none_or(|until| until <= now);
            if over {
                events.push(give_back(host, Return::TimeIsOver, now));
            } else if passed {
                events.push(give_back(host, Return::CheckPassed, now));
            }
        }
        let mut room = self.room(hosts);
        self.judge_suspects(hosts, &mut room, now, rng, &mut events);
        if self.next_sweep <= now {
            self.next_sweep = now + self.settings.interval;
            self.sweep(hosts, &mut room, now, rng, &mut events);
        }
        if hosts.iter().all(|host| host.health() == Health::Unhealthy) {
            // The others are gone. Of those that nobody else finds fault with, any is better than none.
            for host in hosts.iter().filter(|host| host.has(Flag::Ejected)) {
                events.push(give_back(host, Return::NobodyElse, now));
            }
        }
        self.next_return =
            hosts.iter().filter(|host| host.has(Flag::Ejected)).filter_map(|host| host.outlier.ejection().until).min();
        events
    }

    fn room(&self, hosts: &[Arc<Host>]) -> Room {
        let percent = self.settings.max_ejection_percent;
        let share = (hosts.len() as f64 * percent / 100.0) as usize;
        let one = usize::from(self.settings.always_eject_one_host && percent > 0.0);
        Room {
            ejected: hosts.iter().filter(|host| host.has(Flag::Ejected)).count(),
            serving: hosts.iter().filter(|host| host.health() != Health::Unhealthy).count(),
            most: share.max(one),
        }
    }

    fn judge_suspects(
        &self,
        hosts: &[Arc<Host>],
        room: &mut Room,
        now: Instant,
        rng: &mut fastrand::Rng,
        events: &mut Vec<Event>,
    ) {
        for host in hosts {
            for cause in Cause::CONSECUTIVE {
                // What an ejected host still does, it has begun before.
                if host.outlier.is_suspected(cause) && !host.has(Flag::Ejected) {
                    host.outlier.forget(cause);
                    self.judge(host, Finding::InARow(cause), room, now, rng, events);
                }
            }
        }
    }

    /// Compares the hosts, by the requests since the last time.
    fn sweep(
        &self,
        hosts: &[Arc<Host>],
        room: &mut Room,
        now: Instant,
        rng: &mut fastrand::Rng,
        events: &mut Vec<Event>,
    ) {
        let intervals: Vec<Interval> = hosts.iter().map(|host| host.outlier.take()).collect();
        let settings = &self.settings;
        for (host, interval) in hosts.iter().zip(&intervals) {
            let enough = interval.external.total >= settings.success_rate_request_volume;
            host.outlier.set_success_rate(enough.then(|| interval.external.success_rate()));
            let served_well = |tally: Tally| tally.total > 0 && tally.failed < tally.total.div_ceil(2);
            let judged = if interval.external.total > 0 { interval.external } else { interval.local };
            if !host.has(Flag::Ejected) && served_well(judged) {
                let mut ejection = host.outlier.ejection();
                ejection.multiplier = ejection.multiplier.saturating_sub(1);
            }
        }
        let mut found = Vec::new();
        let judged = |of: Part, least: u32| -> Vec<(usize, Tally)> {
            let all = intervals.iter().map(of).enumerate();
            all.filter(|(at, tally)| tally.total >= least && !hosts[*at].has(Flag::Ejected)).collect()
        };
        let kinds: [(Part, Cause, Cause); 2] = [
            (|interval| interval.external, Cause::SuccessRate, Cause::FailurePercentage),
            (|interval| interval.local, Cause::LocalOriginSuccessRate, Cause::LocalOriginFailurePercentage),
        ];
        for (of, by_rate, by_percentage) in kinds {
            let tallies = judged(of, settings.success_rate_request_volume);
            if tallies.len() >= settings.success_rate_minimum_hosts as usize {
                let low = low(&tallies, f64::from(settings.success_rate_stdev_factor) / 1000.0);
                found.extend(low.into_iter().map(|low| (low.at, Finding::low(by_rate, &low))));
            }
            let tallies = judged(of, settings.failure_percentage_request_volume);
            if tallies.len() >= settings.failure_percentage_minimum_hosts as usize {
                let failing = failing(&tallies, settings.failure_percentage_threshold);
                found.extend(
                    failing.into_iter().map(|(at, rate)| (at, Finding::Failing { cause: by_percentage, rate })),
                );
            }
        }
        if let Some(latency) = &settings.latency {
            let times = intervals
                .iter()
                .enumerate()
                .filter(|(at, interval)| interval.answers >= latency.request_volume && !hosts[*at].has(Flag::Ejected));
            let times: Vec<(usize, Duration)> = times.map(|(at, interval)| (at, interval.typical)).collect();
            if times.len() >= latency.minimum_hosts as usize {
                let slow = slow(&times, latency).into_iter();
                found.extend(slow.map(|it| (it.at, Finding::Slow { typical: it.typical, median: it.median })));
            }
        }
        for (at, finding) in found {
            self.judge(&hosts[at], finding, room, now, rng, events);
        }
    }

    /// A host is an outlier. It is ejected, if it may be.
    fn judge(
        &self,
        host: &Arc<Host>,
        finding: Finding,
        room: &mut Room,
        now: Instant,
        rng: &mut fastrand::Rng,
        events: &mut Vec<Event>,
    ) {
        if host.health() == Health::Unhealthy {
            // It takes nothing as it is.
            return;
        }
        let enforced = rng.f64() * 100.0 < self.enforcing(finding.cause());
        let full = room.ejected >= room.most || room.serving <= 1;
        let mut ejection = host.outlier.ejection();
        let since_last = ejection.changed.map(|at| now.saturating_duration_since(at));
        let action = if full {
            Action::Overflow(finding)
        } else if enforced {
            room.ejected += 1;
            room.serving -= 1;
            let base = self.settings.base_ejection_time;
            // Beyond the longest there is nothing to remember.
            if base.saturating_mul(ejection.multiplier) < self.settings.max_ejection_time {
                ejection.multiplier += 1;
            }
            let time = base.saturating_mul(ejection.multiplier).min(self.settings.max_ejection_time);
            let time = time + self.settings.max_ejection_time_jitter.mul_f64(rng.f64());
            ejection.until = Some(now + time);
            ejection.changed = Some(now);
            ejection.count += 1;
            host.set(Flag::Ejected, true);
            host.outlier.take_check_passed();
            Action::Ejected { finding, time }
        } else {
            Action::Detected(finding)
        };
        events.push(Event { host: host.clone(), action, since_last, count: ejection.count });
    }

    /// Percent.
    fn enforcing(&self, cause: Cause) -> f64 {
        let enforcing = &self.settings.enforcing;
        match cause {
            Cause::Consecutive5xx => enforcing.consecutive_5xx,
            Cause::ConsecutiveGatewayFailure => enforcing.consecutive_gateway_failure,
            Cause::ConsecutiveLocalOriginFailure => enforcing.consecutive_local_origin_failure,
            Cause::SuccessRate => enforcing.success_rate,
            Cause::LocalOriginSuccessRate => enforcing.local_origin_success_rate,
            Cause::FailurePercentage => enforcing.failure_percentage,
            Cause::LocalOriginFailurePercentage => enforcing.failure_percentage_local_origin,
            Cause::Latency => self.settings.latency.as_ref().map_or(0.0, |latency| latency.enforcing),
        }
    }
}

/// The host is no longer ejected, and what it did before does not count.
fn give_back(host: &Arc<Host>, why: Return, now: Instant) -> Event {
    host.set(Flag::Ejected, false);
    Cause::CONSECUTIVE.into_iter().for_each(|cause| host.outlier.forget(cause));
    host.outlier.take();
    let mut ejection = host.outlier.ejection();
    ejection.until = None;
    let since_last = ejection.changed.replace(now).map(|at| now.saturating_duration_since(at));
    Event { host: host.clone(), action: Action::Returned(why), since_last, count: ejection.count }
}
