//! The limits of time in force, and where each comes from. What is the same as the default counts as the default.

use std::time::Duration;

use super::answer::Limit;
use crate::config::{self, format_duration};

pub(super) fn of_route(route: &config::Route, http: &config::Http) -> Vec<Limit> {
    let default = config::Route::new(route.action.clone());
    let (usual, none) = (config::Http::default(), None);
    let mut limits = vec![limit("timeout", route.timeout, "route", default.timeout)];
    limits.push(match route.idle_timeout {
        Some(own) => Limit::new("stream_idle_timeout", own, "route"),
        None => limit("stream_idle_timeout", http.stream_idle_timeout, "listener", usual.stream_idle_timeout),
    });
    limits.push(match route.max_stream_duration {
        Some(own) => Limit::new("max_stream_duration", own, "route"),
        None => limit("max_stream_duration", http.max_stream_duration, "listener", usual.max_stream_duration),
    });
    limits.push(limit("grpc_timeout_max", route.grpc_timeout_max, "route", default.grpc_timeout_max));
    if let Some(retry) = &route.retry {
        limits.push(limit("per_try_timeout", retry.per_try_timeout, "route", none));
        limits.push(limit("per_try_idle_timeout", retry.per_try_idle_timeout, "route", none));
    }
    for (name, value, usual) in [
        ("request_headers_timeout", http.request_headers_timeout, usual.request_headers_timeout),
        ("request_timeout", http.request_timeout, usual.request_timeout),
        ("request_body_idle_timeout", http.request_body_idle_timeout, usual.request_body_idle_timeout),
        ("stream_flush_timeout", http.stream_flush_timeout, usual.stream_flush_timeout),
    ] {
        limits.push(limit(name, value, "listener", usual));
    }
    limits
}

pub(super) fn of_tcp(tcp: &config::Tcp) -> Vec<Limit> {
    let usual = config::Tcp::default();
    [
        ("idle_timeout", tcp.idle_timeout, usual.idle_timeout),
        ("max_connection_duration", tcp.max_connection_duration, usual.max_connection_duration),
        ("half_close_timeout", tcp.half_close_timeout, usual.half_close_timeout),
    ]
    .map(|(name, value, usual)| limit(name, value, "listener", usual))
    .into()
}

pub(super) fn of_udp(udp: &config::Udp) -> Vec<Limit> {
    let usual = config::Udp::default().idle_timeout;
    vec![limit("idle_timeout", Some(udp.idle_timeout), "listener", Some(usual))]
}

pub(super) fn of_cluster(cluster: &config::Cluster) -> Vec<Limit> {
    let usual = config::Cluster::new(Vec::new());
    [
        ("connect_timeout", Some(cluster.connect_timeout), Some(usual.connect_timeout)),
        ("idle_timeout", cluster.idle_timeout, usual.idle_timeout),
        ("max_connection_duration", cluster.max_connection_duration, usual.max_connection_duration),
    ]
    .map(|(name, value, usual)| limit(name, value, "cluster", usual))
    .into()
}

fn limit(name: &str, value: Option<Duration>, from: &'static str, default: Option<Duration>) -> Limit {
    Limit::new(name, value, if value == default { "default" } else { from })
}

impl Limit {
    fn new(name: &str, value: Option<Duration>, from: &'static str) -> Limit {
        Limit { name: name.to_owned(), value: value.map_or_else(|| "off".to_owned(), format_duration), from }
    }
}
