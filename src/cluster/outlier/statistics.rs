//! What sets a host apart from its peers: arithmetic, and nothing else.

use std::time::Duration;

/// Standard deviations of chance that a host must be below the mean.
const CHANCE: f64 = 5.0;

/// Which of `rates`, success rates in percent of so many requests, are too far below the mean, with the mean and the limit.
///
/// The limit is Envoy's. It alone would eject good hosts: of ten that are equally good, one or another is often that far below the
/// mean, by chance. So a rate must be low for chance too.
pub(super) fn low_rates(rates: &[(f64, u32)], factor: u32) -> (Vec<usize>, f64, f64) {
    let count = rates.len().max(1) as f64;
    let mean = rates.iter().map(|(rate, _)| rate).sum::<f64>() / count;
    let variance = rates.iter().map(|(rate, _)| (rate - mean).powi(2)).sum::<f64>() / count;
    let limit = mean - variance.sqrt() * f64::from(factor) / 1000.0;
    // Of a share, in a sample of this size.
    let chance = |requests: u32| (mean * (100.0 - mean) / f64::from(requests.max(1))).sqrt();
    let is_low = |(rate, requests): (f64, u32)| rate < limit && rate < mean - CHANCE * chance(requests);
    let low = (0..rates.len()).filter(|at| is_low(rates[*at])).collect();
    (low, mean, limit)
}

/// Which of `times` are above `floor` and above `factor` times the median of the others, each with that median.
pub(super) fn slow_times(times: &[Duration], factor: u32, floor: Duration) -> Vec<(usize, Duration)> {
    let mut order: Vec<usize> = (0..times.len()).collect();
    order.sort_by_key(|at| times[*at]);
    let mut slow = Vec::new();
    for (place, at) in order.iter().enumerate() {
        let others = order.len() - 1;
        if times[*at] <= floor || others == 0 {
            continue;
        }
        // The sorted others: all but the one at `place`.
        let other = |index: usize| times[order[if index < place { index } else { index + 1 }]];
        let median = (other((others - 1) / 2) + other(others / 2)) / 2;
        if times[*at] > median.saturating_mul(factor) {
            slow.push((*at, median));
        }
    }
    slow
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_rates_are_below_the_mean_by_deviations() {
        let rows = [
            (&[100.0, 100.0, 100.0, 100.0, 50.0][..], &[4][..]),
            (&[100.0, 99.0, 98.0, 97.0, 96.0], &[]),
            (&[100.0; 5], &[]),
            (&[0.0; 5], &[]),
            (&[], &[]),
        ];
        let of = |rates: &[f64], requests| rates.iter().map(|rate| (*rate, requests)).collect::<Vec<_>>();
        for (rates, expected) in rows {
            assert_eq!(low_rates(&of(rates, 1000), 1900).0, expected, "{rates:?}");
        }
        let rates = [100.0, 100.0, 100.0, 100.0, 50.0];
        assert_eq!(low_rates(&of(&rates, 100), 1900), (vec![4], 90.0, 52.0));
        assert_eq!(low_rates(&of(&rates, 10), 1900), (vec![], 90.0, 52.0), "five of ten may be chance");
    }

    #[test]
    fn slow_is_what_is_far_above_the_others() {
        let rows = [
            (&[10, 10, 100][..], &[(2, 10)][..]),
            (&[10, 100], &[(1, 10)]),
            (&[100, 100], &[]),
            (&[1, 1, 1, 49], &[]),
            (&[10, 12, 14, 16, 500, 600], &[(4, 14), (5, 14)]),
            (&[100], &[]),
            (&[], &[]),
        ];
        for (times, expected) in rows {
            let millis = |millis: &u64| Duration::from_millis(*millis);
            let times: Vec<Duration> = times.iter().map(millis).collect();
            let expected: Vec<_> = expected.iter().map(|(at, median)| (*at, millis(median))).collect();
            assert_eq!(slow_times(&times, 5, Duration::from_millis(50)), expected, "{times:?}");
        }
    }
}
