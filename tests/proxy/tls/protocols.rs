//! What the handshake with a client decides: HTTP/1 or HTTP/2, which certificate, which version; and what upstreams hear of it.

use serde_json::json;

use super::{NO_CONTENT, OTHER, SITE, ask, pair, site};
use crate::harness::LogFile;
use crate::harness::h2::H2;
use crate::harness::tls::{TLS12, TLS13, VERSIONS, certificates, client};
use crate::harness::{Proxy, Upstream};

#[test]
fn alpn_decides_what_is_spoken() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, json!({ "tls": site() }), json!({}));
    for version in VERSIONS {
        for (offered, agreed) in
            [(&["http/1.1"][..], Some("http/1.1")), (&[], None), (&["http/1.1", "x"], Some("http/1.1"))]
        {
            let mut client = proxy.tls(&client(&[version], offered, None), SITE);
            assert_eq!(client.alpn(), agreed);
            ask(&mut client, "/h1");
            let mut server = upstream.accept();
            let head = server.head();
            assert_eq!((&*head.start, head.get("x-forwarded-proto")), ("GET /h1 HTTP/1.1", Some("https")));
            server.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
            assert_eq!(client.message().text(), "ok");
        }
        let wire = proxy.tls(&client(&[version], &["h2", "http/1.1"], None), SITE);
        assert_eq!(wire.alpn(), Some("h2"));
        let mut client = H2::client(wire, &[]);
        client.headers(
            1,
            &[
                (":method", "GET"),
                (":scheme", "https"),
                (":path", "/h2"),
                (":authority", "a"),
                ("x-forwarded-proto", "http"),
            ],
            true,
        );
        let mut server = upstream.accept();
        let head = server.head();
        assert_eq!((&*head.start, head.get("x-forwarded-proto")), ("GET /h2 HTTP/1.1", Some("https")));
        server.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
        let (head, body) = client.response(1);
        assert_eq!((head.status(), &*body), (200, "ok"));
        // What is said of the scheme is what it is.
        client.get(3, "/plain");
        client.expect_reset(3);
    }
    // Nothing in common: RFC 7301 section 3.2.
    let error = proxy.try_tls(&client(&VERSIONS, &["h3"], None), SITE).map(drop).unwrap_err();
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
    proxy.await_stat("http.listener-0.downstream_cx_http1_total", 6);
    proxy.await_stat("http.listener-0.downstream_cx_http2_total", 2);
}

#[test]
fn the_name_decides_on_the_certificate() {
    let upstream = Upstream::start();
    let tls = json!({ "certificates": [pair("site"), pair("other")] });
    let proxy = Proxy::between(&upstream, json!({ "tls": tls }), json!({}));
    for (name, expected) in [(SITE, "site"), (OTHER, "other"), ("a.wild.example.com", "site"), ("127.0.0.1", "site")] {
        let client = proxy.tls(&client(&VERSIONS, &[], None), name);
        assert_eq!(client.peer_certificates(), certificates(expected), "{name}");
    }
    let error = proxy.try_tls(&client(&VERSIONS, &[], None), "unknown.example.com").map(drop).unwrap_err();
    assert!(error.to_string().contains("not valid for name"), "the first is for all others: {error}");
}

#[test]
fn versions_are_counted_and_logged() {
    let log = LogFile::new("tls-versions");
    let upstream = Upstream::start();
    let format = "%DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_TLS_CIPHER% %REQUESTED_SERVER_NAME% %DOWNSTREAM_PEER_SUBJECT% \
                  %DOWNSTREAM_LOCAL_SUBJECT% %DOWNSTREAM_LOCAL_DNS_SAN%";
    let access_log = json!({ "path": log.0, "format": format });
    let listener =
        json!({ "tls": { "certificates": pair("site"), "max_version": "TLSv1.3" }, "access_log": access_log });
    let proxy = Proxy::between(&upstream, listener, json!({}));
    let mut server = None;
    for version in [&TLS12, &TLS13] {
        let mut client = proxy.tls(&client(&[version], &[], None), SITE);
        ask(&mut client, "/");
        let server = server.get_or_insert_with(|| upstream.accept());
        server.head();
        server.send(NO_CONTENT);
        assert_eq!(client.head().status(), 204);
    }
    let lines = log.lines(2);
    let tail = "site.example.com - O=Acme,CN=site site.example.com,*.wild.example.com";
    assert!(lines[0].starts_with("TLSv1.2 TLS_ECDHE_ECDSA_WITH_") && lines[0].ends_with(tail), "{lines:?}");
    assert!(lines[1].starts_with("TLSv1.3 TLS_") && lines[1].ends_with(tail), "{lines:?}");
    for (name, count) in [("handshake", 2), ("versions.TLSv1.2", 1), ("versions.TLSv1.3", 1), ("no_certificate", 2)] {
        assert_eq!(proxy.stat(&format!("listener.127.0.0.1_0.ssl.{name}")), count, "{name}");
    }
}

#[test]
fn a_version_that_is_not_allowed() {
    let upstream = Upstream::start();
    let tls = json!({ "certificates": pair("site"), "min_version": "TLSv1.3" });
    let proxy = Proxy::between(&upstream, json!({ "tls": tls }), json!({}));
    let error = proxy.try_tls(&client(&[&TLS12], &[], None), SITE).map(drop).unwrap_err();
    assert!(error.to_string().contains("ProtocolVersion"), "{error}");
    proxy.await_stat("listener.127.0.0.1_0.ssl.connection_error", 1);
    proxy.tls(&client(&VERSIONS, &[], None), SITE);
}
