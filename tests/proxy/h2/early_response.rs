//! Both directions of a stream run at once, and a response may be over before its request (RFC 9113 section 8.1).

use serde_json::json;

use super::both;
use crate::harness::h2::{NO_ERROR, OK, request, with};
use crate::harness::{Proxy, Upstream};

#[test]
fn each_side_sees_each_frame_before_the_next_is_sent() {
    let upstream = Upstream::start();
    let (_proxy, mut client) = both(&upstream);
    client.post(1, "/echo");
    let mut server = upstream.accept_h2();
    server.expect_request();
    server.headers(1, OK, false);
    assert!(!client.expect_headers(1).end, "the response starts before a body byte");
    for word in ["one", "two", "three"] {
        client.data(1, word, false);
        server.expect_data(1, word, false);
        server.data(1, word, false);
        client.expect_data(1, word, false);
    }
    client.data(1, "", true);
    server.expect_data(1, "", true);
    server.data(1, "last", true);
    client.expect_data(1, "last", true);
}

#[test]
fn the_rest_of_a_request_that_is_answered_is_not_wanted() {
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.h2();
    client.headers(1, &with(&request("POST", "/"), &[("content-length", "100000")]), false);
    client.data(1, "01234", false);
    let mut server = upstream.accept();
    server.head();
    server.expect("01234");
    server.send("HTTP/1.1 413 Payload Too Large\r\ncontent-length: 3\r\n\r\nno\n");
    let (head, body) = client.response(1);
    assert_eq!((head.status(), &*body), (413, "no\n"));
    assert_eq!(client.expect_reset(1), NO_ERROR);
    // The upstream connection owes the rest: it is closed, not pooled.
    server.expect_gone();
    // What was on its way is ignored, and the connection goes on.
    client.data(1, "56789", false);
    client.get(3, "/next");
    let mut server = upstream.accept();
    assert_eq!(server.head().start, "GET /next HTTP/1.1");
    server.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(client.expect_headers(3).status(), 204);
}

#[test]
fn an_h2_upstream_that_answers_early_keeps_its_connection() {
    let upstream = Upstream::start();
    let (proxy, mut client) = both(&upstream);
    client.post(1, "/");
    client.data(1, "01234", false);
    let mut server = upstream.accept_h2();
    server.expect_request();
    server.expect_data(1, "01234", false);
    server.headers(1, &[(":status", "413")], true);
    server.reset(1, NO_ERROR);
    assert_eq!(client.expect_headers(1).status(), 413);
    assert_eq!(client.expect_reset(1), NO_ERROR);
    client.get(3, "/next");
    let (stream, _) = server.expect_request();
    server.headers(stream, OK, true);
    assert_eq!(client.expect_headers(3).status(), 200);
    assert_eq!(proxy.stat("cluster.app.upstream_cx_total"), 1);
}

#[test]
fn local_replies_do_not_wait_for_the_body() {
    let upstream = Upstream::start();
    let routes = json!([{ "respond": { "status": 403, "body": "no" } }]);
    let proxy = Proxy::between(&upstream, json!({ "routes": routes }), json!({}));
    let mut client = proxy.h2();
    for stream in [1, 3] {
        client.post(stream, "/");
        let (head, body) = client.response(stream);
        assert_eq!((head.status(), &*body), (403, "no"));
        assert_eq!(client.expect_reset(stream), NO_ERROR);
    }
}
