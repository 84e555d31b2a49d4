//! Who is told of an ejection and of a return: counters, the log, and the event log, a JSON object a line in the shape of Envoy's
//! `OutlierDetectionEvent`.

use std::fmt::Write;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Value as Json, json};

use super::detector::{Action, Event, Finding};
use crate::access_log::{LineLog, SinkWriter, TimeFormat};
use crate::cluster::{Flag, Host};
use crate::stats::{Counter, Handle, OutlierStats};

/// Tells of the hosts of one cluster.
pub(super) struct Events {
    cluster: String,
    stats: Handle<OutlierStats>,
    log: Option<SinkWriter>,
    time: TimeFormat,
}

impl Events {
    pub(super) fn new(cluster: &str, stats: Handle<OutlierStats>, log: Option<&LineLog>) -> Events {
        Events { cluster: cluster.to_owned(), stats, log: log.map(LineLog::writer), time: TimeFormat::iso() }
    }

    pub(super) fn count_ejected(&self, hosts: &[Arc<Host>]) {
        let ejected = hosts.iter().filter(|host| host.has(Flag::Ejected)).count();
        self.stats.ejections_active.set(i64::try_from(ejected).unwrap_or(i64::MAX));
    }

    pub(super) fn tell(&self, event: &Event, time: SystemTime) {
        let (cluster, host) = (&self.cluster, &event.host.address);
        match event.action {
            Action::Ejected(finding, length) => {
                let (detected, enforced) = self.counters(finding);
                detected.inc();
                enforced.inc();
                self.stats.ejections_enforced_total.inc();
                log::warn!("cluster {cluster}: {host}: ejected for {} s: {}", length.as_secs_f64(), why(finding));
            }
            Action::Found(finding) => {
                self.counters(finding).0.inc();
                log::debug!("cluster {cluster}: {host}: not ejected, for that is not enforced: {}", why(finding));
            }
            Action::Overflow(finding) => {
                self.counters(finding).0.inc();
                self.stats.ejections_overflow.inc();
                log::debug!("cluster {cluster}: {host}: not ejected, for too many would be: {}", why(finding));
            }
            Action::Returned => log::info!("cluster {cluster}: {host}: no longer ejected"),
        }
        self.write(event, time);
    }

    /// Those of what was found, and of what was done for it.
    fn counters(&self, finding: Finding) -> (&Counter, &Counter) {
        let it = &self.stats;
        match finding {
            Finding::Consecutive5xx => (&it.ejections_detected_consecutive_5xx, &it.ejections_enforced_consecutive_5xx),
            Finding::ConsecutiveGatewayFailure => {
                (&it.ejections_detected_consecutive_gateway_failure, &it.ejections_enforced_consecutive_gateway_failure)
            }
            Finding::ConsecutiveLocalOriginFailure => (
                &it.ejections_detected_consecutive_local_origin_failure,
                &it.ejections_enforced_consecutive_local_origin_failure,
            ),
            Finding::SuccessRate { local: false, .. } => {
                (&it.ejections_detected_success_rate, &it.ejections_enforced_success_rate)
            }
            Finding::SuccessRate { local: true, .. } => {
                (&it.ejections_detected_local_origin_success_rate, &it.ejections_enforced_local_origin_success_rate)
            }
            Finding::FailurePercentage { local: false, .. } => {
                (&it.ejections_detected_failure_percentage, &it.ejections_enforced_failure_percentage)
            }
            Finding::FailurePercentage { local: true, .. } => (
                &it.ejections_detected_local_origin_failure_percentage,
                &it.ejections_enforced_local_origin_failure_percentage,
            ),
            Finding::Latency { .. } => (&it.ejections_detected_latency, &it.ejections_enforced_latency),
        }
    }

    fn write(&self, event: &Event, time: SystemTime) {
        let Some(writer) = &self.log else { return };
        let Some(object) = self.object(event, time) else { return };
        let mut line = String::new();
        // Writing to a String does not fail.
        let _ = writeln!(line, "{object}");
        writer.write(line.as_bytes());
    }

    /// `None`: Envoy has no event for it.
    fn object(&self, event: &Event, time: SystemTime) -> Option<Json> {
        let mut stamp = String::new();
        let _ = self.time.write(time, &mut stamp);
        let mut object = json!({
            "timestamp": stamp,
            "cluster_name": self.cluster,
            "upstream_url": event.host.address.to_string(),
            "num_ejections": event.ejections,
        });
        if let Some(since) = event.since {
            // Protobuf's JSON writes 64-bit numbers as strings.
            object["secs_since_last_action"] = since.as_secs().to_string().into();
        }
        let (action, enforced, finding) = match event.action {
            Action::Ejected(finding, _) => ("EJECT", true, Some(finding)),
            Action::Found(finding) => ("EJECT", false, Some(finding)),
            Action::Overflow(_) => return None,
            Action::Returned => ("UNEJECT", false, None),
        };
        object["action"] = action.into();
        if let Some(finding) = finding {
            let (kind, key, details) = describe(finding);
            object["type"] = kind.into();
            object["enforced"] = enforced.into();
            object[key] = details;
        }
        Some(object)
    }
}

/// Envoy's `OutlierEjectionType`, and its key and object of details. `LATENCY` is our own.
fn describe(finding: Finding) -> (&'static str, &'static str, Json) {
    const ROW: &str = "eject_consecutive_event";
    const RATE: &str = "eject_success_rate_event";
    const PERCENTAGE: &str = "eject_failure_percentage_event";
    // Envoy writes whole percents.
    let whole = |percent: f64| percent.round() as i64;
    match finding {
        Finding::Consecutive5xx => ("CONSECUTIVE_5XX", ROW, json!({})),
        Finding::ConsecutiveGatewayFailure => ("CONSECUTIVE_GATEWAY_FAILURE", ROW, json!({})),
        Finding::ConsecutiveLocalOriginFailure => ("CONSECUTIVE_LOCAL_ORIGIN_FAILURE", ROW, json!({})),
        Finding::SuccessRate { local, rate, mean, limit } => {
            let details = json!({
                "host_success_rate": whole(rate),
                "cluster_average_success_rate": whole(mean),
                "cluster_success_rate_ejection_threshold": whole(limit),
            });
            (if local { "SUCCESS_RATE_LOCAL_ORIGIN" } else { "SUCCESS_RATE" }, RATE, details)
        }
        Finding::FailurePercentage { local, success_rate } => {
            let kind = if local { "FAILURE_PERCENTAGE_LOCAL_ORIGIN" } else { "FAILURE_PERCENTAGE" };
            (kind, PERCENTAGE, json!({ "host_success_rate": whole(success_rate) }))
        }
        Finding::Latency { mean, peers } => {
            let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            let details = json!({ "host_latency_ms": millis(mean), "peers_latency_ms": millis(peers) });
            ("LATENCY", "eject_latency_event", details)
        }
    }
}

/// For people.
fn why(finding: Finding) -> String {
    match finding {
        Finding::Consecutive5xx => "too many 5xx in a row".to_owned(),
        Finding::ConsecutiveGatewayFailure => "too many gateway failures in a row".to_owned(),
        Finding::ConsecutiveLocalOriginFailure => "too many tries in a row came to no response".to_owned(),
        Finding::SuccessRate { rate, mean, limit, .. } => {
            format!("success rate {rate:.1} % is below {limit:.1} %, where the mean is {mean:.1} %")
        }
        Finding::FailurePercentage { success_rate, .. } => format!("success rate {success_rate:.1} %"),
        Finding::Latency { mean, peers } => format!("it takes {mean:.1?}, where its peers take {peers:.1?}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cluster::Identity;

    #[test]
    fn events_have_the_shape_of_envoys() {
        let events = Events::new("app", Handle::detached(), None);
        let host = Arc::new(Host::new(Identity::of("192.0.2.1:80".parse().unwrap()), 1));
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let object = |action, since| {
            let event = Event { host: host.clone(), action, ejections: 2, since };
            events.tell(&event, time);
            events.object(&event, time)
        };
        let rate = Finding::SuccessRate { local: false, rate: 49.6, mean: 90.0, limit: 60.2 };
        let rows = [
            (
                Action::Ejected(Finding::Consecutive5xx, Duration::from_secs(30)),
                Some(json!({
                    "timestamp": "1994-11-06T08:49:37.000Z", "cluster_name": "app", "upstream_url": "192.0.2.1:80",
                    "num_ejections": 2, "secs_since_last_action": "12", "action": "EJECT", "type": "CONSECUTIVE_5XX",
                    "enforced": true, "eject_consecutive_event": {},
                })),
            ),
            (
                Action::Found(rate),
                Some(json!({
                    "timestamp": "1994-11-06T08:49:37.000Z", "cluster_name": "app", "upstream_url": "192.0.2.1:80",
                    "num_ejections": 2, "secs_since_last_action": "12", "action": "EJECT", "type": "SUCCESS_RATE",
                    "enforced": false, "eject_success_rate_event": { "host_success_rate": 50,
                        "cluster_average_success_rate": 90, "cluster_success_rate_ejection_threshold": 60 },
                })),
            ),
            (Action::Overflow(rate), None),
            (
                Action::Returned,
                Some(json!({
                    "timestamp": "1994-11-06T08:49:37.000Z", "cluster_name": "app", "upstream_url": "192.0.2.1:80",
                    "num_ejections": 2, "secs_since_last_action": "12", "action": "UNEJECT",
                })),
            ),
        ];
        for (action, expected) in rows {
            assert_eq!(object(action, Some(Duration::from_millis(12_900))), expected, "{action:?}");
        }
        let stats = &events.stats;
        assert_eq!((stats.ejections_enforced_total.get(), stats.ejections_overflow.get()), (1, 1));
        assert_eq!(stats.ejections_enforced_consecutive_5xx.get(), 1);
        assert_eq!((stats.ejections_detected_success_rate.get(), stats.ejections_enforced_success_rate.get()), (2, 0));
    }
}
