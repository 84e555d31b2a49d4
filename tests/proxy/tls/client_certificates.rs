//! Certificates of clients: who is let in, what routes and upstreams hear of them, and that a resumed session is no
//! different from the first.

use std::sync::Arc;

use rustls::ClientConfig;
use serde_json::{Value, json};

use super::{NO_CONTENT, SITE, ask, pair};
use crate::harness::LogFile;
use crate::harness::h2::H2;
use crate::harness::tls::{TLS12, TLS13, VERSIONS, client, file};
use crate::harness::{Proxy, Server, Upstream, Wire};

const TOLD: &str = "By=spiffe://evil;Hash=00";

fn listener(mode: &str) -> Value {
    let client_auth = json!({ "mode": mode, "ca": file("ca.pem"), "crl": file("ca.crl") });
    json!({ "tls": { "certificates": pair("site"), "client_auth": client_auth } })
}

/// 200, or why not.
fn visit(proxy: &Proxy, config: &Arc<ClientConfig>) -> Result<u16, String> {
    // With TLS 1.3 a client is done before it hears what becomes of its certificate.
    let mut client = proxy.try_tls(config, SITE).map_err(|error| error.to_string())?;
    let _ = client.try_send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    if client.has_more_within(crate::harness::DEADLINE) && client.buffered() > 0 {
        return Ok(client.message().status());
    }
    Err(client.expect_failure())
}

#[test]
fn who_is_let_in() {
    let server = Server::answering("ok");
    let alert = |name: &'static str| Err(name);
    for (mode, own, expected) in [
        ("off", None, Ok(200)),
        ("off", Some("client"), Ok(200)),
        ("off", Some("stranger"), Ok(200)),
        ("off", Some("expired"), Ok(200)),
        ("optional", None, Ok(200)),
        ("optional", Some("client"), Ok(200)),
        ("optional", Some("stranger"), alert("UnknownCA")),
        ("optional", Some("expired"), alert("CertificateExpired")),
        ("optional", Some("revoked"), alert("CertificateRevoked")),
        ("require", None, alert("CertificateRequired")),
        ("require", Some("client"), Ok(200)),
        ("require", Some("stranger"), alert("UnknownCA")),
        ("require", Some("expired"), alert("CertificateExpired")),
        ("require", Some("revoked"), alert("CertificateRevoked")),
    ] {
        let mut listener = listener(mode);
        listener["routes"] = json!([{ "cluster": "app" }]);
        let clusters = json!({ "app": { "endpoints": [server.address()] } });
        let proxy = Proxy::start(json!({ "listeners": [listener], "clusters": clusters }));
        for version in VERSIONS {
            let outcome = visit(&proxy, &client(&[version], &["http/1.1"], own));
            match (&outcome, expected) {
                (Ok(status), Ok(expected)) => assert_eq!(*status, expected, "{mode} {own:?}"),
                // TLS 1.2 has no alert of its own for this (RFC 5246 section 7.4.6).
                (Err(error), Err("CertificateRequired")) => {
                    assert!(error.contains("CertificateRequired") || error.contains("HandshakeFailure"), "{error}");
                }
                (Err(error), Err(expected)) => assert!(error.contains(expected), "{mode} {own:?}: {error}"),
                _ => panic!("{mode} {own:?} {version:?}: {outcome:?}, wanted {expected:?}"),
            }
        }
        let counts = match expected {
            Ok(_) => [0, 0, 2],
            Err("CertificateRequired") => [0, 2, 0],
            Err(_) => [2, 0, 0],
        };
        for (name, count) in ["fail_verify_error", "fail_verify_no_cert", "handshake"].into_iter().zip(counts) {
            proxy.await_stat(&format!("listener.127.0.0.1_0.ssl.{name}"), count);
        }
    }
}

/// What the upstream hears in `x-forwarded-client-cert` from a client that tries to tell it something.
fn heard(client: &mut Wire, upstream: &Upstream, server: &mut Option<Wire>) -> Option<String> {
    client.send(format!("GET / HTTP/1.1\r\nhost: a\r\nx-forwarded-client-cert: {TOLD}\r\n\r\n"));
    let server = server.get_or_insert_with(|| upstream.accept());
    let head = server.head();
    server.send(NO_CONTENT);
    assert_eq!(client.head().status(), 204);
    head.get("x-forwarded-client-cert").map(str::to_owned)
}

fn hash() -> String {
    let der = &crate::harness::tls::certificates("client")[0];
    let digest = ring::digest::digest(&ring::digest::SHA256, der);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn what_upstreams_hear() {
    let (hash, upstream) = (hash(), Upstream::start());
    let own = format!("Hash={hash};Subject=\"O=Acme,CN=client\";URI=spiffe://acme/web");
    let appended = format!("{TOLD},{own}");
    for (mode, with_certificate, without) in [
        ("sanitize", None, None),
        ("forward_only", Some(TOLD), None),
        ("append_forward", Some(&*appended), None),
        ("sanitize_set", Some(&*own), None),
        ("always_forward_only", Some(TOLD), Some(TOLD)),
    ] {
        let mut listener = listener("optional");
        listener["http"] =
            json!({ "forward_client_cert": mode, "set_current_client_cert_details": ["uri", "subject"] });
        let proxy = Proxy::between(&upstream, listener, json!({}));
        let mut server = None;
        for (certificate, expected) in [(Some("client"), with_certificate), (None, without)] {
            let config = client(&VERSIONS, &["http/1.1"], certificate);
            // Twice on one connection, then in a session that goes on.
            for resumed in [false, true] {
                let mut client = proxy.tls(&config, SITE);
                for _ in 0..2 {
                    assert_eq!(
                        heard(&mut client, &upstream, &mut server).as_deref(),
                        expected,
                        "{mode} {certificate:?}"
                    );
                }
                assert_eq!(client.is_resumed(), resumed);
            }
        }
    }
    // Nor on plain text.
    let proxy = Proxy::between(&upstream, json!({ "http": { "forward_client_cert": "append_forward" } }), json!({}));
    assert_eq!(heard(&mut proxy.client(), &upstream, &mut None), None);
}

#[test]
fn by_names_the_certificate_that_the_client_saw() {
    // A certificate for a URI and for clients does for a server too, where the client does not mind.
    let upstream = Upstream::start();
    let mut listener = listener("require");
    listener["tls"]["certificates"] = json!([pair("site"), pair("client")]);
    listener["http"] = json!({ "forward_client_cert": "sanitize_set" });
    let proxy = Proxy::between(&upstream, listener, json!({}));
    let mut config = (*client(&VERSIONS, &["http/1.1"], Some("client"))).clone();
    config.dangerous().set_certificate_verifier(Arc::new(crate::harness::tls::Lenient));
    let (config, hash, mut server) = (Arc::new(config), hash(), None);
    for (name, by) in [(SITE, ""), ("client.example.com", "By=spiffe://acme/web;")] {
        for resumed in [false, true] {
            let mut client = proxy.tls(&config, name);
            let heard = heard(&mut client, &upstream, &mut server);
            assert_eq!(heard, Some(format!("{by}Hash={hash}")), "{name}");
            assert_eq!(client.is_resumed(), resumed);
        }
    }
}

#[test]
fn http2_requests_tell_it_too() {
    let upstream = Upstream::start();
    let mut listener = listener("require");
    listener["http"] = json!({ "forward_client_cert": "sanitize_set", "set_current_client_cert_details": "dns" });
    let proxy = Proxy::between(&upstream, listener, json!({}));
    let mut client = H2::client(proxy.tls(&client(&VERSIONS, &["h2"], Some("client")), SITE), &[]);
    let head = [(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "a")];
    client.headers(1, &[&head[..], &[("x-forwarded-client-cert", TOLD)]].concat(), true);
    let mut server = upstream.accept();
    let expected = format!("Hash={};DNS=client.example.com;DNS=*.many.example.com", hash());
    assert_eq!(server.head().get("x-forwarded-client-cert"), Some(&*expected));
    server.send(NO_CONTENT);
    assert_eq!(client.expect_headers(1).status(), 204);
}

#[test]
fn routes_ask_for_certificates() {
    let log = LogFile::new("client-certificates");
    let respond = |status: u16| json!({ "status": status });
    let mut listener = listener("optional");
    listener["routes"] = json!([
        { "match": { "tls": { "validated": true } }, "respond": respond(201) },
        { "match": { "tls": { "presented": true } }, "respond": respond(202) },
        { "match": { "tls": { "presented": false, "validated": false } }, "respond": respond(203) },
    ]);
    listener["access_log"] = json!({ "path": log.0, "format":
        "%DOWNSTREAM_PEER_SUBJECT%|%DOWNSTREAM_PEER_URI_SAN%|%DOWNSTREAM_PEER_FINGERPRINT_256%|%DOWNSTREAM_PEER_CERT_V_END(%Y)%" });
    let proxy = Proxy::start(json!({ "listeners": [listener] }));
    for version in [&TLS12, &TLS13] {
        for (own, status) in [(Some("client"), 201), (None, 203)] {
            let config = client(&[version], &["http/1.1"], own);
            for resumed in [false, true] {
                let mut client = proxy.tls(&config, SITE);
                ask(&mut client, "/");
                assert_eq!(client.message().status(), status, "{own:?}");
                assert_eq!(client.is_resumed(), resumed);
            }
        }
    }
    assert_eq!(proxy.stat("listener.127.0.0.1_0.ssl.session_reused"), 4);
    let known = format!("O=Acme,CN=client|spiffe://acme/web|{}|2046", hash());
    let lines = log.lines(8);
    for (line, expected) in lines.iter().zip([&*known, &*known, "-|-|-|-", "-|-|-|-"].into_iter().cycle()) {
        assert_eq!(line, expected);
    }
}

#[test]
fn a_pin_lets_in_and_validates_nothing() {
    let pin = ring::digest::digest(&ring::digest::SHA256, &crate::harness::tls::certificates("stranger")[0]);
    let pin: String = pin.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let client_auth = json!({ "mode": "optional", "sha256": pin });
    let proxy = Proxy::start(json!({ "listeners": [{
        "tls": { "certificates": pair("site"), "client_auth": client_auth },
        "routes": [
            { "match": { "tls": { "validated": true } }, "respond": { "status": 201 } },
            { "match": { "tls": { "presented": true, "validated": false } }, "respond": { "status": 202 } },
        ],
    }] }));
    let config = client(&VERSIONS, &["http/1.1"], Some("stranger"));
    for resumed in [false, true] {
        let mut client = proxy.tls(&config, SITE);
        ask(&mut client, "/");
        assert_eq!((client.message().status(), client.is_resumed()), (202, resumed));
    }
    assert!(visit(&proxy, &client(&VERSIONS, &["http/1.1"], Some("client"))).is_err());
    assert_eq!(visit(&proxy, &client(&VERSIONS, &["http/1.1"], None)), Ok(404));
}
