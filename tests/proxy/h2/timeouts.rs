//! Limits of time on HTTP/2 connections and streams (rows L-1 to L-4).

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::h2::{CANCEL, END_HEADERS, H2, HEADERS, INITIAL_WINDOW_SIZE, INTERNAL_ERROR, NO_ERROR, OK};
use crate::harness::{Clock, Proxy, Upstream};

const LIMIT: &str = "200ms";

fn limited(key: &str) -> Value {
    json!({ "http": { key: LIMIT } })
}

#[test]
fn an_upstream_that_does_not_answer_is_a_504_of_its_stream() {
    let upstream = Upstream::start();
    let routes = json!([{ "match": { "path": "/slow" }, "cluster": "app", "timeout": LIMIT }, { "cluster": "app" }]);
    let proxy = Proxy::between(&upstream, json!({ "routes": routes }), super::h2_cluster());
    let mut client = proxy.h2();
    client.get(1, "/other");
    let mut server = upstream.accept_h2();
    server.expect_request();
    server.sync();
    let clock = Clock::start();
    client.get(3, "/slow");
    let (slow, _) = server.expect_request();
    assert_eq!(client.response(3).0.status(), 504);
    assert!(clock.elapsed() >= Duration::from_millis(190), "{:?}", clock.elapsed());
    assert_eq!(server.expect_reset(slow), CANCEL);
    server.headers(1, OK, true);
    assert_eq!(client.expect_headers(1).status(), 200);
    assert_eq!(proxy.stat("cluster.app.upstream_rq_timeout"), 1);

    // In the middle of a response there is no other end than a cut.
    client.get(5, "/slow");
    let (slow, _) = server.expect_request();
    server.headers(slow, OK, false);
    client.expect_headers(5);
    assert_eq!(client.expect_reset(5), INTERNAL_ERROR);
    assert_eq!(server.expect_reset(slow), CANCEL);
}

#[test]
fn a_client_that_opens_no_window_is_cut_off() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, limited("stream_flush_timeout"), super::h2_cluster());
    let mut client = proxy.h2_with(&[(INITIAL_WINDOW_SIZE, 0)]);
    client.get(1, "/");
    let mut server = upstream.accept_h2();
    server.expect_request();
    server.headers(1, OK, false);
    server.data(1, "never taken", true);
    client.expect_headers(1);
    assert_eq!(client.expect_reset(1), INTERNAL_ERROR);
    // The connection goes on.
    client.get(3, "/");
    let (stream, _) = server.expect_request();
    server.headers(stream, OK, true);
    assert_eq!(client.expect_headers(3).status(), 200);
}

#[test]
fn a_stream_without_a_byte_is_a_504() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, limited("stream_idle_timeout"), super::h2_cluster());
    let mut client = proxy.h2();
    client.get(1, "/");
    let mut server = upstream.accept_h2();
    server.expect_request();
    assert_eq!(client.response(1).0.status(), 504);
    assert_eq!(server.expect_reset(1), CANCEL);
}

#[test]
fn a_body_that_stops_is_answered_408() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, limited("request_body_idle_timeout"), super::h2_cluster());
    let mut client = proxy.h2();
    client.post(1, "/");
    client.data(1, "01234", false);
    let mut server = upstream.accept_h2();
    server.expect_request();
    server.expect_data(1, "01234", false);
    assert_eq!(client.response(1).0.status(), 408);
    assert_eq!(client.expect_reset(1), NO_ERROR);
    assert_eq!(server.expect_reset(1), CANCEL);
    client.sync();
}

#[test]
fn a_stream_has_a_most_duration() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, limited("max_stream_duration"), super::h2_cluster());
    let mut client = proxy.h2();
    client.post(1, "/");
    let mut server = upstream.accept_h2();
    server.expect_request();
    let (head, body) = client.response(1);
    assert_eq!((head.status(), &*body), (504, "upstream request timeout\n"));
    assert_eq!(client.expect_reset(1), NO_ERROR);
    assert_eq!(server.expect_reset(1), CANCEL);
}

#[test]
fn an_idle_connection_is_told_and_closed() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, limited("http2_idle_timeout"), super::h2_cluster());
    let mut client = proxy.h2();
    client.get(1, "/");
    let mut server = upstream.accept_h2();
    server.expect_request();
    // A stream that lasts longer is not idleness.
    client.expect_silence(Duration::from_millis(400));
    server.headers(1, OK, true);
    client.expect_headers(1);
    assert_eq!(client.expect_goaway(), (1, NO_ERROR));
    client.expect_gone();
    assert_eq!(proxy.stat("http.listener-0.downstream_cx_idle_timeout"), 1);
}

#[test]
fn an_idle_upstream_connection_is_told_and_closed() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, json!({}), json!({ "protocol": "h2", "idle_timeout": LIMIT }));
    let mut client = proxy.h2();
    client.get(1, "/");
    let mut server = upstream.accept_h2();
    server.expect_request();
    server.headers(1, OK, true);
    client.expect_headers(1);
    assert_eq!(server.expect_goaway(), (0, NO_ERROR));
    server.expect_gone();
    assert_eq!(proxy.stat("cluster.app.upstream_cx_idle_timeout"), 1);
}

/// Row L-1, for a head that does not end.
#[test]
fn half_a_header_block_ends_the_connection() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, limited("request_headers_timeout"), json!({}));
    let mut client = proxy.h2();
    client.sync();
    let block = client.block(&crate::harness::h2::request("GET", "/"));
    client.frame(HEADERS, 0, 1, &block);
    client.expect_goaway();
    client.expect_gone();
    proxy.await_stat("http.listener-0.http2.header_timeout", 1);

    // Also within a frame.
    let mut client = proxy.h2();
    let block = client.block(&crate::harness::h2::request("GET", "/"));
    let frame = crate::harness::h2::bytes_of(HEADERS, END_HEADERS, 1, &block);
    client.wire.send(&frame[..frame.len() - 1]);
    client.expect_goaway();
    client.expect_gone();
    proxy.await_stat("http.listener-0.http2.header_timeout", 2);
}

#[test]
fn half_a_preface_ends_the_connection() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, limited("request_headers_timeout"), json!({}));
    let mut client = proxy.client();
    client.send("PRI * HTTP/2.0\r\n\r\n");
    client.rest();
    // The preface is not whole without SETTINGS (RFC 9113 section 3.4).
    let mut client = proxy.client();
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    client.rest();
    proxy.await_stat("http.listener-0.http2.preface_timeout", 1);
    assert_eq!(proxy.stat("http.listener-0.downstream_rq_http2_total"), 0);
}

#[test]
fn a_connection_has_a_most_duration() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, limited("max_connection_duration"), super::h2_cluster());
    let mut client: H2 = proxy.h2();
    client.get(1, "/");
    let mut server = upstream.accept_h2();
    server.expect_request();
    assert_eq!(client.expect_goaway(), ((1 << 31) - 1, NO_ERROR));
    assert_eq!(client.expect_goaway(), (1, NO_ERROR));
    server.headers(1, OK, false);
    server.data(1, "whole", true);
    assert_eq!(client.response(1).1, "whole");
    client.expect_gone();
}

/// A connection to a host is not open before its SETTINGS are here (RFC 9113 section 3.4): `connect_timeout` counts to them,
/// for the request that opened it and for those that wait for it.
#[test]
fn a_host_that_says_nothing_is_given_up() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, json!({}), json!({ "protocol": "h2", "connect_timeout": "200ms" }));
    let mut client = proxy.h2();
    client.get(1, "/");
    let mut server = upstream.accept();
    server.expect("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    client.get(3, "/");
    for stream in [1, 3] {
        let (head, body) = client.response(stream);
        assert_eq!(head.status(), 503, "{stream}: {body}");
    }
    server.rest();
    proxy.await_stat("cluster.app.upstream_cx_active", 0);
    assert_eq!(proxy.stat("cluster.app.upstream_cx_connect_timeout"), 1);
    upstream.expect_nobody(Duration::from_millis(50));

    // The next request tries again.
    client.get(5, "/");
    let mut server = upstream.accept_h2();
    server.expect_request();
    server.headers(1, OK, true);
    assert_eq!(client.expect_headers(5).status(), 200);
}
