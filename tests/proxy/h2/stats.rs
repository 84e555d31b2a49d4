//! What is counted and logged of HTTP/2.

use serde_json::json;

use super::both;
use crate::harness::h2::{OK, REFUSED_STREAM};
use crate::harness::{Proxy, Upstream, eventually};

#[test]
fn connections_and_requests_are_counted_by_their_version() {
    let upstream = Upstream::start();
    let (proxy, mut client) = both(&upstream);
    client.get(1, "/");
    let mut server = upstream.accept_h2();
    server.expect_request();
    for (name, value) in [
        ("http.listener-0.downstream_cx_http2_total", 1),
        ("http.listener-0.downstream_cx_http2_active", 1),
        ("http.listener-0.downstream_cx_http1_total", 0),
        ("http.listener-0.downstream_rq_http2_total", 1),
        ("http.listener-0.downstream_rq_http1_total", 0),
        ("http.listener-0.downstream_rq_active", 1),
        ("cluster.app.upstream_cx_total", 1),
        ("cluster.app.upstream_cx_http2_total", 1),
        ("cluster.app.upstream_cx_http1_total", 0),
        ("cluster.app.upstream_rq_total", 1),
        ("cluster.app.upstream_rq_active", 1),
    ] {
        assert_eq!(proxy.stat(name), value, "{name}");
    }
    server.headers(1, OK, true);
    client.expect_headers(1);
    drop(client);
    for (name, value) in [
        ("http.listener-0.downstream_cx_http2_active", 0),
        ("http.listener-0.downstream_rq_active", 0),
        ("http.listener-0.downstream_rq_2xx", 1),
        ("http.listener-0.downstream_cx_destroy_remote", 1),
        ("cluster.app.upstream_rq_active", 0),
        ("cluster.app.upstream_rq_2xx", 1),
    ] {
        proxy.await_stat(name, value);
    }
}

#[test]
fn the_log_says_the_version_and_the_flag() {
    let path = std::env::temp_dir().join(format!("nuncio-{}-h2.log", std::process::id()));
    let upstream = Upstream::start();
    let proxy = Proxy::start(json!({
        "access_log": [{ "path": path, "format": "%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL% %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_SENT%\n" }],
        "listeners": [{ "routes": [{ "cluster": "app" }] }],
        "clusters": { "app": { "endpoints": [upstream.address()], "protocol": "h2" } },
    }));
    let mut client = proxy.h2();
    client.get(1, "/ok");
    let mut server = upstream.accept_h2();
    server.expect_request();
    server.headers(1, OK, false);
    server.data(1, "body", true);
    client.response(1);
    client.get(3, "/refused");
    for _ in 0..4 {
        let (stream, _) = server.expect_request();
        server.reset(stream, REFUSED_STREAM);
    }
    assert_eq!(client.response(3).0.status(), 503);
    let text = eventually("two lines", || {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        (text.lines().count() == 2 && text.ends_with('\n')).then_some(text)
    });
    let _ = std::fs::remove_file(&path);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "GET /ok HTTP/2 200 - 4");
    assert!(lines[1].starts_with("GET /refused HTTP/2 503 UR "), "{}", lines[1]);
}
