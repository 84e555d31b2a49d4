//! `health_check` of a cluster: how its hosts are asked whether they serve, how often, and what is made of the answers.

mod probe;
mod statuses;

use std::time::Duration;

use serde::Serialize;

pub use self::probe::{GrpcProbe, HttpProbe, Payload, Probe, RedisProbe, TcpProbe};
pub use self::statuses::Statuses;
use super::text::{Cx, Node, Object, read, write};
use super::{ClusterProtocol, LogPath, access_log};

/// Active checks of a cluster's hosts (Envoy's `HealthCheck`).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HealthCheck {
    #[serde(flatten)]
    pub probe: Probe,
    /// Of one check as a whole: connecting, asking and the answer. Default 1 s.
    #[serde(serialize_with = "write::duration")]
    pub timeout: Duration,
    /// From the end of a check to the next. At least 1 ms. Default 10 s.
    #[serde(serialize_with = "write::duration")]
    pub interval: Duration,
    /// Failures in a row that make a host unhealthy. An HTTP status that is neither expected nor retriable needs no more
    /// than one. Default 3, at least 1.
    pub unhealthy_threshold: u32,
    /// Successes in a row that make it healthy again; the first check of all needs no more than one. Default 2, at least 1.
    pub healthy_threshold: u32,
    /// The first check of a host waits a random time up to this. Default 0.
    #[serde(serialize_with = "write::duration")]
    pub initial_jitter: Duration,
    /// Every pause is longer by a random time up to this. Default 0.
    #[serde(serialize_with = "write::duration")]
    pub interval_jitter: Duration,
    /// The same in percent of the pause, 0 to 100; both are added. Default 0.
    #[serde(serialize_with = "write::percent")]
    pub interval_jitter_percent: f64,
    /// In place of the other intervals as long as the cluster has never had traffic. Default 60 s.
    #[serde(serialize_with = "write::duration")]
    pub no_traffic_interval: Duration,
    /// The same for a host that is healthy. Default: `no_traffic_interval`.
    #[serde(serialize_with = "write::duration")]
    pub no_traffic_healthy_interval: Duration,
    /// For a host that is unhealthy. Default: `interval`.
    #[serde(serialize_with = "write::duration")]
    pub unhealthy_interval: Duration,
    /// For one that has failed, but not yet often enough. Default: `unhealthy_interval`.
    #[serde(serialize_with = "write::duration")]
    pub unhealthy_edge_interval: Duration,
    /// For one that succeeds again, but not yet often enough. Default: `interval`.
    #[serde(serialize_with = "write::duration")]
    pub healthy_edge_interval: Duration,
    /// The next check goes over the same connection. Default true.
    pub reuse_connection: bool,
    /// Where checks go, in place of the endpoint's port. Default: the endpoint's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<HealthCheckLog>,
}

/// `"log": { "path": "health.log" }`: a JSON object a line for whatever happens to a host (Envoy's `HealthCheckEvent`).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HealthCheckLog {
    pub path: LogPath,
    /// Every failure, not only the first of all and those that change something. Default false.
    pub always_log_failures: bool,
    /// Every success. Default false.
    pub always_log_successes: bool,
}

impl HealthCheck {
    /// These checks, all else by default.
    pub fn new(probe: Probe) -> HealthCheck {
        let interval = Duration::from_secs(10);
        let no_traffic_interval = Duration::from_secs(60);
        HealthCheck {
            probe,
            timeout: Duration::from_secs(1),
            interval,
            unhealthy_threshold: 3,
            healthy_threshold: 2,
            initial_jitter: Duration::ZERO,
            interval_jitter: Duration::ZERO,
            interval_jitter_percent: 0.0,
            no_traffic_interval,
            no_traffic_healthy_interval: no_traffic_interval,
            unhealthy_interval: interval,
            unhealthy_edge_interval: interval,
            healthy_edge_interval: interval,
            reuse_connection: true,
            port: None,
            log: None,
        }
    }
}

pub(super) fn read(cx: &Cx, node: &Node, protocol: ClusterProtocol) -> Option<HealthCheck> {
    let mut o = cx.object(node)?;
    let Some(probe) = probe::read(cx, node, &mut o, protocol) else {
        // Which keys are right depends on the type.
        o.abandon();
        return None;
    };
    let default = HealthCheck::new(probe);
    let threshold = || read::integer(1..=1000);
    let interval = o.optional("interval", default.interval, read::timeout);
    let no_traffic_interval = o.optional("no_traffic_interval", default.no_traffic_interval, read::timeout);
    let unhealthy_interval = o.optional("unhealthy_interval", interval, read::timeout);
    let jitter = |o: &mut Object, key| o.optional(key, Duration::ZERO, read::duration);
    let check = HealthCheck {
        interval,
        no_traffic_interval,
        unhealthy_interval,
        timeout: o.optional("timeout", default.timeout, read::timeout),
        unhealthy_threshold: o.optional("unhealthy_threshold", default.unhealthy_threshold, threshold()),
        healthy_threshold: o.optional("healthy_threshold", default.healthy_threshold, threshold()),
        initial_jitter: jitter(&mut o, "initial_jitter"),
        interval_jitter: jitter(&mut o, "interval_jitter"),
        interval_jitter_percent: o.optional("interval_jitter_percent", 0.0, read::percent),
        no_traffic_healthy_interval: o.optional("no_traffic_healthy_interval", no_traffic_interval, read::timeout),
        unhealthy_edge_interval: o.optional("unhealthy_edge_interval", unhealthy_interval, read::timeout),
        healthy_edge_interval: o.optional("healthy_edge_interval", interval, read::timeout),
        reuse_connection: o.optional("reuse_connection", default.reuse_connection, read::boolean),
        port: o.maybe("port", read::integer(1..=65535)),
        log: o.maybe("log", read_log),
        probe: default.probe,
    };
    o.finish();
    Some(check)
}

fn read_log(cx: &Cx, node: &Node) -> Option<HealthCheckLog> {
    let mut o = cx.object(node)?;
    let path = o.required("path", access_log::read_path);
    let always_log_failures = o.optional("always_log_failures", false, read::boolean);
    let always_log_successes = o.optional("always_log_successes", false, read::boolean);
    o.finish();
    Some(HealthCheckLog { path: path?, always_log_failures, always_log_successes })
}
