//! Power of two choices: of two hosts drawn by weight, the one with less work for its weight. Nearly as even as
//! looking at all hosts, at the cost of two, and without the herd that runs to the one emptiest.

use super::Random;

pub struct LeastRequest {
    weights: Vec<u32>,
    draw: Random,
}

impl LeastRequest {
    pub fn new(weights: &[u32]) -> LeastRequest {
        LeastRequest { weights: weights.to_vec(), draw: Random::new(weights) }
    }

    pub fn pick(&self, rng: &mut fastrand::Rng, active: impl Fn(usize) -> u32) -> Option<usize> {
        let first = self.draw.pick(rng)?;
        let second = self.draw.pick(rng)?;
        // first/weight <= second/weight, without the division.
        let load = |host: usize, other: usize| (u64::from(active(host)) + 1) * u64::from(self.weights[other]);
        Some(if load(first, second) <= load(second, first) { first } else { second })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_follows_weight_and_avoids_the_busy() {
        let mut rng = fastrand::Rng::with_seed(3);
        let balancer = LeastRequest::new(&[1, 1, 2]);
        let mut active = [0u32; 3];
        // Requests that never end: the load must become proportional to the weight.
        for _ in 0..4000 {
            let host = balancer.pick(&mut rng, |host| active[host]).unwrap();
            active[host] += 1;
        }
        for (count, expected) in active.into_iter().zip([1000, 1000, 2000]) {
            assert!(count.abs_diff(expected) < 40, "{active:?}");
        }
        let picks = (0..1000).filter(|_| balancer.pick(&mut rng, |host| if host == 0 { 100 } else { 0 }) == Some(0));
        assert!(picks.count() < 120, "a busy host is taken only when drawn twice");
    }
}
