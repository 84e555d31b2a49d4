//! `shadow` of a route: copies for another cluster, which no client notices.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Proxy, Upstream, blackhole};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn proxy(primary: &Upstream, other: Value, share: Value) -> Proxy {
    let mut shadow = json!({ "cluster": "other" });
    shadow["percent"] = share;
    Proxy::start(json!({
        "listeners": [{ "routes": [{ "cluster": "app", "shadow": shadow }] }],
        "clusters": { "app": { "endpoints": [primary.address()] }, "other": other },
    }))
}

#[test]
fn a_copy_has_the_whole_request_and_its_answer_goes_nowhere() {
    let (primary, other) = (Upstream::start(), Upstream::start());
    let proxy = proxy(&primary, json!({ "endpoints": [other.address()] }), json!(100));
    let mut client = proxy.client();
    for _ in 0..2 {
        client.send("POST /a?b HTTP/1.1\r\nhost: example.com:80\r\nx-a: b\r\ncontent-length: 4\r\n\r\nbody");
        let mut server = primary.accept();
        assert_eq!(server.message().head.get("host"), Some("example.com:80"));
        let mut shadow = other.accept();
        let copy = shadow.message();
        assert_eq!((copy.head.get("host"), copy.head.get("x-a")), (Some("example.com-shadow:80"), Some("b")));
        assert_eq!(copy.text(), "body");
        shadow.send("HTTP/1.1 500 No\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno");
        server.send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok");
        assert_eq!(client.message().text(), "ok");
    }
    proxy.await_stat("cluster.other.upstream_rq_500", 2);
    assert_eq!(proxy.stat("cluster.other.upstream_rq_shadow"), 2);
    proxy.await_stat("cluster.other.upstream_rq_active", 0);
}

#[test]
fn nobody_waits_for_a_cluster_of_copies() {
    let (address, _guard) = blackhole();
    let primary = Upstream::start();
    let other = json!({ "endpoints": [address], "connect_timeout": "100ms", "circuit_breaker": { "max_requests": 1 } });
    let proxy = proxy(&primary, other, json!(100));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut server = primary.accept();
    server.head();
    server.send(OK);
    assert_eq!(client.message().text(), "ok");
    // Its own breaker is full: the copy is dropped, the request is not.
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    server.head();
    server.send(OK);
    assert_eq!(client.message().text(), "ok");
    proxy.await_stat("cluster.other.upstream_rq_shadow_dropped", 2);
    assert_eq!(proxy.stat("cluster.other.upstream_rq_shadow"), 1);
    assert_eq!(proxy.stat("cluster.other.upstream_cx_connect_timeout"), 1, "not only when the request's time is over");
}

#[test]
fn a_share_changes_with_its_runtime_value() {
    let (primary, other) = (Upstream::start(), Upstream::start());
    let share = json!({ "key": "copies", "default": 0 });
    let proxy = proxy(&primary, json!({ "endpoints": [other.address()] }), share);
    let (mut client, mut server) = (proxy.client(), None);
    for copies in [0, 100] {
        assert_eq!(proxy.admin("POST", &format!("/runtime_modify?copies={copies}")).status(), 200);
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        let server = server.get_or_insert_with(|| primary.accept());
        server.head();
        server.send(OK);
        assert_eq!(client.message().text(), "ok");
        assert_eq!(proxy.stat("cluster.other.upstream_rq_shadow"), copies / 100);
    }
    other.accept().head();
}

#[test]
fn a_share_of_nothing_copies_nothing() {
    let (primary, other) = (Upstream::start(), Upstream::start());
    let proxy = proxy(&primary, json!({ "endpoints": [other.address()] }), json!(0));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut server = primary.accept();
    server.head();
    server.send(OK);
    assert_eq!(client.message().text(), "ok");
    other.expect_nobody(Duration::from_millis(50));
}

/// What a tunnel carries is nobody else's.
#[test]
fn a_tunnel_is_not_copied() {
    let (primary, other) = (Upstream::start(), Upstream::start());
    let shadow = json!({ "cluster": "other", "percent": 100 });
    let proxy = Proxy::start(json!({
        "listeners": [{ "routes": [{ "cluster": "app", "upgrades": ["connect"], "shadow": shadow }] }],
        "clusters": { "app": { "endpoints": [primary.address()] }, "other": { "endpoints": [other.address()] } },
    }));
    let mut client = proxy.client();
    client.send("CONNECT db.example:5432 HTTP/1.1\r\nhost: db.example:5432\r\n\r\n");
    let mut server = primary.accept();
    server.head();
    server.send("HTTP/1.1 200 OK\r\n\r\n");
    client.head();
    client.send("secret");
    server.expect("secret");
    other.expect_nobody(Duration::from_millis(50));
    assert_eq!(proxy.stat("cluster.other.upstream_rq_shadow"), 0);
}
