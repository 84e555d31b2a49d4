//! `outlier_detection` of a cluster: hosts that fail their clients are left out for a while.

use std::time::Duration;

use serde::Serialize;

use super::text::{Cx, Node, Object, read, write};
use super::{LogPath, access_log};

/// By what a host is told from its peers, and for how long it is ejected (Envoy's `OutlierDetection`).
///
/// Each `enforcing_*` is the percentage of findings, 0 to 100, that lead to an ejection; 0 only counts and logs them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OutlierDetection {
    /// Responses with 5xx in a row. Default 5, at least 1.
    pub consecutive_5xx: u32,
    /// Default 100.
    #[serde(serialize_with = "write::percent")]
    pub enforcing_consecutive_5xx: f64,
    /// Responses with 502, 503 or 504 in a row. Default 5, at least 1.
    pub consecutive_gateway_failure: u32,
    /// Default 0.
    #[serde(serialize_with = "write::percent")]
    pub enforcing_consecutive_gateway_failure: f64,
    /// What never came to a response counts apart, and not as 503 or 504. Default false.
    pub split_external_local_origin_errors: bool,
    /// Of these, in a row. Default 5, at least 1.
    pub consecutive_local_origin_failure: u32,
    /// Default 100.
    #[serde(serialize_with = "write::percent")]
    pub enforcing_consecutive_local_origin_failure: f64,
    /// From one look at success rates and times to the next. Default 10 s.
    #[serde(serialize_with = "write::duration")]
    pub interval: Duration,
    /// Of the first ejection; the Nth in a row takes N times as long. Default 30 s.
    #[serde(serialize_with = "write::duration")]
    pub base_ejection_time: Duration,
    /// Default 300 s, or `base_ejection_time` if that is longer.
    #[serde(serialize_with = "write::duration")]
    pub max_ejection_time: Duration,
    /// Every ejection is longer by a random time up to this. Default 0.
    #[serde(serialize_with = "write::duration")]
    pub max_ejection_time_jitter: Duration,
    /// Most hosts that are ejected at once, 0 to 100, rounded down. The last host that serves never is. Default 10.
    #[serde(serialize_with = "write::percent")]
    pub max_ejection_percent: f64,
    /// One may be ejected, whatever share of the cluster it is. Default true: in Envoy false, so that no host of two to nine is
    /// ever ejected.
    pub always_eject_one_host: bool,
    /// An active check that finds the host healthy ends its ejection. Default true.
    pub successful_active_health_check_uneject_host: bool,
    /// Least hosts with `success_rate_request_volume`. Default 5.
    pub success_rate_minimum_hosts: u32,
    /// Least requests in an interval. Default 100.
    pub success_rate_request_volume: u32,
    /// Standard deviations below the mean of all hosts, in thousandths. Default 1900.
    pub success_rate_stdev_factor: u32,
    /// Default 100.
    #[serde(serialize_with = "write::percent")]
    pub enforcing_success_rate: f64,
    /// Default 100.
    #[serde(serialize_with = "write::percent")]
    pub enforcing_local_origin_success_rate: f64,
    /// Percentage of failures from which on a host is an outlier, 0 to 100. Default 85.
    #[serde(serialize_with = "write::percent")]
    pub failure_percentage_threshold: f64,
    /// Least hosts with `failure_percentage_request_volume`. Default 5.
    pub failure_percentage_minimum_hosts: u32,
    /// Least requests in an interval. Default 50.
    pub failure_percentage_request_volume: u32,
    /// Default 0.
    #[serde(serialize_with = "write::percent")]
    pub enforcing_failure_percentage: f64,
    /// Default 0.
    #[serde(serialize_with = "write::percent")]
    pub enforcing_failure_percentage_local_origin: f64,
    /// `None`: no host is too slow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<OutlierLatency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<OutlierLog>,
}

/// A host is too slow when its mean time to a response head is above both limits. Envoy has no such detector.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct OutlierLatency {
    /// Times the median of its peers, 2 to 1000. Default 5.
    pub factor: u32,
    /// A host that is faster than this is never too slow. Default 50 ms.
    #[serde(serialize_with = "write::duration")]
    pub floor: Duration,
    /// Least hosts with `request_volume`, 2 or more. Default 2.
    pub minimum_hosts: u32,
    /// Least responses in an interval, 2 or more. Default 50.
    pub request_volume: u32,
    /// Default 100.
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
            enforcing_consecutive_5xx: 100.0,
            consecutive_gateway_failure: 5,
            enforcing_consecutive_gateway_failure: 0.0,
            split_external_local_origin_errors: false,
            consecutive_local_origin_failure: 5,
            enforcing_consecutive_local_origin_failure: 100.0,
            interval: Duration::from_secs(10),
            base_ejection_time: Duration::from_secs(30),
            max_ejection_time: Duration::from_secs(300),
            max_ejection_time_jitter: Duration::ZERO,
            max_ejection_percent: 10.0,
            always_eject_one_host: true,
            successful_active_health_check_uneject_host: true,
            success_rate_minimum_hosts: 5,
            success_rate_request_volume: 100,
            success_rate_stdev_factor: 1900,
            enforcing_success_rate: 100.0,
            enforcing_local_origin_success_rate: 100.0,
            failure_percentage_threshold: 85.0,
            failure_percentage_minimum_hosts: 5,
            failure_percentage_request_volume: 50,
            enforcing_failure_percentage: 0.0,
            enforcing_failure_percentage_local_origin: 0.0,
            latency: None,
            log: None,
        }
    }
}

impl Default for OutlierLatency {
    fn default() -> OutlierLatency {
        let floor = Duration::from_millis(50);
        OutlierLatency { factor: 5, floor, minimum_hosts: 2, request_volume: 50, enforcing: 100.0 }
    }
}

fn count() -> impl Fn(&Cx, &Node) -> Option<u32> {
    read::integer(1..=u64::from(u32::MAX))
}

pub(super) fn read(cx: &Cx, node: &Node) -> Option<OutlierDetection> {
    let mut o = cx.object(node)?;
    let mut detection = OutlierDetection::default();
    read_consecutive(&mut o, &mut detection);
    read_ejection(&mut o, &mut detection);
    read_rates(&mut o, &mut detection);
    detection.latency = o.maybe("latency", read_latency);
    detection.log = o.maybe("log", read_log);
    o.finish();
    Some(detection)
}

/// Puts what a key says in the place of its default.
fn put<'t, T>(
    o: &mut Object<'_, 't>,
    key: &'static str,
    place: &mut T,
    read: impl FnOnce(&Cx<'t>, &Node<'t>) -> Option<T>,
) {
    if let Some(value) = o.maybe(key, read) {
        *place = value;
    }
}

fn read_consecutive(o: &mut Object, it: &mut OutlierDetection) {
    put(o, "consecutive_5xx", &mut it.consecutive_5xx, count());
    put(o, "enforcing_consecutive_5xx", &mut it.enforcing_consecutive_5xx, read::percent);
    put(o, "consecutive_gateway_failure", &mut it.consecutive_gateway_failure, count());
    let enforcing = &mut it.enforcing_consecutive_gateway_failure;
    put(o, "enforcing_consecutive_gateway_failure", enforcing, read::percent);
    put(o, "split_external_local_origin_errors", &mut it.split_external_local_origin_errors, read::boolean);
    put(o, "consecutive_local_origin_failure", &mut it.consecutive_local_origin_failure, count());
    let enforcing = &mut it.enforcing_consecutive_local_origin_failure;
    put(o, "enforcing_consecutive_local_origin_failure", enforcing, read::percent);
}

fn read_ejection(o: &mut Object, it: &mut OutlierDetection) {
    put(o, "interval", &mut it.interval, read::timeout);
    put(o, "base_ejection_time", &mut it.base_ejection_time, read::timeout);
    it.max_ejection_time = it.max_ejection_time.max(it.base_ejection_time);
    let base = it.base_ejection_time;
    put(o, "max_ejection_time", &mut it.max_ejection_time, |cx, node| {
        let longest = read::timeout(cx, node)?;
        if longest < base { cx.refuse(node, "is shorter than \"base_ejection_time\"") } else { Some(longest) }
    });
    put(o, "max_ejection_time_jitter", &mut it.max_ejection_time_jitter, read::duration);
    put(o, "max_ejection_percent", &mut it.max_ejection_percent, read::percent);
    put(o, "always_eject_one_host", &mut it.always_eject_one_host, read::boolean);
    let uneject = &mut it.successful_active_health_check_uneject_host;
    put(o, "successful_active_health_check_uneject_host", uneject, read::boolean);
}

fn read_rates(o: &mut Object, it: &mut OutlierDetection) {
    put(o, "success_rate_minimum_hosts", &mut it.success_rate_minimum_hosts, count());
    put(o, "success_rate_request_volume", &mut it.success_rate_request_volume, count());
    put(o, "success_rate_stdev_factor", &mut it.success_rate_stdev_factor, count());
    put(o, "enforcing_success_rate", &mut it.enforcing_success_rate, read::percent);
    put(o, "enforcing_local_origin_success_rate", &mut it.enforcing_local_origin_success_rate, read::percent);
    put(o, "failure_percentage_threshold", &mut it.failure_percentage_threshold, read::percent);
    put(o, "failure_percentage_minimum_hosts", &mut it.failure_percentage_minimum_hosts, count());
    put(o, "failure_percentage_request_volume", &mut it.failure_percentage_request_volume, count());
    put(o, "enforcing_failure_percentage", &mut it.enforcing_failure_percentage, read::percent);
    let enforcing = &mut it.enforcing_failure_percentage_local_origin;
    put(o, "enforcing_failure_percentage_local_origin", enforcing, read::percent);
}

fn read_latency(cx: &Cx, node: &Node) -> Option<OutlierLatency> {
    let default = OutlierLatency::default();
    let two = || read::integer(2..=u64::from(u32::MAX));
    let mut o = cx.object(node)?;
    let latency = OutlierLatency {
        factor: o.optional("factor", default.factor, read::integer(2..=1000)),
        floor: o.optional("floor", default.floor, read::duration),
        minimum_hosts: o.optional("minimum_hosts", default.minimum_hosts, two()),
        request_volume: o.optional("request_volume", default.request_volume, two()),
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
