//! `/clusters`: Envoy's text (`cluster::host::key::value`) and JSON.

use std::fmt::Write;

use serde_json::{Value as Json, json};

use super::listeners::address;
use super::{AdminState, ClusterStatus, Reply, Request};
use crate::cluster::Host;

pub(super) fn clusters(state: &dyn AdminState, request: &Request) -> Reply {
    let clusters = state.clusters();
    if request.parameter("format") == Some("json") {
        return Reply::json(&json!({ "cluster_statuses": clusters.iter().map(cluster_json).collect::<Vec<_>>() }));
    }
    let mut text = String::new();
    for cluster in &clusters {
        // Writing to a String does not fail.
        let _ = cluster_text(cluster, &mut text);
    }
    Reply::text(200, text)
}

fn cluster_text(cluster: &ClusterStatus, text: &mut String) -> std::fmt::Result {
    let name = &*cluster.name;
    writeln!(text, "{name}::observability_name::{name}")?;
    for (limit, value) in limits(cluster) {
        writeln!(text, "{name}::default_priority::{limit}::{value}")?;
    }
    writeln!(text, "{name}::added_via_api::false")?;
    for host in &cluster.hosts {
        let address = &host.address;
        for (key, value) in host.stats.values() {
            writeln!(text, "{name}::{address}::{key}::{value}")?;
        }
        writeln!(text, "{name}::{address}::health_flags::healthy")?;
        writeln!(text, "{name}::{address}::weight::{}", host.weight())?;
        if let Some(rate) = host.outlier.success_rate() {
            writeln!(text, "{name}::{address}::success_rate::{rate}")?;
        }
    }
    Ok(())
}

fn cluster_json(cluster: &ClusterStatus) -> Json {
    let mut thresholds = json!({ "priority": "DEFAULT" });
    for (limit, value) in limits(cluster) {
        thresholds[limit] = value.into();
    }
    json!({
        "name": &*cluster.name,
        "observability_name": &*cluster.name,
        "added_via_api": false,
        "circuit_breakers": { "thresholds": [thresholds] },
        "host_statuses": cluster.hosts.iter().map(|host| host_json(host)).collect::<Vec<_>>(),
    })
}

fn host_json(host: &Host) -> Json {
    let stat = |(name, value): (&str, i64)| {
        let kind = if name.ends_with("_active") { "GAUGE" } else { "COUNTER" };
        // Protobuf's JSON writes 64-bit numbers as strings.
        json!({ "name": name, "value": value.to_string(), "type": kind })
    };
    json!({
        "address": address(&host.address),
        "stats": host.stats.values().map(stat),
        "health_status": { "eds_health_status": "HEALTHY" },
        "weight": host.weight(),
    })
}

fn limits(cluster: &ClusterStatus) -> [(&'static str, u32); 3] {
    let breaker = &cluster.circuit_breaker;
    [
        ("max_connections", breaker.max_connections),
        ("max_pending_requests", breaker.max_pending_requests),
        ("max_requests", breaker.max_requests),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::handle;
    use crate::admin::testing::{TestState, request};

    #[test]
    fn text_and_json() {
        let get = |target| handle(&TestState::default(), &request("GET", target)).body;
        let text = get("/clusters");
        for line in [
            "app::observability_name::app",
            "app::default_priority::max_connections::1024",
            "app::127.0.0.1:9000::cx_total::2",
            "app::127.0.0.1:9000::rq_active::0",
            "app::127.0.0.1:9000::health_flags::healthy",
            "app::127.0.0.1:9000::weight::7",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        let json: Json = serde_json::from_str(&get("/clusters?format=json")).unwrap();
        let cluster = &json["cluster_statuses"][0];
        assert_eq!(cluster["circuit_breakers"]["thresholds"][0]["max_requests"], 1024);
        let host = &cluster["host_statuses"][0];
        assert_eq!(host["address"]["socket_address"]["port_value"], 9000);
        assert_eq!(host["stats"][2], json!({ "name": "cx_total", "value": "2", "type": "COUNTER" }));
    }
}
