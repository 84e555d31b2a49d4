use std::time::Duration;

use super::*;
use crate::cluster::balance::PickCx;
use crate::cluster::testing::{Sim, Spec, assert_near, hosts, set_health, start};
use crate::cluster::{Flag, Health};
use crate::config::{SlowStart, SubsetFallback, Subsets, ZoneAware};

/// The fraction that each host is to get.
fn expected(plan: &Plan) -> Vec<f64> {
    let mut shares = vec![0.0; plan.hosts().len()];
    for (fraction, share) in plan.all().fractions() {
        let total = share.group.total_weight() as f64;
        for at in 0..share.group.len() {
            shares[share.group.host(at)] += fraction * share.group.weight(at) as f64 / total;
        }
    }
    shares
}

#[test]
fn one_priority_without_localities_is_one_group() {
    let sim = Sim::new(Spec::weight(1).times(10), Balancing::default(), 1);
    let shares = sim.plan.all().shares();
    assert_eq!((shares.len(), shares[0].group.len(), shares[0].why), (1, 10, Why::Load));
    assert!(shares[0].group.is_equal());
    assert_eq!(shares[0].group.hosts().collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    assert_eq!(sim.plan.next_change, None);
}

#[test]
fn priorities_spill_and_degraded_hosts_fill_in() {
    let specs = Spec::weight(1).times(4).chain(Spec { priority: 1, ..Spec::weight(1) }.times(4));
    let mut sim = Sim::new(specs, Balancing::default(), 2);
    assert_near(&expected(&sim.plan), &[0.25, 0.25, 0.25, 0.25, 0.0, 0.0, 0.0, 0.0], 1e-6, "all healthy");
    set_health(&sim.hosts[0], Health::Unhealthy);
    set_health(&sim.hosts[1], Health::Unhealthy);
    sim.rebuild();
    assert_near(&expected(&sim.plan), &[0.0, 0.0, 0.35, 0.35, 0.075, 0.075, 0.075, 0.075], 1e-6, "half is gone");
    // The healthy one for 35 %, the next priority for 65 %.
    set_health(&sim.hosts[2], Health::Degraded);
    sim.rebuild();
    assert_near(&expected(&sim.plan), &[0.0, 0.0, 0.0, 0.35, 0.1625, 0.1625, 0.1625, 0.1625], 1e-6, "one degraded");
    for host in &sim.hosts[4..] {
        set_health(host, Health::Unhealthy);
    }
    sim.rebuild();
    assert_near(&expected(&sim.plan), &[0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0], 0.51, "what is left");
}

#[test]
fn in_a_panic_no_host_gets_more_than_its_part_of_all() {
    for seed in 0..300 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let count = rng.usize(2..20);
        let specs: Vec<Spec> = (0..count)
            .map(|_| Spec {
                weight: 1,
                priority: rng.u32(0..2),
                health: (rng.u8(0..10) < 7).then_some(Health::Unhealthy),
                ..Spec::default()
            })
            .collect();
        let sim = Sim::new(specs.clone(), Balancing::default(), seed);
        for (fraction, share) in sim.plan.all().fractions().filter(|(_, share)| share.why == Why::Panic) {
            let level = specs.iter().filter(|spec| spec.priority == specs[share.group.host(0)].priority).count();
            assert_eq!(share.group.len(), level, "seed {seed}: all of them");
            assert!(fraction <= 1.0);
        }
        let all_in_panic = sim.plan.all().shares().iter().all(|share| share.why == Why::Panic);
        if all_in_panic {
            // Percents are whole numbers.
            let most = 1.0 / count as f64 + 0.02;
            assert!(expected(&sim.plan).iter().all(|&share| share <= most), "seed {seed}: {:?}", expected(&sim.plan));
        }
    }
}

#[test]
fn a_panic_may_refuse_or_be_switched_off() {
    let specs = || {
        let bad = Spec { health: Some(Health::Unhealthy), ..Spec::weight(1) };
        bad.times(3).chain(Spec::weight(1).times(1))
    };
    let mut sim = Sim::new(specs(), Balancing::default(), 3);
    assert_near(&sim.shares(4000), &[0.25; 4], 0.001, "panic");
    assert_eq!(sim.stats.lb_healthy_panic.get(), 4000);
    let mut sim = Sim::new(specs(), Balancing { panic_threshold: 0.0, ..Balancing::default() }, 3);
    assert_near(&sim.shares(100), &[0.0, 0.0, 0.0, 1.0], 0.0, "off");
    let mut sim = Sim::new(specs(), Balancing { fail_traffic_on_panic: true, ..Balancing::default() }, 3);
    assert_near(&sim.shares(100), &[0.0; 4], 0.0, "refused");
}

#[test]
fn zones_by_weight() {
    let weights = [("a".to_owned(), 3), ("b".to_owned(), 1)].into();
    let settings = Balancing { locality_weights: weights, ..Balancing::default() };
    let zones = || Spec::zone("a").times(2).chain(Spec::zone("b").times(4)).chain(Spec::zone("c").times(2));
    let mut sim = Sim::new(zones(), settings.clone(), 4);
    let quarter = 0.25 / 4.0;
    let all = [0.375, 0.375, quarter, quarter, quarter, quarter, 0.0, 0.0];
    assert_near(&expected(&sim.plan), &all, 1e-6, "by weight");
    assert_near(&sim.shares(40_000), &all, 0.01, "drawn");
    // Half of zone a is gone: 70 % of its weight is left, 2.1 against 1.
    set_health(&sim.hosts[0], Health::Unhealthy);
    sim.rebuild();
    let b = 1.0 / 3.1 / 4.0;
    assert_near(&expected(&sim.plan), &[0.0, 2.1 / 3.1, b, b, b, b, 0.0, 0.0], 1e-6, "half of a zone is gone");
    // The same in one table where a hash is looked up.
    let policy = crate::config::LoadBalancing::Maglev(crate::config::Maglev::default());
    let mut sim = Sim::new(zones(), Balancing { policy, ..settings }, 4);
    assert_eq!(sim.plan.all().shares().len(), 1);
    assert_near(&sim.shares(40_000), &all, 0.01, "in a table");
}

#[test]
fn own_zone_first_and_the_rest_where_there_is_room() {
    let zone_aware = ZoneAware { min_cluster_size: 6, routing_enabled: 100.0, local_cluster: "proxies".to_owned() };
    let settings = Balancing { zone_aware: Some(zone_aware), ..Balancing::default() };
    let local = |a: usize, b: usize| {
        let proxies = hosts(Spec::zone("a").times(a).chain(Spec::zone("b").times(b)));
        Some(LocalZones::of(&proxies, 50.0))
    };
    let plan = |a: usize, b: usize, local: Option<LocalZones>, settings: &Balancing| {
        let hosts = hosts(Spec::zone("a").times(a).chain(Spec::zone("b").times(b)));
        let sim = Sim::with_hosts(hosts, settings.clone(), local, 5);
        let shares: Vec<(f64, Why)> = sim.plan.all().fractions().map(|(part, share)| (part, share.why)).collect();
        shares
    };
    assert_eq!(plan(4, 4, local(2, 2), &settings), [(1.0, Why::ZoneDirect)]);
    assert_eq!(plan(6, 2, local(1, 1), &settings), [(1.0, Why::ZoneDirect)], "more than enough");
    assert_eq!(plan(2, 3, local(2, 2), &settings), [(1.0, Why::Load)], "too small");
    assert_eq!(plan(4, 4, None, &settings), [(1.0, Why::Load)], "nothing is known of the proxies");
    assert_eq!(plan(4, 4, local(0, 4), &settings), [(1.0, Why::Load)], "no proxy here");
    assert_eq!(plan(0, 8, local(2, 2), &settings), [(1.0, Why::Load)], "no host here");
    // A quarter of the hosts for half of the requests: half of them stay.
    let shares = plan(2, 6, local(2, 2), &settings);
    assert_eq!(shares.iter().map(|(_, why)| *why).collect::<Vec<_>>(), [Why::ZoneSampled, Why::ZoneCross]);
    assert!((shares[0].0 - 0.5).abs() < 1e-6, "{shares:?}");
    // Both zones need all that they have: each proxy zone sends by its room. All proxies are here.
    let half = ZoneAware { routing_enabled: 50.0, ..settings.zone_aware.clone().unwrap() };
    let shares = plan(4, 4, local(2, 2), &Balancing { zone_aware: Some(half), ..settings });
    assert_eq!(shares, [(0.5, Why::ZoneDirect), (0.5, Why::Load)]);
}

/// Every zone sends its requests by its own plan: together each host gets what it would get without zones.
#[test]
fn all_zones_together_load_the_hosts_evenly() {
    for seed in 0..100 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let zones = ["a", "b", "c"];
        let (of_hosts, of_proxies) = ([(); 3].map(|()| rng.usize(3..9)), [(); 3].map(|()| rng.usize(1..6)));
        let group = |counts: [usize; 3]| {
            hosts(zones.iter().zip(counts).flat_map(|(zone, count)| Spec::zone(zone).times(count)))
        };
        let (upstreams, local) = (group(of_hosts), LocalZones::of(&group(of_proxies), 50.0));
        let zone_aware = ZoneAware { min_cluster_size: 6, routing_enabled: 100.0, local_cluster: "proxies".to_owned() };
        let settings = Balancing { zone_aware: Some(zone_aware), ..Balancing::default() };
        let mut load = vec![0.0; upstreams.len()];
        for (zone, count) in zones.iter().zip(of_proxies) {
            let plan = Plan::build(upstreams.clone(), &settings, zone, Some(&local), start());
            let requests = count as f64 / of_proxies.iter().sum::<usize>() as f64;
            for (load, share) in load.iter_mut().zip(expected(&plan)) {
                *load += requests * share;
            }
        }
        // A zone with too many hosts for its own requests gives them room for those of others.
        assert_near(&load, &vec![1.0 / upstreams.len() as f64; upstreams.len()], 1e-6, &format!("seed {seed}"));
    }
}

#[test]
fn a_new_host_gets_its_share_little_by_little() {
    let slow_start = SlowStart { window: Duration::from_secs(60), aggression: 1.0, min_weight_percent: 10.0 };
    let settings = Balancing { slow_start: Some(slow_start), ..Balancing::default() };
    let mut sim = Sim::new(Spec::weight(1).times(3), settings, 6);
    assert_eq!(sim.plan.next_change, None, "who is there from the start has all");
    let start = sim.now;
    sim.hosts[2].look(start);
    for (seconds, weight) in [(0, 0.1), (3, 0.1), (6, 0.1), (15, 0.25), (30, 0.5), (45, 0.75), (60, 1.0), (90, 1.0)] {
        sim.now = start + Duration::from_secs(seconds);
        sim.rebuild();
        let share = weight / (2.0 + weight);
        let rest = (1.0 - share) / 2.0;
        assert_near(&expected(&sim.plan), &[rest, rest, share], 0.001, &format!("after {seconds} s"));
        assert_near(&sim.shares(6000), &[rest, rest, share], 0.002, &format!("after {seconds} s, drawn"));
        let next = sim.plan.next_change;
        assert_eq!(next.is_some(), seconds < 60, "{next:?} after {seconds} s");
        assert!(next.is_none_or(|next| next > sim.now && next <= sim.now + Duration::from_secs(2)));
    }
}

#[test]
fn slow_start_may_be_aggressive() {
    let slow_start = SlowStart { window: Duration::from_secs(100), aggression: 2.0, min_weight_percent: 10.0 };
    let settings = Balancing { slow_start: Some(slow_start), ..Balancing::default() };
    let mut sim = Sim::new(Spec::weight(1).times(2), settings, 7);
    sim.hosts[1].look(sim.now);
    sim.now += Duration::from_secs(25);
    sim.rebuild();
    assert_near(&expected(&sim.plan), &[2.0 / 3.0, 1.0 / 3.0], 0.001, "the root of a quarter is a half");
}

#[test]
fn subsets_and_their_fallbacks() {
    let specs = || {
        let host = |metadata| Spec { metadata, ..Spec::weight(1) };
        [
            host(&[("stage", "prod"), ("version", "1")]),
            host(&[("stage", "prod"), ("version", "2")]),
            host(&[("stage", "canary"), ("version", "2")]),
            host(&[]),
        ]
    };
    let settings = |fallback| Balancing {
        subsets: Some(Subsets {
            keys: vec![vec!["stage".to_owned()], vec!["stage".to_owned(), "version".to_owned()]],
            fallback,
            default: [("version".to_owned(), "2".to_owned())].into(),
        }),
        ..Balancing::default()
    };
    let key = |pairs: &[(&'static str, &'static str)]| SubsetKey::new(pairs.iter().copied());
    let hosts_for = |sim: &mut Sim, key: Option<SubsetKey>| {
        let counts = sim.counts_with(40, |_| PickCx { subset: key.as_ref(), ..PickCx::default() });
        (0..4).filter(|&at| counts[at] > 0).collect::<Vec<usize>>()
    };
    let mut sim = Sim::new(specs(), settings(SubsetFallback::None), 8);
    assert_eq!(hosts_for(&mut sim, Some(key(&[("stage", "prod")]))), [0, 1]);
    assert_eq!(hosts_for(&mut sim, Some(key(&[("version", "2"), ("stage", "prod")]))), [1]);
    assert_eq!(hosts_for(&mut sim, Some(key(&[("stage", "canary")]))), [2]);
    assert_eq!((sim.stats.lb_subsets_selected.get(), sim.stats.lb_subsets_fallback.get()), (120, 0));
    let others = || [None, Some(key(&[("stage", "none")])), Some(key(&[("version", "2")]))];
    for (fallback, expected) in
        [(SubsetFallback::None, &[][..]), (SubsetFallback::Any, &[0, 1, 2, 3]), (SubsetFallback::Default, &[1, 2])]
    {
        for other in others() {
            let mut sim = Sim::new(specs(), settings(fallback), 8);
            assert_eq!(hosts_for(&mut sim, other), expected, "{fallback:?}");
            assert_eq!((sim.stats.lb_subsets_selected.get(), sim.stats.lb_subsets_fallback.get()), (0, 40));
        }
    }
    // A panic is one of the subset.
    set_health(&sim.hosts[0], Health::Unhealthy);
    sim.rebuild();
    assert_eq!(hosts_for(&mut sim, Some(key(&[("stage", "prod")]))), [1]);
    set_health(&sim.hosts[1], Health::Unhealthy);
    sim.rebuild();
    assert_eq!(hosts_for(&mut sim, Some(key(&[("stage", "prod")]))), [0, 1]);
    // A cluster without subsets does not care.
    let mut sim = Sim::new(specs(), Balancing::default(), 8);
    assert_eq!(hosts_for(&mut sim, Some(key(&[("stage", "prod")]))), [0, 1, 2, 3]);
}

#[test]
fn a_host_that_was_not_checked_yet_gets_nothing_and_starts_no_panic() {
    let seed = 21;
    let mut sim = Sim::new(Spec::weight(1).times(10), Balancing::default(), seed);
    for host in &sim.hosts[3..] {
        host.set(Flag::Unchecked, true);
    }
    sim.rebuild();
    let third = 1.0 / 3.0;
    let expected = [third, third, third, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    assert_near(&sim.shares(3000), &expected, 0.01, &format!("seed {seed}"));
    // Where nothing is known of anybody, everybody is tried.
    for host in &sim.hosts {
        host.set(Flag::Unchecked, true);
    }
    sim.rebuild();
    assert_near(&sim.shares(3000), &[0.1; 10], 0.01, &format!("seed {seed}"));
}
