//! What a pick costs, in nanoseconds, by policy and number of hosts: `cargo run --release --example pick`.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use nuncio::cluster::balance::{PickCx, Picker};
use nuncio::cluster::{Host, Identity, Plan};
use nuncio::config::{Balancing, Hashing, LeastRequest, LoadBalancing, Maglev, RingHash};
use nuncio::stats::{ClusterStats, LazyHandle};

const PICKS: u64 = 2_000_000;
const ROUNDS: usize = 5;

#[allow(clippy::disallowed_methods, reason = "a measurement")]
fn main() {
    let bounded = Hashing { hash_balance_factor: Some(125), ..Hashing::default() };
    let cases = [
        ("round_robin", false, LoadBalancing::RoundRobin),
        ("round_robin, weighted", true, LoadBalancing::RoundRobin),
        ("least_request", false, LoadBalancing::LeastRequest(LeastRequest::default())),
        ("least_request, weighted", true, LoadBalancing::LeastRequest(LeastRequest::default())),
        ("random", false, LoadBalancing::Random),
        ("random, weighted", true, LoadBalancing::Random),
        ("ring_hash", false, LoadBalancing::RingHash(RingHash::default())),
        ("maglev", false, LoadBalancing::Maglev(Maglev::default())),
        ("maglev, bounded", false, LoadBalancing::Maglev(Maglev { hashing: bounded, ..Maglev::default() })),
    ];
    println!("{:24} {:>8} {:>10} {:>12}", "policy", "hosts", "ns a pick", "us a plan");
    for hosts in [10, 1000] {
        for (name, weighted, policy) in cases {
            let settings = Balancing { policy, ..Balancing::default() };
            let hosts: Vec<Arc<Host>> = (0..hosts).filter_map(|at| host(at, weighted)).collect();
            let start = Instant::now();
            let plan = Plan::build(hosts, &settings, "", None, start);
            let plan_us = start.elapsed().as_micros();
            let mut picker = Picker::new(&settings, LazyHandle::<ClusterStats>::detached());
            let mut rng = fastrand::Rng::with_seed(1);
            let is_hash = policy.hashing().is_some();
            let mut best = f64::INFINITY;
            for _ in 0..ROUNDS {
                let start = Instant::now();
                for at in 0..PICKS {
                    let hash = is_hash.then(|| at.wrapping_mul(0x9e37_79b9_7f4a_7c15));
                    let cx = PickCx { hash, in_flight: 100, ..PickCx::default() };
                    black_box(picker.pick(&plan, &cx, &mut rng));
                }
                best = best.min(start.elapsed().as_nanos() as f64 / PICKS as f64);
            }
            println!("{name:24} {:>8} {best:>10.1} {plan_us:>12}", plan.hosts().len());
        }
    }
}

fn host(at: u32, weighted: bool) -> Option<Arc<Host>> {
    let address = format!("10.0.{}.{}:80", at / 250, at % 250).parse().ok()?;
    Some(Arc::new(Host::new(Identity::of(address), if weighted { 1 + at % 7 } else { 1 })))
}
