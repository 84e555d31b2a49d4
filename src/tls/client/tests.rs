use std::future::poll_fn;

use bytes::BytesMut;
use rustls::version::TLS13;

use super::*;
use crate::config::TlsVersion;
use crate::tls::testing::{both, certificates, cluster_tls, listener_tls, server_config, settle, wire};
use crate::tls::{HandshakeError, HandshakeErrorKind, ServerContext, Session, accept};

fn context(json: &str) -> ClientContext {
    ClientContext::load(&cluster_tls(json), &Arc::default()).unwrap()
}

fn site(name: &str) -> ServerContext {
    let json = format!(r#"{{ "certificates": {{ "chain": "{name}.pem", "key": "{name}.key" }} }}"#);
    ServerContext::load(&listener_tls(&json)).unwrap()
}

/// What the client makes of a host with that name, at 127.0.0.1.
fn shake(client: &ClientContext, server: &ServerContext, host: Option<&str>) -> Result<Session, HandshakeErrorKind> {
    let (left, right, _) = wire(1 << 20, None);
    let (mut connect, mut accept) =
        (client.connect(left, host), accept(right, BytesMut::new(), server.config().clone()));
    let (client, server) = both(poll_fn(|cx| connect.poll(cx)), poll_fn(|cx| accept.poll(cx)));
    let kind = |error: HandshakeError| error.kind;
    let (mut ours, session) = client.map_err(kind)?;
    let (mut theirs, seen) = server.map_err(kind)?;
    settle(&mut ours, &mut theirs);
    assert_eq!(session.sni, seen.sni);
    Ok(std::rc::Rc::unwrap_or_clone(session))
}

#[test]
fn hosts_must_be_who_they_should_be() {
    use HandshakeErrorKind::BadCertificate;
    let hex =
        |name: &str| crate::tls::session::sha256(&certificates(name)[0]).map(|byte| format!("{byte:02x}")).concat();
    let (site_pin, other_pin) = (hex("site"), hex("other"));
    let name = Some("site.example.com");
    type Case<'a> = (String, &'a str, Option<&'a str>, Result<(), HandshakeErrorKind>);
    let cases: Vec<Case> = vec![
        (r#"{ "ca": "ca.pem" }"#.to_owned(), "site", name, Ok(())),
        (r#"{ "ca": "ca.pem" }"#.to_owned(), "site", Some("Site.Example.com."), Ok(())),
        (r#"{ "ca": "ca.pem" }"#.to_owned(), "site", Some("x.wild.example.com"), Ok(())),
        (r#"{ "ca": "ca.pem" }"#.to_owned(), "site", Some("x.y.wild.example.com"), Err(BadCertificate)),
        (r#"{ "ca": "ca.pem" }"#.to_owned(), "other", name, Err(BadCertificate)),
        (r#"{ "ca": "ca.pem" }"#.to_owned(), "expired", name, Err(BadCertificate)),
        (r#"{ "ca": "stranger-ca.pem" }"#.to_owned(), "site", name, Err(BadCertificate)),
        // Without a name it is the address: 127.0.0.1.
        (r#"{ "ca": "ca.pem" }"#.to_owned(), "site", None, Ok(())),
        (r#"{ "ca": "ca.pem" }"#.to_owned(), "other", None, Err(BadCertificate)),
        (r#"{ "ca": "ca.pem", "sni": "other.example.com" }"#.to_owned(), "other", name, Ok(())),
        (r#"{ "ca": "ca.pem", "sni": "other.example.com" }"#.to_owned(), "site", name, Err(BadCertificate)),
        (r#"{ "ca": "ca.pem", "crl": "ca.crl" }"#.to_owned(), "site", name, Ok(())),
        // In place of the name.
        (r#"{ "ca": "ca.pem", "allow_san": "other.example.com" }"#.to_owned(), "other", name, Ok(())),
        (r#"{ "ca": "ca.pem", "allow_san": "other.example.com" }"#.to_owned(), "site", name, Err(BadCertificate)),
        (
            r#"{ "ca": "stranger-ca.pem", "allow_san": "other.example.com" }"#.to_owned(),
            "other",
            name,
            Err(BadCertificate),
        ),
        (r#"{ "ca": "ca.pem", "allow_san": "site.example.com" }"#.to_owned(), "expired", name, Err(BadCertificate)),
        // On top.
        (format!(r#"{{ "ca": "ca.pem", "sha256": "{site_pin}" }}"#), "site", name, Ok(())),
        (format!(r#"{{ "ca": "ca.pem", "sha256": "{other_pin}" }}"#), "site", name, Err(BadCertificate)),
        (format!(r#"{{ "ca": "ca.pem", "sha256": "{other_pin}" }}"#), "other", name, Err(BadCertificate)),
        (r#"{ "insecure_skip_verify": true }"#.to_owned(), "expired", Some("x"), Ok(())),
        (format!(r#"{{ "insecure_skip_verify": true, "sha256": "{site_pin}" }}"#), "site", Some("x"), Ok(())),
        (
            format!(r#"{{ "insecure_skip_verify": true, "sha256": "{other_pin}" }}"#),
            "site",
            Some("x"),
            Err(BadCertificate),
        ),
    ];
    for (json, server, host, expected) in cases {
        let client = context(&json);
        let session = shake(&client, &site(server), host);
        let validated = !json.contains("insecure");
        if let Ok(session) = &session {
            let peer = session.peer.as_ref().unwrap();
            assert_eq!((&peer.chain, peer.validated), (&certificates(server), validated), "{json}");
        }
        assert_eq!(session.map(drop), expected, "{json} {server} {host:?}");
    }
}

#[test]
fn names_for_hosts() {
    let name = |json: &str, host: Option<&str>, address: &str| {
        let name = context(json).server_name(host, &address.parse().unwrap());
        name.map(|name| name.to_str().into_owned())
    };
    let ca = r#"{ "ca": "ca.pem" }"#;
    assert_eq!(name(ca, Some("A.example.com"), "192.0.2.1:1").as_deref(), Some("a.example.com"));
    assert_eq!(name(ca, Some("192.0.2.2"), "192.0.2.1:1").as_deref(), Some("192.0.2.1"));
    assert_eq!(name(ca, None, "[::ffff:192.0.2.1]:1").as_deref(), Some("192.0.2.1"));
    assert_eq!(name(ca, None, "unix:/run/app.sock"), None);
    assert_eq!(
        name(r#"{ "ca": "ca.pem", "sni": "b.example.com" }"#, Some("a"), "unix:/x").as_deref(),
        Some("b.example.com")
    );
    assert!(name(r#"{ "ca": "ca.pem", "allow_san": "b.example.com" }"#, None, "unix:/x").is_some());
    assert!(name(r#"{ "insecure_skip_verify": true }"#, None, "unix:/x").is_some());
}

#[test]
fn a_host_can_have_our_certificate_if_it_asks() {
    let json = r#"{ "certificates": { "chain": "site.pem", "key": "site.key" }, "client_auth": { "mode": "require", "ca": "ca.pem", "allow_san": "spiffe://acme/web" } }"#;
    let server = ServerContext::load(&listener_tls(json)).unwrap();
    let own = context(r#"{ "ca": "ca.pem", "certificate": { "chain": "client.pem", "key": "client.key" } }"#);
    assert!(shake(&own, &server, Some("site.example.com")).is_ok());
    assert!(shake(&own, &site("site"), Some("site.example.com")).is_ok());
    assert!(own.certificate().is_some_and(|info| info.path.ends_with("client.pem")));
    let none = context(r#"{ "ca": "ca.pem" }"#);
    assert_eq!(shake(&none, &server, Some("site.example.com")), Err(HandshakeErrorKind::NoCertificate));
    let wrong = r#"{ "ca": "ca.pem", "certificate": { "chain": "client.pem", "key": "site.key" } }"#;
    assert!(
        ClientContext::load(&cluster_tls(wrong), &Arc::default()).err().unwrap().why.starts_with("is not the key of ")
    );
}

#[test]
fn sessions_are_resumed_but_not_those_of_another_cluster() {
    for range in [r#""max_version": "TLSv1.2""#, r#""min_version": "TLSv1.3""#] {
        let json = format!(r#"{{ "ca": "ca.pem", {range} }}"#);
        let (client, server) = (context(&json), site("site"));
        for resumed in [false, true, true, true] {
            let session = shake(&client, &server, Some("site.example.com")).unwrap();
            assert_eq!(session.resumed, resumed, "{range}");
            assert!(session.peer.is_some_and(|peer| peer.validated));
        }
        assert!(!shake(&client, &server, Some("x.wild.example.com")).unwrap().resumed);
        assert!(!shake(&context(&json), &server, Some("site.example.com")).unwrap().resumed);
    }
}

#[test]
fn versions_and_protocols() {
    for (version, range) in [(TlsVersion::V12, r#""max_version": "TLSv1.2""#), (TlsVersion::V13, r#""alpn": ["h2"]"#)] {
        let session = shake(&context(&format!(r#"{{ "ca": "ca.pem", {range} }}"#)), &site("site"), None).unwrap();
        assert_eq!(session.version, version);
        assert_eq!(session.alpn.as_deref(), Some(if version == TlsVersion::V12 { &b"http/1.1"[..] } else { b"h2" }));
        assert!(session.cipher.contains("AES_128_GCM"), "{}", session.cipher);
    }
    let old = context(r#"{ "ca": "ca.pem", "max_version": "TLSv1.2" }"#);
    let (left, right, _) = wire(1 << 20, None);
    let (mut connect, mut accept) = (
        old.connect(left, Some("site.example.com")),
        accept(right, BytesMut::new(), Arc::new(server_config(&[&TLS13]))),
    );
    let (client, server) = both(poll_fn(|cx| connect.poll(cx)), poll_fn(|cx| accept.poll(cx)));
    assert_eq!(client.map(drop).unwrap_err().kind, HandshakeErrorKind::Version);
    assert_eq!(server.map(drop).unwrap_err().kind, HandshakeErrorKind::Version);
}

#[test]
fn a_host_that_has_nothing_to_be_told_by_is_not_asked() {
    let (left, right, _) = wire(1 << 20, None);
    let mut connect = context(r#"{ "ca": "ca.pem" }"#).connect(left.at("unix:/run/app.sock"), None);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let result = connect.poll(&mut cx).map(|result| result.map(drop).map_err(|error| error.kind));
    assert_eq!(result, std::task::Poll::Ready(Err(HandshakeErrorKind::Other)));
    drop(right);
}
