//! What happens to outliers, for the log, the counters and the event log: a JSON object a line in the shape of Envoy's
//! `OutlierDetectionEvent`.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Value as Json, json};

use super::compare::Low;
use super::{Cause, ClusterOutliers, Flag, Host};
use crate::access_log::{SinkWriter, TimeFormat};
use crate::stats::{Counter, Handle, OutlierStats};

/// Something has happened to a host.
#[derive(Debug, Clone)]
pub struct Event {
    pub host: Arc<Host>,
    pub action: Action,
    /// Since it was ejected or returned last. `None`: it never was.
    pub since_last: Option<Duration>,
    /// How often it was ejected by now.
    pub count: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// For so long.
    Ejected {
        finding: Finding,
        time: Duration,
    },
    /// It is an outlier, and `enforcing_...` lets it be.
    Detected(Finding),
    /// It is an outlier, but no more hosts may be ejected.
    Overflow(Finding),
    Returned(Return),
}

/// Why an ejection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Return {
    TimeIsOver,
    CheckPassed,
    NobodyElse,
}

/// What makes a host an outlier. Rates are percent of requests that succeed.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    InARow(Cause),
    Low { cause: Cause, rate: f64, mean: f64, threshold: f64 },
    Failing { cause: Cause, rate: f64 },
    Slow { typical: Duration, median: Duration },
}

impl Finding {
    pub(super) fn low(cause: Cause, low: &Low) -> Finding {
        Finding::Low { cause, rate: low.rate, mean: low.mean, threshold: low.threshold }
    }

    pub fn cause(&self) -> Cause {
        match self {
            Finding::InARow(cause) | Finding::Low { cause, .. } | Finding::Failing { cause, .. } => *cause,
            Finding::Slow { .. } => Cause::Latency,
        }
    }

    /// Envoy's name of the event, and the event. The rates are whole percents there.
    fn to_json(&self) -> (&'static str, Json) {
        let whole = |rate: f64| rate.max(0.0) as u64;
        match self {
            Finding::InARow(_) => ("eject_consecutive_event", json!({})),
            Finding::Low { rate, mean, threshold, .. } => (
                "eject_success_rate_event",
                json!({
                    "host_success_rate": whole(*rate),
                    "cluster_average_success_rate": whole(*mean),
                    "cluster_success_rate_ejection_threshold": whole(*threshold),
                }),
            ),
            Finding::Failing { rate, .. } => {
                ("eject_failure_percentage_event", json!({ "host_success_rate": whole(*rate) }))
            }
            Finding::Slow { typical, median } => (
                "eject_latency_event",
                json!({
                    "host_latency_ms": typical.as_secs_f64() * 1e3,
                    "cluster_median_latency_ms": median.as_secs_f64() * 1e3,
                }),
            ),
        }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Finding::InARow(Cause::ConsecutiveGatewayFailure) => f.write_str("consecutive gateway failures"),
            Finding::InARow(Cause::ConsecutiveLocalOriginFailure) => f.write_str("consecutive local origin failures"),
            Finding::InARow(_) => f.write_str("consecutive 5xx"),
            Finding::Low { rate, mean, .. } => write!(f, "success rate {rate:.1} %, on average {mean:.1} %"),
            Finding::Failing { rate, .. } => write!(f, "success rate {rate:.1} %"),
            Finding::Slow { typical, median } => write!(f, "takes {typical:.1?}, the others {median:.1?}"),
        }
    }
}

impl Event {
    /// Another plan is needed.
    pub fn is_change(&self) -> bool {
        matches!(self.action, Action::Ejected { .. } | Action::Returned(_))
    }

    /// As a line of the event log. `None`: it is none of Envoy's events.
    fn to_json(&self, cluster: &str, timestamp: &str) -> Option<Json> {
        let (action, finding, enforced) = match &self.action {
            Action::Ejected { finding, .. } => ("EJECT", Some(finding), true),
            Action::Detected(finding) => ("EJECT", Some(finding), false),
            Action::Returned(_) => ("UNEJECT", None, false),
            Action::Overflow(_) => return None,
        };
        let mut event = json!({
            "cluster_name": cluster,
            "upstream_url": self.host.address.to_string(),
            "timestamp": timestamp,
            "action": action,
            "num_ejections": self.count,
            "enforced": enforced,
        });
        if let Some(since) = self.since_last {
            // Protobuf's JSON writes 64-bit numbers as strings.
            event["secs_since_last_action"] = since.as_secs().to_string().into();
        }
        if let Some(finding) = finding {
            let (name, details) = finding.to_json();
            event["type"] = finding.cause().name().into();
            event[name] = details;
        }
        Some(event)
    }
}

impl Cause {
    /// Envoy's `OutlierEjectionType`.
    fn name(self) -> &'static str {
        match self {
            Cause::Consecutive5xx => "CONSECUTIVE_5XX",
            Cause::ConsecutiveGatewayFailure => "CONSECUTIVE_GATEWAY_FAILURE",
            Cause::ConsecutiveLocalOriginFailure => "CONSECUTIVE_LOCAL_ORIGIN_FAILURE",
            Cause::SuccessRate => "SUCCESS_RATE",
            Cause::LocalOriginSuccessRate => "SUCCESS_RATE_LOCAL_ORIGIN",
            Cause::FailurePercentage => "FAILURE_PERCENTAGE",
            Cause::LocalOriginFailurePercentage => "FAILURE_PERCENTAGE_LOCAL_ORIGIN",
            Cause::Latency => "LATENCY",
        }
    }

    /// Found, and ejected for it.
    fn counters(self, stats: &OutlierStats) -> (&Counter, &Counter) {
        match self {
            Cause::Consecutive5xx => {
                (&stats.ejections_detected_consecutive_5xx, &stats.ejections_enforced_consecutive_5xx)
            }
            Cause::ConsecutiveGatewayFailure => (
                &stats.ejections_detected_consecutive_gateway_failure,
                &stats.ejections_enforced_consecutive_gateway_failure,
            ),
            Cause::ConsecutiveLocalOriginFailure => (
                &stats.ejections_detected_consecutive_local_origin_failure,
                &stats.ejections_enforced_consecutive_local_origin_failure,
            ),
            Cause::SuccessRate => (&stats.ejections_detected_success_rate, &stats.ejections_enforced_success_rate),
            Cause::LocalOriginSuccessRate => (
                &stats.ejections_detected_local_origin_success_rate,
                &stats.ejections_enforced_local_origin_success_rate,
            ),
            Cause::FailurePercentage => {
                (&stats.ejections_detected_failure_percentage, &stats.ejections_enforced_failure_percentage)
            }
            Cause::LocalOriginFailurePercentage => (
                &stats.ejections_detected_local_origin_failure_percentage,
                &stats.ejections_enforced_local_origin_failure_percentage,
            ),
            Cause::Latency => (&stats.ejections_detected_latency, &stats.ejections_enforced_latency),
        }
    }
}

/// Tells of the outliers of one cluster.
pub(super) struct Events {
    cluster: Arc<str>,
    stats: Handle<OutlierStats>,
    log: Option<SinkWriter>,
    time: TimeFormat,
}

impl Events {
    pub(super) fn new(cluster: &Arc<str>, shared: &ClusterOutliers) -> Events {
        let log = shared.log.as_ref().map(|log| log.writer());
        Events { cluster: cluster.clone(), stats: shared.stats.control(), log, time: TimeFormat::iso() }
    }

    pub(super) fn tell(&self, events: &[Event], now: SystemTime) {
        let mut timestamp = String::new();
        for event in events {
            self.count(event);
            self.log(event);
            let Some(log) = &self.log else { continue };
            if timestamp.is_empty() {
                // Writing to a String does not fail.
                let _ = self.time.write(now, &mut timestamp);
            }
            if let Some(event) = event.to_json(&self.cluster, &timestamp) {
                log.write(format!("{event}\n").as_bytes());
            }
        }
    }

    pub(super) fn count_active(&self, hosts: &[Arc<Host>]) {
        let ejected = hosts.iter().filter(|host| host.has(Flag::Ejected)).count();
        self.stats.ejections_active.set(i64::try_from(ejected).unwrap_or(i64::MAX));
    }

    fn count(&self, event: &Event) {
        let stats = &self.stats;
        match &event.action {
            Action::Ejected { finding, .. } => {
                let (detected, enforced) = finding.cause().counters(stats);
                detected.inc();
                enforced.inc();
                stats.ejections_enforced_total.inc();
            }
            Action::Detected(finding) => finding.cause().counters(stats).0.inc(),
            Action::Overflow(finding) => {
                finding.cause().counters(stats).0.inc();
                stats.ejections_overflow.inc();
            }
            Action::Returned(_) => {}
        }
    }

    fn log(&self, event: &Event) {
        let (cluster, host) = (&self.cluster, &event.host.address);
        match &event.action {
            Action::Ejected { finding, time } => {
                log::warn!("cluster {cluster}: {host}: ejected for {time:.1?}: {finding}");
            }
            Action::Detected(finding) => {
                log::info!("cluster {cluster}: {host}: an outlier, and not ejected: {finding}");
            }
            Action::Overflow(finding) => {
                log::debug!("cluster {cluster}: {host}: an outlier, and no more may be ejected: {finding}");
            }
            Action::Returned(Return::TimeIsOver) => log::info!("cluster {cluster}: {host}: back"),
            Action::Returned(Return::CheckPassed) => log::info!("cluster {cluster}: {host}: back: its check passed"),
            Action::Returned(Return::NobodyElse) => {
                log::warn!("cluster {cluster}: {host}: back before its time: no other host serves");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Identity;

    #[test]
    fn events_are_envoys() {
        let host = Arc::new(Host::new(Identity::of("192.0.2.1:80".parse().unwrap()), 1));
        let event = |action, since_last| {
            let event = Event { host: host.clone(), action, since_last, count: 2 };
            event.to_json("app", "now").map(|json| json.to_string())
        };
        let parsed = |text: &str| Some(serde_json::from_str::<Json>(text).unwrap().to_string());
        let finding = Finding::Low { cause: Cause::SuccessRate, rate: 50.9, mean: 90.0, threshold: 52.0 };
        assert_eq!(
            event(Action::Ejected { finding, time: Duration::from_secs(30) }, None),
            parsed(
                r#"{"cluster_name":"app","upstream_url":"192.0.2.1:80","timestamp":"now","action":"EJECT","num_ejections":2,
                "enforced":true,"type":"SUCCESS_RATE","eject_success_rate_event":{"host_success_rate":50,
                "cluster_average_success_rate":90,"cluster_success_rate_ejection_threshold":52}}"#
            )
        );
        assert_eq!(
            event(Action::Detected(Finding::InARow(Cause::ConsecutiveGatewayFailure)), Some(Duration::from_secs(9))),
            parsed(
                r#"{"cluster_name":"app","upstream_url":"192.0.2.1:80","timestamp":"now","action":"EJECT","num_ejections":2,
                "enforced":false,"secs_since_last_action":"9","type":"CONSECUTIVE_GATEWAY_FAILURE",
                "eject_consecutive_event":{}}"#
            )
        );
        assert_eq!(
            event(Action::Returned(Return::TimeIsOver), Some(Duration::from_millis(30_500))),
            parsed(
                r#"{"cluster_name":"app","upstream_url":"192.0.2.1:80","timestamp":"now","action":"UNEJECT",
                "num_ejections":2,"enforced":false,"secs_since_last_action":"30"}"#
            )
        );
        assert_eq!(event(Action::Overflow(Finding::InARow(Cause::Consecutive5xx)), None), None);
    }
}
