//! The explanation as data: the JSON that `--json` and POST `/explain` give. `text` shows the same to people.

use serde::Serialize;
use serde_json::Value as Json;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    pub request: Asked,
    /// Health and use of hosts are those of the running proxy; else hosts are taken to be healthy.
    pub live: bool,
    /// Every listener of connections, or of datagrams, in file order.
    pub listeners: Vec<Entry>,
    /// The chains of the one that is taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chains: Vec<Entry>,
    /// The request as routes see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
    /// The request goes no further than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// Every route that was tried, in file order.
    pub routes: Vec<Tried>,
    /// Routes behind the one that takes all that is left.
    pub routes_not_tried: usize,
    /// What may become of it. One, where no runtime value parts the requests.
    pub outcomes: Vec<Outcome>,
}

impl Explanation {
    /// Indented, with a line end.
    pub fn to_json(&self) -> String {
        // Keys are texts and numbers finite, so that it does not fail; were it otherwise, the text would say so.
        let mut json = serde_json::to_string_pretty(self).unwrap_or_else(|error| format!("\"{error}\""));
        json.push('\n');
        json
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Asked {
    /// Empty: a datagram has none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub method: String,
    pub url: String,
    /// The client's address.
    pub from: String,
}

/// A listener or a chain.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    pub taken: bool,
    pub why: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Seen {
    pub host: String,
    /// Canonical, with its query.
    pub path: String,
}

/// A route that was tried.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tried {
    pub index: usize,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Share of the requests that takes it, in percent.
    pub takes_percent: f64,
    /// What decides: the first predicate that fails, or the share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<Because>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Because {
    /// Its key in `match`.
    pub predicate: String,
    pub asks: String,
    pub has: String,
}

/// What becomes of a share of such requests.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    pub percent: f64,
    /// Its place in the file; none: no route takes it.
    pub route: Option<usize>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// `forward`, `redirect`, `respond`, `echo` or `none`.
    pub action: &'static str,
    /// The status of an answer of our own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Envoy's response flag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_flag: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The filters that see it before that, in their order. Each may answer in its place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<FilterAnswer>,
    /// As the host sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forwarded: Option<Seen>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<ClusterAnswer>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub timeouts: Vec<Limit>,
    /// The route's own keys, as the effective configuration has them: `retry`, `race`, `shadow`, `priority`,
    /// `hash`, `subset`.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub policies: serde_json::Map<String, Json>,
}

/// A filter on the way.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FilterAnswer {
    #[serde(rename = "type")]
    pub name: &'static str,
    /// As far as that is known without traffic.
    pub does: String,
}

/// A limit of time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Limit {
    pub name: String,
    /// A duration, or off.
    pub value: String,
    /// `route`, `listener`, `cluster`, or `default`.
    pub from: &'static str,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClusterAnswer {
    pub name: String,
    /// Of the requests of the route.
    pub percent: f64,
    /// Among the clusters of the route, as it is now; none where the route has one cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// The runtime value that changes the weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_key: Option<String>,
    pub load_balancing: Json,
    pub protocol: Json,
    /// `upstream.maintenance_mode.NAME`: requests that are refused at once, in percent.
    #[serde(skip_serializing_if = "is_zero")]
    pub maintenance_percent: f64,
    /// What is to be known of its hosts as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hosts_are: Option<&'static str>,
    pub hosts: Vec<HostAnswer>,
    pub circuit_breaker: Json,
    /// What of it is used now; only of a running proxy.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub circuit_breaker_used: serde_json::Map<String, Json>,
    pub timeouts: Vec<Limit>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HostAnswer {
    pub address: String,
    pub weight: u32,
    pub priority: u32,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub zone: String,
    /// `healthy`, `degraded`, `unhealthy`, or `assumed healthy`.
    pub health: &'static str,
    /// Envoy's words for why it is not healthy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_requests: Option<u32>,
    /// Of the requests to the cluster.
    pub percent: f64,
    /// It may be picked.
    pub candidate: bool,
    pub why: String,
}

fn is_zero(percent: &f64) -> bool {
    *percent == 0.0
}
