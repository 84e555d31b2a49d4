//! How a cluster shares its requests among its hosts: policy, priorities, localities, slow start, subsets and sticky
//! sessions. Words and defaults are Envoy's (`Cluster.lb_policy`, `common_lb_config` and the policies' own messages).

mod read;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::text::write;

pub(super) use self::read::{cookie_name, cookie_path, read, read_subset};

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Balancing {
    /// `load_balancing`, and the section of that name.
    #[serde(flatten)]
    pub policy: LoadBalancing,
    /// Below this share of healthy hosts all hosts are used alike, in percent; 0: never. Default 50.
    /// (`healthy_panic_threshold`)
    #[serde(serialize_with = "write::percent")]
    pub panic_threshold: f64,
    /// Refuse requests where `panic_threshold` would use all hosts. Default false.
    pub fail_traffic_on_panic: bool,
    /// A priority takes its whole load as long as its healthy share times this is 100 %, in percent. 100 to 1000, default
    /// 140.
    pub overprovisioning_factor: u32,
    /// Default: a new host has its whole share at once. For `round_robin` and `least_request`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_start: Option<SlowStart>,
    /// By zone, 0 to 2^20; a zone that does not stand here gets nothing. Default: zones do not matter. Not with
    /// `zone_aware`. (`locality_weighted_lb_config`)
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub locality_weights: BTreeMap<String, u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone_aware: Option<ZoneAware>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subsets: Option<Subsets>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sticky: Option<Sticky>,
}

/// Which host takes the next request.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum LoadBalancing {
    #[default]
    RoundRobin,
    LeastRequest(LeastRequest),
    Random,
    RingHash(RingHash),
    Maglev(Maglev),
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LeastRequest {
    /// Hosts drawn, of which the one with least to do is taken; where weights differ, it is not used. 2 to 16, default 2.
    pub choice_count: u32,
    /// Where weights differ, a host's is divided by its requests in flight plus one, to this power. 0 to 16, default 1.
    pub active_request_bias: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RingHash {
    /// Entries on the ring, at least. 1 to 8 Mi, default 1024.
    pub minimum_ring_size: u32,
    /// At most. 1 to 8 Mi, default 8 Mi.
    pub maximum_ring_size: u32,
    #[serde(flatten)]
    pub hashing: Hashing,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Maglev {
    /// A prime number, 2 to 5 000 011. Default 65 537.
    pub table_size: u32,
    #[serde(flatten)]
    pub hashing: Hashing,
}

/// What both policies have that go by a hash.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Hashing {
    /// No host gets more than this share of the average, in percent; requests beyond it go to others. 100 to 10 000;
    /// `None`: no bound ("off", the default).
    #[serde(serialize_with = "write::or_off")]
    pub hash_balance_factor: Option<u32>,
    /// A host is hashed by the name that it was found by, not by its address. Default false.
    pub use_hostname_for_hashing: bool,
}

/// A host that is new, or healthy again, gets its share little by little.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SlowStart {
    /// How long that takes.
    #[serde(serialize_with = "write::duration")]
    pub window: Duration,
    /// Its weight grows with elapsed time to the power of 1 over this. Above 0 to 100, default 1: evenly.
    pub aggression: f64,
    /// What it starts with, in percent of its weight. Default 10.
    #[serde(serialize_with = "write::percent")]
    pub min_weight_percent: f64,
}

/// Requests stay in the zone of this proxy (`node.zone`) as far as its hosts have room for them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ZoneAware {
    /// Only where at least so many hosts are healthy. Default 6.
    pub min_cluster_size: u32,
    /// For this share of the requests. Default 100.
    #[serde(serialize_with = "write::percent")]
    pub routing_enabled: f64,
    /// The cluster whose endpoints are the proxies that do as this one does: their zones say where requests come from.
    pub local_cluster: String,
}

/// Hosts that have the same metadata, for routes with a `subset`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Subsets {
    /// Each list is one way to part the hosts: by the values of these keys. 1 to 16 of them, of 1 to 8 keys each.
    /// (`subset_selectors`)
    pub keys: Vec<Vec<String>>,
    /// What a request gets that asks for none, or for one that has no hosts.
    pub fallback: SubsetFallback,
    /// The hosts of `"fallback": "default"`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub default: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SubsetFallback {
    /// No host.
    #[default]
    None,
    /// Any host.
    Any,
    /// One with the metadata of `default`.
    Default,
}

/// The requests of a client go to the host that took its first one; the client says by a cookie which that was.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sticky {
    /// Its name.
    pub cookie: String,
    /// How long the client keeps it, counted from the last time it was set. `None`: until the client is closed ("off", the
    /// default).
    #[serde(serialize_with = "write::duration_or_off")]
    pub ttl: Option<Duration>,
    /// Where the client sends it. Default `/`.
    pub path: String,
}

impl Default for Balancing {
    fn default() -> Balancing {
        Balancing {
            policy: LoadBalancing::default(),
            panic_threshold: 50.0,
            fail_traffic_on_panic: false,
            overprovisioning_factor: 140,
            slow_start: None,
            locality_weights: BTreeMap::new(),
            zone_aware: None,
            subsets: None,
            sticky: None,
        }
    }
}

impl Default for LeastRequest {
    fn default() -> LeastRequest {
        LeastRequest { choice_count: 2, active_request_bias: 1.0 }
    }
}

impl Default for RingHash {
    fn default() -> RingHash {
        RingHash { minimum_ring_size: 1024, maximum_ring_size: 8 << 20, hashing: Hashing::default() }
    }
}

impl Default for Maglev {
    fn default() -> Maglev {
        Maglev { table_size: 65_537, hashing: Hashing::default() }
    }
}

impl LoadBalancing {
    pub fn name(&self) -> &'static str {
        match self {
            LoadBalancing::RoundRobin => "round_robin",
            LoadBalancing::LeastRequest(_) => "least_request",
            LoadBalancing::Random => "random",
            LoadBalancing::RingHash(_) => "ring_hash",
            LoadBalancing::Maglev(_) => "maglev",
        }
    }

    /// What the policies have in common that go by a hash.
    pub fn hashing(&self) -> Option<&Hashing> {
        match self {
            LoadBalancing::RingHash(ring) => Some(&ring.hashing),
            LoadBalancing::Maglev(maglev) => Some(&maglev.hashing),
            _ => None,
        }
    }
}

impl Serialize for LoadBalancing {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut map = out.serialize_map(None)?;
        map.serialize_entry("load_balancing", self.name())?;
        match self {
            LoadBalancing::RoundRobin | LoadBalancing::Random => {}
            LoadBalancing::LeastRequest(it) => map.serialize_entry(self.name(), it)?,
            LoadBalancing::RingHash(it) => map.serialize_entry(self.name(), it)?,
            LoadBalancing::Maglev(it) => map.serialize_entry(self.name(), it)?,
        }
        map.end()
    }
}
