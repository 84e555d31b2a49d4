use std::cell::RefCell;

use super::*;
use crate::cluster::Health;
use crate::cluster::testing::{Sim, Spec, assert_near, set_health};
use crate::config::{Hashing, LeastRequest, Maglev, RingHash, Sticky, SubsetFallback, Subsets};

fn settings(policy: LoadBalancing) -> Balancing {
    Balancing { policy, ..Balancing::default() }
}

fn policies() -> [LoadBalancing; 5] {
    [
        LoadBalancing::RoundRobin,
        LoadBalancing::LeastRequest(LeastRequest::default()),
        LoadBalancing::Random,
        LoadBalancing::RingHash(RingHash { minimum_ring_size: 24 << 10, ..RingHash::default() }),
        LoadBalancing::Maglev(Maglev::default()),
    ]
}

#[test]
fn weights_are_shares() {
    for (seed, policy) in (0..).zip(policies()) {
        for weights in [&[1, 1, 1][..], &[1, 2, 5], &[128, 1], &[7]] {
            let specs = weights.iter().map(|&weight| Spec::weight(weight));
            let mut sim = Sim::new(specs, settings(policy), seed);
            let sum = f64::from(weights.iter().sum::<u32>());
            let expected: Vec<f64> = weights.iter().map(|&weight| f64::from(weight) / sum).collect();
            let tolerance = if policy == LoadBalancing::RoundRobin { 0.0001 } else { 0.015 };
            assert_near(&sim.shares(80_000), &expected, tolerance, &format!("seed {seed}: {policy:?}, {weights:?}"));
        }
    }
}

#[test]
fn no_host_no_pick() {
    for policy in policies() {
        assert_eq!(Sim::new([], settings(policy), 1).pick(&PickCx::default()), None);
        let bad = Spec { health: Some(Health::Unhealthy), ..Spec::weight(1) };
        let refuse = Balancing { panic_threshold: 0.0, ..settings(policy) };
        assert_eq!(Sim::new(bad.times(3), refuse, 1).pick(&PickCx::default()), None);
    }
}

#[test]
fn workers_do_not_all_start_with_the_same_host() {
    for weights in [[1, 1, 1], [1, 2, 3]] {
        let mut first = [0; 3];
        for seed in 0..300 {
            let specs = weights.map(Spec::weight);
            first[Sim::new(specs, settings(LoadBalancing::RoundRobin), seed).pick(&PickCx::default()).unwrap()] += 1;
        }
        assert!(first.iter().all(|&count| count > 30), "{first:?}");
    }
}

/// Requests that never end: each host has the same at last.
#[test]
fn least_request_evens_out_what_is_in_flight() {
    let mut sim = Sim::new(Spec::weight(1).times(10), settings(policies()[1]), 5);
    for _ in 0..5000 {
        let host = sim.pick(&PickCx::default()).unwrap();
        sim.hosts[host].request_started();
    }
    for host in &sim.hosts {
        assert!(host.active_requests().abs_diff(500) <= 5, "{}", host.active_requests());
    }
    for _ in 0..1000 {
        sim.hosts[0].request_started();
    }
    let counts = sim.counts(10_000);
    assert_eq!(counts[0], 0, "of two different hosts the busy one is never taken");
}

/// With weights the busy host's turns come later, by its load to the power of the bias.
#[test]
fn weighted_least_request_spares_the_busy() {
    for (bias, share) in [(0.0, 1.0 / 3.0), (1.0, 0.25 / 2.25), (2.0, 0.0625 / 2.0625)] {
        let policy = LoadBalancing::LeastRequest(LeastRequest { active_request_bias: bias, ..LeastRequest::default() });
        let mut sim = Sim::new([1, 2].map(Spec::weight), settings(policy), 6);
        for _ in 0..3 {
            sim.hosts[0].request_started();
        }
        let shares = sim.shares(20_000);
        assert!((shares[0] - share).abs() < 0.01, "bias {bias}: {shares:?}");
    }
}

#[test]
fn who_was_tried_is_not_taken_while_there_is_another() {
    for (seed, policy) in (0..).zip(policies()) {
        for hash in [None, Some(77)] {
            let specs = Spec::weight(1).times(4).chain(Spec { priority: 1, ..Spec::weight(1) }.times(2));
            let mut sim = Sim::new(specs, settings(policy), seed);
            let tried = RefCell::new(Vec::new());
            let is_tried = |host: &Host| tried.borrow().contains(&host.address);
            for attempt in 0..6 {
                let cx = PickCx { hash, tried: Some(&is_tried), ..PickCx::default() };
                let host = sim.pick(&cx).unwrap();
                assert!(!is_tried(&sim.hosts[host]), "seed {seed}: {policy:?}, attempt {attempt}");
                assert_eq!(host < 4, attempt < 4, "seed {seed}: {policy:?}: the next priority last");
                tried.borrow_mut().push(sim.hosts[host].address.clone());
            }
            let cx = PickCx { hash, tried: Some(&is_tried), ..PickCx::default() };
            assert!(sim.pick(&cx).is_some(), "all were tried: any will do");
        }
    }
}

#[test]
fn a_hash_keeps_its_host_whatever_the_policy() {
    for (seed, policy) in (0..).zip(policies()) {
        let mut sim = Sim::new((1..=6).map(|at| Spec::weight(1 + at % 2)), settings(policy), seed);
        let by_hash = |sim: &mut Sim| -> Vec<usize> {
            let cx = |at: u64| PickCx { hash: Some(mix(at)), ..PickCx::default() };
            (0..6000).map(|at| sim.pick(&cx(at)).unwrap()).collect()
        };
        let before = by_hash(&mut sim);
        assert_eq!(before, by_hash(&mut sim), "{policy:?}");
        set_health(&sim.hosts[4], Health::Unhealthy);
        sim.rebuild();
        let after = by_hash(&mut sim);
        let moved = before.iter().zip(&after).filter(|(before, after)| before != after && **before != 4).count();
        assert!(moved < 300, "{policy:?}: {moved} moved without need");
        assert!(!after.contains(&4));
        set_health(&sim.hosts[4], Health::Healthy);
        sim.rebuild();
        assert_eq!(before, by_hash(&mut sim), "{policy:?}: back as it was");
    }
}

#[test]
fn bounded_load_sends_what_is_too_much_to_others() {
    for policy in [
        LoadBalancing::RingHash(RingHash {
            hashing: Hashing { hash_balance_factor: Some(125), ..Hashing::default() },
            ..RingHash::default()
        }),
        LoadBalancing::Maglev(Maglev {
            hashing: Hashing { hash_balance_factor: Some(125), ..Hashing::default() },
            ..Maglev::default()
        }),
    ] {
        let mut sim = Sim::new([1, 1, 1, 1, 4].map(Spec::weight), settings(policy), 9);
        // All requests have the same hash, and none ends.
        for in_flight in 0..1000 {
            let host = sim.pick(&PickCx { hash: Some(1), in_flight, ..PickCx::default() }).unwrap();
            sim.hosts[host].request_started();
            for (host, part) in sim.hosts.iter().zip([1.0, 1.0, 1.0, 1.0, 4.0]) {
                let most = (f64::from(in_flight + 1) * 1.25).ceil() * part / 8.0;
                assert!(f64::from(host.active_requests()) <= most.ceil(), "{policy:?}: {in_flight}");
            }
        }
        let active: Vec<u32> = sim.hosts.iter().map(|host| host.active_requests()).collect();
        assert_eq!(active.iter().sum::<u32>(), 1000);
    }
}

#[test]
fn a_cookie_keeps_its_host_while_it_is_healthy() {
    let sticky = Sticky { cookie: "id".to_owned(), ttl: None, path: "/".to_owned() };
    let settings = Balancing { sticky: Some(sticky.clone()), ..Balancing::default() };
    let mut sim = Sim::new(Spec::weight(1).times(10), settings, 10);
    let id = crate::cluster::balance::sticky_id(&sticky, &sim.hosts[6].address);
    let cx = PickCx { sticky: Some(id), ..PickCx::default() };
    assert!((0..100).all(|_| sim.pick(&cx) == Some(6)));
    assert!((0..10).any(|_| sim.pick(&PickCx { sticky: Some(id ^ 1), ..PickCx::default() }) != Some(6)), "unknown");
    let is_tried = |host: &Host| host.address.to_string() == "192.0.2.6:80";
    assert!((0..100).all(|_| sim.pick(&PickCx { tried: Some(&is_tried), ..cx }) != Some(6)));
    set_health(&sim.hosts[6], Health::Degraded);
    sim.rebuild();
    assert!((0..100).all(|_| sim.pick(&cx) == Some(6)), "it is spared new clients, not its own");
    // At once, before the plan says so.
    set_health(&sim.hosts[6], Health::Unhealthy);
    assert!((0..100).all(|_| sim.pick(&cx).is_some()));
    sim.rebuild();
    assert!((0..100).all(|_| sim.pick(&cx) != Some(6)));
}

/// A cookie may come from a route that asks for another subset, or be made up.
#[test]
fn a_cookie_does_not_lead_out_of_the_subset() {
    const STAGES: [&[(&str, &str)]; 2] = [&[("stage", "prod")], &[("stage", "canary")]];
    let sticky = Sticky { cookie: "id".to_owned(), ttl: None, path: "/".to_owned() };
    let [prod, canary, none] = ["prod", "canary", "none"].map(|stage| SubsetKey::new([("stage", stage)]));
    let any = [SubsetFallback::None, SubsetFallback::Any, SubsetFallback::Default];
    for fallback in any {
        let subsets = Subsets {
            keys: vec![vec!["stage".to_owned()]],
            fallback,
            default: [("stage".to_owned(), "prod".to_owned())].into(),
        };
        let settings = Balancing { sticky: Some(sticky.clone()), subsets: Some(subsets), ..Balancing::default() };
        let specs = (0..6).map(|at| Spec { metadata: STAGES[at % 2], ..Spec::weight(1) });
        let mut sim = Sim::new(specs, settings, 12);
        // A canary.
        let id = crate::cluster::balance::sticky_id(&sticky, &sim.hosts[3].address);
        let mut all =
            |subset| (0..50).map(|_| sim.pick(&PickCx { sticky: Some(id), subset, ..PickCx::default() })).collect();
        let picks: Vec<Option<usize>> = all(Some(&canary));
        assert!(picks.iter().all(|pick| *pick == Some(3)), "{fallback:?}");
        let picks: Vec<Option<usize>> = all(Some(&prod));
        assert!(picks.iter().all(|pick| pick.is_some_and(|at| at % 2 == 0)), "{fallback:?}: {picks:?}");
        for subset in [None, Some(&none)] {
            let picks: Vec<Option<usize>> = all(subset);
            let right = |pick: &Option<usize>| match fallback {
                SubsetFallback::None => pick.is_none(),
                SubsetFallback::Any => *pick == Some(3),
                SubsetFallback::Default => pick.is_some_and(|at| at % 2 == 0),
            };
            assert!(picks.iter().all(right), "{fallback:?}: {picks:?}");
        }
    }
}
