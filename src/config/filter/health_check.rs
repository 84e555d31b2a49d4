//! `health_check`: answers those who ask whether the proxy itself serves.

use std::collections::BTreeMap;
use std::time::Duration;

use nuncio_http::HeaderName;
use serde::{Serialize, Serializer};

use crate::config::matcher::{self, Matcher};
use crate::config::route_match;
use crate::config::text::{Complaint, Cx, Node, Object, read, write};

/// `health_check`: what matches all of `path` and `headers` is a question after the proxy's health. It is answered 200 or
/// 503; 503 while the proxy drains, and after `/healthcheck/fail`. Called `HealthCheckFilter`, for clusters have a `HealthCheck`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HealthCheckFilter {
    /// Of the request, without its query. This or `headers` must be given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Matcher>,
    #[serde(serialize_with = "write::header_pairs", skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(HeaderName, Matcher)>,
    /// Upstreams answer, as long as the proxy is healthy. Default false: the proxy answers.
    pub pass_through: bool,
    /// The upstreams' answer is given again for so long. Only with `pass_through`. Default off.
    #[serde(serialize_with = "write::duration_or_off")]
    pub cache_time: Option<Duration>,
    /// So many percent of the hosts of each of these clusters must be healthy, be it degraded; a cluster without hosts is
    /// healthy where 0 are asked for. Not with `pass_through`. Default: none.
    #[serde(serialize_with = "write_percentages", skip_serializing_if = "BTreeMap::is_empty")]
    pub cluster_min_healthy_percentages: BTreeMap<String, f64>,
}

pub(super) fn read(
    cx: &Cx,
    node: &Node,
    o: &mut Object,
    base: Option<&HealthCheckFilter>,
) -> Option<HealthCheckFilter> {
    let base = base.cloned().unwrap_or_else(|| HealthCheckFilter {
        path: None,
        headers: Vec::new(),
        pass_through: false,
        cache_time: None,
        cluster_min_healthy_percentages: BTreeMap::new(),
    });
    if base.path.is_none() && base.headers.is_empty() {
        let keys = &["path", "headers"];
        if !keys.iter().any(|key| o.has(key)) {
            let complaint = Complaint::new("would answer every request").expected("\"path\" or \"headers\"");
            o.lacks(complaint, keys);
        }
    }
    let filter = HealthCheckFilter {
        path: o.maybe("path", matcher::read).or(base.path),
        headers: o.optional("headers", base.headers, route_match::read_headers),
        pass_through: o.optional("pass_through", base.pass_through, read::boolean),
        cache_time: o.optional("cache_time", base.cache_time, read::or_off(read::timeout)),
        cluster_min_healthy_percentages: o.optional(
            "cluster_min_healthy_percentages",
            base.cluster_min_healthy_percentages,
            read_percentages,
        ),
    };
    if filter.cache_time.is_some() && !filter.pass_through {
        return cx.refuse(
            node,
            "\"cache_time\" has no meaning without \"pass_through\": the proxy's own answer costs nothing",
        );
    }
    if filter.pass_through && !filter.cluster_min_healthy_percentages.is_empty() {
        return cx.refuse(node, "\"cluster_min_healthy_percentages\" has no meaning with \"pass_through\"");
    }
    Some(filter)
}

fn read_percentages(cx: &Cx, node: &Node) -> Option<BTreeMap<String, f64>> {
    let mut percentages = BTreeMap::new();
    for entry in cx.entries(node, "an object of clusters")? {
        let percent = read::percent(cx, &entry.value);
        if let Some((name, percent)) = cx.cluster(&entry.key_node).zip(percent) {
            percentages.insert(name, percent);
        }
    }
    Some(percentages)
}

fn write_percentages<S: Serializer>(percentages: &BTreeMap<String, f64>, out: S) -> Result<S::Ok, S::Error> {
    use serde::ser::SerializeMap;
    struct Percent(f64);
    impl Serialize for Percent {
        fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
            write::percent(&self.0, out)
        }
    }
    let mut map = out.serialize_map(Some(percentages.len()))?;
    for (name, percent) in percentages {
        map.serialize_entry(name, &Percent(*percent))?;
    }
    map.end()
}
