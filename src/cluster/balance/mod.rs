//! Load balancing. A balancer belongs to one worker and knows its hosts by index; chance and load are
//! arguments.

mod least_request;
mod picker;
mod random;
mod rendezvous;
mod round_robin;
mod sticky;
mod turns;
mod xx_hash;

pub use least_request::LeastRequest;
pub use picker::{PickCx, Picker};
pub use random::Random;
pub use rendezvous::{Rendezvous, hash};
pub use round_robin::RoundRobin;
pub use sticky::sticky_id;
pub(super) use xx_hash::mix;
pub use xx_hash::xx_hash;

use crate::config::LoadBalancing;

/// The balancer of one cluster on one worker.
pub enum Balancer {
    RoundRobin(RoundRobin),
    LeastRequest(LeastRequest),
    Random(Random),
}

impl Balancer {
    /// `weights`: one for each host, at least 1.
    pub fn new(policy: LoadBalancing, weights: &[u32], rng: &mut fastrand::Rng) -> Balancer {
        match policy {
            LoadBalancing::RoundRobin => Balancer::RoundRobin(RoundRobin::new(weights, rng)),
            LoadBalancing::LeastRequest(_) => Balancer::LeastRequest(LeastRequest::new(weights)),
            _ => Balancer::Random(Random::new(weights)),
        }
    }

    /// The host for the next request; `None` where there is no host. `active`: requests in flight by host.
    pub fn pick(&mut self, rng: &mut fastrand::Rng, active: impl Fn(usize) -> u32) -> Option<usize> {
        match self {
            Balancer::RoundRobin(balancer) => balancer.pick(),
            Balancer::LeastRequest(balancer) => balancer.pick(rng, active),
            Balancer::Random(balancer) => balancer.pick(rng),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shares of `rounds` picks among three hosts of weight 1, 2 and 5.
    fn shares(policy: LoadBalancing, rounds: usize) -> [f64; 3] {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut balancer = Balancer::new(policy, &[1, 2, 5], &mut rng);
        let mut counts = [0usize; 3];
        for _ in 0..rounds {
            counts[balancer.pick(&mut rng, |_| 0).unwrap()] += 1;
        }
        counts.map(|count| count as f64 / rounds as f64)
    }

    #[test]
    fn weights_are_shares() {
        for (policy, tolerance) in [(LoadBalancing::RoundRobin, 0.0), (LoadBalancing::Random, 0.01)] {
            for (share, expected) in shares(policy, 80_000).into_iter().zip([0.125, 0.25, 0.625]) {
                assert!((share - expected).abs() <= tolerance, "{policy:?}: {share} for {expected}");
            }
        }
    }

    #[test]
    fn no_hosts_no_pick() {
        let mut rng = fastrand::Rng::with_seed(1);
        for policy in
            [LoadBalancing::RoundRobin, LoadBalancing::LeastRequest(Default::default()), LoadBalancing::Random]
        {
            assert_eq!(Balancer::new(policy, &[], &mut rng).pick(&mut rng, |_| 0), None);
        }
    }
}
