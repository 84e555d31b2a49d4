//! Reads the keys of a cluster that say how it balances.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{
    Balancing, Hashing, LeastRequest, LoadBalancing, Maglev, RingHash, SlowStart, Sticky, SubsetFallback, Subsets,
    ZoneAware,
};
use crate::config::text::{Complaint, Cx, Node, Object, quote, read};
use crate::order;

/// Largest `table_size` of Maglev and weight of a locality; Envoy's bounds.
const MAX_TABLE: u64 = 5_000_011;
const MAX_RING: u64 = 8 << 20;

#[derive(Clone, Copy, PartialEq)]
enum Name {
    RoundRobin,
    LeastRequest,
    Random,
    RingHash,
    Maglev,
}

/// Reads them from their cluster.
pub(in crate::config) fn read(cx: &Cx, node: &Node, o: &mut Object) -> Balancing {
    let default = Balancing::default();
    let policy = read_policy(cx, o);
    let slow_start = o.maybe("slow_start", |cx, node| {
        if !matches!(policy, LoadBalancing::RoundRobin | LoadBalancing::LeastRequest(_)) {
            cx.warn(node, format!("has no effect where \"load_balancing\" is \"{}\"", policy.name()));
        }
        read_slow_start(cx, node)
    });
    let balancing = Balancing {
        policy,
        panic_threshold: o.optional("panic_threshold", default.panic_threshold, read::percent),
        fail_traffic_on_panic: o.optional("fail_traffic_on_panic", default.fail_traffic_on_panic, read::boolean),
        overprovisioning_factor: o.optional(
            "overprovisioning_factor",
            default.overprovisioning_factor,
            read::integer(100..=1000),
        ),
        slow_start,
        locality_weights: o.optional("locality_weights", default.locality_weights, read_locality_weights),
        zone_aware: o.maybe("zone_aware", |cx, node| read_zone_aware(cx, node, policy)),
        subsets: o.maybe("subsets", read_subsets),
        sticky: o.maybe("sticky", read_sticky),
    };
    if balancing.zone_aware.is_some() && !balancing.locality_weights.is_empty() {
        cx.refuse::<()>(node, "has both \"locality_weights\" and \"zone_aware\": either says which zone is taken");
    }
    balancing
}

/// The policy, and the section of its name.
fn read_policy(cx: &Cx, o: &mut Object) -> LoadBalancing {
    const NAMES: &[(&str, Name)] = &[
        ("round_robin", Name::RoundRobin),
        ("least_request", Name::LeastRequest),
        ("random", Name::Random),
        ("ring_hash", Name::RingHash),
        ("maglev", Name::Maglev),
    ];
    let name = o.optional("load_balancing", Name::RoundRobin, read::one_of(NAMES));
    let mut section = |key: &'static str, its: Name| {
        let node = o.take(key)?;
        if name != its {
            cx.warn(&node, format!("has no effect: \"load_balancing\" is not \"{key}\""));
        }
        Some(node)
    };
    let least_request = section("least_request", Name::LeastRequest).and_then(|node| read_least_request(cx, &node));
    let ring_hash = section("ring_hash", Name::RingHash).and_then(|node| read_ring_hash(cx, &node));
    let maglev = section("maglev", Name::Maglev).and_then(|node| read_maglev(cx, &node));
    match name {
        Name::RoundRobin => LoadBalancing::RoundRobin,
        Name::Random => LoadBalancing::Random,
        Name::LeastRequest => LoadBalancing::LeastRequest(least_request.unwrap_or_default()),
        Name::RingHash => LoadBalancing::RingHash(ring_hash.unwrap_or_default()),
        Name::Maglev => LoadBalancing::Maglev(maglev.unwrap_or_default()),
    }
}

fn read_least_request(cx: &Cx, node: &Node) -> Option<LeastRequest> {
    let default = LeastRequest::default();
    let mut o = cx.object(node)?;
    let it = LeastRequest {
        choice_count: o.optional("choice_count", default.choice_count, read::integer(2..=16)),
        active_request_bias: o.optional("active_request_bias", default.active_request_bias, read::number(0.0..=16.0)),
    };
    o.finish();
    Some(it)
}

fn read_ring_hash(cx: &Cx, node: &Node) -> Option<RingHash> {
    let default = RingHash::default();
    let mut o = cx.object(node)?;
    let it = RingHash {
        minimum_ring_size: o.optional("minimum_ring_size", default.minimum_ring_size, read::integer(1..=MAX_RING)),
        maximum_ring_size: o.optional("maximum_ring_size", default.maximum_ring_size, read::integer(1..=MAX_RING)),
        hashing: read_hashing(&mut o),
    };
    o.finish();
    if it.minimum_ring_size > it.maximum_ring_size {
        return cx.refuse(node, "has a \"minimum_ring_size\" above its \"maximum_ring_size\"");
    }
    Some(it)
}

fn read_maglev(cx: &Cx, node: &Node) -> Option<Maglev> {
    let default = Maglev::default();
    let mut o = cx.object(node)?;
    let table_size = o.optional("table_size", default.table_size, |cx, node| {
        let size = read::integer(2..=MAX_TABLE)(cx, node)?;
        if is_prime(size) {
            return Some(size);
        }
        let above = (size..).find(|&above| is_prime(above)).unwrap_or(default.table_size);
        cx.refuse(node, Complaint::new(format!("{size} is not a prime number")).expected(format!("{above}")))
    });
    let it = Maglev { table_size, hashing: read_hashing(&mut o) };
    o.finish();
    Some(it)
}

fn is_prime(number: u32) -> bool {
    number >= 2
        && (2..).take_while(|divisor| divisor * divisor <= number).all(|divisor| !number.is_multiple_of(divisor))
}

fn read_hashing(o: &mut Object) -> Hashing {
    let default = Hashing::default();
    Hashing {
        hash_balance_factor: o.optional(
            "hash_balance_factor",
            default.hash_balance_factor,
            read::integer_or("off", 100..=10_000),
        ),
        use_hostname_for_hashing: o.optional(
            "use_hostname_for_hashing",
            default.use_hostname_for_hashing,
            read::boolean,
        ),
    }
}

fn read_slow_start(cx: &Cx, node: &Node) -> Option<SlowStart> {
    let mut o = cx.object(node)?;
    let window = o.required("window", read::timeout);
    let aggression = o.optional("aggression", 1.0, read::number(0.01..=100.0));
    let min_weight_percent = o.optional("min_weight_percent", 10.0, read::percent);
    o.finish();
    Some(SlowStart { window: window?, aggression, min_weight_percent })
}

fn read_locality_weights(cx: &Cx, node: &Node) -> Option<BTreeMap<String, u32>> {
    let entries = cx.entries(node, "an object of zone and weight")?;
    let weight = read::integer(0..=1 << 20);
    let weights: BTreeMap<String, u32> = order::map(
        entries.iter().filter_map(|entry| Some((entry.key.clone().into_owned(), weight(cx, &entry.value)?))),
    );
    if weights.values().all(|&weight| weight == 0) {
        return cx.refuse(node, Complaint::new("gives no zone a weight").expected("at least one above 0"));
    }
    Some(weights)
}

fn read_zone_aware(cx: &Cx, node: &Node, policy: LoadBalancing) -> Option<ZoneAware> {
    let mut o = cx.object(node)?;
    if policy.hashing().is_some() {
        cx.warn(node, format!("has no effect where \"load_balancing\" is \"{}\"", policy.name()));
    }
    let min_cluster_size = o.optional("min_cluster_size", 6, read::integer(0..=u64::from(u32::MAX)));
    let routing_enabled = o.optional("routing_enabled", 100.0, read::percent);
    let local_cluster = o.required("local_cluster", Cx::cluster);
    o.finish();
    Some(ZoneAware { min_cluster_size, routing_enabled, local_cluster: local_cluster? })
}

fn read_subsets(cx: &Cx, node: &Node) -> Option<Subsets> {
    const FALLBACKS: &[(&str, SubsetFallback)] =
        &[("none", SubsetFallback::None), ("any", SubsetFallback::Any), ("default", SubsetFallback::Default)];
    let mut o = cx.object(node)?;
    let keys = o.required("keys", read_subset_keys);
    let fallback = o.optional("fallback", SubsetFallback::None, read::one_of(FALLBACKS));
    let default = o.optional("default", BTreeMap::new(), read_metadata);
    o.finish();
    match (fallback == SubsetFallback::Default, default.is_empty()) {
        (true, true) => return cx.refuse(node, "has \"fallback\": \"default\", but no \"default\""),
        (false, false) => cx.warn(node, "\"default\" has no effect: \"fallback\" is not \"default\""),
        _ => {}
    }
    Some(Subsets { keys: keys?, fallback, default })
}

/// Sorted, each key once, each list once.
fn read_subset_keys(cx: &Cx, node: &Node) -> Option<Vec<Vec<String>>> {
    let lists = cx.elements(node, "a list of lists of metadata keys")?;
    if !(1..=16).contains(&lists.len()) {
        return cx.refuse(node, Complaint::new(format!("has {} lists", lists.len())).expected("1 to 16"));
    }
    let mut all: Vec<Vec<String>> = Vec::with_capacity(lists.len());
    for list in &lists {
        let Some(mut keys) = read::some(read::name)(cx, list) else { continue };
        order::sort(&mut keys);
        keys.dedup();
        if keys.len() > 8 {
            cx.refuse::<()>(list, Complaint::new(format!("has {} keys", keys.len())).expected("at most 8"));
        } else if all.contains(&keys) {
            cx.refuse::<()>(list, "stands here a second time");
        } else {
            all.push(keys);
        }
    }
    Some(all)
}

/// Metadata that hosts must have: key and value, both texts.
fn read_metadata(cx: &Cx, node: &Node) -> Option<BTreeMap<String, String>> {
    let entries = cx.entries(node, "an object of metadata key and value")?;
    let pair =
        |entry: &crate::config::text::Entry| Some((entry.key.clone().into_owned(), read::string(cx, &entry.value)?));
    entries.iter().map(pair).collect::<Option<Vec<_>>>().map(order::map)
}

/// The same, of which there must be some.
pub(in crate::config) fn read_subset(cx: &Cx, node: &Node) -> Option<BTreeMap<String, String>> {
    let metadata = read_metadata(cx, node)?;
    if metadata.is_empty() { cx.refuse(node, "is empty") } else { Some(metadata) }
}

fn read_sticky(cx: &Cx, node: &Node) -> Option<Sticky> {
    let mut o = cx.object(node)?;
    let cookie = o.required("cookie", cookie_name);
    let ttl = o.optional("ttl", None, read::or_off(read_ttl));
    let path = o.optional("path", "/".to_owned(), cookie_path);
    o.finish();
    Some(Sticky { cookie: cookie?, ttl, path })
}

/// `Max-Age` counts seconds.
fn read_ttl(cx: &Cx, node: &Node) -> Option<Duration> {
    let ttl = read::timeout(cx, node)?;
    if ttl.subsec_nanos() != 0 {
        return cx.refuse(node, Complaint::new(format!("{} is not in whole seconds", node.text)));
    }
    Some(ttl)
}

/// A token (RFC 6265 section 4.1.1).
pub(in crate::config) fn cookie_name(cx: &Cx, node: &Node) -> Option<String> {
    let text = read::string(cx, node)?;
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if text.is_empty() || text.len() > 128 || !text.bytes().all(token) {
        let complaint = Complaint::new(format!("{} is not a name of a cookie", quote(&text)));
        return cx.refuse(node, complaint.expected("letters, digits and !#$%&'*+-.^_`|~"));
    }
    Some(text)
}

/// What may stand in `Path=` of a cookie (RFC 6265 section 4.1.1).
pub(in crate::config) fn cookie_path(cx: &Cx, node: &Node) -> Option<String> {
    let text = read::string(cx, node)?;
    if !text.starts_with('/')
        || text.len() > 1024
        || !text.bytes().all(|byte| (b'!'..=b'~').contains(&byte) && byte != b';')
    {
        let complaint = Complaint::new(format!("{} is not a path of a cookie", quote(&text)));
        return cx.refuse(node, complaint.expected("a text such as \"/shop\", without blanks and semicolons"));
    }
    Some(text)
}
