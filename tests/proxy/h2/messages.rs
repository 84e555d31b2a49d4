//! Requests and responses between HTTP/2 and HTTP/1, and between HTTP/2 and HTTP/2: lengths, ends and trailers.

use serde_json::json;

use super::{both, h2_cluster};
use crate::harness::h2::{OK, request, with};
use crate::harness::{Proxy, Upstream};

/// A trailer section is passed on to HTTP/1 only where that is enabled.
fn trailing() -> serde_json::Value {
    json!({ "http": { "enable_trailers": true } })
}

#[test]
fn from_h2_to_h1() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, trailing(), json!({}));
    let mut client = proxy.h2();
    client.get(1, "/get");
    let mut server = upstream.accept();
    let head = server.head();
    assert_eq!((head.start.as_str(), head.get("host")), ("GET /get HTTP/1.1", Some("a")));
    assert_eq!((head.get("transfer-encoding"), head.get("content-length")), (None, None));
    server.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let (head, body) = client.response(1);
    assert_eq!((head.status(), head.get("content-length"), &*body), (200, Some("2"), "ok"));

    // A length that is said is kept.
    client.headers(3, &with(&request("POST", "/"), &[("content-length", "4")]), false);
    client.data(3, "body", true);
    let message = server.message();
    assert_eq!((message.head.get("content-length"), message.text()), (Some("4"), "body"));
    // A body that ends with the connection's chunks ends with END_STREAM.
    server.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n");
    let (head, body) = client.response(3);
    assert_eq!((head.get("transfer-encoding"), head.get("content-length"), &*body), (None, None, "one"));

    // One that is not said becomes chunks; trailers stand behind them, both ways.
    client.post(5, "/");
    client.data(5, "body", false);
    client.headers(5, &[("x-sum", "7")], true);
    assert_eq!(server.head().get("transfer-encoding"), Some("chunked"));
    server.expect("4\r\nbody\r\n0\r\nx-sum: 7\r\n\r\n");
    server.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 8\r\n\r\n");
    client.expect_headers(5);
    client.expect_data(5, "ok", false);
    let trailers = client.expect_headers(5);
    assert_eq!((trailers.without(&[]).as_str(), trailers.end), ("x-sum: 8", true));
}

#[test]
fn a_body_that_ends_with_the_h1_connection_ends_the_stream() {
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.h2();
    client.get(1, "/");
    let mut server = upstream.accept();
    server.head();
    server.send("HTTP/1.1 200 OK\r\n\r\nall of it");
    drop(server);
    assert_eq!(client.response(1).1, "all of it");
}

#[test]
fn from_h1_to_h2() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, trailing(), h2_cluster());
    let mut client = proxy.client();
    client.send("GET /get?q HTTP/1.1\r\nhost: a.example\r\nx-a: 1\r\n\r\n");
    let mut server = upstream.accept_h2();
    let (stream, head) = server.expect_request();
    assert_eq!((stream, head.end), (1, true));
    assert_eq!(
        head.without(&["x-request-id"]),
        ":method: GET\n:scheme: http\n:authority: a.example\n:path: /get?q\nx-a: 1\nx-forwarded-for: 127.0.0.1\nx-forwarded-proto: http"
    );
    server.headers(1, &with(OK, &[("content-length", "2")]), false);
    server.data(1, "ok", true);
    let message = client.message();
    assert_eq!((message.status(), message.head.get("content-length"), message.text()), (200, Some("2"), "ok"));

    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody");
    let (stream, head) = server.expect_request();
    assert_eq!((stream, head.get("content-length"), head.end), (3, Some("4"), false));
    server.expect_data(3, "body", true);
    // Without a length: chunks.
    server.headers(3, OK, false);
    server.data(3, "one", false);
    assert_eq!(client.head().get("transfer-encoding"), Some("chunked"));
    client.expect("3\r\none\r\n");
    server.data(3, "", true);
    client.expect("0\r\n\r\n");

    client.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nX-Sum: 7\r\n\r\n");
    let (_, head) = server.expect_request();
    assert_eq!((head.get("transfer-encoding"), head.get("content-length")), (None, None));
    server.expect_data(5, "body", false);
    let trailers = server.expect_headers(5);
    assert_eq!((trailers.without(&[]).as_str(), trailers.end), ("x-sum: 7", true));
    server.headers(5, OK, false);
    server.data(5, "ok", false);
    server.headers(5, &[("x-sum", "8")], true);
    client.head();
    client.expect("2\r\nok\r\n0\r\nx-sum: 8\r\n\r\n");
    assert_eq!(proxy.stat("cluster.app.upstream_cx_total"), 1);
}

#[test]
fn an_h1_client_of_version_10_gets_a_body_that_ends_with_the_connection() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, json!({}), h2_cluster());
    let mut client = proxy.client();
    client.send("GET / HTTP/1.0\r\nhost: a\r\n\r\n");
    let mut server = upstream.accept_h2();
    server.expect_request();
    server.headers(1, OK, false);
    server.data(1, "all of it", true);
    assert_eq!(client.head().get("transfer-encoding"), None);
    client.expect("all of it");
    client.expect_closed();
}

#[test]
fn from_h2_to_h2() {
    let upstream = Upstream::start();
    let (proxy, mut client) = both(&upstream);
    client.get(1, "/get");
    let mut server = upstream.accept_h2();
    let (stream, head) = server.expect_request();
    assert_eq!((stream, head.end), (1, true));
    assert_eq!(
        head.without(&["x-request-id"]),
        ":method: GET\n:scheme: http\n:authority: a\n:path: /get\nx-forwarded-for: 127.0.0.1\nx-forwarded-proto: http"
    );
    server.headers(1, OK, true);
    let head = client.expect_headers(1);
    assert_eq!((head.status(), head.end), (200, true));

    // Trailers go through by default.
    client.post(3, "/");
    client.data(3, "body", false);
    client.headers(3, &[("x-sum", "7")], true);
    server.expect_request();
    server.expect_data(3, "body", false);
    assert_eq!(server.expect_headers(3).without(&[]), "x-sum: 7");
    server.headers(3, OK, false);
    server.data(3, "ok", false);
    server.headers(3, &[("grpc-status", "0")], true);
    client.expect_headers(3);
    client.expect_data(3, "ok", false);
    let trailers = client.expect_headers(3);
    assert_eq!((trailers.without(&[]).as_str(), trailers.end), ("grpc-status: 0", true));

    // A head and nothing else, as gRPC ends a call that failed at once.
    client.post(5, "/");
    client.data(5, "body", true);
    server.expect_request();
    server.expect_data(5, "body", true);
    server.headers(5, &with(OK, &[("grpc-status", "12")]), true);
    let head = client.expect_headers(5);
    assert_eq!((head.get("grpc-status"), head.end), (Some("12"), true));
    assert_eq!(proxy.stat("cluster.app.upstream_cx_total"), 1);
}

/// Responses without a body end with their heads (RFC 9110 sections 9.3.2, 15.3.5 and 15.4.5).
#[test]
fn head_204_and_304_end_with_their_heads() {
    let rows = [("HEAD", 200, Some("1000")), ("GET", 204, None), ("GET", 304, Some("1000")), ("HEAD", 200, None)];
    for h2 in [true, false] {
        let upstream = Upstream::start();
        let cluster = if h2 { h2_cluster() } else { json!({}) };
        let proxy = Proxy::between(&upstream, json!({}), cluster);
        let mut client = proxy.h2();
        let mut old = proxy.client();
        let mut wire = None;
        let mut server = None;
        for (at, (method, status, length)) in rows.into_iter().enumerate() {
            let id = 2 * at as u32 + 1;
            client.headers(id, &request(method, "/"), true);
            if h2 {
                let server = server.get_or_insert_with(|| upstream.accept_h2());
                let (stream, _) = server.expect_request();
                let text = status.to_string();
                let length = length.map(|length| ("content-length", length));
                server.headers(stream, &with(&[(":status", &text)], length.as_slice()), true);
            } else {
                let server = wire.get_or_insert_with(|| upstream.accept());
                server.head();
                let length = length.map_or(String::new(), |length| format!("content-length: {length}\r\n"));
                server.send(format!("HTTP/1.1 {status} Text\r\n{length}\r\n"));
            }
            let head = client.expect_headers(id);
            assert_eq!((head.status(), head.get("content-length"), head.end), (status, length, true), "{method}");
        }
        if let Some(server) = &mut server {
            old.send("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n");
            let (stream, _) = server.expect_request();
            server.headers(stream, &with(OK, &[("content-length", "1000")]), true);
            assert_eq!(old.head().get("content-length"), Some("1000"));
            old.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
            let (stream, _) = server.expect_request();
            server.headers(stream, &[(":status", "204")], true);
            assert_eq!(old.head().status(), 204);
        }
    }
}
