//! Limits of time (rows L-1 to L-4): each with a client or an upstream that is slow in one way.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Clock, Proxy, Upstream};

const LIMIT: &str = "200ms";

fn limited(upstream: &Upstream, key: &str) -> Proxy {
    Proxy::between(upstream, json!({ "http": { key: LIMIT } }), json!({}))
}

#[test]
fn a_head_that_does_not_end_is_answered_408() {
    let upstream = Upstream::start();
    let proxy = limited(&upstream, "request_headers_timeout");
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n");
    let response = client.message();
    assert_eq!((response.status(), response.head.get("connection")), (408, Some("close")));
    client.expect_closed();
    // A client that never said anything is told nothing.
    let mut client = proxy.client();
    client.expect_closed();
    // A byte now and then does not help.
    let mut client = proxy.client();
    let clock = Clock::start();
    while client.try_send("G").is_ok() && clock.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(clock.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_body_that_stops_is_answered_408() {
    let upstream = Upstream::start();
    let proxy = limited(&upstream, "request_body_idle_timeout");
    for framing in ["content-length: 10\r\n\r\n01234", "transfer-encoding: chunked\r\n\r\n5\r\n01234\r\n"] {
        let mut client = proxy.client();
        client.send(format!("POST / HTTP/1.1\r\nhost: a\r\n{framing}"));
        let mut server = upstream.accept();
        server.head();
        let response = client.message();
        assert_eq!((response.status(), response.head.get("connection")), (408, Some("close")));
        // The upstream does not take it for the whole.
        let (rest, _) = server.rest();
        assert!(!rest.ends_with(b"0\r\n\r\n"));
    }
}

/// Enough to reset the idle timeout, too little for the least rate: that counts after ten seconds.
#[test]
fn a_body_that_trickles_is_answered_408() {
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n");
    let _server = upstream.accept();
    let clock = Clock::start();
    while proxy.stat("http.listener-0.downstream_rq_timeout") == 0 {
        assert!(clock.elapsed() < Duration::from_secs(18), "it goes on for ever");
        let _ = client.try_send("x");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(clock.elapsed() >= Duration::from_millis(9500), "{:?}", clock.elapsed());
    assert_eq!(client.message().status(), 408);
}

#[test]
fn a_request_has_a_limit_as_a_whole() {
    let upstream = Upstream::start();
    let proxy = limited(&upstream, "request_timeout");
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n");
    assert_eq!(client.message().status(), 408);
}

#[test]
fn an_upstream_that_does_not_answer_is_a_504() {
    let upstream = Upstream::start();
    let routes = json!([{ "cluster": "app", "timeout": LIMIT }]);
    let proxy = Proxy::between(&upstream, json!({ "routes": routes }), json!({}));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\n");
    let mut server = upstream.accept();
    server.head();
    // The time begins with the end of the request.
    client.expect_silence(Duration::from_millis(400));
    let clock = Clock::start();
    client.send("body");
    server.expect("body");
    let response = client.message();
    assert_eq!((response.status(), response.text()), (504, "upstream request timeout\n"));
    assert!(clock.elapsed() >= Duration::from_millis(190), "{:?}", clock.elapsed());
    server.expect_gone();
    assert_eq!(proxy.stat("cluster.app.upstream_rq_timeout"), 1);
    // The client's connection goes on.
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut server = upstream.accept();
    server.head();
    server.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n01234");
    // In the middle of a response there is no other end than a cut.
    client.head();
    client.expect("01234");
    client.expect_gone();
}

#[test]
fn a_stream_without_a_byte_is_a_504() {
    let upstream = Upstream::start();
    let proxy = limited(&upstream, "stream_idle_timeout");
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut server = upstream.accept();
    server.head();
    assert_eq!(client.message().status(), 504);
    server.expect_gone();
}

#[test]
fn bytes_either_way_keep_a_stream_alive() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, json!({ "http": { "stream_idle_timeout": "1s" } }), json!({}));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut server = upstream.accept();
    server.head();
    server.send("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n");
    client.head();
    let clock = Clock::start();
    for _ in 0..8 {
        client.expect_silence(Duration::from_millis(200));
        server.send("x");
        client.expect("x");
    }
    assert!(clock.elapsed() > Duration::from_millis(1500));
}

#[test]
fn a_client_that_takes_nothing_is_cut_off() {
    let upstream = Upstream::start();
    let proxy = limited(&upstream, "stream_flush_timeout");
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut server = upstream.accept();
    server.head();
    server.send("HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n");
    // It ends while the client has still not read a byte.
    let chunk = vec![b'x'; 1 << 20];
    let clock = Clock::start();
    while server.try_send(&chunk).is_ok() {
        assert!(!clock.left().is_zero());
    }
    let (bytes, _) = client.rest();
    assert!(bytes.len() < 100_000_000);
}

#[test]
fn an_idle_connection_is_closed() {
    let upstream = Upstream::start();
    let proxy = limited(&upstream, "idle_timeout");
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut server = upstream.accept();
    server.head();
    server.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(client.head().get("connection"), None);
    client.expect_closed();
    assert_eq!(proxy.stat("http.listener-0.downstream_cx_idle_timeout"), 1);
}

#[test]
fn an_idle_upstream_connection_is_closed() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, json!({}), json!({ "idle_timeout": LIMIT }));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut server = upstream.accept();
    server.head();
    server.send("HTTP/1.1 204 No Content\r\n\r\n");
    client.head();
    server.expect_closed();
}

#[test]
fn a_stream_has_a_most_duration() {
    let upstream = Upstream::start();
    let proxy = limited(&upstream, "max_stream_duration");
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    assert_eq!(client.message().status(), 504);
}

/// `x-envoy-upstream-stream-duration-ms`
#[test]
fn a_trusted_peer_chooses_the_most_duration() {
    let upstream = Upstream::start();
    let http = json!({ "trusted_proxies": ["127.0.0.0/8"] });
    let proxy = Proxy::between(&upstream, json!({ "http": http }), json!({}));
    let mut client = proxy.client();
    client.send(
        "POST / HTTP/1.1\r\nhost: a\r\nx-envoy-upstream-stream-duration-ms: 50\r\ntransfer-encoding: chunked\r\n\r\n",
    );
    let mut server = upstream.accept();
    assert_eq!(server.head().get("x-envoy-upstream-stream-duration-ms"), None);
    assert_eq!(client.message().status(), 504);
    assert_eq!(proxy.stat("http.listener-0.downstream_rq_max_duration_reached"), 1);
}
