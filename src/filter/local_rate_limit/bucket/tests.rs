use super::*;

/// The tokens in the bucket, as an exact fraction with `per` below the line, filled step by step.
struct Naive {
    requests: u128,
    per: u128,
    burst: u128,
    held: u128,
    last: u128,
}

impl Naive {
    /// Tokens are minted whole, at multiples of `per / requests` from time 0.
    fn take(&mut self, now: Duration) -> bool {
        let now = now.as_nanos().max(self.last);
        let whole = |at: u128| at * self.requests / self.per;
        self.held = (self.held + whole(now) - whole(self.last)).min(self.burst);
        self.last = now;
        let taken = self.held > 0;
        self.held -= u128::from(taken);
        taken
    }
}

#[test]
fn agrees_with_the_naive_model() {
    for seed in 0..200 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let requests = [1, 3, 7, 100, 1_000_003, u32::MAX][rng.usize(..6)];
        let per = Duration::from_millis([50, 333, 1000, 60_000, 3_600_000][rng.usize(..5)]);
        let burst = [1, 2, 10, requests, requests.saturating_mul(3)][rng.usize(..5)];
        let bucket = Bucket::new(requests, per, burst);
        let (requests, burst) = (u128::from(requests), u128::from(burst));
        let mut naive = Naive { requests, per: per.as_nanos(), burst, held: burst, last: 0 };
        let mut now = Duration::ZERO;
        for _ in 0..2000 {
            let step = per.as_nanos() as u64 / requests as u64 + 1;
            let span = [1, step, 3 * step, 3 * per.as_nanos() as u64][rng.usize(..4)];
            now += Duration::from_nanos(if rng.bool() { 0 } else { rng.u64(..=span) });
            let taken = bucket.take(now);
            assert_eq!(taken.is_ok(), naive.take(now), "seed {seed} at {now:?}");
            // The wait that it names is exact: not a nanosecond earlier.
            if let Err(wait) = taken {
                assert!(wait > Duration::ZERO && wait <= per, "seed {seed}: {wait:?}");
                let copy = || Bucket { gone: AtomicU64::new(bucket.gone.load(Relaxed)), ..bucket };
                assert!(copy().take(now + wait).is_ok(), "seed {seed}");
                assert!(copy().take(now + wait - Duration::from_nanos(1)).is_err(), "seed {seed}");
            }
        }
    }
}

#[test]
fn a_long_rest_fills_it_to_the_brim_and_no_further() {
    let bucket = Bucket::new(10, Duration::from_secs(1), 4);
    let later = Duration::from_secs(10 * 365 * 86_400);
    assert_eq!((0..10).filter(|_| bucket.take(later).is_ok()).count(), 4);
    assert_eq!(bucket.take(later), Err(Duration::from_millis(100)));
    // The fastest bucket saturates after years; it must neither panic nor refuse.
    let bucket = Bucket::new(u32::MAX, Duration::from_millis(50), u32::MAX);
    for years in [0, 6, 7, 1000] {
        assert_eq!(bucket.take(Duration::from_secs(years * 365 * 86_400)), Ok(()));
    }
}

#[test]
fn a_clock_that_lags_gets_and_costs_nothing() {
    let bucket = Bucket::new(1, Duration::from_secs(1), 1);
    assert!(bucket.take(Duration::from_secs(5)).is_ok());
    assert_eq!(bucket.take(Duration::from_secs(3)), Err(Duration::from_secs(3)));
    assert!(bucket.take(Duration::from_secs(6)).is_ok());
}

/// Threads with clocks of their own, each running at its own pace: together they never get more than the burst and what
/// was minted by the latest time, and never less than the slowest of them is owed.
#[test]
fn threads_share_it_exactly() {
    const THREADS: u64 = 4;
    const TURNS: u64 = 20_000;
    for seed in 0..10 {
        let bucket = Bucket::new(1000, Duration::from_secs(1), 50);
        let run = |thread: u64| {
            let mut rng = fastrand::Rng::with_seed(seed * THREADS + thread);
            let (mut now, mut taken) = (Duration::ZERO, 0);
            for turn in 0..TURNS {
                // Up to 20 microseconds ahead of the others.
                now = Duration::from_micros(turn * 10 + rng.u64(..20)).max(now);
                taken += u64::from(bucket.take(now).is_ok());
            }
            // The end of all: whatever is left.
            while bucket.take(Duration::from_micros(TURNS * 10 + 20)).is_ok() {
                taken += 1;
            }
            taken
        };
        let taken: u64 = std::thread::scope(|scope| {
            let run = &run;
            let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || run(thread))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        let minted = (TURNS * 10 + 20) * 1000 / 1_000_000;
        assert!(taken <= 50 + minted, "seed {seed}: {taken}");
        // Each wants a hundred times what there is: only what spilt over at the brim is missing.
        assert_eq!(bucket.minted(Duration::from_micros(TURNS * 10 + 20)) + 50, bucket.gone.load(Relaxed));
    }
    // At one moment: exactly the burst.
    let bucket = Bucket::new(1, Duration::from_secs(3600), 10_000);
    let take = || (0..5_000).filter(|_| bucket.take(Duration::ZERO).is_ok()).count();
    let taken: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(taken, 10_000);
}
