//! The clusters of a route: their hosts, which of them may be picked and with what share, and the limits of the cluster.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::answer::{ClusterAnswer, HostAnswer};
use super::{Scene, timeouts};
use crate::cluster::{Breaker, Cluster, Flag, Health, Host, Resource};
use crate::config;
use crate::route::ClusterRef;
use crate::runtime_values::ClusterValues;

/// `percent`: its share of the requests of the route.
pub(super) fn answer(scene: &Scene<'_>, cluster: &ClusterRef, percent: f64) -> ClusterAnswer {
    let running = scene.clusters.and_then(|clusters| clusters.iter().find(|one| one.name == cluster.name));
    match (running, scene.config.clusters.get(&*cluster.name)) {
        (Some(running), _) => of_running(running, percent),
        (None, Some(config)) => of_file(&cluster.name, config, percent, scene),
        (None, None) => base(&cluster.name, &config::Cluster::new(Vec::new()), percent),
    }
}

fn base(name: &str, config: &config::Cluster, percent: f64) -> ClusterAnswer {
    ClusterAnswer {
        name: name.to_owned(),
        percent,
        load_balancing: json(&config.balancing.policy.name()),
        protocol: json(&config.protocol),
        maintenance_percent: 0.0,
        hosts_are: no_hosts(config.discovery),
        hosts: Vec::new(),
        circuit_breaker: json(&config.circuit_breaker),
        circuit_breaker_used: Map::new(),
        timeouts: timeouts::of_cluster(config),
    }
}

fn no_hosts(discovery: config::Discovery) -> Option<&'static str> {
    (discovery == config::Discovery::OriginalDst).then_some("where each connection was to go before it was redirected")
}

fn of_running(cluster: &Arc<Cluster>, percent: f64) -> ClusterAnswer {
    let hosts = cluster.hosts();
    let candidates: Vec<Candidate<'_>> = hosts.iter().map(|host| Candidate::running(host)).collect();
    ClusterAnswer {
        maintenance_percent: cluster.values.maintenance_mode.get(),
        hosts: shares(candidates),
        circuit_breaker_used: used(&cluster.breaker),
        ..base(&cluster.name, &cluster.config, percent)
    }
}

fn used(breaker: &Breaker) -> Map<String, Json> {
    let name = |resource| match resource {
        Resource::Connections => "connections",
        Resource::PendingRequests => "pending_requests",
        Resource::Requests => "requests",
        Resource::Retries => "retries",
    };
    Resource::ALL
        .into_iter()
        .map(|resource| (name(resource).to_owned(), breaker.used_in_all(resource).into()))
        .collect()
}

fn of_file(name: &str, config: &config::Cluster, percent: f64, scene: &Scene<'_>) -> ClusterAnswer {
    let candidates = config.endpoints.iter().map(|endpoint| Candidate {
        address: endpoint.address.to_string(),
        weight: endpoint.weight,
        priority: 0,
        running: None,
    });
    // The file's own value, read without a store.
    let key = format!("upstream.maintenance_mode.{name}");
    let value = scene.config.runtime.get(&key).map(ToString::to_string);
    ClusterAnswer {
        maintenance_percent: value.and_then(|text| ClusterValues::parse_maintenance(&text)).unwrap_or_default(),
        hosts: shares(candidates.collect()),
        ..base(name, config, percent)
    }
}

/// A host that may be picked, or not.
struct Candidate<'a> {
    address: String,
    weight: u32,
    priority: u32,
    /// `None`: nobody knows how it is.
    running: Option<&'a Host>,
}

impl Candidate<'_> {
    fn running(host: &Host) -> Candidate<'_> {
        let (address, weight, priority) = (host.address.to_string(), host.weight(), host.priority);
        Candidate { address, weight, priority, running: Some(host) }
    }

    fn health(&self) -> Health {
        self.running.map_or(Health::Healthy, Host::health)
    }
}

/// The healthy ones of the first priority that has any, by weight; where none is healthy, all.
fn shares(candidates: Vec<Candidate<'_>>) -> Vec<HostAnswer> {
    let least = |health: Health| {
        let fit = candidates.iter().filter(move |one| one.health() == health);
        fit.map(|one| one.priority).min().map(|priority| (health, priority))
    };
    let level = least(Health::Healthy).or_else(|| least(Health::Degraded));
    let is_in = |one: &Candidate<'_>| level.is_none_or(|level| (one.health(), one.priority) == level);
    let total: f64 = candidates.iter().filter(|one| is_in(one)).map(|one| f64::from(one.weight)).sum();
    let answer = |one: &Candidate<'_>| {
        let flags: Vec<&'static str> = match one.running {
            Some(host) => Flag::ALL.iter().filter(|(flag, _)| host.has(*flag)).map(|(_, word)| *word).collect(),
            None => Vec::new(),
        };
        let candidate = is_in(one);
        let why = match (candidate, one.health(), level) {
            (true, _, None) => "no host is healthy: all are taken".to_owned(),
            (true, Health::Degraded, _) => "no host is healthy: the degraded are taken".to_owned(),
            (true, _, _) => "in".to_owned(),
            (false, Health::Unhealthy, _) => format!("out: {}", flags.join(", ")),
            (false, Health::Degraded, Some((Health::Healthy, _))) => "out: degraded, and others are healthy".to_owned(),
            (false, _, Some((_, priority))) => format!("out: hosts of priority {priority} are there"),
            (false, _, None) => "out".to_owned(),
        };
        HostAnswer {
            address: one.address.clone(),
            weight: one.weight,
            priority: one.priority,
            zone: one.running.map_or_else(String::new, |host| host.zone.to_string()),
            health: match (one.running, one.health()) {
                (None, _) => "assumed healthy",
                (_, Health::Healthy) => "healthy",
                (_, Health::Degraded) => "degraded",
                (_, Health::Unhealthy) => "unhealthy",
            },
            flags,
            active_requests: one.running.map(Host::active_requests),
            percent: if candidate { f64::from(one.weight) * 100.0 / total } else { 0.0 },
            candidate,
            why,
        }
    };
    candidates.iter().map(answer).collect()
}

/// These keys of a section, as the effective configuration has them.
pub(super) fn section(config: &impl Serialize, keys: &[&str]) -> Map<String, Json> {
    let Json::Object(mut members) = json(config) else { return Map::new() };
    members.retain(|key, _| keys.contains(&key.as_str()));
    members
}

fn json(value: &impl Serialize) -> Json {
    serde_json::to_value(value).unwrap_or_default()
}
