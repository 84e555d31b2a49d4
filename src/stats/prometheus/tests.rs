//! The exposition format, read back by a small strict parser.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use crate::grpc::Status;
use crate::stats::{
    ClusterStats, CorsStats, Filter, GrpcMethodStats, HttpStats, ListenerStats, Origin, Registry, ServerStats,
};

struct Line {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

fn parse_name(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    assert!(end > 0 && !text.as_bytes()[0].is_ascii_digit(), "a name at {text:?}");
    text.split_at(end)
}

fn parse_line(line: &str) -> Line {
    let (name, mut rest) = parse_name(line);
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (key, after) = parse_name(rest);
            let mut chars = after.strip_prefix("=\"").expect("a quoted value").char_indices();
            let mut value = String::new();
            let end = loop {
                match chars.next().expect("the end of the value") {
                    (at, '"') => break at,
                    (_, '\\') => value.push(match chars.next() {
                        Some((_, 'n')) => '\n',
                        Some((_, c @ ('\\' | '"'))) => c,
                        other => panic!("bad escape {other:?}"),
                    }),
                    (_, c) => value.push(c),
                }
            };
            assert_eq!(labels.insert(key.to_owned(), value), None, "a label twice: {line}");
            rest = &after[2 + end + 1..];
            match rest.split_at(1) {
                (",", more) => rest = more,
                ("}", more) => {
                    rest = more;
                    break;
                }
                other => panic!("{other:?} in {line}"),
            }
        }
    }
    let value = rest.strip_prefix(' ').expect("one space").parse().expect("a number");
    Line { name: name.to_owned(), labels, value }
}

fn base<'a>(name: &'a str, kind: &str) -> &'a str {
    if kind != "histogram" {
        return name;
    }
    ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix)).expect("a histogram's line")
}

/// Checks what promtool checks: one TYPE a family, before its lines, families together, no sample twice, and
/// histograms that add up.
fn check(text: &str) -> Vec<Line> {
    assert!(text.ends_with('\n'));
    let (mut types, mut samples) = (HashSet::new(), HashSet::new());
    let mut family = ("", "");
    let mut lines: Vec<Line> = Vec::new();
    for line in text.lines() {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            family = declared.split_once(' ').unwrap();
            assert!(types.insert(family.0), "{} declared twice", family.0);
            assert!(["counter", "gauge", "histogram"].contains(&family.1));
            continue;
        }
        let parsed = parse_line(line);
        assert_eq!(base(&parsed.name, family.1), family.0, "a sample outside its family");
        assert!(samples.insert((parsed.name.clone(), parsed.labels.clone())), "twice: {line}");
        if family.1 == "histogram" && parsed.name.ends_with("_bucket") {
            let bound = |line: &Line| line.labels["le"].parse::<f64>().unwrap();
            if let Some(last) = lines.last()
                && last.name == parsed.name
                && bound(last) < f64::INFINITY
            {
                assert!(bound(last) < bound(&parsed) && last.value <= parsed.value, "not cumulative: {line}");
            }
        }
        lines.push(parsed);
    }
    lines
}

fn find<'a>(lines: &'a [Line], name: &str, labels: &[(&str, &str)]) -> Option<&'a Line> {
    let matches = |line: &&Line| labels.iter().all(|(key, value)| line.labels.get(*key).is_some_and(|v| v == value));
    lines.iter().filter(|line| line.name == name && line.labels.len() == labels.len()).find(matches)
}

#[test]
fn grpc_methods_become_labels() {
    let mut registry = Registry::new();
    let family = registry.family::<GrpcMethodStats>("cluster", 1, 0);
    for name in ["grpc", "grpc.other", "grpc.pkg.Greeter.Say_200"] {
        let method = family.get_or_add("a.b", name.as_bytes(), Origin::Config, || name.into()).unwrap();
        method.worker(0).outcome(Some(Status::Ok));
        method.worker(0).upstream_rq_time.record(Duration::from_millis(3));
    }
    let lines = check(&registry.snapshot(&Filter::default()).to_prometheus());
    let cluster = ("nuncio_cluster_name", "a.b");
    let greeter = ("nuncio_grpc_bridge_service", "pkg.Greeter");
    for labels in [
        &[cluster][..],
        &[cluster, ("nuncio_grpc_bridge_service", "other")],
        &[cluster, greeter, ("nuncio_grpc_bridge_method", "Say_200")],
    ] {
        for name in ["nuncio_cluster_grpc_total", "nuncio_cluster_grpc_0", "nuncio_cluster_grpc_upstream_rq_time_count"]
        {
            assert_eq!(find(&lines, name, labels).map(|line| line.value), Some(1.0), "{name} {labels:?}");
        }
    }
}

#[test]
fn names_become_labels_as_in_envoy() {
    let mut registry = Registry::new();
    let app = registry.scope::<ClusterStats>("cluster.app", 1);
    let odd = registry.scope::<ClusterStats>("cluster.a.b \"c\\d", 1);
    let http = registry.scope::<HttpStats>("http.web", 1);
    let _cors = registry.scope::<CorsStats>("http.web", 1);
    let _listener = registry.scope::<ListenerStats>("listener.0.0.0.0:80", 1);
    let server = registry.scope::<ServerStats>("server", 1);
    app.worker(0).response(503);
    app.worker(0).upstream_rq_total.add(7);
    odd.worker(0).response(200);
    http.worker(0).downstream_rq_time.record(Duration::from_millis(3));
    http.worker(0).downstream_rq_time.record(Duration::from_secs(9999));
    server.control().live.set(1);

    let lines = check(&registry.snapshot(&Filter::default()).to_prometheus());
    let value = |name: &str, labels: &[(&str, &str)]| find(&lines, name, labels).map(|line| line.value);
    let cluster = ("nuncio_cluster_name", "app");
    let web = ("nuncio_http_conn_manager_prefix", "web");
    assert_eq!(value("nuncio_cluster_upstream_rq_total", &[cluster]), Some(7.0));
    assert_eq!(value("nuncio_cluster_upstream_rq", &[cluster, ("nuncio_response_code", "503")]), Some(1.0));
    assert_eq!(value("nuncio_cluster_upstream_rq_xx", &[cluster, ("nuncio_response_code_class", "5")]), Some(1.0));
    assert_eq!(value("nuncio_cluster_upstream_rq_total", &[("nuncio_cluster_name", "a.b__c\\d")]), None);
    assert_eq!(value("nuncio_cluster_upstream_rq_total", &[("nuncio_cluster_name", "a.b_\"c\\d")]), Some(0.0));
    assert_eq!(value("nuncio_http_cors_origin_valid", &[web]), Some(0.0));
    assert_eq!(value("nuncio_http_downstream_rq_xx", &[web, ("nuncio_response_code_class", "2")]), Some(0.0));
    assert_eq!(value("nuncio_listener_downstream_cx_total", &[("nuncio_listener_address", "0.0.0.0_80")]), Some(0.0));
    assert_eq!(value("nuncio_server_live", &[]), Some(1.0));

    assert_eq!(value("nuncio_http_downstream_rq_time_bucket", &[web, ("le", "1")]), Some(0.0));
    assert_eq!(value("nuncio_http_downstream_rq_time_bucket", &[web, ("le", "5")]), Some(1.0));
    assert_eq!(value("nuncio_http_downstream_rq_time_bucket", &[web, ("le", "3600000")]), Some(1.0));
    assert_eq!(value("nuncio_http_downstream_rq_time_bucket", &[web, ("le", "+Inf")]), Some(2.0));
    assert_eq!(value("nuncio_http_downstream_rq_time_count", &[web]), Some(2.0));
    assert_eq!(value("nuncio_http_downstream_rq_time_sum", &[web]), Some(9_999_003.0));
}
