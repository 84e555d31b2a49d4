//! The PROXY protocol: who may say for whom it connects, and how a host is told.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Proxy, Upstream};

const V1: &str = "PROXY TCP4 192.0.2.7 203.0.113.1 4711 443\r\n";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\xcb\0\x71\x01\x12\x67\x01\xbb";
const GET: &str = "GET / HTTP/1.1\r\nhost: a.example\r\n\r\n";

#[test]
fn the_client_is_who_the_header_says() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, json!({ "proxy_protocol": { "from": "127.0.0.0/8" } }), json!({}));
    for header in [V1.as_bytes(), V2] {
        let mut client = proxy.client();
        // In any pieces, and with the request behind it.
        let (first, second) = header.split_at(9);
        client.send(first);
        std::thread::yield_now();
        client.send([second, GET.as_bytes()].concat());
        let mut server = upstream.accept();
        assert_eq!(server.head().get("x-forwarded-for"), Some("192.0.2.7"));
        server.send("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
        assert_eq!(client.head().status(), 204);
        // The connection goes on as any other.
        client.send(GET);
        let mut server = upstream.accept();
        assert_eq!(server.head().get("x-forwarded-for"), Some("192.0.2.7"));
        server.send("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
        assert_eq!(client.head().status(), 204);
    }
}

#[test]
fn a_missing_or_broken_header_closes_unless_it_is_optional() {
    let upstream = Upstream::start();
    let listener = |optional: bool| json!({ "proxy_protocol": { "from": "127.0.0.0/8", "optional": optional } });
    let proxy = Proxy::between(&upstream, listener(false), json!({}));
    let mut client = proxy.client();
    client.send(GET);
    client.expect_gone();
    let mut client = proxy.client();
    client.send("PROXY TCP4 192.0.2.7 203.0.113.1 4711 99999\r\n");
    client.expect_gone();
    assert_eq!(proxy.stat(&format!("listener.{}.proxy_proto.error", "127.0.0.1_0")), 2);

    let proxy = Proxy::between(&upstream, listener(true), json!({}));
    let mut client = proxy.client();
    client.send(GET);
    let mut server = upstream.accept();
    assert_eq!(server.head().get("x-forwarded-for"), Some("127.0.0.1"));
}

#[test]
fn nobody_else_is_believed() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, json!({ "proxy_protocol": { "from": "192.0.2.0/24" } }), json!({}));
    let mut client = proxy.client();
    client.send(format!("{V1}{GET}"));
    assert_eq!(client.head().status(), 400);
    upstream.expect_nobody(Duration::from_millis(50));
}

#[test]
fn a_client_that_says_nothing_is_not_waited_for() {
    let upstream = Upstream::start();
    let listener = json!({ "proxy_protocol": { "from": "127.0.0.0/8" }, "detect_timeout": "200ms" });
    let proxy = Proxy::between(&upstream, listener, json!({}));
    let mut client = proxy.client();
    client.send("PROXY TCP4 ");
    client.expect_gone();
    assert_eq!(proxy.stat("listener.127.0.0.1_0.downstream_pre_cx_timeout"), 1);
    assert_eq!(proxy.stat("listener.127.0.0.1_0.downstream_pre_cx_active"), 0);
}

#[test]
fn a_host_is_told_for_whom() {
    let upstream = Upstream::start();
    let trusting = json!({ "protocol": "tcp", "proxy_protocol": { "from": "127.0.0.0/8" } });
    let proxy = Proxy::between(&upstream, trusting.clone(), json!({ "proxy_protocol": "v1" }));
    let mut client = proxy.client();
    client.send(format!("{V1}bytes"));
    let mut server = upstream.accept();
    server.expect(format!("{V1}bytes"));

    let proxy = Proxy::between(&upstream, trusting, json!({ "proxy_protocol": "v2" }));
    let mut client = proxy.client();
    client.send([V2, b"bytes"].concat());
    let mut server = upstream.accept();
    server.expect([V2, b"bytes"].concat());
}

#[test]
fn an_announced_http_connection_is_one_clients_alone() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, json!({}), json!({ "proxy_protocol": "v1" }));
    for _ in 0..2 {
        let mut client = proxy.client();
        client.send(GET);
        let mut server = upstream.accept();
        assert!(server.line().starts_with("PROXY TCP4 127.0.0.1 127.0.0.1 "));
        server.head();
        server.send("HTTP/1.1 204 No Content\r\n\r\n");
        assert_eq!(client.head().status(), 204);
        server.expect_gone();
    }
}

/// The host is where the client meant to go, and that is what the header says.
#[test]
fn a_connection_goes_where_it_was_to_go() {
    let upstreams = [Upstream::start(), Upstream::start()];
    let listener = |protocol: &str| {
        json!({ "protocol": protocol, "routes": [{ "cluster": "any" }],
                "proxy_protocol": { "from": "127.0.0.0/8", "optional": true } })
    };
    let proxy = Proxy::start(json!({
        "listeners": [listener("tcp"), listener("http")],
        "clusters": { "any": { "discovery": "original_dst" } },
    }));
    let header = |address: &str| {
        let (ip, port) = address.split_once(':').unwrap();
        format!("PROXY TCP4 192.0.2.7 {ip} 4711 {port}\r\n")
    };
    for upstream in upstreams.iter().chain(&upstreams) {
        let mut client = proxy.client();
        client.send(format!("{}bytes", header(&upstream.address())));
        let mut server = upstream.accept();
        server.expect("bytes");
        server.send("answer");
        client.expect("answer");
    }
    for upstream in &upstreams {
        let mut client = proxy.client_of(1);
        client.send(format!("{}{GET}", header(&upstream.address())));
        let mut server = upstream.accept();
        server.head();
        server.send("HTTP/1.1 204 No Content\r\n\r\n");
        assert_eq!(client.head().status(), 204);
        // And again, on the connection that was kept.
        client.send(GET);
        server.head();
        server.send("HTTP/1.1 204 No Content\r\n\r\n");
        assert_eq!(client.head().status(), 204);
    }
    // To the listener itself: it would come back for ever.
    for (at, listener) in [(0, None), (0, Some(0)), (1, None), (1, Some(1))] {
        let mut client = proxy.client_of(at);
        let header = listener.map_or_else(String::new, |at| header(&proxy.listener(at).to_string()));
        client.send(format!("{header}{GET}"));
        match at {
            0 => client.expect_gone(),
            _ => assert_eq!(client.message().status(), 503),
        }
    }
    assert_eq!(proxy.stat("cluster.any.upstream_cx_none_healthy"), 4);
}
