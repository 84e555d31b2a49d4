//! Protocol switches: the WebSocket tunnel, and what is not let through (RFC 9110 section 7.8, rows S-16 and S-17).

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Proxy, Upstream, Wire, eventually};

const UPGRADE: &str =
    "GET /chat HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: k\r\n\r\n";
const SWITCHED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: s\r\n\r\n";

fn allowing() -> Value {
    json!({ "http": { "upgrades": ["websocket"] } })
}

fn tunnel(upstream: &Upstream, proxy: &Proxy) -> (Wire, Wire) {
    let mut client = proxy.client();
    client.send(UPGRADE);
    let mut server = upstream.accept();
    let request = server.head();
    assert_eq!((request.get("connection"), request.get("upgrade")), (Some("upgrade"), Some("websocket")));
    assert_eq!(request.get("sec-websocket-key"), Some("k"));
    server.send(SWITCHED);
    let response = client.head();
    assert_eq!((response.status(), response.get("upgrade")), (101, Some("websocket")));
    assert_eq!((response.get("connection"), response.get("sec-websocket-accept")), (Some("upgrade"), Some("s")));
    (client, server)
}

#[test]
fn bytes_flow_both_ways_and_each_way_ends_alone() {
    for client_first in [true, false] {
        let upstream = Upstream::start();
        let proxy = Proxy::between(&upstream, allowing(), json!({}));
        let (mut client, mut server) = tunnel(&upstream, &proxy);
        for round in 0..3 {
            client.send([round, 0, 255]);
            server.expect([round, 0, 255]);
            server.send([0, round]);
            client.expect([0, round]);
        }
        let (first, second) = if client_first { (&mut client, &mut server) } else { (&mut server, &mut client) };
        first.finish();
        second.expect_closed();
        second.send("still here");
        first.expect("still here");
        second.finish();
        first.expect_closed();
        proxy.await_stat("cluster.app.upstream_cx_active", 0);
    }
}

#[test]
fn bytes_before_the_switch_are_held() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, allowing(), json!({}));
    let mut client = proxy.client();
    client.send(format!("{UPGRADE}early"));
    let mut server = upstream.accept();
    server.head();
    server.expect_silence(Duration::from_millis(100));
    // Bytes behind the 101 belong to the tunnel as well.
    server.send(format!("{SWITCHED}hello"));
    server.expect("early");
    client.head();
    client.expect("hello");
}

#[test]
fn another_answer_is_an_answer_and_the_rest_is_the_next_request() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, allowing(), json!({}));
    let mut client = proxy.client();
    client.send(format!("{UPGRADE}GET /next HTTP/1.1\r\nhost: a\r\n\r\n"));
    let mut server = upstream.accept();
    server.head();
    server.send("HTTP/1.1 426 Upgrade Required\r\ncontent-length: 2\r\n\r\nno");
    assert_eq!(client.message().status(), 426);
    server.expect_gone();
    let mut server = upstream.accept();
    assert_eq!(server.head().start, "GET /next HTTP/1.1");
    server.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(client.head().status(), 204);
}

#[test]
fn a_switch_to_something_else_or_unasked_is_refused() {
    for (request, upgrade) in [(UPGRADE, "h2c"), (UPGRADE, "other"), ("GET / HTTP/1.1\r\nhost: a\r\n\r\n", "websocket")]
    {
        let upstream = Upstream::start();
        let proxy = Proxy::between(&upstream, allowing(), json!({}));
        let mut client = proxy.client();
        client.send(request);
        let mut server = upstream.accept();
        server.head();
        server.send(format!("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: {upgrade}\r\n\r\n"));
        assert_eq!(client.message().status(), 502);
        server.expect_gone();
    }
}

#[test]
fn a_route_that_does_not_allow_it_says_403() {
    let upstream = Upstream::start();
    let routes = json!([
        { "match": { "path": "/chat" }, "cluster": "app", "upgrades": [] },
        { "cluster": "app" },
    ]);
    let proxy =
        Proxy::between(&upstream, json!({ "routes": routes, "http": { "upgrades": ["websocket"] } }), json!({}));
    let mut client = proxy.client();
    client.send(UPGRADE);
    assert_eq!(client.message().status(), 403);
    upstream.expect_nobody(Duration::from_millis(50));

    let proxy = Proxy::to(&upstream);
    let mut client = proxy.client();
    client.send(UPGRADE);
    assert_eq!(client.message().status(), 403, "the default");
}

#[test]
fn h2c_is_never_offered_to_an_upstream() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, allowing(), json!({}));
    for upgrade in ["h2c", "H2C", "websocket, h2c", "h2c, websocket", "tls/1.0"] {
        let mut client = proxy.client();
        client.send(format!(
            "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade, http2-settings\r\nupgrade: {upgrade}\r\n\
             http2-settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n"
        ));
        let mut server = upstream.accept();
        let request = server.head();
        for name in ["upgrade", "http2-settings", "connection"] {
            assert_eq!(request.get(name), None, "{upgrade}: {request}");
        }
        server.send("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
        assert_eq!(client.head().status(), 204);
    }
}

#[test]
fn an_end_that_dies_takes_the_tunnel_with_it() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, allowing(), json!({}));
    let (client, mut server) = tunnel(&upstream, &proxy);
    client.reset();
    server.expect_gone();
    let (mut client, server) = tunnel(&upstream, &proxy);
    server.reset();
    client.expect_gone();
    // Also when the one that dies had said before that it sends no more.
    let (mut client, mut server) = tunnel(&upstream, &proxy);
    client.finish();
    server.expect_closed();
    client.reset();
    proxy.await_stat("cluster.app.upstream_cx_active", 0);
}

/// The upstream closes both ways with one `close`; the client does not notice and goes on sending.
#[test]
fn a_closed_upstream_is_not_sent_to_for_ever() {
    let upstream = Upstream::start();
    let routes = json!([{ "match": { "path": "/alive" }, "respond": { "status": 204 } }, { "cluster": "app" }]);
    let listener = json!({ "routes": routes, "http": { "upgrades": ["websocket"] } });
    let proxy = Proxy::between(&upstream, listener, json!({}));
    let (mut client, server) = tunnel(&upstream, &proxy);
    drop(server);
    client.expect_closed();
    eventually("the client is told", || {
        assert_eq!(proxy.get("/alive").status(), 204, "the worker serves others");
        client.try_send("are you there?").err()
    });
}
