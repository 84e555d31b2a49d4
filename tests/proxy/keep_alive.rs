//! Persistent connections on both sides, and requests that do not wait for answers (RFC 9112 section 9.3).

use serde_json::json;

use crate::harness::{Proxy, Upstream};

#[test]
fn both_connections_serve_many_requests() {
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.client();
    client.send("GET /1 HTTP/1.1\r\nHost: a.example\r\n\r\n");
    let mut server = upstream.accept();
    for number in 1..=3 {
        if number > 1 {
            client.send(format!("GET /{number} HTTP/1.1\r\nHost: a.example\r\n\r\n"));
        }
        let request = server.head();
        assert_eq!(
            request.without(&["x-request-id"]),
            format!("GET /{number} HTTP/1.1\nhost: a.example\nx-forwarded-for: 127.0.0.1\nx-forwarded-proto: http")
        );
        server.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n#{number}"));
        let response = client.message();
        assert_eq!(response.head.without(&["date"]), "HTTP/1.1 200 OK\nserver: nuncio\ncontent-length: 2");
        assert_eq!(response.text(), format!("#{number}"));
    }
    assert_eq!(proxy.stat("cluster.app.upstream_cx_total"), 1);
    assert_eq!(proxy.stat("cluster.app.upstream_rq_total"), 3);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.client();
    client.send(concat!(
        "POST /1 HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc",
        "POST /2 HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\ndef\r\n0\r\n\r\n",
        "GET /3 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        "GET /never HTTP/1.1\r\nhost: a\r\n\r\n",
    ));
    let mut server = upstream.accept();
    for (start, body) in [("POST /1 HTTP/1.1", "abc"), ("POST /2 HTTP/1.1", "def"), ("GET /3 HTTP/1.1", "")] {
        let request = server.message();
        assert_eq!((request.head.start.as_str(), request.text()), (start, body));
        server.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{start}", start.len()));
    }
    for start in ["POST /1 HTTP/1.1", "POST /2 HTTP/1.1", "GET /3 HTTP/1.1"] {
        let response = client.message();
        assert_eq!(response.text(), start);
        assert_eq!(response.head.get("connection"), start.contains("/3").then_some("close"));
    }
    client.expect_closed();
    assert_eq!(proxy.stat("cluster.app.upstream_rq_total"), 3, "what follows `close` is not served");
}

#[test]
fn http_10_closes_unless_it_asks() {
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.client();
    client.send("GET / HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\n");
    let mut server = upstream.accept();
    assert_eq!(server.head().start, "GET / HTTP/1.1");
    server.send("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na");
    assert_eq!(client.message().head.get("connection"), Some("keep-alive"));

    client.send("GET / HTTP/1.0\r\nhost: a\r\n\r\n");
    assert_eq!(server.head().start, "GET / HTTP/1.1");
    server.send("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nb");
    let response = client.message();
    assert_eq!((response.text(), response.head.get("connection")), ("b", Some("close")));
    client.expect_closed();
}

#[test]
fn a_connection_has_a_most_of_requests() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, json!({ "http": { "max_requests_per_connection": 2 } }), json!({}));
    let mut client = proxy.client();
    client
        .send("GET /1 HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\n\r\nGET /3 HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut server = upstream.accept();
    for close in [None, Some("close")] {
        server.head();
        server.send("HTTP/1.1 204 No Content\r\n\r\n");
        assert_eq!(client.head().get("connection"), close);
    }
    client.expect_closed();
    assert_eq!(proxy.stat("cluster.app.upstream_rq_total"), 2);
}

#[test]
fn an_upstream_connection_has_a_most_of_requests() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, json!({}), json!({ "max_requests_per_connection": 2 }));
    let mut client = proxy.client();
    for _ in 0..2 {
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        let mut server = upstream.accept();
        server.head();
        server.send("HTTP/1.1 204 No Content\r\n\r\n");
        assert_eq!(client.head().status(), 204);
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        server.head();
        server.send("HTTP/1.1 204 No Content\r\n\r\n");
        assert_eq!(client.head().status(), 204);
        server.expect_gone();
    }
}
