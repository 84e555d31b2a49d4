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
