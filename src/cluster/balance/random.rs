//! Weighted random choice.

/// Sums of the weights up to each host; a random number falls into one of the intervals.
pub struct Random {
    sums: Vec<u64>,
}

impl Random {
    pub fn new(weights: &[u32]) -> Random {
        let sums = weights.iter().scan(0, |sum, &weight| {
            *sum += u64::from(weight.max(1));
            Some(*sum)
        });
        Random { sums: sums.collect() }
    }

    pub fn pick(&self, rng: &mut fastrand::Rng) -> Option<usize> {
        let total = *self.sums.last()?;
        let drawn = rng.u64(..total);
        Some(self.sums.partition_point(|&sum| sum <= drawn))
    }
}
