//! Requests that are none (RFC 9113 section 8.1.1), and connections that are none: nothing of them reaches an upstream (rows
//! S-15 to S-21 and L-8).

use serde_json::json;

use crate::harness::h2::{PROTOCOL_ERROR, request, with};
use crate::harness::{Proxy, Upstream};

type Fields<'a> = &'a [(&'a str, &'a str)];

#[test]
fn a_malformed_request_ends_its_stream() {
    let get = request("GET", "/");
    let more = |more: Fields<'static>| with(&get, more);
    let rows = [
        ("upper case", more(&[("X-Upper", "1")]), true),
        ("a space in a name", more(&[("x ", "1")]), true),
        ("a line end in a value", more(&[("x", "a\r\nb: c")]), true),
        ("connection", more(&[("connection", "close")]), true),
        ("keep-alive", more(&[("keep-alive", "1")]), true),
        ("transfer-encoding", more(&[("transfer-encoding", "chunked")]), true),
        ("upgrade", more(&[("upgrade", "h2c")]), true),
        ("te", more(&[("te", "gzip")]), true),
        ("another host", more(&[("host", "b")]), true),
        ("no path", vec![(":method", "GET"), (":scheme", "http"), (":authority", "a")], true),
        ("no method", vec![(":scheme", "http"), (":path", "/"), (":authority", "a")], true),
        ("no scheme", vec![(":method", "GET"), (":path", "/"), (":authority", "a")], true),
        ("another scheme", vec![(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "a")], true),
        ("an empty path", vec![(":method", "GET"), (":scheme", "http"), (":path", ""), (":authority", "a")], true),
        ("twice", more(&[(":path", "/b")]), true),
        ("unknown", with(&[(":unknown", "1")], &get), true),
        ("pseudo behind", with(&[("x", "1")], &get), true),
        ("status", with(&[(":status", "200")], &get), true),
        ("length, no body", more(&[("content-length", "1")]), true),
        ("length is no number", more(&[("content-length", "+1")]), false),
        ("length twice", more(&[("content-length", "1"), ("content-length", "1")]), false),
    ];
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.h2();
    let count = rows.len() as u64;
    for (at, (what, fields, end)) in rows.into_iter().enumerate() {
        let stream = 2 * at as u32 + 1;
        client.headers(stream, &fields, end);
        assert_eq!(client.expect_reset(stream), PROTOCOL_ERROR, "{what}");
    }
    assert_eq!(proxy.stat("http.listener-0.http2.rx_messaging_error"), count);
    assert_eq!(proxy.stat("cluster.app.upstream_cx_total"), 0);
}

/// Row S-18.
#[test]
fn a_body_of_another_length_than_was_said_ends_the_stream() {
    for (body, end) in [("12345", false), ("123", true)] {
        let upstream = Upstream::start();
        let proxy = Proxy::to(&upstream);
        let mut client = proxy.h2();
        client.headers(1, &with(&request("POST", "/"), &[("content-length", "4")]), false);
        let mut server = upstream.accept();
        server.head();
        client.data(1, body, end);
        assert_eq!(client.expect_reset(1), PROTOCOL_ERROR, "{body}");
        let (rest, _) = server.rest();
        assert!(rest.len() < 4, "not the whole of a body");
        proxy.await_stat("http.listener-0.http2.rx_messaging_error", 1);
        client.sync();
    }
}

/// A request that is one, but not one that we serve, is answered.
#[test]
fn what_is_over_a_limit_is_answered() {
    let get = request("GET", "/");
    let long = "x".repeat(70_000);
    let target = format!("/{}", "x".repeat(9000));
    let many: Vec<(&str, &str)> = vec![("x", "1"); 101];
    let crumbs: Vec<(&str, &str)> = vec![("cookie", "a=1"); 129];
    let rows = [
        ("a large head", with(&get, &[("x", &long)]), 431),
        ("many fields", with(&get, &many), 431),
        ("many crumbs", with(&get, &crumbs), 431),
        ("a long target", request("GET", &target), 414),
        ("an underscore", with(&get, &[("x_forwarded_for", "1")]), 400),
        ("an expectation", with(&get, &[("expect", "200-ok")]), 417),
        ("no authority", vec![(":method", "GET"), (":scheme", "http"), (":path", "/")], 400),
        ("a path that two readers read differently", request("GET", "/x%2fadmin"), 400),
    ];
    let asked = rows.len() as u64;
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.h2();
    for (at, (what, fields, status)) in rows.into_iter().enumerate() {
        let stream = 2 * at as u32 + 1;
        client.headers(stream, &fields, true);
        assert_eq!(client.response(stream).0.status(), status, "{what}");
    }
    for (name, count) in [("header_overflow", 3), ("requests_rejected_with_underscores_in_headers", 1)] {
        assert_eq!(proxy.stat(&format!("http.listener-0.http2.{name}")), count, "{name}");
    }
    for (name, count) in [("http1", 0), ("http2", asked)] {
        assert_eq!(proxy.stat(&format!("http.listener-0.downstream_rq_{name}_total")), count, "{name}");
    }
    assert_eq!(proxy.stat("cluster.app.upstream_cx_total"), 0);
}

/// Row S-20.
#[test]
fn a_trusted_proxy_may_say_what_the_scheme_was() {
    let upstream = Upstream::start();
    for (trusted, taken) in [("127.0.0.0/8", true), ("192.0.2.0/24", false)] {
        let proxy = Proxy::between(&upstream, json!({ "http": { "trusted_proxies": [trusted] } }), json!({}));
        let mut client = proxy.h2();
        client.headers(1, &[(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "a")], true);
        if taken {
            let mut server = upstream.accept();
            server.head();
            server.send("HTTP/1.1 204 No Content\r\n\r\n");
            assert_eq!(client.response(1).0.status(), 204);
        } else {
            assert_eq!(client.expect_reset(1), PROTOCOL_ERROR);
        }
    }
}

/// RFC 9113 section 3.4: whoever does not speak HTTP would not understand an answer either.
#[test]
fn bytes_that_are_no_http_are_not_answered() {
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.client();
    client.send("INVALID CONNECTION PREFACE\r\n\r\n");
    client.expect_gone();
    // What looks like HTTP/1 gets its answer.
    let mut client = proxy.client();
    client.send("GET x HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.message().status(), 400);
}

#[test]
fn a_listener_speaks_what_it_is_told() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, json!({ "http": { "versions": ["h1"] } }), json!({}));
    let mut client = proxy.client();
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    let status = client.head().status();
    assert!(status == 400 || status == 505, "{status}");

    let proxy = Proxy::between(&upstream, json!({ "http": { "versions": ["h2"] } }), json!({}));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let (bytes, _) = client.rest();
    assert!(!bytes.starts_with(b"HTTP/1"), "{}", bytes.escape_ascii());
    proxy.await_stat("http.listener-0.http2.bad_preface", 1);
}
