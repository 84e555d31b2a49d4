//! How the load is shared among priorities: the first takes all of it while enough of its hosts are healthy, and spills
//! over to the next when not (Envoy, "Priority levels", "Degraded endpoints" and "Panic threshold").

/// The hosts of one priority, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Level {
    /// At least 1.
    pub(super) total: u32,
    pub(super) healthy: u32,
    pub(super) degraded: u32,
}

/// What one priority gets, in percent of all requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) healthy: u32,
    pub(super) degraded: u32,
    /// Too few of its hosts are healthy: its whole load, which stands in `healthy`, goes to all of them.
    pub(super) panic: bool,
}

/// `levels`: the highest priority first. `overprovisioning` and `panic_threshold` in percent. The sum of what comes back is
/// 100, or 0 where no host may be used.
pub(super) fn loads(levels: &[Level], overprovisioning: u32, panic_threshold: f64) -> Vec<Load> {
    let available = |count: u32, level: &Level| {
        let share = u64::from(overprovisioning) * u64::from(count) / u64::from(level.total.max(1));
        share.min(100) as u32
    };
    let healthy: Vec<u32> = levels.iter().map(|level| available(level.healthy, level)).collect();
    let degraded: Vec<u32> = levels.iter().map(|level| available(level.degraded, level)).collect();
    let sum = healthy.iter().chain(&degraded).sum::<u32>().min(100);
    if sum == 0 {
        return if panic_threshold > 0.0 { by_size(levels) } else { vec![Load::default(); levels.len()] };
    }

    let mut left = 100;
    let mut share = |available: &u32| {
        let load = (available * 100 / sum).min(left);
        left -= load;
        load
    };
    let to_healthy: Vec<u32> = healthy.iter().map(&mut share).collect();
    let to_degraded: Vec<u32> = degraded.iter().map(&mut share).collect();
    let is_panic = |level: &Level| {
        let usable = f64::from(level.healthy) + f64::from(level.degraded);
        sum < 100 && 100.0 * usable / f64::from(level.total.max(1)) < panic_threshold
    };
    let parts = to_healthy.into_iter().zip(to_degraded).zip(levels);
    let mut loads: Vec<Load> =
        parts.map(|((healthy, degraded), level)| Load { healthy, degraded, panic: is_panic(level) }).collect();
    // What is left is lost by rounding.
    if let Some(first) = healthy.iter().position(|&available| available > 0) {
        loads[first].healthy += left;
    } else if let Some(first) = degraded.iter().position(|&available| available > 0) {
        loads[first].degraded += left;
    }
    if loads.iter().all(|load| load.panic) {
        return by_size(levels);
    }
    for load in loads.iter_mut().filter(|load| load.panic) {
        load.healthy += std::mem::take(&mut load.degraded);
    }
    loads
}

/// Every priority is in a panic: each gets what its hosts are of all hosts.
fn by_size(levels: &[Level]) -> Vec<Load> {
    let total: u64 = levels.iter().map(|level| u64::from(level.total)).sum();
    let mut left = 100;
    let mut loads: Vec<Load> = levels
        .iter()
        .map(|level| {
            let load = (u64::from(level.total) * 100 / total.max(1)).min(left);
            left -= load;
            Load { healthy: load as u32, degraded: 0, panic: true }
        })
        .collect();
    if let Some(first) = loads.first_mut() {
        first.healthy += left as u32;
    }
    loads
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(total: u32, healthy: u32, degraded: u32) -> Level {
        Level { total, healthy, degraded }
    }

    /// Healthy shares in percent of two or three priorities of 100 hosts; Envoy's tables in "Priority levels".
    #[test]
    fn spill_as_in_the_tables_of_envoy() {
        for (healthy, expected) in [
            (&[100, 100][..], &[100, 0][..]),
            (&[72, 100], &[100, 0]),
            (&[71, 100], &[99, 1]),
            (&[50, 100], &[70, 30]),
            (&[25, 100], &[35, 65]),
            (&[0, 100], &[0, 100]),
            // Together below 100 %: what there is is scaled up.
            (&[25, 25], &[50, 50]),
            (&[100, 100, 100], &[100, 0, 0]),
            (&[72, 72, 100], &[100, 0, 0]),
            (&[71, 71, 100], &[99, 1, 0]),
            (&[50, 50, 100], &[70, 30, 0]),
            (&[25, 100, 100], &[35, 65, 0]),
            (&[25, 25, 100], &[35, 35, 30]),
            (&[20, 20, 10], &[40, 40, 20]),
        ] {
            let levels: Vec<Level> = healthy.iter().map(|&healthy| level(100, healthy, 0)).collect();
            // Without panic, to see the shares alone.
            let loads = loads(&levels, 140, 0.0);
            let shares: Vec<u32> = loads.iter().map(|load| load.healthy).collect();
            assert_eq!(shares, expected, "{healthy:?}");
            assert!(loads.iter().all(|load| !load.panic && load.degraded == 0), "{healthy:?}");
        }
    }

    /// Which priorities are in a panic, and what they get; Envoy's table in "Panic threshold".
    #[test]
    fn panic_only_where_all_priorities_together_do_not_suffice() {
        for (healthy, shares, panics) in [
            ([72, 72], [100, 0], [false, false]),
            ([71, 71], [99, 1], [false, false]),
            ([50, 60], [70, 30], [false, false]),
            ([50, 50], [70, 30], [false, false]),
            // 35 % and 70 % of the load suffice: no panic, though few are healthy.
            ([25, 50], [35, 65], [false, false]),
            ([25, 0], [50, 50], [true, true]),
            ([0, 0], [50, 50], [true, true]),
            ([5, 65], [8, 92], [true, false]),
        ] {
            let levels = healthy.map(|healthy| level(100, healthy, 0));
            let loads = loads(&levels, 140, 50.0);
            assert_eq!([loads[0].panic, loads[1].panic], panics, "{healthy:?}");
            assert_eq!([loads[0].healthy, loads[1].healthy], shares, "{healthy:?}");
        }
        let sizes = loads(&[level(30, 0, 0), level(10, 0, 0)], 140, 50.0);
        assert_eq!([sizes[0].healthy, sizes[1].healthy], [75, 25], "a panic of all: by the number of hosts");
    }

    #[test]
    fn degraded_hosts_take_what_healthy_ones_cannot() {
        for (levels, expected) in [
            // Envoy's table in "Degraded endpoints": healthy and degraded load of each priority.
            ([level(4, 4, 0), level(4, 4, 0)], [(100, 0), (0, 0)]),
            ([level(100, 50, 50), level(1, 0, 0)], [(70, 30), (0, 0)]),
            ([level(100, 25, 25), level(100, 25, 25)], [(35, 30), (35, 0)]),
            ([level(4, 0, 4), level(4, 0, 0)], [(0, 100), (0, 0)]),
            // A healthy host of a lower priority goes before a degraded one of a higher.
            ([level(4, 0, 4), level(4, 4, 0)], [(0, 0), (100, 0)]),
        ] {
            let loads = loads(&levels, 140, 0.0);
            let shares: Vec<(u32, u32)> = loads.iter().map(|load| (load.healthy, load.degraded)).collect();
            assert_eq!(shares, expected, "{levels:?}");
        }
    }

    #[test]
    fn no_host_may_be_used() {
        assert_eq!(loads(&[level(3, 0, 0)], 140, 0.0), [Load::default()]);
        assert_eq!(loads(&[level(3, 0, 0)], 140, 50.0), [Load { healthy: 100, degraded: 0, panic: true }]);
        assert_eq!(loads(&[], 140, 50.0), []);
    }

    #[test]
    fn any_health_gives_all_of_the_load_or_none() {
        for seed in 0..2000 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let levels: Vec<Level> = (0..rng.usize(1..6))
                .map(|_| {
                    let total = rng.u32(1..50);
                    let healthy = rng.u32(..=total);
                    level(total, healthy, rng.u32(..=total - healthy))
                })
                .collect();
            let threshold = f64::from(rng.u32(..=100));
            let loads = loads(&levels, rng.u32(100..300), threshold);
            let sum: u32 = loads.iter().map(|load| load.healthy + load.degraded).sum();
            assert!(sum == 100 || sum == 0 && threshold == 0.0, "seed {seed}: {levels:?} {loads:?}");
        }
    }
}
