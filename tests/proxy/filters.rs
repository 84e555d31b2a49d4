//! Filters in the pipeline of the whole proxy.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Clock, Proxy, Upstream};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
/// Nothing comes for so long: nothing is coming.
const QUIET: Duration = Duration::from_millis(100);

/// With a route "/off" where the filter is off.
fn filtered(upstream: &Upstream, filter: Value) -> Proxy {
    let off = json!({ filter["type"].as_str().unwrap(): "off" });
    let routes = json!([{ "match": { "path": "/off" }, "cluster": "app", "filters": off }, { "cluster": "app" }]);
    Proxy::between(upstream, json!({ "routes": routes, "filters": [filter] }), json!({}))
}

#[test]
fn buffer_sends_a_request_once_it_is_whole() {
    let upstream = Upstream::start();
    let proxy = filtered(&upstream, json!({ "type": "buffer", "max_request_bytes": 10 }));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n");
    upstream.expect_nobody(QUIET);
    client.send("3\r\ndef\r\n0\r\n\r\n");
    let mut server = upstream.accept();
    let request = server.message();
    assert_eq!((request.head.get("content-length"), request.text()), (Some("6"), "abcdef"));
    assert_eq!(request.head.get("transfer-encoding"), None);
    server.send(OK);
    assert_eq!(client.message().text(), "ok");
    // Too long, by its word or by its bytes.
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 11\r\n\r\n01234567890");
    assert_eq!(client.message().status(), 413);
    client.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nb\r\n01234567890\r\n");
    let response = client.message();
    assert_eq!((response.status(), response.head.get("connection")), (413, Some("close")));
    // Off: it streams.
    let mut client = proxy.client();
    client.send("POST /off HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nb\r\n01234567890\r\n");
    assert_eq!(server.head().start, "POST /off HTTP/1.1");
    server.expect("b\r\n01234567890\r\n");
}

#[test]
fn fault_aborts_and_delays() {
    let upstream = Upstream::start();
    let proxy =
        filtered(&upstream, json!({ "type": "fault", "abort": { "status": 418 }, "delay": { "duration": "200ms" } }));
    let mut client = proxy.client();
    let clock = Clock::start();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody");
    let response = client.message();
    assert_eq!((response.status(), response.text()), (418, "fault filter abort\n"));
    assert!(clock.elapsed() >= Duration::from_millis(200));
    client.send("GET /off HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut server = upstream.accept();
    server.head();
    server.send(OK);
    assert_eq!(client.message().text(), "ok");
    // A client that leaves while it is delayed is noticed.
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    client.reset();
    proxy.await_stat("http.listener-0.downstream_rq_active", 0);
}

#[test]
fn a_delayed_request_arrives_whole() {
    let upstream = Upstream::start();
    let proxy = filtered(&upstream, json!({ "type": "fault", "delay": { "duration": "200ms" } }));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n");
    upstream.expect_nobody(QUIET);
    let mut server = upstream.accept();
    server.head();
    server.expect("3\r\nabc\r\n");
    client.send("0\r\n\r\n");
    server.expect("0\r\n\r\n");
    server.send(OK);
    assert_eq!(client.message().text(), "ok");
}

#[test]
fn local_rate_limit_says_429_and_when_to_come_back() {
    let upstream = Upstream::start();
    let proxy = filtered(&upstream, json!({ "type": "local_rate_limit", "requests": 2, "per": "1h" }));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut server = upstream.accept();
    for status in [200, 200, 429, 429] {
        if status == 200 {
            server.head();
            server.send(OK);
        }
        let response = client.message();
        assert_eq!((response.status(), response.head.get("retry-after").is_some()), (status, status == 429));
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    }
    assert_eq!(client.message().status(), 429);
    client.send("GET /off HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(server.head().start, "GET /off HTTP/1.1");
}

#[test]
fn cors_answers_preflights_and_marks_responses() {
    let upstream = Upstream::start();
    let filter = json!({ "type": "cors", "allow_origin": ["https://a.example"], "allow_methods": ["GET", "PUT"], "max_age": "10m" });
    let proxy = filtered(&upstream, filter);
    let mut client = proxy.client();
    client.send(
        "OPTIONS /x HTTP/1.1\r\nhost: a\r\norigin: https://a.example\r\naccess-control-request-method: PUT\r\n\r\n",
    );
    let response = client.message();
    assert!(matches!(response.status(), 200 | 204));
    assert_eq!(response.head.get("access-control-allow-origin"), Some("https://a.example"));
    assert_eq!(response.head.get("access-control-max-age"), Some("600"));
    let mut server = None;
    for (target, origin, allowed) in [
        ("/x", "https://a.example", Some("https://a.example")),
        ("/x", "https://evil.example", None),
        ("/off", "https://a.example", None),
    ] {
        client.send(format!("GET {target} HTTP/1.1\r\nhost: a\r\norigin: {origin}\r\n\r\n"));
        let server = server.get_or_insert_with(|| upstream.accept());
        server.head();
        server.send(OK);
        assert_eq!(client.message().head.get("access-control-allow-origin"), allowed, "{target} {origin}");
    }
}

#[test]
fn header_mutation_edits_both_ways() {
    let upstream = Upstream::start();
    let filter = json!({ "type": "header_mutation", "request": { "set": { "x-in": "1" } }, "response": { "remove": ["x-out"] } });
    let proxy = filtered(&upstream, filter);
    let mut client = proxy.client();
    let mut server = None;
    for (target, x_in, x_out) in [("/", Some("1"), None), ("/off", None, Some("2"))] {
        client.send(format!("GET {target} HTTP/1.1\r\nhost: a\r\n\r\n"));
        let server = server.get_or_insert_with(|| upstream.accept());
        assert_eq!(server.head().get("x-in"), x_in, "{target}");
        server.send("HTTP/1.1 200 OK\r\nx-out: 2\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(client.message().head.get("x-out"), x_out, "{target}");
    }
}

#[test]
fn filters_run_in_order_and_see_local_replies() {
    let upstream = Upstream::start();
    let listener = json!({ "filters": [
        { "type": "header_mutation", "response": { "set": { "x-seen": "first" } } },
        { "type": "fault", "abort": { "status": 503 } },
        { "type": "header_mutation", "response": { "set": { "x-behind": "never" } } },
    ] });
    let proxy = Proxy::between(&upstream, listener, json!({}));
    let response = proxy.get("/");
    assert_eq!(
        (response.status(), response.head.get("x-seen"), response.head.get("x-behind")),
        (503, Some("first"), None)
    );
}
