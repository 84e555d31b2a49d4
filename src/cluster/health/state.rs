//! What the results of a host's checks make of it, and when it is checked next (Envoy's `HealthCheck` message). No I/O and no
//! clock: results, the time and chance are arguments.
//!
//! ```text
//!  Unhealthy --the first check of all succeeds, or `healthy_threshold` in a row----> Healthy
//!  Healthy   --`unhealthy_threshold` failures in a row, or one that is no slip-----> Unhealthy
//! ```

use std::time::{Duration, Instant};

use crate::config::HealthCheck;

/// What one check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// `degraded`: it asks to be spared.
    Healthy {
        degraded: bool,
    },
    Failed(Failure),
}

/// How a check failed (Envoy's `HealthCheckFailureType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The host says that it is not healthy.
    Active,
    /// It says so in a way that may pass: counts towards the threshold.
    Retriable,
    /// A response to a request of a client said so.
    Passive,
    /// It cannot be reached, or breaks the protocol.
    Network,
    /// It does not answer in time.
    Timeout,
}

/// What a result changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// It is healthy from now on, or no longer. `None`: as before.
    pub healthy: Option<bool>,
    /// The same of `degraded`.
    pub degraded: Option<bool>,
    /// It was the first check of this host.
    pub first: bool,
}

impl Transition {
    /// Somebody has to plan anew.
    pub fn is_change(&self) -> bool {
        self.healthy.is_some() || self.degraded.is_some() || self.first
    }
}

/// The pauses until the next check: it is due after the second, or after the first already if the cluster has had traffic by
/// then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pause {
    traffic: Duration,
    no_traffic: Duration,
}

/// The checks of one host.
#[derive(Debug)]
pub struct Checker {
    /// No result has come yet.
    first: bool,
    healthy: bool,
    degraded: bool,
    /// Results in a row that say the opposite of `healthy`.
    streak: u32,
    /// When the last check ended, or the host was added.
    since: Instant,
    pause: Pause,
}

impl Checker {
    /// A host that was added now. It is unhealthy until a check says otherwise.
    pub fn new(settings: &HealthCheck, now: Instant, rng: &mut fastrand::Rng) -> Checker {
        let pause = upto(settings.initial_jitter, rng);
        let pause = Pause { traffic: pause, no_traffic: pause };
        Checker { first: true, healthy: false, degraded: false, streak: 0, since: now, pause }
    }

    /// One that takes traffic already, or has been checked under other settings: what is known of it stays.
    pub fn known(
        settings: &HealthCheck,
        healthy: bool,
        degraded: bool,
        now: Instant,
        rng: &mut fastrand::Rng,
    ) -> Checker {
        Checker { first: false, healthy, degraded, ..Checker::new(settings, now, rng) }
    }

    /// When the next check is due. `had_traffic`: some request has gone to the cluster.
    pub fn due(&self, had_traffic: bool) -> Instant {
        self.since + if had_traffic { self.pause.traffic } else { self.pause.no_traffic }
    }

    pub fn is_healthy(&self) -> bool {
        self.healthy
    }

    /// A check has ended.
    pub fn on_result(
        &mut self,
        outcome: Outcome,
        settings: &HealthCheck,
        now: Instant,
        rng: &mut fastrand::Rng,
    ) -> Transition {
        let mut transition = Transition { healthy: None, degraded: None, first: self.first };
        let succeeded = matches!(outcome, Outcome::Healthy { .. });
        let at_once = match outcome {
            Outcome::Healthy { .. } => self.first,
            Outcome::Failed(failure) => matches!(failure, Failure::Active | Failure::Passive),
        };
        let threshold = if succeeded { settings.healthy_threshold } else { settings.unhealthy_threshold };
        if succeeded == self.healthy {
            self.streak = 0;
        } else {
            self.streak = self.streak.saturating_add(1);
            if at_once || self.streak >= threshold {
                self.healthy = succeeded;
                self.streak = 0;
                transition.healthy = Some(succeeded);
            }
        }
        if let Outcome::Healthy { degraded } = outcome
            && self.degraded != degraded
        {
            self.degraded = degraded;
            transition.degraded = Some(degraded);
        }
        self.first = false;
        self.since = now;
        self.pause = self.next_pause(succeeded, settings, rng);
        transition
    }

    /// A response to a client's request said that the host is not healthy. The next check is due as before.
    pub fn on_passive_failure(&mut self) -> Transition {
        let was_healthy = std::mem::replace(&mut self.healthy, false);
        self.streak = 0;
        Transition { healthy: was_healthy.then_some(false), degraded: None, first: false }
    }

    fn next_pause(&self, succeeded: bool, settings: &HealthCheck, rng: &mut fastrand::Rng) -> Pause {
        let traffic = match (self.healthy, succeeded) {
            (true, true) => settings.interval,
            (true, false) => settings.unhealthy_edge_interval,
            (false, true) => settings.healthy_edge_interval,
            (false, false) => settings.unhealthy_interval,
        };
        let no_traffic = if self.healthy { settings.no_traffic_healthy_interval } else { settings.no_traffic_interval };
        Pause { traffic: jittered(traffic, settings, rng), no_traffic: jittered(no_traffic, settings, rng) }
    }
}

/// A pause with both jitters on it.
fn jittered(pause: Duration, settings: &HealthCheck, rng: &mut fastrand::Rng) -> Duration {
    // At most all of it: a duration of the configuration is a year at most.
    let share = pause.mul_f64((settings.interval_jitter_percent / 100.0).clamp(0.0, 1.0));
    pause.saturating_add(upto(share, rng)).saturating_add(upto(settings.interval_jitter, rng))
}

/// A random time from 0 to this, in whole microseconds.
fn upto(most: Duration, rng: &mut fastrand::Rng) -> Duration {
    Duration::from_micros(rng.u64(0..=u64::try_from(most.as_micros()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests;
