//! `/clusters`: Envoy's text (`cluster::host::key::value`) and JSON.

use std::fmt::Write;

use serde_json::{Value as Json, json};

use super::listeners::address;
use super::{AdminState, ClusterStatus, Reply, Request};
use crate::access_log::TimeFormat;
use crate::cluster::{Flag, Host};
use crate::config::{RetryLimit, Thresholds};

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
    let (name, breaker) = (&*cluster.name, &cluster.circuit_breaker);
    writeln!(text, "{name}::observability_name::{name}")?;
    for (priority, thresholds) in [("default", breaker.default), ("high", breaker.high)] {
        for (limit, value) in limits(&thresholds) {
            writeln!(text, "{name}::{priority}_priority::{limit}::{value}")?;
        }
    }
    writeln!(text, "{name}::added_via_api::false")?;
    for host in &cluster.hosts {
        let address = host.shown_address();
        for (key, value) in host.stats.values(host.active_requests()) {
            writeln!(text, "{name}::{address}::{key}::{value}")?;
        }
        writeln!(text, "{name}::{address}::health_flags::{}", flags(host))?;
        writeln!(text, "{name}::{address}::weight::{}", host.weight())?;
        if let Some((time, result)) = last_check(host) {
            writeln!(text, "{name}::{address}::last_check::{result} {time}")?;
        }
        if let Some(rate) = host.outlier.success_rate() {
            writeln!(text, "{name}::{address}::success_rate::{rate}")?;
        }
    }
    Ok(())
}

fn cluster_json(cluster: &ClusterStatus) -> Json {
    let breaker = &cluster.circuit_breaker;
    let thresholds = [("DEFAULT", breaker.default), ("HIGH", breaker.high)].map(|(priority, thresholds)| {
        let mut object = json!({ "priority": priority });
        for (limit, value) in limits(&thresholds) {
            object[limit] = value;
        }
        object
    });
    json!({
        "name": &*cluster.name,
        "observability_name": &*cluster.name,
        "added_via_api": false,
        "circuit_breakers": { "thresholds": thresholds },
        "host_statuses": cluster.hosts.iter().map(|host| host_json(host)).collect::<Vec<_>>(),
    })
}

fn host_json(host: &Host) -> Json {
    let stat = |(name, value): (&str, i64)| {
        let kind = if name.ends_with("_active") { "GAUGE" } else { "COUNTER" };
        // Protobuf's JSON writes 64-bit numbers as strings.
        json!({ "name": name, "value": value.to_string(), "type": kind })
    };
    let mut health = json!({ "eds_health_status": "HEALTHY" });
    for (flag, name) in Flag::ALL.iter().filter(|(flag, _)| host.has(*flag)) {
        // Envoy's HostHealthStatus has other names than its text for two of them.
        let name = match flag {
            Flag::Degraded => "failed_active_degraded_check",
            _ => name,
        };
        health[name] = true.into();
    }
    let mut json = json!({
        "address": address(&host.shown_address()),
        "stats": host.stats.values(host.active_requests()).map(stat),
        "health_status": health,
        "weight": host.weight(),
    });
    if let Some((time, result)) = last_check(host) {
        json["last_check"] = json!({ "result": result, "time": time });
    }
    json
}

/// Why a host is not taken like any other, as Envoy writes it: `/failed_active_hc/pending_active_hc`; or that it is.
fn flags(host: &Host) -> String {
    let flags = Flag::ALL.iter().filter(|(flag, _)| host.has(*flag));
    let text: String = flags.map(|(_, name)| format!("/{name}")).collect();
    if text.is_empty() { "healthy".to_owned() } else { text }
}

/// When it was last checked, and what came of it.
fn last_check(host: &Host) -> Option<(String, &'static str)> {
    let (time, result) = host.last_check.get()?;
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = TimeFormat::iso().write(time, &mut text);
    Some((text, result))
}

/// As Envoy has them, and those of a retry budget under their own names.
fn limits(limits: &Thresholds) -> Vec<(&'static str, Json)> {
    let mut values = vec![
        ("max_connections", limits.max_connections.into()),
        ("max_pending_requests", limits.max_pending_requests.into()),
        ("max_requests", limits.max_requests.into()),
    ];
    match limits.retries {
        RetryLimit::MaxRetries(most) => values.push(("max_retries", most.into())),
        RetryLimit::RetryBudget(budget) => {
            values.push(("retry_budget_percent", budget.budget_percent.into()));
            values.push(("min_retry_concurrency", budget.min_retry_concurrency.into()));
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::handle;
    use crate::admin::testing::{TestState, request};

    #[test]
    fn health_is_told_by_its_flags() {
        let host = Host::new(crate::cluster::Identity::of("192.0.2.1:80".parse().unwrap()), 1);
        assert_eq!(flags(&host), "healthy");
        assert_eq!(host_json(&host)["health_status"], json!({ "eds_health_status": "HEALTHY" }));
        host.set(Flag::FailedActive, true);
        host.set(Flag::Degraded, true);
        assert_eq!(flags(&host), "/failed_active_hc/degraded_active_hc");
        assert!(last_check(&host).is_none());
        let outcome = crate::cluster::health::Outcome::Healthy { degraded: true };
        host.last_check.set(outcome, std::time::UNIX_EPOCH + std::time::Duration::from_millis(1500));
        let json = host_json(&host);
        assert_eq!(json["health_status"]["failed_active_hc"], true);
        assert_eq!(json["last_check"], json!({ "result": "degraded", "time": "1970-01-01T00:00:01.500Z" }));
    }

    #[test]
    fn text_and_json() {
        let get = |target| handle(&TestState::default(), &request("GET", target)).body;
        let text = get("/clusters");
        for line in [
            "app::observability_name::app",
            "app::default_priority::max_connections::1024",
            "app::high_priority::max_connections::1024",
            "app::high_priority::retry_budget_percent::20.0",
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
