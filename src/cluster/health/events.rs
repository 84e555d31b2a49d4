//! What happens to hosts, for the log and for the event log: a JSON object a line in the shape of Envoy's `HealthCheckEvent`.

use std::fmt::Write;
use std::time::SystemTime;

use serde_json::{Value as Json, json};

use super::state::{Failure, Outcome, Transition};
use crate::access_log::{LineLog, SinkWriter, TimeFormat};
use crate::cluster::Host;
use crate::config::{HealthCheckLog, Probe};
use crate::runtime::net::Addr;

/// Tells of the hosts of one cluster.
pub(super) struct Events {
    cluster: String,
    /// Envoy's `HealthCheckerType`.
    checker: &'static str,
    log: Option<(SinkWriter, HealthCheckLog)>,
    time: TimeFormat,
}

impl Events {
    pub(super) fn new(cluster: &str, probe: &Probe, log: Option<(&LineLog, &HealthCheckLog)>) -> Events {
        let checker = match probe {
            Probe::Http(_) => "HTTP",
            Probe::Grpc(_) => "GRPC",
            Probe::Tcp(_) => "TCP",
            Probe::Redis(_) => "REDIS",
        };
        let log = log.map(|(lines, config)| (lines.writer(), config.clone()));
        Events { cluster: cluster.to_owned(), checker, log, time: TimeFormat::iso() }
    }

    /// A check has ended. `why` it failed, for people.
    pub(super) fn on_result(&self, host: &Host, outcome: Outcome, transition: Transition, why: &str, now: SystemTime) {
        let first = transition.first;
        match outcome {
            Outcome::Failed(failure) => {
                let kind = failure_type(failure);
                if self.log.as_ref().is_some_and(|(_, config)| first || config.always_log_failures) {
                    let event = json!({ "failure_type": kind, "first_check": first });
                    self.write(host, "health_check_failure", event, now);
                }
                if transition.healthy == Some(false) {
                    self.write(host, "eject_unhealthy_event", json!({ "failure_type": kind }), now);
                    log::warn!("cluster {}: {}: unhealthy: {why}", self.cluster, host.address);
                } else if first {
                    log::warn!("cluster {}: {}: unhealthy from the start: {why}", self.cluster, host.address);
                } else {
                    log::debug!("cluster {}: {}: check failed: {why}", self.cluster, host.address);
                }
            }
            Outcome::Healthy { .. } => {
                if transition.healthy == Some(true) {
                    self.write(host, "add_healthy_event", json!({ "first_check": first }), now);
                    log::info!("cluster {}: {}: healthy", self.cluster, host.address);
                }
                if self.log.as_ref().is_some_and(|(_, config)| config.always_log_successes) {
                    self.write(host, "successful_health_check_event", json!({}), now);
                }
            }
        }
        match transition.degraded {
            Some(true) => {
                self.write(host, "degraded_healthy_host", json!({}), now);
                log::warn!("cluster {}: {}: degraded", self.cluster, host.address);
            }
            Some(false) => {
                self.write(host, "no_longer_degraded_host", json!({}), now);
                log::info!("cluster {}: {}: no longer degraded", self.cluster, host.address);
            }
            None => {}
        }
    }

    /// A response to a client's request said that the host, so far healthy, is not.
    pub(super) fn on_passive_failure(&self, host: &Host, now: SystemTime) {
        let kind = failure_type(Failure::Passive);
        self.write(host, "eject_unhealthy_event", json!({ "failure_type": kind }), now);
        log::warn!("cluster {}: {}: unhealthy: it said so in a response", self.cluster, host.address);
    }

    fn write(&self, host: &Host, event: &str, details: Json, now: SystemTime) {
        let Some((writer, _)) = &self.log else { return };
        let mut stamp = String::new();
        // Writing to a String does not fail.
        let _ = self.time.write(now, &mut stamp);
        let object = json!({
            "health_checker_type": self.checker,
            "host": address(&host.address),
            "cluster_name": self.cluster,
            "timestamp": stamp,
            event: details,
        });
        let mut line = String::new();
        let _ = writeln!(line, "{object}");
        writer.write(line.as_bytes());
    }
}

/// Envoy's `HealthCheckFailureType`.
fn failure_type(failure: Failure) -> &'static str {
    match failure {
        Failure::Active | Failure::Retriable => "ACTIVE",
        Failure::Passive => "PASSIVE",
        Failure::Network => "NETWORK",
        Failure::Timeout => "NETWORK_TIMEOUT",
    }
}

/// Envoy's `core.v3.Address`.
fn address(address: &Addr) -> Json {
    match address {
        Addr::Inet(inet) => json!({ "socket_address": {
            "protocol": "TCP", "address": inet.ip().to_string(), "port_value": inet.port(),
        } }),
        Addr::Unix(path) => json!({ "pipe": { "path": path.display().to_string() } }),
    }
}
