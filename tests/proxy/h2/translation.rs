//! What the fields of one version become in the other (RFC 9113 sections 8.2 and 8.3).

use serde_json::json;

use super::{both, h2_cluster};
use crate::harness::h2::{OK, request, with};
use crate::harness::{Proxy, Upstream};

const CRUMBS: &[(&str, &str)] = &[("cookie", "a=1"), ("x-between", "0"), ("cookie", "b=2"), ("cookie", "c=3")];

/// HTTP/1 has one `cookie` (RFC 9113 section 8.2.3); towards HTTP/2 the crumbs keep their order.
#[test]
fn cookie_crumbs_are_joined_for_h1() {
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.h2();
    client.headers(1, &with(&request("GET", "/"), CRUMBS), true);
    assert_eq!(upstream.accept().head().get("cookie"), Some("a=1; b=2; c=3"));

    let upstream = Upstream::start();
    let (_proxy, mut client) = both(&upstream);
    client.headers(1, &with(&request("GET", "/"), CRUMBS), true);
    let (_, head) = upstream.accept_h2().expect_request();
    let crumbs = head.fields.iter().filter(|(name, _)| name == "cookie").map(|(_, value)| &**value);
    assert_eq!(crumbs.collect::<Vec<_>>().join("; "), "a=1; b=2; c=3");
}

/// A `host` that says the same as `:authority` is let through as one of them (RFC 9113 section 8.3.1).
#[test]
fn host_and_authority_are_one() {
    let rows: [&[(&str, &str)]; 3] = [
        &[(":authority", "b.example")],
        &[(":authority", "b.example"), ("host", "b.example")],
        &[("host", "b.example")],
    ];
    for fields in rows {
        let head = with(&[(":method", "GET"), (":scheme", "http"), (":path", "/")], fields);
        let upstream = Upstream::start();
        let proxy = Proxy::to(&upstream);
        let mut client = proxy.h2();
        client.headers(1, &head, true);
        assert_eq!(upstream.accept().head().get("host"), Some("b.example"), "{fields:?}");

        let upstream = Upstream::start();
        let (_proxy, mut client) = both(&upstream);
        client.headers(1, &head, true);
        let (_, got) = upstream.accept_h2().expect_request();
        assert_eq!((got.get(":authority"), got.get("host")), (Some("b.example"), None), "{fields:?}");
    }
}

#[test]
fn te_trailers_goes_to_h2_only() {
    let fields = with(&request("GET", "/"), &[("te", "trailers")]);
    let upstream = Upstream::start();
    let (_proxy, mut client) = both(&upstream);
    client.headers(1, &fields, true);
    assert_eq!(upstream.accept_h2().expect_request().1.get("te"), Some("trailers"));

    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.h2();
    client.headers(1, &fields, true);
    let head = upstream.accept().head();
    assert_eq!((head.get("te"), head.get("connection")), (None, None));
}

#[test]
fn fields_of_one_connection_stay_on_it() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, json!({}), h2_cluster());
    let mut client = proxy.client();
    client.send(concat!(
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade, http2-settings, x-private, keep-alive\r\nupgrade: h2c\r\n",
        "http2-settings: AAMAAABkAAQAAP__\r\nx-private: 1\r\nkeep-alive: 5\r\nproxy-connection: keep-alive\r\nx-public: 2\r\n\r\n"
    ));
    let mut server = upstream.accept_h2();
    let (_, head) = server.expect_request();
    assert_eq!(
        head.without(&["x-request-id"]),
        ":method: GET\n:scheme: http\n:authority: a\n:path: /\nx-public: 2\nx-forwarded-for: 127.0.0.1\nx-forwarded-proto: http"
    );
    server.headers(1, OK, true);
    assert_eq!(client.head().status(), 200);

    // What an HTTP/1 host says of its connection is not for an HTTP/2 client.
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.h2();
    client.get(1, "/");
    let mut server = upstream.accept();
    server.head();
    server.send(concat!(
        "HTTP/1.1 200 OK\r\nconnection: x-private, keep-alive\r\nx-private: 1\r\nkeep-alive: timeout=5\r\n",
        "proxy-connection: close\r\nupgrade: h2c\r\nx-public: 2\r\ncontent-length: 0\r\n\r\n"
    ));
    let (head, _) = client.response(1);
    assert_eq!(head.without(&["date"]), ":status: 200\nx-public: 2\nserver: nuncio\ncontent-length: 0");
}

/// RFC 7540 had it in the upgrade to HTTP/2; here it says nothing.
#[test]
fn http2_settings_is_not_forwarded() {
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.h2();
    client.headers(1, &with(&request("GET", "/"), &[("http2-settings", "AAMAAABkAAQAAP__")]), true);
    let head = upstream.accept().head();
    assert_eq!((head.get("http2-settings"), head.get("upgrade")), (None, None));
}

/// Rows T-2 and T-3: a stranger's word about the client does not pass, ours does.
#[test]
fn the_upstream_learns_who_the_client_is() {
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.h2();
    let lies = [("x-forwarded-for", "1.2.3.4"), ("x-forwarded-proto", "https"), ("forwarded", "for=1.2.3.4")];
    client.headers(1, &with(&request("GET", "/"), &lies), true);
    let head = upstream.accept().head();
    assert_eq!(
        head.without(&["x-request-id"]),
        "GET / HTTP/1.1\nhost: a\nx-forwarded-for: 127.0.0.1\nx-forwarded-proto: http"
    );
    assert!(head.get("x-request-id").is_some());
}
