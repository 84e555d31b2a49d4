//! Circuit breakers: how much of each resource a cluster may use, over all workers, for each of two priorities. A permit is
//! given back when it is dropped, so nothing that ends a stream early can leak one.

use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::{ClusterView, Host, HostView};
use crate::config::{CircuitBreaker, Priority, RetryLimit, Thresholds};
use crate::stats::ClusterStats;

/// What a breaker counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    Connections,
    /// Requests that wait for a connection.
    PendingRequests,
    Requests,
    /// Requests that have failed and are tried again, from that decision to the end of the last try.
    Retries,
}

impl Resource {
    pub const ALL: [Resource; 4] =
        [Resource::Connections, Resource::PendingRequests, Resource::Requests, Resource::Retries];
}

/// The counters of one cluster.
#[derive(Debug)]
pub struct Breaker {
    /// By priority.
    circuits: [Circuit; 2],
    host_connections: Option<u32>,
}

/// Those of one priority.
#[derive(Debug)]
struct Circuit {
    limits: Thresholds,
    used: [AtomicU32; 4],
}

impl Breaker {
    pub fn new(config: CircuitBreaker) -> Breaker {
        let circuit = |limits| Circuit { limits, used: Default::default() };
        let host_connections = config.per_host.max_connections;
        Breaker { circuits: [circuit(config.default), circuit(config.high)], host_connections }
    }

    fn circuit(&self, priority: Priority) -> &Circuit {
        &self.circuits[priority as usize]
    }

    /// The most there may be now: a budget for retries follows the requests.
    pub fn limit(&self, priority: Priority, resource: Resource) -> u32 {
        self.circuit(priority).limit(resource)
    }

    pub fn used(&self, priority: Priority, resource: Resource) -> u32 {
        self.circuit(priority).used(resource)
    }

    /// Over both priorities.
    pub fn used_in_all(&self, resource: Resource) -> u32 {
        self.circuits.iter().fold(0, |sum, circuit| sum.saturating_add(circuit.used(resource)))
    }

    /// No more of it may be had.
    pub fn is_open(&self, priority: Priority, resource: Resource) -> bool {
        self.used(priority, resource) >= self.limit(priority, resource)
    }

    /// No more of it may be had by requests of some priority.
    pub fn is_open_for_any(&self, resource: Resource) -> bool {
        Priority::ALL.into_iter().any(|priority| self.is_open(priority, resource))
    }

    /// Takes one of `resource`, if there is one left.
    pub fn try_acquire(&self, priority: Priority, resource: Resource) -> bool {
        let circuit = self.circuit(priority);
        let used = &circuit.used[resource as usize];
        // Add first, look after: two workers can then never both take the last one.
        let before = used.fetch_add(1, Relaxed);
        if before < circuit.limit(resource) {
            return true;
        }
        used.fetch_sub(1, Relaxed);
        false
    }

    pub(super) fn release(&self, priority: Priority, resource: Resource) {
        self.circuit(priority).used[resource as usize].fetch_sub(1, Relaxed);
    }

    /// The host has as many connections as it may have.
    pub fn is_full(&self, host: &Host) -> bool {
        self.host_connections.is_some_and(|most| host.connections() >= most)
    }

    /// Brings the gauges up to date.
    pub fn report(&self, stats: &ClusterStats) {
        let [default, high] = Priority::ALL.map(|priority| {
            Resource::ALL.map(|resource| {
                let (limit, used) = (self.limit(priority, resource), self.used(priority, resource));
                (i64::from(used >= limit), i64::from(limit.saturating_sub(used)))
            })
        });
        let [connections, pending, requests, retries] = default;
        stats.circuit_breakers_cx_open.set(connections.0);
        stats.circuit_breakers_rq_pending_open.set(pending.0);
        stats.circuit_breakers_rq_open.set(requests.0);
        stats.circuit_breakers_rq_retry_open.set(retries.0);
        stats.circuit_breakers_remaining_cx.set(connections.1);
        stats.circuit_breakers_remaining_pending.set(pending.1);
        stats.circuit_breakers_remaining_rq.set(requests.1);
        stats.circuit_breakers_remaining_retries.set(retries.1);
        let [connections, pending, requests, retries] = high;
        stats.circuit_breakers_high_cx_open.set(connections.0);
        stats.circuit_breakers_high_rq_pending_open.set(pending.0);
        stats.circuit_breakers_high_rq_open.set(requests.0);
        stats.circuit_breakers_high_rq_retry_open.set(retries.0);
        stats.circuit_breakers_high_remaining_cx.set(connections.1);
        stats.circuit_breakers_high_remaining_pending.set(pending.1);
        stats.circuit_breakers_high_remaining_rq.set(requests.1);
        stats.circuit_breakers_high_remaining_retries.set(retries.1);
    }
}

impl Circuit {
    fn used(&self, resource: Resource) -> u32 {
        self.used[resource as usize].load(Relaxed)
    }

    fn limit(&self, resource: Resource) -> u32 {
        match (resource, self.limits.retries) {
            (Resource::Connections, _) => self.limits.max_connections,
            (Resource::PendingRequests, _) => self.limits.max_pending_requests,
            (Resource::Requests, _) => self.limits.max_requests,
            (Resource::Retries, RetryLimit::MaxRetries(most)) => most,
            (Resource::Retries, RetryLimit::RetryBudget(budget)) => {
                // A request that waits for a connection holds its permit already: all that are there are counted. Those that
                // become retries are no first tries: so many may that the rest is what they are a share of.
                let percent = budget.budget_percent;
                // From 0 to 100 percent of a u32: it fits.
                let share = (f64::from(self.used(Resource::Requests)) * percent / (100.0 + percent)) as u32;
                share.max(budget.min_retry_concurrency)
            }
        }
    }
}

/// One of a resource, given back on drop. It lives on one worker.
pub struct Permit {
    cluster: Rc<ClusterView>,
    priority: Priority,
    resource: Resource,
    /// The host whose connections count it too.
    host: Option<Rc<HostView>>,
}

impl Permit {
    pub fn try_new(cluster: &Rc<ClusterView>, priority: Priority, resource: Resource) -> Option<Permit> {
        let breaker = &cluster.shared.breaker;
        let permit = || Permit { cluster: cluster.clone(), priority, resource, host: None };
        breaker.try_acquire(priority, resource).then(permit)
    }

    /// A connection to `host`, within the limits of its cluster and its own.
    pub fn try_connection(cluster: &Rc<ClusterView>, priority: Priority, host: &Rc<HostView>) -> Option<Permit> {
        let mut permit = Permit::try_new(cluster, priority, Resource::Connections)?;
        if let Some(most) = cluster.shared.breaker.host_connections {
            if !host.try_connect(most) {
                return None;
            }
            permit.host = Some(host.clone());
        }
        Some(permit)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.cluster.shared.breaker.release(self.priority, self.resource);
        if let Some(host) = &self.host {
            host.disconnect();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::cluster::Identity;
    use crate::config::{HostThresholds, RetryBudget};

    fn breaker(default: Thresholds) -> Breaker {
        Breaker::new(CircuitBreaker { default, ..CircuitBreaker::default() })
    }

    #[test]
    fn a_breaker_opens_at_its_limit() {
        let breaker = breaker(Thresholds {
            max_connections: 2,
            max_pending_requests: 0,
            max_requests: u32::MAX,
            retries: RetryLimit::MaxRetries(1),
        });
        let acquire = |resource| breaker.try_acquire(Priority::Default, resource);
        assert!(acquire(Resource::Connections));
        assert!(!breaker.is_open(Priority::Default, Resource::Connections));
        assert!(acquire(Resource::Connections));
        assert!(breaker.is_open(Priority::Default, Resource::Connections));
        assert!(!acquire(Resource::Connections));
        assert_eq!(breaker.used(Priority::Default, Resource::Connections), 2, "a refusal takes nothing");
        breaker.release(Priority::Default, Resource::Connections);
        assert!(acquire(Resource::Connections));
        assert!(!acquire(Resource::PendingRequests));
        assert!(acquire(Resource::Retries) && !acquire(Resource::Retries));
    }

    #[test]
    fn priorities_do_not_take_from_each_other() {
        let few = Thresholds { max_requests: 1, ..Thresholds::default() };
        let breaker = Breaker::new(CircuitBreaker { default: few, high: few, ..CircuitBreaker::default() });
        for priority in Priority::ALL {
            assert!(breaker.try_acquire(priority, Resource::Requests), "{priority:?}");
            assert!(!breaker.try_acquire(priority, Resource::Requests), "{priority:?}");
        }
        assert_eq!(breaker.used_in_all(Resource::Requests), 2);
        breaker.release(Priority::High, Resource::Requests);
        assert!(!breaker.is_open(Priority::High, Resource::Requests));
        assert!(breaker.is_open_for_any(Resource::Requests));
    }

    #[test]
    fn a_budget_is_a_share_of_the_first_tries() {
        let budget = |budget_percent, min_retry_concurrency| {
            let retries = RetryLimit::RetryBudget(RetryBudget { budget_percent, min_retry_concurrency });
            breaker(Thresholds { retries, ..Thresholds::default() })
        };
        let most = |breaker: &Breaker| {
            let mut count = 0;
            while breaker.try_acquire(Priority::Default, Resource::Retries) {
                count += 1;
            }
            assert!(breaker.is_open(Priority::Default, Resource::Retries));
            (0..count).for_each(|_| breaker.release(Priority::Default, Resource::Retries));
            count
        };
        for (percent, least, requests, expected) in [
            (20.0, 3, 0, 3),
            (20.0, 3, 18, 3),
            // 20 of 120 requests are in a retry: 20 percent of the other 100.
            (20.0, 3, 120, 20),
            // The eighth would be one of 39 others.
            (20.0, 0, 47, 7),
            (20.0, 0, 48, 8),
            (0.0, 0, 1000, 0),
            (0.0, 2, 1000, 2),
            (100.0, 0, 1000, 500),
            (0.5, 0, 1000, 4),
        ] {
            let breaker = budget(percent, least);
            (0..requests).for_each(|_| assert!(breaker.try_acquire(Priority::Default, Resource::Requests)));
            assert_eq!(most(&breaker), expected, "{percent} {least} {requests}");
        }
    }

    #[test]
    fn a_host_has_no_more_connections_than_it_may() {
        let config = CircuitBreaker { per_host: HostThresholds { max_connections: Some(2) }, ..Default::default() };
        let (breaker, host) = (Breaker::new(config), Host::new(Identity::of("192.0.2.1:80".parse().unwrap()), 1));
        assert!(host.try_connect(2) && !breaker.is_full(&host));
        assert!(host.try_connect(2) && breaker.is_full(&host));
        assert!(!host.try_connect(2));
        host.disconnect();
        assert!(!breaker.is_full(&host));
        assert!(!Breaker::new(CircuitBreaker::default()).is_full(&host), "no limit by default");
    }

    #[test]
    fn threads_never_have_more_than_the_limit() {
        const LIMIT: u32 = 7;
        let breaker = Arc::new(breaker(Thresholds { max_requests: LIMIT, ..Thresholds::default() }));
        let (held, over) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
        let threads: Vec<_> = (0..4)
            .map(|seed| {
                let (breaker, held, over) = (breaker.clone(), held.clone(), over.clone());
                std::thread::spawn(move || {
                    let (mut rng, mut mine, mut taken) = (fastrand::Rng::with_seed(seed), 0, 0);
                    for _ in 0..100_000 {
                        if mine > 0 && rng.bool() {
                            held.fetch_sub(1, Relaxed);
                            breaker.release(Priority::Default, Resource::Requests);
                            mine -= 1;
                        } else if breaker.try_acquire(Priority::Default, Resource::Requests) {
                            // Counted within the permit: never more than there are permits.
                            over.fetch_or(held.fetch_add(1, Relaxed) >= LIMIT, Relaxed);
                            (mine, taken) = (mine + 1, taken + 1);
                        }
                    }
                    held.fetch_sub(mine, Relaxed);
                    (0..mine).for_each(|_| breaker.release(Priority::Default, Resource::Requests));
                    taken
                })
            })
            .collect();
        let taken: u32 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert!(!over.load(Relaxed));
        assert!(taken > 1000, "{taken}");
        assert_eq!(breaker.used(Priority::Default, Resource::Requests), 0);
    }
}
