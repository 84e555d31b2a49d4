//! `Expect` and interim responses on streams (RFC 9110 sections 10.1.1 and 15.2, row S-15).

use std::time::Duration;

use serde_json::json;

use super::{both, h2_cluster};
use crate::harness::h2::{OK, request, with};
use crate::harness::{Proxy, Upstream};

const EXPECT: &[(&str, &str)] = &[("expect", "100-continue"), ("content-length", "4")];

#[test]
fn the_proxy_says_continue_itself() {
    let upstream = Upstream::start();
    let (_proxy, mut client) = both(&upstream);
    client.headers(1, &with(&request("POST", "/"), EXPECT), false);
    let mut server = upstream.accept_h2();
    let (_, head) = server.expect_request();
    assert_eq!(head.get("expect"), None);
    let interim = client.expect_headers(1);
    assert_eq!((interim.status(), interim.end), (100, false));
    client.data(1, "body", true);
    server.expect_data(1, "body", true);
    // An upstream's own is not passed on: it answers nothing that the client has asked.
    server.headers(1, &[(":status", "100")], false);
    server.headers(1, OK, true);
    assert_eq!(client.expect_headers(1).status(), 200);
}

#[test]
fn an_answer_that_does_not_want_the_body_is_the_only_one() {
    let upstream = Upstream::start();
    let routes = json!([{ "respond": { "status": 403, "body": "no" } }]);
    let proxy = Proxy::between(&upstream, json!({ "routes": routes }), json!({}));
    let mut client = proxy.h2();
    client.headers(1, &with(&request("POST", "/"), EXPECT), false);
    assert_eq!(client.response(1).0.status(), 403);
}

#[test]
fn a_body_that_is_not_to_come_needs_no_continue() {
    let upstream = Upstream::start();
    let (_proxy, mut client) = both(&upstream);
    client.headers(1, &with(&request("POST", "/"), &[("expect", "100-continue")]), true);
    let mut server = upstream.accept_h2();
    server.expect_request();
    client.expect_silence(Duration::from_millis(50));
    server.headers(1, OK, true);
    assert_eq!(client.expect_headers(1).status(), 200);
}

#[test]
fn other_interim_responses_go_through() {
    let upstream = Upstream::start();
    let (_proxy, mut client) = both(&upstream);
    client.get(1, "/");
    let mut server = upstream.accept_h2();
    server.expect_request();
    let hints = [(":status", "103"), ("link", "</a.css>")];
    server.headers(1, &hints, false);
    let interim = client.expect_headers(1);
    assert_eq!((interim.without(&[]).as_str(), interim.end), (":status: 103\nlink: </a.css>", false));
    server.headers(1, OK, true);
    assert_eq!(client.expect_headers(1).status(), 200);

    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, json!({}), h2_cluster());
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut server = upstream.accept_h2();
    server.expect_request();
    server.headers(1, &hints, false);
    let interim = client.head();
    assert_eq!((interim.status(), interim.get("link")), (103, Some("</a.css>")));
    server.headers(1, OK, true);
    assert_eq!(client.head().status(), 200);

    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.h2();
    client.get(1, "/");
    let mut server = upstream.accept();
    server.head();
    server.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n");
    assert_eq!(client.expect_headers(1).status(), 103);
    server.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(client.expect_headers(1).status(), 204);
}

#[test]
fn interim_responses_without_end_are_an_error() {
    let upstream = Upstream::start();
    let (_proxy, mut client) = both(&upstream);
    client.get(1, "/");
    let mut server = upstream.accept_h2();
    server.expect_request();
    for _ in 0..9 {
        server.headers(1, &[(":status", "102")], false);
    }
    let statuses: Vec<u16> = std::iter::from_fn(|| Some(client.expect_headers(1).status())).take(9).collect();
    assert_eq!(statuses, [102, 102, 102, 102, 102, 102, 102, 102, 502]);
    server.expect_reset(1);
}
