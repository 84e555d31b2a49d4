//! TLS with hosts: whom the proxy believes, what it shows, and what it speaks with them.

use serde_json::{Value, json};

use super::{NO_CONTENT, OTHER, SITE, ask, pair};
use crate::harness::h2::{H2, OK};
use crate::harness::tls::{certificates, file, server};
use crate::harness::{Proxy, Upstream};

fn cluster(more: Value) -> Value {
    let mut tls = json!({ "ca": file("ca.pem"), "sni": SITE });
    for (key, value) in more.as_object().expect("an object") {
        tls[key] = value.clone();
    }
    json!({ "tls": tls })
}

#[test]
fn a_host_that_is_the_right_one() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, json!({}), cluster(json!({})));
    let mut client = proxy.client();
    ask(&mut client, "/");
    let mut server = upstream.accept_tls(&server("site", &["h2", "http/1.1"], false));
    assert_eq!(server.alpn(), Some("http/1.1"), "h1 is the default of a cluster");
    assert_eq!(server.head().start, "GET / HTTP/1.1");
    server.send(NO_CONTENT);
    assert_eq!(client.head().status(), 204);
    // The connection is kept.
    ask(&mut client, "/again");
    assert_eq!(server.head().start, "GET /again HTTP/1.1");
    server.send(NO_CONTENT);
    assert_eq!(client.head().status(), 204);
    assert_eq!(proxy.stat("cluster.app.ssl.handshake"), 1);
    assert_eq!(proxy.stat("cluster.app.upstream_cx_total"), 1);
}

#[test]
fn a_session_goes_on() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, json!({}), cluster(json!({})));
    let host = server("site", &[], false);
    for resumed in [false, true] {
        let mut client = proxy.client();
        ask(&mut client, "/");
        let mut server = upstream.accept_tls(&host);
        server.head();
        server.send("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
        assert_eq!(client.head().status(), 204);
        assert_eq!(server.is_resumed(), resumed);
    }
    assert_eq!(proxy.stat("cluster.app.ssl.session_reused"), 1);
}

#[test]
fn a_host_that_is_not() {
    for (own, tls, alert) in [
        ("other", json!({}), "BadCertificate"),
        ("expired", json!({}), "CertificateExpired"),
        ("site", json!({ "ca": file("stranger-ca.pem") }), "UnknownCA"),
        ("site", json!({ "sni": OTHER }), "BadCertificate"),
        ("site", json!({ "allow_san": "spiffe://acme/web" }), ""),
        ("site", json!({ "sha256": "00".repeat(32) }), ""),
    ] {
        let upstream = Upstream::start();
        let proxy = Proxy::between(&upstream, json!({}), cluster(tls.clone()));
        let mut client = proxy.client();
        ask(&mut client, "/");
        let error = match upstream.try_accept_tls(&server(own, &[], false)) {
            Err(error) => error.to_string(),
            // With TLS 1.3 a host that asks for no certificate is done only when the client is.
            Ok(mut server) => server.expect_failure(),
        };
        assert!(error.contains(alert), "{own} {tls}: {error}");
        let response = client.message();
        assert_eq!(response.status(), 503, "{own} {tls}");
        assert!(
            response.text().contains("tls_handshake_failure") || response.text().contains("upstream"),
            "{response:?}"
        );
        assert_eq!(proxy.stat("cluster.app.ssl.fail_verify_error"), 1, "{own} {tls}");
        assert_eq!(proxy.stat("cluster.app.upstream_cx_connect_fail"), 1);
        upstream.expect_nobody(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_host_that_speaks_no_tls_or_speaks_first() {
    for bytes in ["HTTP/1.1 400 Bad Request\r\n\r\n", "220 ready\r\n"] {
        let upstream = Upstream::start();
        let proxy = Proxy::between(&upstream, json!({}), cluster(json!({})));
        let mut client = proxy.client();
        ask(&mut client, "/");
        let mut server = upstream.accept();
        server.send(bytes);
        assert_eq!(client.message().status(), 503);
        assert_eq!(proxy.stat("cluster.app.ssl.connection_error"), 1);
    }
}

#[test]
fn the_flag_says_that_there_is_no_connection() {
    let log = crate::harness::LogFile::new("upstream-tls");
    let upstream = Upstream::start();
    let listener = json!({ "access_log": { "path": log.0, "format": "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%" } });
    let proxy = Proxy::between(&upstream, listener, cluster(json!({ "sni": OTHER })));
    let mut client = proxy.client();
    ask(&mut client, "/");
    let _ = upstream.try_accept_tls(&server("site", &[], false)).map(|mut server| server.expect_failure());
    assert_eq!(client.message().status(), 503);
    assert_eq!(log.lines(1), ["503 UF upstream_reset_before_response_started{tls_handshake_failure}"]);
}

#[test]
fn our_certificate_is_shown_to_hosts_that_ask() {
    let upstream = Upstream::start();
    let host = server("site", &[], true);
    let proxy = Proxy::between(&upstream, json!({}), cluster(json!({ "certificate": pair("client") })));
    let mut client = proxy.client();
    ask(&mut client, "/");
    let mut server = upstream.accept_tls(&host);
    assert_eq!(server.peer_certificates(), certificates("client"));
    server.head();
    server.send(NO_CONTENT);
    assert_eq!(client.head().status(), 204);
    drop(proxy);

    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, json!({}), cluster(json!({})));
    let mut client = proxy.client();
    ask(&mut client, "/");
    assert!(upstream.try_accept_tls(&host).is_err());
    // With TLS 1.3 the connection was good before the host said no.
    assert_eq!(client.message().status(), 503);
}

#[test]
fn auto_speaks_what_the_host_agrees_to() {
    let upstream = Upstream::start();
    let mut auto = cluster(json!({}));
    auto["protocol"] = json!("auto");
    for (alpn, agreed) in [(&["h2", "http/1.1"][..], Some("h2")), (&["http/1.1"], Some("http/1.1")), (&[], None)] {
        let proxy = Proxy::between(&upstream, json!({}), auto.clone());
        let mut client = proxy.client();
        ask(&mut client, "/");
        let mut server = upstream.accept_tls(&server("site", alpn, false));
        assert_eq!(server.alpn(), agreed);
        if agreed == Some("h2") {
            let mut server = H2::server(server, &[]);
            let (stream, head) = server.expect_request();
            assert_eq!((head.get(":path"), head.get(":scheme")), (Some("/"), Some("http")));
            server.headers(stream, OK, false);
            server.data(stream, "h2", true);
        } else {
            assert_eq!(server.head().start, "GET / HTTP/1.1");
            server.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nh1");
        }
        let text = client.message().text().to_owned();
        assert_eq!(text, if agreed == Some("h2") { "h2" } else { "h1" });
    }
}
