//! Circuit breakers: how much of each resource a cluster may use, over all workers. A permit is given back when it
//! is dropped, so nothing that ends a stream early can leak one.

use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::ClusterView;
use crate::config::CircuitBreaker;

/// What a breaker counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    Connections,
    /// Requests that wait for a connection.
    PendingRequests,
    Requests,
}

impl Resource {
    pub const ALL: [Resource; 3] = [Resource::Connections, Resource::PendingRequests, Resource::Requests];
}

/// The counters of one cluster.
#[derive(Debug)]
pub struct Breaker {
    limits: [u32; 3],
    used: [AtomicU32; 3],
}

impl Breaker {
    pub fn new(limits: CircuitBreaker) -> Breaker {
        let limits = [limits.max_connections, limits.max_pending_requests, limits.max_requests];
        Breaker { limits, used: Default::default() }
    }

    pub fn limit(&self, resource: Resource) -> u32 {
        self.limits[resource as usize]
    }

    pub fn used(&self, resource: Resource) -> u32 {
        self.used[resource as usize].load(Relaxed)
    }

    /// No more of it may be had.
    pub fn is_open(&self, resource: Resource) -> bool {
        self.used(resource) >= self.limit(resource)
    }

    /// Takes one of `resource`, if there is one left.
    pub fn try_acquire(&self, resource: Resource) -> bool {
        let used = &self.used[resource as usize];
        // Add first, look after: two workers can then never both take the last one.
        if used.fetch_add(1, Relaxed) < self.limit(resource) {
            return true;
        }
        used.fetch_sub(1, Relaxed);
        false
    }

    /// Takes one of `resource`, beyond its limit if need be.
    fn acquire(&self, resource: Resource) {
        self.used[resource as usize].fetch_add(1, Relaxed);
    }

    fn release(&self, resource: Resource) {
        self.used[resource as usize].fetch_sub(1, Relaxed);
    }
}

/// One of a resource, given back on drop. It lives on one worker.
pub struct Permit {
    cluster: Rc<ClusterView>,
    resource: Resource,
}

impl Permit {
    pub fn try_new(cluster: &Rc<ClusterView>, resource: Resource) -> Option<Permit> {
        cluster.shared.breaker.try_acquire(resource).then(|| Permit::taken(cluster, resource))
    }

    /// For a connection where this worker has none, whatever the limit says: those that other workers keep idle cannot
    /// serve its requests, and nobody would tell it when one of them goes. So Envoy does.
    pub fn for_first_connection(cluster: &Rc<ClusterView>) -> Option<Permit> {
        if cluster.connections.get() > 0 {
            return None;
        }
        cluster.shared.breaker.acquire(Resource::Connections);
        Some(Permit::taken(cluster, Resource::Connections))
    }

    fn taken(cluster: &Rc<ClusterView>, resource: Resource) -> Permit {
        if resource == Resource::Connections {
            cluster.connections.set(cluster.connections.get() + 1);
        }
        Permit { cluster: cluster.clone(), resource }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.resource == Resource::Connections {
            self.cluster.connections.set(self.cluster.connections.get() - 1);
        }
        self.cluster.shared.breaker.release(self.resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breaker_opens_at_its_limit() {
        let breaker =
            Breaker::new(CircuitBreaker { max_connections: 2, max_pending_requests: 0, max_requests: u32::MAX });
        assert!(breaker.try_acquire(Resource::Connections));
        assert!(!breaker.is_open(Resource::Connections));
        assert!(breaker.try_acquire(Resource::Connections));
        assert!(breaker.is_open(Resource::Connections));
        assert!(!breaker.try_acquire(Resource::Connections));
        assert_eq!(breaker.used(Resource::Connections), 2, "a refusal takes nothing");
        breaker.release(Resource::Connections);
        assert!(breaker.try_acquire(Resource::Connections));
        assert!(!breaker.try_acquire(Resource::PendingRequests));
    }
}
