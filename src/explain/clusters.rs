//! The clusters of a route: what is said of them, and the limits of each. Their hosts are `hosts`.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::answer::ClusterAnswer;
use super::{Scene, hosts, timeouts};
use crate::cluster::{Breaker, Cluster, Resource, SubsetKey};
use crate::config::{self, Discovery, Priority};
use crate::route::{ClusterRef, Share};
use crate::runtime_values::ClusterValues;

/// What a route asks of its clusters.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wish<'a> {
    /// Which circuit breaker.
    pub(super) priority: Priority,
    pub(super) subset: Option<&'a SubsetKey>,
}

/// `percent`: its share of the requests of the route.
pub(super) fn answer(scene: &Scene<'_>, wish: Wish<'_>, cluster: &ClusterRef, percent: f64) -> ClusterAnswer {
    let running = scene.clusters.and_then(|clusters| clusters.iter().find(|one| one.name == cluster.name));
    match (running, scene.config.clusters.get(&*cluster.name)) {
        (Some(running), _) => of_running(running, wish, percent),
        (None, Some(config)) => of_file(&cluster.name, config, wish, percent, scene),
        (None, None) => base(&cluster.name, &config::Cluster::new(Vec::new()), percent),
    }
}

/// One of several clusters of a route.
pub(super) fn answer_share(scene: &Scene<'_>, wish: Wish<'_>, share: Share<'_>) -> ClusterAnswer {
    ClusterAnswer {
        weight: Some(share.weight),
        weight_key: share.key.map(str::to_owned),
        ..answer(scene, wish, share.cluster, share.percent)
    }
}

fn base(name: &str, config: &config::Cluster, percent: f64) -> ClusterAnswer {
    ClusterAnswer {
        name: name.to_owned(),
        percent,
        weight: None,
        weight_key: None,
        load_balancing: json(&config.balancing.policy.name()),
        protocol: json(&config.protocol),
        maintenance_percent: 0.0,
        hosts_are: None,
        hosts: Vec::new(),
        circuit_breaker: json(&config.circuit_breaker),
        circuit_breaker_used: Map::new(),
        timeouts: timeouts::of_cluster(config),
    }
}

fn of_running(cluster: &Arc<Cluster>, wish: Wish<'_>, percent: f64) -> ClusterAnswer {
    let hosts = hosts::answer(&cluster.plan.get(), wish.subset, None);
    let hosts_are = match cluster.config.discovery {
        Discovery::OriginalDst => Some(ORIGINAL_DST),
        _ if hosts.is_empty() => Some("none: none was found yet"),
        _ if hosts.iter().all(|host| !host.candidate) => Some("none that may be picked: 503, response flag UH"),
        _ => None,
    };
    ClusterAnswer {
        maintenance_percent: cluster.values.maintenance_mode.get(),
        hosts_are,
        hosts,
        circuit_breaker_used: used(&cluster.breaker, wish.priority),
        ..base(&cluster.name, &cluster.config, percent)
    }
}

const ORIGINAL_DST: &str = "where each connection was to go before it was redirected";

/// Of the route's priority.
fn used(breaker: &Breaker, priority: Priority) -> Map<String, Json> {
    let name = |resource| match resource {
        Resource::Connections => "connections",
        Resource::PendingRequests => "pending_requests",
        Resource::Requests => "requests",
        Resource::Retries => "retries",
    };
    let used = |resource| (name(resource).to_owned(), breaker.used(priority, resource).into());
    Resource::ALL.into_iter().map(used).collect()
}

fn of_file(name: &str, config: &config::Cluster, wish: Wish<'_>, percent: f64, scene: &Scene<'_>) -> ClusterAnswer {
    // The file's own value, read without a store.
    let key = format!("upstream.maintenance_mode.{name}");
    let value = scene.config.runtime.get(&key).map(ToString::to_string);
    let hosts_are = match config.discovery {
        Discovery::Static => None,
        Discovery::StrictDns | Discovery::LogicalDns => Some("found by these names, which are not looked up here"),
        Discovery::Srv => Some("found by the records of these names, which are not looked up here"),
        Discovery::File => Some("those of a file of endpoints, which is not read here"),
        Discovery::OriginalDst => Some(ORIGINAL_DST),
    };
    ClusterAnswer {
        maintenance_percent: value.and_then(|text| ClusterValues::parse_maintenance(&text)).unwrap_or_default(),
        hosts_are,
        hosts: hosts::of_file(config, wish.subset, &scene.config.node.zone),
        ..base(name, config, percent)
    }
}

/// These keys of a section, as the effective configuration has them.
pub(super) fn section(config: &impl Serialize, keys: &[&str]) -> Map<String, Json> {
    let Json::Object(mut members) = json(config) else { return Map::new() };
    members.retain(|key, _| keys.contains(&key.as_str()));
    members
}

/// By way of the text: the code that writes each section as text is there in any case, and would be there once more for values.
fn json(value: &impl Serialize) -> Json {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}
