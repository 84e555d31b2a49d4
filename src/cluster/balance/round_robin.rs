//! Weighted round robin, smooth: a heavy host's turns are spread over the round, not taken in a row.

/// Each pick adds every host's weight to its credit, takes the richest and charges it the sum of all weights.
pub struct RoundRobin {
    weights: Vec<i64>,
    credits: Vec<i64>,
    total: i64,
    /// With equal weights the turn is an index, and a pick costs nothing.
    equal: bool,
    next: usize,
}

impl RoundRobin {
    /// Starts at a random host, so that the workers do not all send their first request to the same one.
    pub fn new(weights: &[u32], rng: &mut fastrand::Rng) -> RoundRobin {
        let weights: Vec<i64> = weights.iter().map(|&weight| i64::from(weight.max(1))).collect();
        let equal = weights.windows(2).all(|pair| pair[0] == pair[1]);
        let next = if weights.is_empty() { 0 } else { rng.usize(..weights.len()) };
        RoundRobin { credits: vec![0; weights.len()], total: weights.iter().sum(), weights, equal, next }
    }

    pub fn pick(&mut self) -> Option<usize> {
        if self.equal {
            let count = self.weights.len();
            let pick = self.next;
            self.next = (pick + 1).checked_rem(count)?;
            return Some(pick);
        }
        let mut richest = 0;
        for at in 0..self.weights.len() {
            self.credits[at] += self.weights[at];
            if self.credits[at] > self.credits[richest] {
                richest = at;
            }
        }
        *self.credits.get_mut(richest)? -= self.total;
        Some(richest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_spread() {
        let mut balancer = RoundRobin::new(&[5, 1, 1], &mut fastrand::Rng::with_seed(1));
        let round: Vec<usize> = (0..7).filter_map(|_| balancer.pick()).collect();
        assert_eq!(round, [0, 0, 1, 0, 2, 0, 0]);
    }

    #[test]
    fn equal_weights_take_turns() {
        let mut balancer = RoundRobin::new(&[3, 3], &mut fastrand::Rng::with_seed(1));
        let first = balancer.pick().unwrap();
        assert_eq!(balancer.pick(), Some(1 - first));
        assert_eq!(balancer.pick(), Some(first));
    }
}
