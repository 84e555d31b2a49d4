//! Seeded simulations: hosts that fail or are slow by chance, their requests, and what the detector makes of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::cluster::{Health, Identity};
use crate::config::{Enforcing, LatencyOutliers, OutlierDetection};

const SEEDS: std::ops::Range<u64> = 0..50;

/// A cluster, and the time.
struct Sim {
    settings: OutlierDetection,
    hosts: Vec<Arc<Host>>,
    detector: Detector,
    now: Instant,
    start: Instant,
    rng: fastrand::Rng,
    events: Vec<Event>,
}

/// Says by which seed a test has failed.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}", self.0);
        }
    }
}

impl Sim {
    fn new(hosts: usize, seed: u64, settings: OutlierDetection) -> Sim {
        let host = |at| Arc::new(Host::new(Identity::of(format!("192.0.2.{at}:80").parse().unwrap()), 1));
        let now = control::now();
        Sim {
            hosts: (0..hosts).map(host).collect(),
            detector: Detector::new(settings.clone(), now),
            settings,
            now,
            start: now,
            rng: fastrand::Rng::with_seed(seed),
            events: Vec::new(),
        }
    }

    /// Hosts that are not ejected, or all if there are none: what a balancer takes.
    fn serving(&self) -> Vec<usize> {
        let serving: Vec<usize> =
            (0..self.hosts.len()).filter(|at| self.hosts[*at].health() != Health::Unhealthy).collect();
        if serving.is_empty() { (0..self.hosts.len()).collect() } else { serving }
    }

    fn ejected(&self) -> Vec<usize> {
        (0..self.hosts.len()).filter(|at| self.hosts[*at].has(Flag::Ejected)).collect()
    }

    /// A worker reports; the control thread looks at once if it is told.
    fn report(&mut self, at: usize, outcome: Outcome) {
        if self.hosts[at].outlier.on_result(&self.settings, outcome) == Verdict::Suspect {
            self.look();
        }
    }

    fn look(&mut self) {
        let events = self.detector.look(&self.hosts, self.now, &mut self.rng);
        let serving = self.hosts.iter().filter(|host| host.health() != Health::Unhealthy).count();
        let out_for_other_reasons = self.hosts.iter().all(|host| host.has(Flag::FailedActive));
        assert!(serving > 0 || out_for_other_reasons, "the last host is gone");
        self.events.extend(events);
    }

    /// So many requests for each second of `time`, spread over the hosts that serve; `outcome` says what comes of each.
    fn run(&mut self, time: Duration, rate: usize, outcome: impl Fn(usize, &mut fastrand::Rng) -> Vec<Outcome>) {
        let end = self.now + time;
        let step = Duration::from_secs(1) / u32::try_from(rate).unwrap();
        while self.now < end {
            self.now += step;
            if self.detector.next_deadline() <= self.now {
                self.look();
            }
            let serving = self.serving();
            let at = serving[self.rng.usize(..serving.len())];
            for outcome in outcome(at, &mut self.rng) {
                self.report(at, outcome);
            }
        }
    }

    fn since_start(&self) -> Duration {
        self.now - self.start
    }

    fn times(&self) -> Vec<u64> {
        let time = |event: &Event| match event.action {
            Action::Ejected { time, .. } => Some(time.as_secs()),
            _ => None,
        };
        self.events.iter().filter_map(time).collect()
    }

    fn causes(&self) -> Vec<Cause> {
        let cause = |event: &Event| match &event.action {
            Action::Ejected { finding, .. } => Some(finding.cause()),
            _ => None,
        };
        self.events.iter().filter_map(cause).collect()
    }
}

fn status(failed: bool) -> Vec<Outcome> {
    vec![Outcome::Status(if failed { 500 } else { 200 })]
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_failing_host_goes_and_returns_for_longer_and_longer() {
    let mut sim = Sim::new(3, 1, OutlierDetection::default());
    sim.run(seconds(2000), 100, |at, _| status(at == 1));
    assert!(sim.causes().iter().all(|cause| *cause == Cause::Consecutive5xx));
    assert_eq!(sim.times()[..10], [30, 60, 90, 120, 150, 180, 210, 240, 270, 300]);
    assert!(sim.times()[10..].iter().all(|time| *time == 300));
    assert!(sim.events.iter().all(|event| Arc::ptr_eq(&event.host, &sim.hosts[1])));
}

#[test]
fn time_spent_well_makes_up_for_ejections() {
    let mut sim = Sim::new(3, 1, OutlierDetection::default());
    sim.run(seconds(30 + 60 + 90 + 2), 100, |at, _| status(at == 1));
    assert_eq!(sim.times()[..3], [30, 60, 90]);
    // Nobody asks it anything: that is no merit.
    sim.run(seconds(1000), 100, |_, _| Vec::new());
    let multiplier = |sim: &Sim| sim.hosts[1].outlier.ejection().multiplier;
    let before = multiplier(&sim);
    assert!(before >= 3);
    sim.run(seconds(20), 100, |_, _| status(false));
    assert_eq!(multiplier(&sim), before - 2, "one for each interval");
    sim.run(seconds(100), 100, |_, _| status(false));
    assert_eq!(multiplier(&sim), 0);
}

#[test]
fn small_clusters() {
    // Hosts, settings, and how many of them may be out at a time when all fail.
    let strict = || OutlierDetection { always_eject_one_host: false, ..OutlierDetection::default() };
    let percent = |percent| OutlierDetection { max_ejection_percent: percent, ..OutlierDetection::default() };
    let rows = [
        (1, percent(100.0), 0),
        (2, percent(10.0), 1),
        (3, percent(10.0), 1),
        (9, percent(10.0), 1),
        (9, strict(), 0),
        (10, strict(), 1),
        (29, percent(10.0), 2),
        (2, percent(100.0), 1),
        (10, percent(100.0), 9),
        (10, percent(50.0), 5),
        (10, percent(0.0), 0),
    ];
    for seed in SEEDS {
        let _seed = Seed(seed);
        for (hosts, settings, expected) in &rows {
            let mut sim = Sim::new(*hosts, seed, settings.clone());
            sim.run(seconds(20), 200, |_, _| status(true));
            assert_eq!(sim.ejected().len(), *expected, "{hosts} hosts, {settings:?}");
            let overflow = sim.events.iter().any(|event| matches!(event.action, Action::Overflow(_)));
            assert!(overflow, "the others are found all the same");
        }
    }
}

#[test]
fn whoever_is_ejected_returns_when_nobody_else_is_left() {
    let mut sim = Sim::new(3, 1, OutlierDetection::default());
    sim.run(seconds(5), 100, |at, _| status(at == 1));
    assert_eq!(sim.ejected(), [1]);
    sim.hosts[0].set(Flag::FailedActive, true);
    sim.look();
    assert_eq!(sim.ejected(), [1]);
    sim.hosts[2].set(Flag::FailedActive, true);
    sim.look();
    assert!(sim.ejected().is_empty());
    assert_eq!(sim.events.last().unwrap().action, Action::Returned(Return::NobodyElse));
    sim.run(seconds(5), 100, |_, _| status(true));
    assert!(sim.ejected().is_empty(), "it is the last one");
}

#[test]
fn a_good_check_ends_an_ejection() {
    let mut sim = Sim::new(3, 1, OutlierDetection::default());
    // Of before.
    sim.hosts[1].outlier.on_check_passed();
    sim.run(seconds(5), 100, |at, _| status(at == 1));
    sim.look();
    assert_eq!(sim.ejected(), [1]);
    sim.hosts[1].outlier.on_check_passed();
    sim.look();
    assert!(sim.ejected().is_empty());
    assert_eq!(sim.events.last().unwrap().action, Action::Returned(Return::CheckPassed));
}

#[test]
fn what_is_not_enforced_is_only_told() {
    let enforcing = Enforcing { consecutive_5xx: 0.0, ..Enforcing::default() };
    let mut sim = Sim::new(3, 1, OutlierDetection { enforcing, ..OutlierDetection::default() });
    sim.run(seconds(5), 10, |at, _| status(at == 1));
    assert!(!sim.events.is_empty() && sim.ejected().is_empty());
    assert!(sim.events.iter().all(|event| matches!(event.action, Action::Detected(_))));
    for seed in SEEDS {
        let _seed = Seed(seed);
        let enforcing = Enforcing { consecutive_5xx: 50.0, ..Enforcing::default() };
        let mut sim = Sim::new(3, seed, OutlierDetection { enforcing, ..OutlierDetection::default() });
        sim.run(seconds(20), 100, |at, _| status(at == 1));
        assert_eq!(sim.ejected(), [1], "found again and again");
    }
}

#[test]
fn the_rate_of_success_finds_the_bad_host_and_no_good_one() {
    for seed in SEEDS {
        let _seed = Seed(seed);
        // Ten hosts that fail a little, one by chance more than another; then one of them fails half of the time.
        let settings = OutlierDetection { consecutive_5xx: 1000, ..OutlierDetection::default() };
        let mut sim = Sim::new(10, seed, settings);
        sim.run(seconds(300), 200, |_, rng| status(rng.f64() < 0.02));
        assert!(sim.events.is_empty(), "{:?}", sim.events);
        sim.run(seconds(11), 200, |at, rng| status(rng.f64() < if at == 3 { 0.5 } else { 0.02 }));
        assert_eq!(sim.ejected(), [3]);
        assert_eq!(sim.causes(), [Cause::SuccessRate]);
        sim.run(seconds(10), 200, |_, rng| status(rng.f64() < 0.02));
        assert!(sim.hosts[0].outlier.success_rate().is_some_and(|rate| rate > 90.0));
        assert_eq!(sim.hosts[3].outlier.success_rate(), None, "nobody asks it");
    }
}

#[test]
fn a_few_requests_are_not_compared() {
    let settings = OutlierDetection { consecutive_5xx: 1000, ..OutlierDetection::default() };
    let mut few = Sim::new(5, 1, settings.clone());
    // 50 a host and interval.
    few.run(seconds(60), 25, |at, rng| status(rng.bool() && at == 3));
    assert!(few.events.is_empty());
    let mut hosts = Sim::new(4, 1, settings);
    hosts.run(seconds(60), 400, |at, rng| status(rng.bool() && at == 3));
    assert!(hosts.events.is_empty());
}

#[test]
fn failure_percentage_and_local_origin() {
    for seed in SEEDS {
        let _seed = Seed(seed);
        let enforcing = Enforcing {
            success_rate: 0.0,
            local_origin_success_rate: 0.0,
            consecutive_local_origin_failure: 0.0,
            failure_percentage: 100.0,
            failure_percentage_local_origin: 100.0,
            ..Enforcing::default()
        };
        let settings = OutlierDetection {
            consecutive_5xx: 1000,
            split_external_local_origin_errors: true,
            max_ejection_percent: 50.0,
            enforcing,
            ..OutlierDetection::default()
        };
        let mut sim = Sim::new(6, seed, settings);
        sim.run(seconds(11), 200, |at, rng| match at {
            2 => status(rng.f64() < 0.95),
            4 if rng.f64() < 0.95 => vec![Outcome::ConnectFailed],
            _ => status(rng.f64() < 0.5),
        });
        assert_eq!(sim.ejected(), [2, 4]);
        assert_eq!(sim.causes(), [Cause::FailurePercentage, Cause::LocalOriginFailurePercentage]);
    }
}

#[test]
fn a_host_far_slower_than_the_others_goes() {
    /// About so many milliseconds: most are near, a few take ten times as long.
    fn took(millis: f64, rng: &mut fastrand::Rng) -> Vec<Outcome> {
        let tail = if rng.f64() < 0.03 { 10.0 } else { 1.0 };
        let millis = millis * (0.5 + rng.f64()) * tail;
        vec![Outcome::Latency(Duration::from_secs_f64(millis / 1e3)), Outcome::Status(200)]
    }
    for seed in SEEDS {
        let _seed = Seed(seed);
        let latency = Some(LatencyOutliers::default());
        let mut sim = Sim::new(3, seed, OutlierDetection { latency, ..OutlierDetection::default() });
        // One is three times as slow, which is no fault.
        sim.run(seconds(300), 50, |at, rng| took(if at == 1 { 60.0 } else { 20.0 }, rng));
        assert!(sim.events.is_empty(), "{:?}", sim.events);
        sim.run(seconds(11), 50, |at, rng| took(if at == 1 { 300.0 } else { 20.0 }, rng));
        assert_eq!(sim.ejected(), [1]);
        assert_eq!(sim.causes(), [Cause::Latency]);
        // All are slow: it is not their fault.
        let mut sim = Sim::new(
            3,
            seed,
            OutlierDetection { latency: Some(LatencyOutliers::default()), ..OutlierDetection::default() },
        );
        sim.run(seconds(100), 50, |_, rng| took(1000.0, rng));
        assert!(sim.events.is_empty());
        assert!(sim.since_start() >= seconds(100));
    }
}

#[test]
fn jitter_only_makes_it_longer() {
    for seed in SEEDS {
        let _seed = Seed(seed);
        let settings = OutlierDetection { max_ejection_time_jitter: seconds(10), ..OutlierDetection::default() };
        let mut sim = Sim::new(2, seed, settings);
        sim.run(seconds(1), 100, |at, _| status(at == 1));
        let [time] = sim.times()[..] else { panic!("one") };
        assert!((30..=40).contains(&time));
    }
}

#[test]
fn the_ejection_survives_a_new_detector_and_ends_without_one() {
    let mut sim = Sim::new(2, 1, OutlierDetection::default());
    sim.run(seconds(1), 100, |at, _| status(at == 1));
    assert_eq!(sim.ejected(), [1]);
    sim.detector = Detector::new(sim.settings.clone(), sim.now);
    sim.look();
    assert_eq!(sim.ejected(), [1]);
    assert!(sim.detector.next_deadline() <= sim.now + seconds(10));
    sim.run(seconds(30), 100, |_, _| status(false));
    assert!(sim.ejected().is_empty());
    sim.run(seconds(1), 100, |at, _| status(at == 1));
    assert_eq!(sim.ejected(), [1]);
    forget(&sim.hosts);
    assert!(sim.ejected().is_empty());
}
