//! `outlier_detection` of a cluster: which hosts are taken out because of how they serve, and for how long.

use std::time::Duration;

use serde::Serialize;

use super::text::{Cx, Node, Object, read, write};
use super::{LogPath, access_log};

/// When hosts are ejected, by what comes of requests to them (Envoy's `OutlierDetection`; the names of its fields).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OutlierDetection {
    /// 5xx in a row. Unless `split_external_local_origin_errors`, a host that cannot be reached, does not answer in time or
    /// resets the stream counts as a 503 or 504. Default 5, at least 1.
    pub consecutive_5xx: u32,
    /// 502, 503 and 504 in a row. Default 5, at least 1.
    pub consecutive_gateway_failure: u32,
    /// Failures in a row that the host did not answer with a status; only with `split_external_local_origin_errors`. Default 5,
    /// at least 1.
    pub consecutive_local_origin_failure: u32,
    /// What is no status is judged by itself. Default false.
    pub split_external_local_origin_errors: bool,
    /// Hosts are compared so often. At least 1 ms. Default 10 s.
    #[serde(serialize_with = "write::duration")]
    pub interval: Duration,
    /// The first ejection of a host; the next is once more as long, and so on. Default 30 s.
    #[serde(serialize_with = "write::duration")]
    pub base_ejection_time: Duration,
    /// No ejection is longer, without its jitter. Default 300 s, or `base_ejection_time` where that is more.
    #[serde(serialize_with = "write::duration")]
    pub max_ejection_time: Duration,
    /// Each ejection is longer by a random time up to this. Default 0.
    #[serde(serialize_with = "write::duration")]
    pub max_ejection_time_jitter: Duration,
    /// Of the hosts, 0 to 100: most that are ejected at a time. Default 10.
    #[serde(serialize_with = "write::percent")]
    pub max_ejection_percent: f64,
    /// One may be ejected even if `max_ejection_percent` comes to less than one host; never the last one. Default true (Envoy:
    /// false).
    pub always_eject_one_host: bool,
    /// Hosts with enough requests that are needed to compare their rates of success. Default 5.
    pub success_rate_minimum_hosts: u32,
    /// Requests within `interval` that are enough. Default 100.
    pub success_rate_request_volume: u32,
    /// Thousandths of a standard deviation: a host whose rate is further below the mean is an outlier. Default 1900.
    pub success_rate_stdev_factor: u32,
    /// A host of whose requests so many percent fail is an outlier. 0 to 100, default 85.
    #[serde(serialize_with = "write::percent")]
    pub failure_percentage_threshold: f64,
    /// Default 5.
    pub failure_percentage_minimum_hosts: u32,
    /// Default 50.
    pub failure_percentage_request_volume: u32,
    #[serde(flatten)]
    pub enforcing: Enforcing,
    /// A good active check ends an ejection. Default true.
    pub successful_active_health_check_uneject_host: bool,
    /// Default: how long hosts take does not matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<LatencyOutliers>,
    /// Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<OutlierLog>,
}

/// How many percent of the outliers that are found are ejected; the others are counted and logged only. 0 to 100 each.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Enforcing {
    /// Default 100.
    #[serde(rename = "enforcing_consecutive_5xx", serialize_with = "write::percent")]
    pub consecutive_5xx: f64,
    /// Default 0.
    #[serde(rename = "enforcing_consecutive_gateway_failure", serialize_with = "write::percent")]
    pub consecutive_gateway_failure: f64,
    /// Default 100.
    #[serde(rename = "enforcing_consecutive_local_origin_failure", serialize_with = "write::percent")]
    pub consecutive_local_origin_failure: f64,
    /// Default 100.
    #[serde(rename = "enforcing_success_rate", serialize_with = "write::percent")]
    pub success_rate: f64,
    /// Default 100.
    #[serde(rename = "enforcing_local_origin_success_rate", serialize_with = "write::percent")]
    pub local_origin_success_rate: f64,
    /// Default 0.
    #[serde(rename = "enforcing_failure_percentage", serialize_with = "write::percent")]
    pub failure_percentage: f64,
    /// Default 0.
    #[serde(rename = "enforcing_failure_percentage_local_origin", serialize_with = "write::percent")]
    pub failure_percentage_local_origin: f64,
}

/// `"latency": {}`: hosts that take far longer than the others are outliers. Ours: Envoy has none.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LatencyOutliers {
    /// So many times the median of the other hosts. 1 to 1000, default 5.
    pub factor: f64,
    /// A host that takes less is none. Default 50 ms.
    #[serde(serialize_with = "write::duration")]
    pub floor: Duration,
    /// Hosts with enough answers that are needed to compare them. At least 2, default 3.
    pub minimum_hosts: u32,
    /// Answers within `interval` that are enough. At least 1, default 20.
    pub request_volume: u32,
    /// How many percent of them are ejected. 0 to 100, default 100.
    #[serde(serialize_with = "write::percent")]
    pub enforcing: f64,
}

/// `"log": { "path": "outliers.log" }`: a JSON object a line for each ejection and return (Envoy's `OutlierDetectionEvent`).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OutlierLog {
    pub path: LogPath,
}

impl Default for OutlierDetection {
    fn default() -> OutlierDetection {
        OutlierDetection {
            consecutive_5xx: 5,
            consecutive_gateway_failure: 5,
            consecutive_local_origin_failure: 5,
            split_external_local_origin_errors: false,
            interval: Duration::from_secs(10),
            base_ejection_time: Duration::from_secs(30),
            max_ejection_time: Duration::from_secs(300),
            max_ejection_time_jitter: Duration::ZERO,
            max_ejection_percent: 10.0,
            always_eject_one_host: true,
            success_rate_minimum_hosts: 5,
            success_rate_request_volume: 100,
            success_rate_stdev_factor: 1900,
            failure_percentage_threshold: 85.0,
            failure_percentage_minimum_hosts: 5,
            failure_percentage_request_volume: 50,
            enforcing: Enforcing::default(),
            successful_active_health_check_uneject_host: true,
            latency: None,
            log: None,
        }
    }
}

impl Default for Enforcing {
    fn default() -> Enforcing {
        Enforcing {
            consecutive_5xx: 100.0,
            consecutive_gateway_failure: 0.0,
            consecutive_local_origin_failure: 100.0,
            success_rate: 100.0,
            local_origin_success_rate: 100.0,
            failure_percentage: 0.0,
            failure_percentage_local_origin: 0.0,
        }
    }
}

impl Default for LatencyOutliers {
    fn default() -> LatencyOutliers {
        let floor = Duration::from_millis(50);
        LatencyOutliers { factor: 5.0, floor, minimum_hosts: 3, request_volume: 20, enforcing: 100.0 }
    }
}

pub(super) fn read(cx: &Cx, node: &Node) -> Option<OutlierDetection> {
    let default = OutlierDetection::default();
    let mut o = cx.object(node)?;
    let many = |o: &mut Object, key, default| o.optional(key, default, read::integer(1..=1_000_000));
    let percent = |o: &mut Object, key, default| o.optional(key, default, read::percent);
    let base_ejection_time = o.optional("base_ejection_time", default.base_ejection_time, read::timeout);
    let longest = default.max_ejection_time.max(base_ejection_time);
    let settings = OutlierDetection {
        consecutive_5xx: many(&mut o, "consecutive_5xx", default.consecutive_5xx),
        consecutive_gateway_failure: many(&mut o, "consecutive_gateway_failure", default.consecutive_gateway_failure),
        consecutive_local_origin_failure: many(
            &mut o,
            "consecutive_local_origin_failure",
            default.consecutive_local_origin_failure,
        ),
        split_external_local_origin_errors: o.optional("split_external_local_origin_errors", false, read::boolean),
        interval: o.optional("interval", default.interval, read::timeout),
        base_ejection_time,
        max_ejection_time: o.optional("max_ejection_time", longest, |cx, node| {
            let longest = read::timeout(cx, node)?;
            if longest < base_ejection_time {
                return cx.refuse(node, "is less than \"base_ejection_time\"");
            }
            Some(longest)
        }),
        max_ejection_time_jitter: o.optional("max_ejection_time_jitter", Duration::ZERO, read::duration),
        max_ejection_percent: percent(&mut o, "max_ejection_percent", default.max_ejection_percent),
        always_eject_one_host: o.optional("always_eject_one_host", default.always_eject_one_host, read::boolean),
        success_rate_minimum_hosts: many(&mut o, "success_rate_minimum_hosts", default.success_rate_minimum_hosts),
        success_rate_request_volume: many(&mut o, "success_rate_request_volume", default.success_rate_request_volume),
        success_rate_stdev_factor: many(&mut o, "success_rate_stdev_factor", default.success_rate_stdev_factor),
        failure_percentage_threshold: percent(
            &mut o,
            "failure_percentage_threshold",
            default.failure_percentage_threshold,
        ),
        failure_percentage_minimum_hosts: many(
            &mut o,
            "failure_percentage_minimum_hosts",
            default.failure_percentage_minimum_hosts,
        ),
        failure_percentage_request_volume: many(
            &mut o,
            "failure_percentage_request_volume",
            default.failure_percentage_request_volume,
        ),
        enforcing: read_enforcing(&mut o),
        successful_active_health_check_uneject_host: o.optional(
            "successful_active_health_check_uneject_host",
            default.successful_active_health_check_uneject_host,
            read::boolean,
        ),
        latency: o.maybe("latency", read_latency),
        log: o.maybe("log", read_log),
    };
    o.finish();
    Some(settings)
}

fn read_enforcing(o: &mut Object) -> Enforcing {
    let default = Enforcing::default();
    let mut percent = |key, default| o.optional(key, default, read::percent);
    Enforcing {
        consecutive_5xx: percent("enforcing_consecutive_5xx", default.consecutive_5xx),
        consecutive_gateway_failure: percent(
            "enforcing_consecutive_gateway_failure",
            default.consecutive_gateway_failure,
        ),
        consecutive_local_origin_failure: percent(
            "enforcing_consecutive_local_origin_failure",
            default.consecutive_local_origin_failure,
        ),
        success_rate: percent("enforcing_success_rate", default.success_rate),
        local_origin_success_rate: percent("enforcing_local_origin_success_rate", default.local_origin_success_rate),
        failure_percentage: percent("enforcing_failure_percentage", default.failure_percentage),
        failure_percentage_local_origin: percent(
            "enforcing_failure_percentage_local_origin",
            default.failure_percentage_local_origin,
        ),
    }
}

fn read_latency(cx: &Cx, node: &Node) -> Option<LatencyOutliers> {
    let default = LatencyOutliers::default();
    let mut o = cx.object(node)?;
    let latency = LatencyOutliers {
        factor: o.optional("factor", default.factor, read::number(1.0..=1000.0)),
        floor: o.optional("floor", default.floor, read::duration),
        minimum_hosts: o.optional("minimum_hosts", default.minimum_hosts, read::integer(2..=1_000_000)),
        request_volume: o.optional("request_volume", default.request_volume, read::integer(1..=1_000_000)),
        enforcing: o.optional("enforcing", default.enforcing, read::percent),
    };
    o.finish();
    Some(latency)
}

fn read_log(cx: &Cx, node: &Node) -> Option<OutlierLog> {
    let mut o = cx.object(node)?;
    let path = o.required("path", access_log::read_path);
    o.finish();
    Some(OutlierLog { path: path? })
}
