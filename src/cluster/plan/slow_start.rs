//! Slow start: a host that has just become healthy gets less than its weight, for a while (Envoy, "Slow start mode").

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cluster::{Health, Host};
use crate::config::{Balancing, LoadBalancing, SlowStart};

/// Weights are finer where one is in its slow start.
const SCALE: f64 = 1000.0;
/// How often the weights follow the clock.
const STEPS: u32 = 50;
const SHORTEST_STEP: Duration = Duration::from_millis(100);

/// The hosts of one plan that are in their slow start.
pub(super) struct SlowStarts {
    /// By place in the plan: the part of its weight that it gets. Empty: all get all.
    factors: Vec<f64>,
    next_change: Option<Instant>,
}

impl SlowStarts {
    pub(super) fn new(hosts: &[Arc<Host>], settings: &Balancing, now: Instant) -> SlowStarts {
        let none = SlowStarts { factors: Vec::new(), next_change: None };
        let applies = matches!(settings.policy, LoadBalancing::RoundRobin | LoadBalancing::LeastRequest(_));
        let Some(slow_start) = settings.slow_start.as_ref().filter(|_| applies) else { return none };
        let factors: Vec<f64> = hosts.iter().map(|host| factor(host, slow_start, now)).collect();
        if factors.iter().all(|&factor| factor == 1.0) {
            return none;
        }
        let step = (slow_start.window / STEPS).max(SHORTEST_STEP);
        SlowStarts { factors, next_change: now.checked_add(step) }
    }

    pub(super) fn next_change(&self) -> Option<Instant> {
        self.next_change
    }

    /// The weights of these hosts, at least 1 each.
    pub(super) fn weights(&self, hosts: &[Arc<Host>], members: &[u32]) -> Vec<u32> {
        let is_slow = |&member: &u32| self.factors.get(member as usize).is_some_and(|&factor| factor < 1.0);
        if !members.iter().any(is_slow) {
            return members.iter().map(|&member| hosts[member as usize].weight()).collect();
        }
        let weight = |&member: &u32| {
            let factor = self.factors.get(member as usize).copied().unwrap_or(1.0);
            ((f64::from(hosts[member as usize].weight()) * factor * SCALE) as u32).max(1)
        };
        members.iter().map(weight).collect()
    }
}

/// The part of its weight that a host gets. 0 to 1.
fn factor(host: &Host, slow_start: &SlowStart, now: Instant) -> f64 {
    let Some(since) = host.healthy_since().filter(|_| host.health() != Health::Unhealthy) else { return 1.0 };
    let elapsed = now.saturating_duration_since(since);
    if elapsed >= slow_start.window {
        return 1.0;
    }
    // As Envoy: at least a second has passed, for a host that starts with nothing would never be tried.
    let elapsed = elapsed.max(Duration::from_secs(1)).min(slow_start.window);
    let time = elapsed.as_secs_f64() / slow_start.window.as_secs_f64();
    time.powf(1.0 / slow_start.aggression).max(slow_start.min_weight_percent / 100.0).min(1.0)
}
