//! A cluster of which every host fails, and clients that come back at once: seeded, on a clock of its own.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use fastrand::Rng;
use nuncio_http::{HeaderList, ResponseHead};

use super::{Decision, Pace, RetryCx, RetryEvent, RetryPolicy, RetryState};
use crate::cluster::{Breaker, Resource};
use crate::config::{BackOff, CircuitBreaker, Priority, Retry, RetryOn};

#[derive(Default)]
struct Client {
    state: RetryState,
    /// It holds a permit to retry.
    retrying: bool,
}

/// Tries for each request of `clients` that each ask again as soon as they are answered, in three seconds.
fn amplification(clients: usize, policy: &RetryPolicy, seed: u64) -> f64 {
    const END: u64 = 3_000_000;
    let (mut rng, breaker) = (Rng::with_seed(seed), Breaker::new(CircuitBreaker::default()));
    let bad = ResponseHead::new(503, HeaderList::new());
    let mut all: Vec<Client> = (0..clients).map(|_| Client::default()).collect();
    // Ends of tries, in microseconds, the next one first.
    let mut ends = BinaryHeap::new();
    let took = |rng: &mut Rng| rng.u64(500..20_000);
    let (mut requests, mut tries) = (0u32, 0u32);
    for at in 0..clients {
        assert!(breaker.try_acquire(Priority::Default, Resource::Requests));
        (requests, tries) = (requests + 1, tries + 1);
        ends.push(Reverse((took(&mut rng), at)));
    }
    while let Some(Reverse((now, at))) = ends.pop() {
        if now > END {
            break;
        }
        let client = &mut all[at];
        let wall = Duration::from_micros(now);
        let mut cx = RetryCx { replayable: true, idempotent: true, time_left: None, wall, base: None, rng: &mut rng };
        let decision = policy.decide(&mut client.state, RetryEvent::Head(&bad), &mut cx);
        // Each retry asks anew.
        if std::mem::take(&mut client.retrying) {
            breaker.release(Priority::Default, Resource::Retries);
        }
        let acquire = || breaker.try_acquire(Priority::Default, Resource::Retries);
        match decision {
            Decision::Retry { after, pace: Pace::Exponential } if acquire() => {
                client.retrying = true;
                let pause = u64::try_from(after.as_micros()).unwrap();
                ends.push(Reverse((now + pause + took(&mut rng), at)));
            }
            _ => {
                *client = Client::default();
                requests += 1;
                ends.push(Reverse((now + took(&mut rng), at)));
            }
        }
        tries += 1;
    }
    f64::from(tries) / f64::from(requests)
}

#[test]
fn a_cluster_that_fails_gets_a_fifth_more_at_most() {
    for seed in 0..4 {
        for (attempts, base) in [(1, 25), (3, 25), (100, 25), (1, 1), (10, 1)] {
            let base = Duration::from_millis(base);
            let back_off = BackOff { base, max: base * 10 };
            let config = Retry { attempts, back_off, ..Retry::new(vec![RetryOn::ServerError]) };
            let policy = RetryPolicy::new(&config).unwrap();
            // Fewer than fifteen clients have their three retries, whatever share that is.
            for clients in [20, 100, 1000] {
                let ratio = amplification(clients, &policy, seed);
                assert!(ratio <= 1.2, "seed {seed}: {clients} clients, {attempts} attempts: {ratio}");
                assert!(ratio > 1.01, "seed {seed}: {clients} clients, {attempts} attempts: {ratio}");
            }
        }
    }
    let none = amplification(100, &RetryPolicy::default(), 1);
    assert!((none - 1.0).abs() < f64::EPSILON, "{none}");
}
