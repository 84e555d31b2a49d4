use super::*;
use crate::config::{Probe, TcpProbe};

const UP: Outcome = Outcome::Healthy { degraded: false };
const SPARED: Outcome = Outcome::Healthy { degraded: true };
const SAYS_NO: Outcome = Outcome::Failed(Failure::Active);
const SLIP: Outcome = Outcome::Failed(Failure::Retriable);
const GONE: Outcome = Outcome::Failed(Failure::Network);
const SLOW: Outcome = Outcome::Failed(Failure::Timeout);

fn settings() -> HealthCheck {
    let secs = Duration::from_secs;
    HealthCheck {
        interval: secs(10),
        unhealthy_interval: secs(20),
        unhealthy_edge_interval: secs(2),
        healthy_edge_interval: secs(3),
        no_traffic_interval: secs(60),
        no_traffic_healthy_interval: secs(90),
        ..HealthCheck::new(Probe::Tcp(TcpProbe { send: None, receive: Vec::new() }))
    }
}

fn now() -> Instant {
    crate::runtime::control::now()
}

/// Thresholds are 3 to fail and 2 to come back.
#[test]
fn results_in_a_row_decide() {
    type Row<'a> = (&'a str, &'a [Outcome], &'a [Option<bool>]);
    let rows: [Row<'_>; 9] = [
        ("the first success suffices", &[UP, UP], &[Some(true), None]),
        ("a slip at first leaves it unhealthy", &[SLIP, UP, UP], &[None, None, Some(true)]),
        ("what is no slip at first too", &[SAYS_NO, UP, UP], &[None, None, Some(true)]),
        ("three failures in a row", &[UP, GONE, SLOW, GONE], &[Some(true), None, None, Some(false)]),
        ("not in a row", &[UP, GONE, GONE, UP, GONE, GONE], &[Some(true), None, None, None, None, None]),
        ("a retriable status is a slip", &[UP, SLIP, SLIP, SLIP], &[Some(true), None, None, Some(false)]),
        ("any other status is none", &[UP, SAYS_NO], &[Some(true), Some(false)]),
        ("back after two", &[UP, SAYS_NO, UP, UP], &[Some(true), Some(false), None, Some(true)]),
        ("in a row", &[UP, SAYS_NO, UP, GONE, UP, UP], &[Some(true), Some(false), None, None, None, Some(true)]),
    ];
    for (what, outcomes, expected) in rows {
        let (settings, mut rng) = (settings(), fastrand::Rng::with_seed(1));
        let mut checker = Checker::new(&settings, now(), &mut rng);
        for (at, (outcome, expected)) in outcomes.iter().zip(expected).enumerate() {
            let transition = checker.on_result(*outcome, &settings, now(), &mut rng);
            assert_eq!((transition.healthy, transition.first), (*expected, at == 0), "{what}: {at}");
        }
    }
}

#[test]
fn degraded_is_what_the_last_success_said() {
    let (settings, mut rng) = (settings(), fastrand::Rng::with_seed(1));
    let mut checker = Checker::new(&settings, now(), &mut rng);
    let mut next = |outcome| checker.on_result(outcome, &settings, now(), &mut rng).degraded;
    let told = [UP, SPARED, SPARED, SLIP, UP, UP].map(&mut next);
    assert_eq!(told, [None, Some(true), None, None, Some(false), None]);
}

#[test]
fn a_passive_failure_counts_at_once_and_ends_a_row() {
    let (settings, mut rng) = (settings(), fastrand::Rng::with_seed(1));
    let mut checker = Checker::new(&settings, now(), &mut rng);
    checker.on_result(UP, &settings, now(), &mut rng);
    let due = checker.due(true);
    assert_eq!(checker.on_passive_failure().healthy, Some(false));
    assert_eq!(checker.on_passive_failure().healthy, None, "no news");
    assert_eq!(checker.due(true), due);
    assert_eq!(checker.on_result(UP, &settings, now(), &mut rng).healthy, None);
    checker.on_passive_failure();
    assert_eq!(checker.on_result(UP, &settings, now(), &mut rng).healthy, None, "the row began anew");
    assert_eq!(checker.on_result(UP, &settings, now(), &mut rng).healthy, Some(true));
}

/// Pauses in seconds with traffic, and without.
#[test]
fn pauses_by_state() {
    let rows: [(&str, &[Outcome], u64, u64); 7] = [
        ("new", &[], 0, 0),
        ("healthy", &[UP], 10, 90),
        ("healthy, has failed", &[UP, GONE], 2, 90),
        ("unhealthy", &[GONE], 20, 60),
        ("just became unhealthy", &[UP, SAYS_NO], 20, 60),
        ("unhealthy, has succeeded", &[SAYS_NO, UP], 3, 60),
        ("just became healthy", &[SAYS_NO, UP, UP], 10, 90),
    ];
    for (what, outcomes, traffic, none) in rows {
        let (settings, mut rng, now) = (settings(), fastrand::Rng::with_seed(1), now());
        let mut checker = Checker::new(&settings, now, &mut rng);
        for outcome in outcomes {
            checker.on_result(*outcome, &settings, now, &mut rng);
        }
        let pause = |traffic| (checker.due(traffic) - now).as_secs();
        assert_eq!((pause(true), pause(false)), (traffic, none), "{what}");
    }
}

#[test]
fn jitter_only_makes_pauses_longer_and_spreads_them() {
    let seed = fastrand::u64(..);
    let mut rng = fastrand::Rng::with_seed(seed);
    let settings = HealthCheck {
        initial_jitter: Duration::from_secs(4),
        interval_jitter: Duration::from_secs(1),
        interval_jitter_percent: 50.0,
        ..settings()
    };
    let now = now();
    let (mut first, mut later) = (Vec::new(), Vec::new());
    for _ in 0..1000 {
        let mut checker = Checker::new(&settings, now, &mut rng);
        first.push(checker.due(true) - now);
        checker.on_result(UP, &settings, now, &mut rng);
        later.push(checker.due(true) - now);
    }
    let range = |times: &[Duration]| (times.iter().min().unwrap().as_millis(), times.iter().max().unwrap().as_millis());
    let (least, most) = range(&first);
    assert!(least < 100 && (3900..=4000).contains(&most), "seed {seed}: {least} to {most}");
    let (least, most) = range(&later);
    assert!((10_000..10_500).contains(&least) && (15_000..=16_000).contains(&most), "seed {seed}: {least} to {most}");
}

/// A host that answers with a fixed share of failures: how long it is out, against what the thresholds say of chance.
#[test]
fn a_flapping_host_is_out_as_often_as_the_thresholds_say() {
    let seed = fastrand::u64(..);
    for (share, most, least) in [(0.02, 0.001, 0.0), (0.5, 0.75, 0.2), (0.98, 1.0, 0.99)] {
        let (settings, mut rng) = (settings(), fastrand::Rng::with_seed(seed));
        let mut now = now();
        let start = now;
        let mut checker = Checker::new(&settings, now, &mut rng);
        let (mut out, mut healthy) = (Duration::ZERO, false);
        for _ in 0..20_000 {
            let due = checker.due(true);
            assert!(due >= now, "seed {seed}");
            if !healthy {
                out += due - now;
            }
            now = due;
            let outcome = if rng.f64() < share { SLOW } else { UP };
            let transition = checker.on_result(outcome, &settings, now, &mut rng);
            assert_ne!(transition.healthy, Some(healthy), "seed {seed}: a change is a change");
            healthy = transition.healthy.unwrap_or(healthy);
            assert_eq!(healthy, checker.is_healthy());
        }
        let out = out.as_secs_f64() / (now - start).as_secs_f64();
        assert!((least..=most).contains(&out), "seed {seed}: {share} failures: out {out}");
    }
}
