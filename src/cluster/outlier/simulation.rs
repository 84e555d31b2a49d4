//! Clusters at play: seeded, on a clock of their own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::{Action, Detector, Event, Outcome};
use crate::cluster::{Flag, Health, Host, Identity};
use crate::config::{OutlierDetection, OutlierLatency};

const SECOND: Duration = Duration::from_secs(1);

struct Play {
    config: OutlierDetection,
    detector: Detector,
    hosts: Vec<Arc<Host>>,
    now: Instant,
    rng: Rng,
}

impl Play {
    fn new(hosts: usize, config: OutlierDetection, seed: u64) -> Play {
        let now = crate::runtime::control::now();
        let host = |at| {
            let address = format!("192.0.2.1:{}", at + 1).parse().unwrap();
            Arc::new(Host::new(Identity::of(address), 1))
        };
        Play {
            detector: Detector::new(config.clone(), now),
            hosts: (0..hosts).map(host).collect(),
            config,
            now,
            rng: Rng::with_seed(seed),
        }
    }

    fn result(&self, host: usize, outcome: Outcome) {
        // Whoever is called looks at once, or later: the simulation looks whenever it likes.
        let _ = self.hosts[host].outlier.on_result(&self.config, outcome);
    }

    fn fail(&mut self, host: usize) -> Vec<Event> {
        (0..5).for_each(|_| self.result(host, Outcome::Status(500)));
        self.look()
    }

    fn look(&mut self) -> Vec<Event> {
        self.detector.look(&self.hosts, self.now, &mut self.rng)
    }

    fn after(&mut self, time: Duration) -> Vec<Event> {
        self.now += time;
        self.look()
    }

    fn ejected(&self) -> Vec<usize> {
        (0..self.hosts.len()).filter(|at| self.hosts[*at].has(Flag::Ejected)).collect()
    }
}

/// How long the ejection is that these events tell of.
fn ejection(events: &[Event]) -> Option<Duration> {
    events.iter().find_map(|event| match event.action {
        Action::Ejected(_, time) => Some(time),
        _ => None,
    })
}

#[test]
fn ejections_grow_and_decay() {
    let mut play = Play::new(3, OutlierDetection::default(), 1);
    for times in [1, 2, 3] {
        assert_eq!(ejection(&play.fail(0)), Some(times * 30 * SECOND));
        assert_eq!(play.ejected(), [0]);
        assert!(play.after(times * 30 * SECOND - SECOND).is_empty(), "not yet");
        assert_eq!(play.detector.next_deadline().min(play.now + SECOND), play.now + SECOND);
        let events = play.after(SECOND);
        assert_eq!((events.len(), events[0].action, events[0].ejections), (1, Action::Returned, times));
        assert_eq!(events[0].since, Some(times * 30 * SECOND));
        assert!(play.ejected().is_empty());
    }
    // Two intervals of good behaviour take two from the four that it would be.
    for _ in 0..2 {
        play.after(10 * SECOND);
    }
    assert_eq!(ejection(&play.fail(0)), Some(2 * 30 * SECOND));
    for _ in 0..20 {
        play.after(120 * SECOND);
        play.fail(0);
    }
    play.after(300 * SECOND);
    assert_eq!(ejection(&play.fail(0)), Some(300 * SECOND), "the longest");
    play.after(300 * SECOND);
    for _ in 0..100 {
        play.after(10 * SECOND);
    }
    assert_eq!(ejection(&play.fail(0)), Some(30 * SECOND), "all is forgotten");
}

#[test]
fn a_check_that_passes_ends_an_ejection() {
    for (ends, expected) in [(true, 0), (false, 1)] {
        let config =
            OutlierDetection { successful_active_health_check_uneject_host: ends, ..OutlierDetection::default() };
        let mut play = Play::new(3, config, 1);
        play.hosts[0].outlier.on_check_passed();
        assert!(ejection(&play.fail(0)).is_some(), "what passed before it is over");
        play.hosts[0].outlier.on_check_passed();
        play.look();
        assert_eq!(play.ejected().len(), expected);
    }
}

#[test]
fn whom_another_detector_has_ejected_comes_back() {
    let mut play = Play::new(3, OutlierDetection::default(), 1);
    play.fail(0);
    play.detector = Detector::new(play.config.clone(), play.now);
    assert!(play.look().is_empty());
    assert!(play.ejected().is_empty());
}

#[test]
fn one_of_a_few_may_go_and_never_the_last() {
    for (hosts, always, percent, expected) in [
        (1, true, 100.0, 0),
        (2, true, 10.0, 1),
        (2, true, 100.0, 1),
        (3, true, 10.0, 1),
        (3, true, 100.0, 2),
        (9, true, 10.0, 1),
        (10, true, 30.0, 3),
        (19, true, 10.0, 1),
        (20, true, 10.0, 2),
        (9, false, 10.0, 0),
        (10, false, 10.0, 1),
        (10, false, 0.0, 0),
        (10, true, 0.0, 1),
    ] {
        let config = OutlierDetection {
            always_eject_one_host: always,
            max_ejection_percent: percent,
            ..OutlierDetection::default()
        };
        let mut play = Play::new(hosts, config, 1);
        let events: Vec<Event> = (0..hosts).flat_map(|host| play.fail(host)).collect();
        assert_eq!(play.ejected().len(), expected, "{hosts} {always} {percent}");
        let overflow = events.iter().filter(|event| matches!(event.action, Action::Overflow(_))).count();
        assert_eq!(overflow, hosts - expected);
    }
}

#[test]
fn what_is_not_enforced_is_only_found() {
    let config = OutlierDetection { enforcing_consecutive_5xx: 0.0, ..OutlierDetection::default() };
    let mut play = Play::new(3, config, 1);
    let events = play.fail(0);
    assert!(matches!(events[..], [Event { action: Action::Found(_), .. }]), "{events:?}");
    assert!(play.ejected().is_empty());
    let config = OutlierDetection { enforcing_consecutive_5xx: 50.0, ..OutlierDetection::default() };
    let ejected = (0..1000).filter(|seed| !Play::new(3, config.clone(), *seed).fail(0).is_empty());
    let enforced = ejected.filter(|seed| ejection(&Play::new(3, config.clone(), *seed).fail(0)).is_some()).count();
    assert!((400..600).contains(&enforced), "{enforced} of 1000");
}

/// Whatever happens, a host serves, and no more are out than may be.
#[test]
fn no_cluster_is_emptied() {
    for seed in 0..300 {
        let mut rng = Rng::with_seed(seed);
        let config = OutlierDetection {
            max_ejection_percent: f64::from(rng.u32(..=100)),
            always_eject_one_host: rng.bool(),
            split_external_local_origin_errors: rng.bool(),
            success_rate_request_volume: 5,
            failure_percentage_request_volume: 5,
            enforcing_failure_percentage: 100.0,
            enforcing_consecutive_gateway_failure: 100.0,
            latency: Some(OutlierLatency { request_volume: 3, ..OutlierLatency::default() }),
            max_ejection_time_jitter: SECOND,
            ..OutlierDetection::default()
        };
        let share = config.max_ejection_percent / 100.0;
        let most = |hosts: usize| ((hosts as f64 * share) as usize).max(usize::from(config.always_eject_one_host));
        let mut play = Play::new(rng.usize(1..15), config.clone(), seed);
        let (mut ejections, mut returns) = (0, 0);
        for step in 0..500 {
            for _ in 0..rng.usize(..40) {
                let host = rng.usize(..play.hosts.len());
                let outcome = match rng.u8(..6) {
                    0 => Outcome::Status(200),
                    1 => Outcome::Status(503),
                    2 => Outcome::ConnectFailed,
                    3 => Outcome::TimedOut,
                    4 => Outcome::Answered(Duration::from_millis(rng.u64(..1000))),
                    _ => Outcome::Reset,
                };
                play.result(host, outcome);
            }
            let events = play.after(Duration::from_millis(rng.u64(..3000)));
            ejections += events.iter().filter(|event| matches!(event.action, Action::Ejected(..))).count();
            returns += events.iter().filter(|event| event.action == Action::Returned).count();
            let (out, hosts) = (play.ejected().len(), play.hosts.len());
            let serving = play.hosts.iter().filter(|host| host.health() != Health::Unhealthy).count();
            assert!(serving >= 1, "seed {seed}, step {step}: nobody serves");
            assert!(out <= most(hosts), "seed {seed}, step {step}: {out} of {hosts} are out");
            assert_eq!(ejections - returns, out, "seed {seed}, step {step}");
        }
    }
}

/// Ten hosts with an error now and then, one with many: it is found, and no other.
#[test]
fn the_success_rate_tells_the_bad_host() {
    let mut wrong = 0;
    for seed in 0..200 {
        let mut rng = Rng::with_seed(seed);
        // In a row five are seldom: the rate alone tells.
        let config =
            OutlierDetection { consecutive_5xx: u32::MAX, max_ejection_percent: 50.0, ..OutlierDetection::default() };
        let mut play = Play::new(10, config, seed);
        let bad = rng.usize(..10);
        for host in 0..10 {
            let failing = if host == bad { 0.30 } else { 0.01 };
            for _ in 0..rng.usize(150..300) {
                play.result(host, Outcome::Status(if rng.f64() < failing { 500 } else { 200 }));
            }
        }
        play.after(10 * SECOND);
        assert!(play.ejected().contains(&bad), "seed {seed}: {bad} is not among {:?}", play.ejected());
        wrong += play.ejected().len() - 1;
    }
    assert_eq!(wrong, 0, "good hosts are ejected");
}

/// Hosts that are equally good are not told apart by chance.
#[test]
fn a_good_cluster_loses_no_host() {
    let mut ejections = 0;
    for seed in 0..200 {
        let mut rng = Rng::with_seed(seed);
        let failing = rng.f64() * 0.05;
        let config = OutlierDetection { consecutive_5xx: u32::MAX, ..OutlierDetection::default() };
        let mut play = Play::new(rng.usize(5..20), config, seed);
        for _ in 0..10 {
            for host in 0..play.hosts.len() {
                for _ in 0..rng.usize(100..300) {
                    play.result(host, Outcome::Status(if rng.f64() < failing { 500 } else { 200 }));
                }
            }
            ejections += play.after(10 * SECOND).len();
        }
    }
    // Some 24,000 intervals of a host.
    assert!(ejections <= 3, "{ejections}");
}

/// Few hosts and little traffic say nothing.
#[test]
fn a_rate_needs_hosts_and_requests() {
    for (hosts, requests, expected) in [(4, 200, 0), (5, 99, 0), (5, 100, 1)] {
        let config = OutlierDetection { consecutive_5xx: u32::MAX, ..OutlierDetection::default() };
        let mut play = Play::new(hosts, config, 1);
        for host in 0..hosts {
            let status = if host == 0 { 500 } else { 200 };
            (0..requests).for_each(|_| play.result(host, Outcome::Status(status)));
        }
        play.after(10 * SECOND);
        assert_eq!(play.ejected().len(), expected, "{hosts} hosts, {requests} requests");
    }
}

/// A host that is ten times as slow as its peers is found, and none that is not; long polls deceive nobody.
#[test]
fn the_time_tells_the_slow_host() {
    for seed in 0..200 {
        let mut rng = Rng::with_seed(seed);
        let hosts = rng.usize(2..10);
        let config = OutlierDetection {
            latency: Some(OutlierLatency::default()),
            max_ejection_percent: 50.0,
            ..OutlierDetection::default()
        };
        let mut play = Play::new(hosts, config, seed);
        let slow = rng.usize(..hosts);
        let usual = rng.u64(10..100);
        for interval in 0..3 {
            for host in 0..hosts {
                let mean = if host == slow && interval == 2 { usual * 10 } else { usual } as f64;
                for _ in 0..rng.usize(100..200) {
                    // Exponential: most are quick, some take long.
                    let time = -mean * (1.0 - rng.f64()).ln();
                    play.result(host, Outcome::Answered(Duration::from_secs_f64(time / 1000.0)));
                }
            }
            play.result(rng.usize(..hosts), Outcome::Answered(60 * SECOND));
            play.after(10 * SECOND);
            let expected = if interval == 2 { vec![slow] } else { Vec::new() };
            assert_eq!(play.ejected(), expected, "seed {seed}, interval {interval}, {hosts} hosts");
        }
    }
}
