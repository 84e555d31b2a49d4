//! The end of a TLS connection is the end of a message only if close_notify says so (RFC 8446 section 6.1, row TLS-1): else
//! somebody on the way has cut it.

use serde_json::json;

use super::{SITE, ask, site};
use crate::harness::h2::{H2, NO_ERROR};
use crate::harness::tls::{VERSIONS, client, file, server};
use crate::harness::{End, Proxy, Upstream};

const UNTIL_CLOSE: &str = "HTTP/1.1 200 OK\r\n\r\n01234";

#[test]
fn a_body_that_ends_with_the_connection() {
    for version in VERSIONS {
        for clean in [true, false] {
            let upstream = Upstream::start();
            let cluster = json!({ "tls": { "ca": file("ca.pem"), "sni": SITE } });
            let proxy = Proxy::between(&upstream, json!({ "tls": site() }), cluster);
            let mut client = proxy.tls(&client(&[version], &["http/1.1"], None), SITE);
            ask(&mut client, "/");
            let mut server = upstream.accept_tls(&server("site", &[], false));
            server.head();
            server.send(UNTIL_CLOSE);
            assert_eq!(client.head().status(), 200);
            client.expect("5\r\n01234\r\n");
            if clean {
                server.finish();
                client.expect("0\r\n\r\n");
            } else {
                drop(server);
                let (rest, end) = client.rest();
                assert_eq!(rest, b"", "no last chunk");
                assert_ne!(end, End::Closed, "and no close_notify");
            }
        }
    }
}

#[test]
fn the_proxy_says_when_it_ends() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, json!({ "tls": site() }), json!({}));
    let mut client = proxy.tls(&client(&VERSIONS, &["http/1.1"], None), SITE);
    client.send("GET / HTTP/1.0\r\nhost: a\r\n\r\n");
    let mut server = upstream.accept();
    server.head();
    server.send(UNTIL_CLOSE);
    drop(server);
    assert_eq!(client.head().status(), 200);
    assert_eq!(client.rest(), (b"01234".to_vec(), End::Closed));
}

#[test]
fn an_idle_connection_ends_in_good_order() {
    let upstream = Upstream::start();
    let listener = json!({ "tls": site(), "http": { "idle_timeout": "100ms", "http2_idle_timeout": "100ms" } });
    let proxy = Proxy::between(&upstream, listener, json!({}));
    let mut client_h1 = proxy.tls(&client(&VERSIONS, &["http/1.1"], None), SITE);
    ask(&mut client_h1, "/");
    let mut server = upstream.accept();
    server.head();
    server.send(super::NO_CONTENT);
    assert_eq!(client_h1.head().status(), 204);
    client_h1.expect_closed();
    let mut client_h2 = H2::client(proxy.tls(&client(&VERSIONS, &["h2"], None), SITE), &[]);
    assert_eq!(client_h2.expect_goaway(), (0, NO_ERROR));
    client_h2.wire.expect_closed();
}
