//! Which of the hosts are unlike the others. Arithmetic only.

use std::time::Duration;

use super::counters::Tally;
use crate::config::LatencyOutliers;
use crate::order;

/// `-ln` of the chance at which luck alone makes an outlier of a host, per comparison: one in a million.
const LUCK: f64 = 13.8;

/// A host whose requests succeed less than the others'. Percent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Low {
    pub(super) at: usize,
    pub(super) rate: f64,
    pub(super) mean: f64,
    pub(super) threshold: f64,
}

/// Hosts whose rate of success is further below the mean than `factor` standard deviations (Envoy's rule), the worst first.
///
/// Among many hosts some are always that far below, by chance, and the deviation of hosts that hardly ever fail is next to
/// nothing. So a host must also have failed more often than one that is as good as the others ever does.
pub(super) fn low(hosts: &[(usize, Tally)], factor: f64) -> Vec<Low> {
    let count = hosts.len() as f64;
    let mean = hosts.iter().map(|(_, tally)| tally.success_rate()).sum::<f64>() / count;
    let variance = hosts.iter().map(|(_, tally)| (tally.success_rate() - mean).powi(2)).sum::<f64>() / count;
    let threshold = mean - factor * variance.sqrt();
    let sum = |of: fn(&Tally) -> u32| hosts.iter().map(|(_, tally)| f64::from(of(tally))).sum::<f64>();
    let (total, failed) = (sum(|tally| tally.total), sum(|tally| tally.failed));
    let unlucky = |tally: &Tally| {
        let (own, own_failed) = (f64::from(tally.total), f64::from(tally.failed));
        let others = (failed - own_failed) / (total - own).max(1.0);
        own_failed <= most_by_luck(own * others)
    };
    let mut low: Vec<Low> = hosts
        .iter()
        .map(|(at, tally)| (Low { at: *at, rate: tally.success_rate(), mean, threshold }, tally))
        .filter(|(low, tally)| low.rate < threshold && !unlucky(tally))
        .map(|(low, _)| low)
        .collect();
    order::sort_by(&mut low, |one, other| one.rate.total_cmp(&other.rate));
    low
}

/// Where so many failures are to be expected, there are hardly ever more than this (Bernstein's inequality).
fn most_by_luck(expected: f64) -> f64 {
    let third = LUCK / 3.0;
    expected + third + (third * third + 2.0 * LUCK * expected).sqrt()
}

/// Hosts of whose requests at least `threshold` percent fail, the worst first.
pub(super) fn failing(hosts: &[(usize, Tally)], threshold: f64) -> Vec<(usize, f64)> {
    let rates = hosts.iter().map(|(at, tally)| (*at, tally.success_rate()));
    let mut failing: Vec<(usize, f64)> = rates.filter(|(_, rate)| 100.0 - rate >= threshold).collect();
    order::sort_by(&mut failing, |(_, one), (_, other)| one.total_cmp(other));
    failing
}

/// A host that takes far longer than the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slow {
    pub(super) at: usize,
    pub(super) typical: Duration,
    /// Of the others.
    pub(super) median: Duration,
}

/// Hosts that take more than `factor` times the median of the others, and more than `floor`, the slowest first. `hosts`:
/// their typical response times.
pub(super) fn slow(hosts: &[(usize, Duration)], settings: &LatencyOutliers) -> Vec<Slow> {
    let mut sorted = hosts.to_vec();
    order::sort_by(&mut sorted, |(_, one), (_, other)| other.cmp(one));
    let mut slow = Vec::new();
    for (place, (at, typical)) in sorted.iter().enumerate() {
        let other = |nth: usize| sorted.get(nth + usize::from(nth >= place)).map(|(_, typical)| *typical);
        let others = sorted.len() - 1;
        // Where there are two in the middle, the slower one: it takes more to be an outlier.
        let Some(median) = other(others.saturating_sub(1) / 2) else { break };
        if *typical > settings.floor && typical.as_secs_f64() > settings.factor * median.as_secs_f64() {
            slow.push(Slow { at: *at, typical: *typical, median });
        }
    }
    slow
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tallies(failed: &[u32], total: u32) -> Vec<(usize, Tally)> {
        failed.iter().map(|failed| Tally { total, failed: *failed }).enumerate().collect()
    }

    #[test]
    fn a_host_that_fails_more_than_the_others() {
        let places =
            |failed: &[u32], factor| low(&tallies(failed, 1000), factor).iter().map(|low| low.at).collect::<Vec<_>>();
        let rows: &[(&[u32], f64, &[usize])] = &[
            (&[0, 0, 0, 0, 500], 1.9, &[4]),
            (&[0, 0, 0, 0, 500], 2.1, &[]),
            (&[0; 5], 1.9, &[]),
            (&[1000; 5], 1.9, &[]),
            // By Envoy's rule alone it would be one.
            (&[1, 1, 1, 1, 5], 1.9, &[]),
            (&[10, 0, 0, 300, 0, 10, 400, 10, 10, 10], 1.0, &[6, 3]),
        ];
        for (failed, factor, expected) in rows {
            assert_eq!(&places(failed, *factor), expected, "{failed:?}");
        }
        let [found] = low(&tallies(&[0, 0, 0, 0, 500], 1000), 1.9)[..] else { panic!("one") };
        assert_eq!((found.rate, found.mean, found.threshold), (50.0, 90.0, 52.0));
    }

    #[test]
    fn a_host_that_mostly_fails() {
        assert_eq!(failing(&tallies(&[0, 850, 1000, 849], 1000), 85.0), [(2, 0.0), (1, 15.0)]);
    }

    #[test]
    fn a_host_that_takes_far_longer() {
        let settings = LatencyOutliers { factor: 5.0, floor: Duration::from_millis(50), ..LatencyOutliers::default() };
        // Milliseconds of each host; who is slow, and the median of the others.
        type Row = (&'static [u64], &'static [(usize, u64)]);
        let rows: &[Row] = &[
            (&[10, 10, 60], &[(2, 10)]),
            (&[10, 60], &[(1, 10)]),
            (&[1, 1, 49], &[]),
            (&[20, 20, 20, 90], &[]),
            (&[10, 200, 10, 10, 300], &[(4, 10), (1, 10)]),
            (&[10, 30, 151], &[(2, 30)]),
            (&[10, 300, 300], &[]),
            (&[100], &[]),
        ];
        for (millis, expected) in rows {
            let hosts: Vec<_> = millis.iter().map(|millis| Duration::from_millis(*millis)).enumerate().collect();
            let found: Vec<_> = slow(&hosts, &settings).iter().map(|slow| (slow.at, slow.median)).collect();
            let expected: Vec<_> = expected.iter().map(|(at, median)| (*at, Duration::from_millis(*median))).collect();
            assert_eq!(found, expected, "{millis:?}");
        }
    }
}
