//! `/stats` and `/stats/prometheus`.

use regex_lite::Regex;

use super::{AdminState, Reply, Request};
use crate::stats::{Filter, PROMETHEUS_CONTENT_TYPE, Snapshot};

pub(super) fn stats(state: &dyn AdminState, request: &Request) -> Reply {
    match request.parameter("format") {
        None | Some("text") => with_snapshot(state, request, |snapshot| Reply::text(200, snapshot.to_text())),
        Some("json") => with_snapshot(state, request, |snapshot| Reply::json(&snapshot.to_json())),
        Some("prometheus") => prometheus(state, request),
        Some(_) => Reply::text(400, "format is text, json or prometheus\n"),
    }
}

pub(super) fn prometheus(state: &dyn AdminState, request: &Request) -> Reply {
    with_snapshot(state, request, |snapshot| Reply {
        content_type: PROMETHEUS_CONTENT_TYPE,
        ..Reply::text(200, snapshot.to_prometheus())
    })
}

fn with_snapshot(state: &dyn AdminState, request: &Request, print: impl Fn(&Snapshot) -> Reply) -> Reply {
    let name = match request.parameter("filter").map(Regex::new) {
        None => None,
        Some(Ok(regex)) => Some(regex),
        Some(Err(error)) => return Reply::text(400, format!("filter: {error}\n")),
    };
    print(&state.stats(&Filter { name, used_only: request.has("usedonly") }))
}

#[cfg(test)]
mod tests {
    use crate::admin::testing::{TestState, request};
    use crate::admin::{Reply, handle};

    fn get(target: &str) -> Reply {
        handle(&TestState::default(), &request("GET", target))
    }

    #[test]
    fn formats() {
        assert!(get("/stats").body.contains("cluster.app.upstream_rq_total: 3\n"));
        assert_eq!(get("/stats?usedonly").body, "cluster.app.upstream_rq_total: 3\n");
        assert_eq!(
            get("/stats?filter=rq_retry_limit&format=text").body,
            "cluster.app.upstream_rq_retry_limit_exceeded: 0\n"
        );
        let json: serde_json::Value = serde_json::from_str(&get("/stats?format=json&usedonly").body).unwrap();
        assert_eq!(json["stats"][0]["name"], "cluster.app.upstream_rq_total");
        let prometheus = get("/stats/prometheus?usedonly");
        assert_eq!(prometheus.body, get("/stats?usedonly&format=prometheus").body);
        assert!(prometheus.body.ends_with("nuncio_cluster_upstream_rq_total{nuncio_cluster_name=\"app\"} 3\n"));
        assert_eq!(prometheus.content_type, "text/plain; version=0.0.4; charset=utf-8");
    }

    #[test]
    fn bad_questions() {
        assert_eq!(get("/stats?format=html").status, 400);
        assert_eq!(get("/stats?filter=(").status, 400);
        assert_eq!(get("/stats/prometheus?filter=(").status, 400);
    }
}
