//! CONNECT: refused unless a route allows it, then a tunnel (RFC 9110 section 9.3.6, row S-16).

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{End, Proxy, Upstream, Wire, closed_port};

const CONNECT: &str = "CONNECT db.example:5432 HTTP/1.1\r\nhost: db.example:5432\r\n\r\n";

#[test]
fn it_is_refused_where_no_route_allows_it() {
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.client();
    client.send(format!("{CONNECT}bytes for a tunnel"));
    let response = client.message();
    assert_eq!((response.status(), response.head.get("connection")), (405, Some("close")));
    assert!(response.head.get("allow").is_some());
    client.expect_gone();
    upstream.expect_nobody(Duration::from_millis(50));
}

#[test]
fn an_allowed_one_becomes_a_tunnel_with_2xx_only() {
    let upstream = Upstream::start();
    let routes = json!([{ "match": { "host": "db.example" }, "cluster": "app", "upgrades": ["connect"] }]);
    let proxy = Proxy::between(&upstream, json!({ "routes": routes }), json!({}));
    let mut client = proxy.client();
    client.send(format!("{CONNECT}early"));
    let mut server = upstream.accept();
    let request = server.head();
    assert_eq!(
        (request.start.as_str(), request.get("host")),
        ("CONNECT db.example:5432 HTTP/1.1", Some("db.example:5432"))
    );
    server.expect_silence(Duration::from_millis(100));
    server.send("HTTP/1.1 200 OK\r\n\r\n");
    let response = client.head();
    assert_eq!(response.status(), 200);
    assert_eq!((response.get("content-length"), response.get("transfer-encoding")), (None, None));
    server.expect("early");
    server.send("late");
    client.expect("late");
    client.finish();
    server.expect_closed();
    server.finish();
    client.expect_closed();

    let mut client = proxy.client();
    client.send(format!("{CONNECT}early"));
    let mut server = upstream.accept();
    server.head();
    server.send("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno");
    let response = client.message();
    assert_eq!((response.status(), response.head.get("connection")), (403, Some("close")));
    server.expect_gone();
}

fn terminating(upstream: &Upstream, mut listener: Value) -> Proxy {
    listener["routes"] =
        json!([{ "cluster": "app", "upgrades": ["connect"], "connect": "terminate", "timeout": "100ms" }]);
    Proxy::between(upstream, listener, json!({}))
}

/// The client's end, the tunnel being open, and the host's.
fn open(proxy: &Proxy, upstream: &Upstream) -> (Wire, Wire) {
    let mut client = proxy.client();
    client.send(CONNECT);
    let server = upstream.accept();
    assert_eq!(client.head().status(), 200);
    (client, server)
}

#[test]
fn one_that_ends_here_carries_bytes_to_a_host() {
    let upstream = Upstream::start();
    let proxy = terminating(&upstream, json!({}));
    let mut client = proxy.client();
    client.send(format!("{CONNECT}early"));
    let mut server = upstream.accept();
    let response = client.head();
    assert_eq!(
        (response.status(), response.get("content-length"), response.get("transfer-encoding")),
        (200, None, None)
    );
    server.expect("early");
    server.send("late");
    client.expect("late");
    // Longer than the route's `timeout`, which is for answers.
    client.expect_silence(Duration::from_millis(300));
    client.send("more");
    server.expect("more");
    assert_eq!(proxy.stat("http.listener-0.downstream_cx_upgrades_active"), 1);
    drop((client, server));
    proxy.await_stat("http.listener-0.downstream_cx_upgrades_active", 0);
    proxy.await_stat("cluster.app.upstream_cx_active", 0);
    proxy.await_stat("cluster.app.upstream_rq_active", 0);
}

#[test]
fn the_host_may_speak_first_and_either_side_may_end_first() {
    let upstream = Upstream::start();
    let proxy = terminating(&upstream, json!({}));
    for client_first in [true, false] {
        let (mut client, mut server) = open(&proxy, &upstream);
        server.send("220 ready\r\n");
        client.expect("220 ready\r\n");
        let (mut first, mut second) = if client_first { (client, server) } else { (server, client) };
        first.send("question");
        first.finish();
        assert_eq!(second.rest().0, b"question");
        second.send("a long answer");
        first.expect("a long answer");
        second.finish();
        first.expect_closed();
    }
    proxy.await_stat("cluster.app.upstream_cx_active", 0);
    assert_eq!(proxy.stat("cluster.app.upstream_rq_tx_reset"), 0);
}

#[test]
fn a_reset_goes_through_the_tunnel() {
    let upstream = Upstream::start();
    let proxy = terminating(&upstream, json!({}));
    let (client, mut server) = open(&proxy, &upstream);
    client.reset();
    assert!(server.rest().1 == End::Reset);
    let (mut client, server) = open(&proxy, &upstream);
    server.reset();
    assert!(client.rest().1 == End::Reset);
    // Whoever finds it first.
    let (mut client, mut server) = open(&proxy, &upstream);
    client.send_until_stuck(64 << 20, Duration::from_millis(300));
    server.send("partial");
    client.expect("partial");
    server.reset();
    assert!(client.rest().1 == End::Reset);
}

#[test]
fn a_host_that_cannot_be_reached_is_503() {
    let listener = json!({ "routes": [{ "cluster": "app", "upgrades": ["connect"], "connect": "terminate" }] });
    let clusters = json!({ "app": { "endpoints": [closed_port()] } });
    let proxy = Proxy::start(json!({ "listeners": [listener], "clusters": clusters }));
    let mut client = proxy.client();
    client.send(format!("{CONNECT}early"));
    assert_eq!(client.message().status(), 503);
    client.expect_gone();
    assert_eq!(proxy.stat("cluster.app.upstream_cx_connect_fail"), 1);
}

#[test]
fn a_silent_tunnel_is_closed() {
    let upstream = Upstream::start();
    let proxy = terminating(&upstream, json!({ "http": { "stream_idle_timeout": "200ms" } }));
    let (mut client, mut server) = open(&proxy, &upstream);
    client.expect_gone();
    server.expect_gone();
    assert_eq!(proxy.stat("http.listener-0.downstream_rq_idle_timeout"), 1);
}

#[test]
fn a_host_that_takes_nothing_stops_the_client() {
    let upstream = Upstream::start();
    let proxy = terminating(&upstream, json!({}));
    let (mut client, mut server) = open(&proxy, &upstream);
    const MOST: usize = 64 << 20;
    let sent = client.send_until_stuck(MOST, Duration::from_millis(300));
    assert!(sent < MOST, "nothing stopped it");
    let mut read = 0;
    while read < sent {
        read += server.take((sent - read).min(1 << 20)).len();
    }
    client.finish();
    server.expect_closed();
}

#[test]
fn other_requests_of_its_route_are_forwarded() {
    let upstream = Upstream::start();
    let proxy = terminating(&upstream, json!({}));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut server = upstream.accept();
    assert_eq!(server.head().start, "GET / HTTP/1.1");
    server.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(client.head().status(), 204);
}
