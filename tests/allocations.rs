//! How often a worker asks the allocator, for one request of a kept connection, for one chunk of a streaming body, and for a pick
//! of a host.
//! The bounds are the figures of today: whoever makes one smaller lowers its bound, whoever breaks one has to say why.

#![allow(clippy::unwrap_used, reason = "tests")]

#[allow(dead_code, unused_imports, reason = "shared with tests/proxy")]
#[path = "proxy/harness/mod.rs"]
mod harness;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::{c_int, c_ulong};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use harness::{Proxy, Upstream, Wire};
use nuncio::cluster::balance::{PickCx, Picker};
use nuncio::cluster::{Flag, Host, Identity, Plan, SubsetKey};
use nuncio::config::{Balancing, LoadBalancing, SubsetFallback, Subsets};
use nuncio::stats::{ClusterStats, LazyHandle};

/// Rounds that are counted.
const ROUNDS: u64 = 500;
/// Rounds before: buffers, pools and tables take their sizes.
const WARM_UP: u64 = 100;

/// Allocations for a GET without a body on two kept connections, and its answer of a few bytes: the connection's busy part,
/// the stream, the attempt and the exchange; two for each header list; one for each head written.
const PER_REQUEST: u64 = 10;
/// Allocations for a chunk, in either direction.
const PER_CHUNK: u64 = 0;
/// Allocations for a pick, whatever the policy.
const PER_PICK: u64 = 0;
/// What comes beside that in each round: the executor's queue takes a block for every 31 times a task is woken, and a
/// worker looks over its pools once a second.
const SOMETIMES: f64 = 0.1;

/// Counts the allocations of the thread "worker-0", while that is asked for.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static COUNTS: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
/// One test at a time: each has a worker of that name.
static TURN: Mutex<()> = Mutex::new(());

thread_local! {
    /// Whether this thread is the worker; unknown at first.
    static IS_WORKER: Cell<Option<bool>> = const { Cell::new(None) };
}

const PR_GET_NAME: c_int = 16;
unsafe extern "C" {
    /// prctl(2) of the C library, which std links anyway.
    fn prctl(option: c_int, ...) -> c_int;
}

fn note() {
    if !COUNTS.load(Ordering::Relaxed) {
        return;
    }
    let is_worker = IS_WORKER.get().unwrap_or_else(|| {
        let mut name = [0u8; 16];
        // SAFETY: PR_GET_NAME writes at most 16 bytes to its one argument, and allocates nothing.
        unsafe { prctl(PR_GET_NAME, name.as_mut_ptr() as c_ulong) };
        let is_worker = name.starts_with(b"worker-0\0");
        IS_WORKER.set(Some(is_worker));
        is_worker
    });
    if is_worker {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: every call is handed to the system's allocator as it is; counting touches no memory of the caller's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

/// Allocations of the worker in each round, after a warm-up, in ascending order.
fn allocations(mut round: impl FnMut()) -> Vec<u64> {
    (0..WARM_UP).for_each(|_| round());
    COUNTS.store(true, Ordering::SeqCst);
    let counted = (0..ROUNDS).map(|_| {
        let before = ALLOCATIONS.load(Ordering::SeqCst);
        round();
        ALLOCATIONS.load(Ordering::SeqCst) - before
    });
    let mut counts: Vec<u64> = counted.collect();
    COUNTS.store(false, Ordering::SeqCst);
    counts.sort_unstable();
    counts
}

fn check(what: &str, counts: &[u64], bound: u64) {
    let median = counts[counts.len() / 2];
    let mean = counts.iter().sum::<u64>() as f64 / counts.len() as f64;
    println!("{what}: {median} allocations, {mean:.3} in the mean");
    assert!(median <= bound, "{what}: {median} allocations, at most {bound} are allowed");
    assert!(mean <= bound as f64 + SOMETIMES, "{what}: {mean:.3} allocations in the mean, at most {bound} are allowed");
}

#[test]
fn requests() {
    let _turn = TURN.lock();
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.client();
    let mut server = None;
    let found = allocations(|| {
        client.send("GET /path HTTP/1.1\r\nhost: a.example\r\nuser-agent: test\r\naccept: */*\r\n\r\n");
        let server = server.get_or_insert_with(|| upstream.accept());
        server.head();
        server.send("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok");
        assert_eq!(client.message().text(), "ok");
    });
    check("request", &found, PER_REQUEST);
}

/// Both ends of a request whose two bodies stream.
fn streaming(proxy: &Proxy, upstream: &Upstream) -> (Wire, Wire) {
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    let mut server = upstream.accept();
    server.head();
    server.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    client.head();
    (client, server)
}

#[test]
fn chunks() {
    let _turn = TURN.lock();
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    for size in [100, 4000] {
        let chunk = format!("{size:x}\r\n{}\r\n", "x".repeat(size));
        let (mut client, mut server) = streaming(&proxy, &upstream);
        let found = allocations(|| {
            client.send(&chunk);
            server.expect(&chunk);
        });
        check(&format!("request chunk of {size} bytes"), &found, PER_CHUNK);
        let (mut client, mut server) = streaming(&proxy, &upstream);
        let found = allocations(|| {
            server.send(&chunk);
            client.expect(&chunk);
        });
        check(&format!("response chunk of {size} bytes"), &found, PER_CHUNK);
    }
}

/// A thousand hosts. `parted`: over two priorities, of which the first is too ill for all of the load, and two subsets.
fn hosts(parted: bool) -> Vec<Arc<Host>> {
    let host = |at: usize| {
        let address = format!("10.0.{}.{}:80", at / 250, at % 250).parse().unwrap();
        let mut identity = Identity::of(address);
        if parted {
            identity.priority = (at % 2) as u32;
            let stage = if at % 10 < 5 { "canary" } else { "stable" };
            identity.metadata = [("stage".to_owned(), stage.to_owned())].into_iter().collect::<BTreeMap<_, _>>().into();
        }
        let host = Host::new(identity, 1 + (at % 3) as u32);
        host.set(Flag::FailedActive, parted && at.is_multiple_of(4));
        Arc::new(host)
    };
    (0..1000).map(host).collect()
}

/// When the plan is made.
#[allow(
    clippy::disallowed_methods,
    reason = "an instant cannot be had in another way, and which it is does not matter"
)]
fn start() -> std::time::Instant {
    std::time::Instant::now()
}

/// Allocations of so many picks, all together.
fn picks(policy: LoadBalancing, parted: bool, weighted: bool) -> u64 {
    let subsets =
        Subsets { keys: vec![vec!["stage".to_owned()]], fallback: SubsetFallback::None, default: BTreeMap::new() };
    let settings = Balancing { policy, subsets: parted.then_some(subsets), ..Balancing::default() };
    let hosts = hosts(parted);
    hosts.iter().filter(|_| !weighted).for_each(|host| _ = host.set_weight(1));
    let plan = Plan::build(hosts, &settings, "", None, start());
    let mut picker = Picker::new(&settings, LazyHandle::<ClusterStats>::detached());
    let (mut rng, canary) = (fastrand::Rng::with_seed(1), SubsetKey::new([("stage", "canary")]));
    let mut pick = |at: u64| {
        let tried = |host: &Host| at % 4 == 3 && host.weight() == 1;
        let cx = PickCx {
            hash: policy.hashing().map(|_| at.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            subset: parted.then_some(&canary),
            tried: Some(&tried),
            ..PickCx::default()
        };
        assert!(picker.pick(&plan, &cx, &mut rng).is_some());
    };
    // What is kept for a plan is made when it is first used.
    (0..WARM_UP).for_each(&mut pick);
    let before = ALLOCATIONS.load(Ordering::SeqCst);
    COUNTS.store(true, Ordering::SeqCst);
    (0..ROUNDS).for_each(&mut pick);
    COUNTS.store(false, Ordering::SeqCst);
    ALLOCATIONS.load(Ordering::SeqCst) - before
}

#[test]
fn picking_a_host() {
    let _turn = TURN.lock();
    let policies = [
        ("round_robin", LoadBalancing::RoundRobin),
        ("least_request", LoadBalancing::LeastRequest(Default::default())),
        ("random", LoadBalancing::Random),
        ("ring_hash", LoadBalancing::RingHash(Default::default())),
        ("maglev", LoadBalancing::Maglev(Default::default())),
    ];
    // Where allocations are counted.
    let worker = std::thread::Builder::new().name("worker-0".to_owned()).spawn(move || {
        for (name, policy) in policies {
            for (parted, weighted) in [(false, false), (false, true), (true, false), (true, true)] {
                let found = picks(policy, parted, weighted);
                assert_eq!(found, PER_PICK * ROUNDS, "{name}, parted {parted}, weighted {weighted}: in {ROUNDS} picks");
            }
        }
        // What is counted is seen.
        let before = ALLOCATIONS.load(Ordering::SeqCst);
        COUNTS.store(true, Ordering::SeqCst);
        drop(std::hint::black_box(Box::new(1)));
        COUNTS.store(false, Ordering::SeqCst);
        assert_eq!(ALLOCATIONS.load(Ordering::SeqCst) - before, 1);
    });
    worker.unwrap().join().unwrap();
}
