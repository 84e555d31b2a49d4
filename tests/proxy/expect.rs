//! `Expect` (RFC 9110 section 10.1.1, row S-15).

use serde_json::json;

use crate::harness::{Proxy, Upstream};

const POST: &str = "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n";

#[test]
fn the_proxy_says_continue_itself() {
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.client();
    client.send(POST);
    client.expect("HTTP/1.1 100 Continue\r\n\r\n");
    let mut server = upstream.accept();
    client.send("body");
    let request = server.message();
    assert_eq!((request.text(), request.head.get("expect")), ("body", None));
    // An upstream's own is not passed on: it answers nothing that the client has asked.
    server.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let response = client.message();
    assert_eq!((response.text(), response.head.get("connection")), ("ok", None));
}

#[test]
fn a_body_that_comes_unasked_needs_no_continue() {
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.client();
    client.send(format!("{POST}body"));
    let mut server = upstream.accept();
    assert_eq!(server.message().text(), "body");
    server.send("HTTP/1.1 204 No Content\r\n\r\n");
    let mut response = client.head();
    // It may have been said before the body was seen.
    if response.status() == 100 {
        response = client.head();
    }
    assert_eq!(response.status(), 204);
}

/// The client may send the body or not: nobody can tell what its next byte is.
#[test]
fn a_final_answer_before_continue_closes() {
    let upstream = Upstream::start();
    let routes = json!([{ "respond": { "status": 403, "body": "no" } }]);
    let proxy = Proxy::between(&upstream, json!({ "routes": routes }), json!({}));
    let mut client = proxy.client();
    client.send(POST);
    let response = client.message();
    assert_eq!((response.status(), response.head.get("connection")), (403, Some("close")));
    let _ = client.try_send("GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n");
    client.expect_gone();
}

#[test]
fn other_expectations_fail() {
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    for value in ["200-ok", "100-continue, 100-continue", "100-continue;x=1", "y 100-continue"] {
        let mut client = proxy.client();
        client.send(format!("POST / HTTP/1.1\r\nhost: a\r\nexpect: {value}\r\ncontent-length: 4\r\n\r\n"));
        let response = client.message();
        assert_eq!((response.status(), response.head.get("connection")), (417, Some("close")), "{value}");
    }
    assert_eq!(proxy.stat("cluster.app.upstream_cx_total"), 0);
}

#[test]
fn http_10_has_no_continue() {
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.client();
    client.send("POST / HTTP/1.0\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n");
    client.send("body");
    let mut server = upstream.accept();
    assert_eq!(server.message().text(), "body");
    server.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(client.head().status(), 204);
}
