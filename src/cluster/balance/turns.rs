//! Weighted turns: each host's next turn comes after a time that is the shorter the more it weighs; who is first in time is
//! next ("earliest deadline first", as Envoy's `EdfScheduler`). A heavy host's turns are spread over the round.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The time between the turns of a host of weight 1.
pub(super) const PERIOD: u64 = 1 << 40;
/// Beyond this the clock starts anew.
const LATE: u64 = 1 << 62;

pub(super) struct Turns {
    /// When, and who: a member of the group.
    heap: BinaryHeap<Reverse<(u64, u32)>>,
}

impl Turns {
    /// `periods`: the time between two turns of each host, 1 to `LATE`. Each host's first turn falls anywhere within its period,
    /// so that workers do not all start with the same host.
    pub(super) fn new(periods: impl Iterator<Item = u64>, rng: &mut fastrand::Rng) -> Turns {
        Turns { heap: (0..).zip(periods).map(|(at, period)| Reverse((rng.u64(..period.max(1)), at))).collect() }
    }

    /// Whose turn it is; it has the next one after the time that `period` gives.
    pub(super) fn next(&mut self, period: impl FnOnce(usize) -> u64) -> Option<usize> {
        let mut first = self.heap.peek_mut()?;
        let Reverse((time, at)) = *first;
        *first = Reverse((time + period(at as usize).clamp(1, LATE), at));
        // Puts it where it belongs.
        drop(first);
        if time > LATE {
            self.start_anew(time);
        }
        Some(at as usize)
    }

    /// What was `time` becomes zero.
    fn start_anew(&mut self, time: u64) {
        let heap = std::mem::take(&mut self.heap).into_vec();
        self.heap = heap.into_iter().map(|Reverse((at, host))| Reverse((at.saturating_sub(time), host))).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_spread_and_exact() {
        let weights = [5u64, 1, 1];
        for seed in 0..50 {
            let mut turns =
                Turns::new(weights.iter().map(|weight| PERIOD / weight), &mut fastrand::Rng::with_seed(seed));
            let mut counts = [0u64; 3];
            let mut in_a_row = 0;
            for round in 1..=7000 {
                let at = turns.next(|at| PERIOD / weights[at]).unwrap();
                counts[at] += 1;
                in_a_row = if at == 0 { in_a_row + 1 } else { 0 };
                assert!(in_a_row <= 5, "seed {seed}");
                if round % 7 == 0 {
                    for (count, weight) in counts.iter().zip(weights) {
                        assert!(count.abs_diff(round / 7 * weight) <= 2, "seed {seed}: {counts:?} after {round}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_clock_starts_anew_and_nobody_notices() {
        let mut turns = Turns::new([LATE / 4, LATE / 2].into_iter(), &mut fastrand::Rng::with_seed(1));
        let mut counts = [0u32; 2];
        for _ in 0..3000 {
            counts[turns.next(|at| if at == 0 { LATE / 4 } else { LATE / 2 }).unwrap()] += 1;
        }
        assert!(counts[0].abs_diff(2000) <= 2, "{counts:?}");
    }

    #[test]
    fn no_hosts_no_turn() {
        assert_eq!(Turns::new(std::iter::empty(), &mut fastrand::Rng::with_seed(1)).next(|_| 1), None);
    }
}
