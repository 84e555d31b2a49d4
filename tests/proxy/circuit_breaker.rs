//! Limits of a cluster: what is over them waits, or is answered 503 at once (flag UO).

use serde_json::json;

use crate::harness::{Proxy, Upstream};

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[test]
fn requests_wait_for_a_connection_and_no_more_than_may_wait() {
    let upstream = Upstream::start();
    let breaker = json!({ "circuit_breaker": { "max_connections": 1, "max_pending_requests": 1 } });
    let proxy = Proxy::between(&upstream, json!({}), breaker);
    let mut first = proxy.client();
    first.send(GET);
    let mut server = upstream.accept();
    server.head();
    let mut second = proxy.client();
    second.send(GET);
    proxy.await_stat("cluster.app.upstream_rq_pending_active", 1);
    let response = proxy.get("/");
    assert_eq!((response.status(), response.text()), (503, "upstream overflow\n"));
    assert_eq!(proxy.stat("cluster.app.upstream_rq_pending_overflow"), 1);
    // The one that waits gets the connection when it is free.
    server.send(OK);
    assert_eq!(first.message().text(), "ok");
    server.head();
    server.send(OK);
    assert_eq!(second.message().text(), "ok");
    assert_eq!(proxy.stat("cluster.app.upstream_cx_total"), 1);
    assert_eq!(proxy.stat("cluster.app.upstream_rq_pending_active"), 0);
}

#[test]
fn a_closed_connection_makes_room_too() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, json!({}), json!({ "circuit_breaker": { "max_connections": 1 } }));
    let mut first = proxy.client();
    first.send(GET);
    let mut server = upstream.accept();
    server.head();
    let mut second = proxy.client();
    second.send(GET);
    proxy.await_stat("cluster.app.upstream_rq_pending_active", 1);
    server.send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(first.message().status(), 200);
    let mut server = upstream.accept();
    server.head();
    server.send(OK);
    assert_eq!(second.message().text(), "ok");
}

#[test]
fn one_that_waits_and_goes_away_gives_its_turn_on() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, json!({}), json!({ "circuit_breaker": { "max_connections": 1 } }));
    let mut first = proxy.client();
    first.send(GET);
    let mut server = upstream.accept();
    server.head();
    let mut second = proxy.client();
    second.send(GET);
    proxy.await_stat("cluster.app.upstream_rq_pending_active", 1);
    let mut third = proxy.client();
    third.send(GET);
    proxy.await_stat("cluster.app.upstream_rq_pending_active", 2);
    second.reset();
    proxy.await_stat("cluster.app.upstream_rq_pending_active", 1);
    server.send(OK);
    assert_eq!(first.message().text(), "ok");
    server.head();
    server.send(OK);
    assert_eq!(third.message().text(), "ok");
}

#[test]
fn requests_have_a_limit_of_their_own() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, json!({}), json!({ "circuit_breaker": { "max_requests": 1 } }));
    let mut first = proxy.client();
    first.send(GET);
    let mut server = upstream.accept();
    server.head();
    assert_eq!(proxy.get("/").status(), 503);
    server.send(OK);
    assert_eq!(first.message().text(), "ok");
    // The place is free again.
    first.send(GET);
    server.head();
    server.send(OK);
    assert_eq!(first.message().text(), "ok");
}

#[test]
fn high_requests_come_through_when_the_others_have_used_up_theirs() {
    let upstream = Upstream::start();
    let listener = json!({ "routes": [
        { "match": { "path": "/high" }, "cluster": "app", "priority": "high" },
        { "cluster": "app" },
    ] });
    let breaker = json!({ "max_requests": 1, "max_connections": 1, "high": { "max_requests": 1 } });
    let proxy = Proxy::between(&upstream, listener, json!({ "circuit_breaker": breaker }));
    let mut first = proxy.client();
    first.send(GET);
    let mut server = upstream.accept();
    server.head();
    assert_eq!(proxy.get("/").status(), 503);
    let mut high = proxy.client();
    high.send(GET.replace("/ ", "/high "));
    let mut other = upstream.accept();
    other.head();
    let names = ["default.rq_open", "default.cx_open", "high.rq_open", "high.cx_open", "high.remaining_cx"];
    let gauges = names.map(|name| proxy.stat(&format!("cluster.app.circuit_breakers.{name}")));
    assert_eq!(gauges, [1, 1, 1, 0, 1023]);
    for (client, server) in [(&mut high, &mut other), (&mut first, &mut server)] {
        server.send(OK);
        assert_eq!(client.message().text(), "ok");
    }
}

#[test]
fn a_host_has_no_more_connections_than_it_may() {
    let hosts = [Upstream::start(), Upstream::start()];
    let endpoints = hosts.each_ref().map(Upstream::address);
    let cluster = json!({ "endpoints": endpoints, "circuit_breaker": { "per_host": { "max_connections": 1 } } });
    let proxy = Proxy::start(json!({
        "listeners": [{ "address": "127.0.0.1:0", "routes": [{ "cluster": "app" }] }],
        "clusters": { "app": cluster },
    }));
    for host in hosts {
        // They end with the tests. One connection alone is ever served.
        std::thread::spawn(move || {
            let mut server = host.accept();
            while server.read_more() {
                server.head();
                server.send(OK);
            }
        });
    }
    let mut clients: Vec<_> = (0..6).map(|_| proxy.client()).collect();
    for _ in 0..20 {
        clients.iter_mut().for_each(|client| client.send(GET));
        clients.iter_mut().for_each(|client| assert_eq!(client.message().text(), "ok"));
    }
    assert_eq!(proxy.stat("cluster.app.upstream_cx_total"), 2);
    assert_eq!(proxy.stat("cluster.app.upstream_rq_pending_active"), 0);
    assert!(proxy.stat("cluster.app.upstream_rq_pending_total") > 0, "some have waited");
}
