use std::os::unix::fs::PermissionsExt;
use std::rc::Rc;
use std::sync::Mutex;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, ClientConfig, DigitallySignedStruct, Error, SignatureScheme, SupportedProtocolVersion};

use super::*;
use crate::runtime::Transport as _;
use crate::tls::testing::{Directory, certificates, client_config, handshake, listener_tls, settle};
use crate::tls::{HandshakeErrorKind, Session, Transport};

const SITE: &str = r#"{ "chain": "site.pem", "key": "site.key" }"#;
const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

fn context(json: &str) -> ServerContext {
    ServerContext::load(&listener_tls(json)).unwrap()
}

fn with_site(more: &str) -> String {
    format!(r#"{{ "certificates": {SITE} {more} }}"#)
}

/// Both sessions, and nothing left over.
fn sessions(client: &Arc<ClientConfig>, server: &ServerContext, name: &str) -> (Rc<Session>, Rc<Session>) {
    let (client, server, _) = handshake(client.clone(), server.config().clone(), name);
    let ((mut client, client_session), (mut server, server_session)) = (client.unwrap(), server.unwrap());
    settle(&mut client, &mut server);
    (client_session, server_session)
}

#[test]
fn the_name_chooses_and_the_first_is_for_all_others() {
    let json = format!(
        r#"{{ "certificates": [{SITE}, {{ "chain": "other.pem", "key": "other.key" }}, {{ "chain": "site-rsa.pem", "key": "site-rsa.key" }}] }}"#
    );
    let server = context(&json);
    let mut ecdsa = client_config(&VERSIONS, None);
    // The name may be one that no certificate has.
    ecdsa.dangerous().set_certificate_verifier(Arc::new(Lenient::default()));
    let mut rsa = provider().as_ref().clone();
    rsa.cipher_suites.retain(|suite| suite.suite() == CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256);
    let rsa = ClientConfig::builder_with_provider(Arc::new(rsa)).with_protocol_versions(&[&TLS12]).unwrap();
    let rsa = rsa.dangerous().with_custom_certificate_verifier(Arc::new(Lenient::default())).with_no_client_auth();
    let (ecdsa, rsa) = (Arc::new(ecdsa), Arc::new(rsa));
    for (client, name, expected) in [
        (&ecdsa, "site.example.com", "site"),
        (&ecdsa, "SITE.example.com", "site"),
        (&ecdsa, "other.example.com", "other"),
        (&ecdsa, "a.wild.example.com", "site"),
        (&ecdsa, "b.a.wild.example.com", "site"),
        (&ecdsa, "unknown.example.com", "site"),
        (&ecdsa, "127.0.0.1", "site"),
        (&rsa, "site.example.com", "site-rsa"),
        (&rsa, "a.wild.example.com", "site-rsa"),
        (&rsa, "unknown.example.com", "site-rsa"),
    ] {
        let (client, server) = sessions(client, &server, name);
        let chain = &client.peer.as_ref().unwrap().chain;
        assert_eq!(*chain, certificates(expected), "{name}");
        let sni = name.to_ascii_lowercase();
        assert_eq!(server.sni.as_deref(), Some(&*sni).filter(|name| !name.starts_with('1')));
    }
    // There is no RSA key for this name, and the default is not asked.
    let (client, server, _) = handshake(rsa, server.config().clone(), "other.example.com");
    assert_eq!(server.map(drop).unwrap_err().kind, HandshakeErrorKind::Mismatch);
    assert_eq!(client.map(drop).unwrap_err().kind, HandshakeErrorKind::Mismatch);
}

#[test]
fn what_is_known_of_certificates() {
    let server = context(&with_site(""));
    let [info] = server.certificates() else { panic!() };
    assert!(info.path.ends_with("testdata/tls/site.pem"), "{}", info.path);
    assert_eq!(info.names, ["site.example.com", "*.wild.example.com", "127.0.0.1"]);
    assert!(info.subject.contains("CN=site"), "{}", info.subject);
    assert!(info.not_after - info.not_before > 10 * 365 * 86_400);
    assert!(info.serial.len() >= 2);
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let directory = Directory::new("files", &["site.pem", "site.key", "client.key", "site.ocsp", "ca.pem", "ca.crl"]);
    let write = |name: &str, text: &str| std::fs::write(directory.0.join(name), text).unwrap();
    write("empty", "");
    write("broken", "-----BEGIN CERTIFICATE-----\nMIIB\n");
    write("garbage", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    write("encrypted", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
    write("odd", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    let pair = |chain: &str, key: &str| format!(r#""certificates": {{ "chain": "{chain}", "key": "{key}" }}"#);
    let good = pair("site.pem", "site.key");
    let auth = |text: &str| format!(r#"{good}, "client_auth": {{ "mode": "require", {text} }}"#);
    let cases = [
        (pair("none", "site.key"), "none: cannot be read: "),
        (pair("site.pem", "none"), "none: cannot be read: "),
        (pair("empty", "site.key"), "empty: has no certificate in PEM"),
        (pair("site.key", "site.key"), "site.key: has no certificate in PEM"),
        (pair("broken", "site.key"), "broken: is not PEM: "),
        (pair("garbage", "site.key"), "garbage: the certificate cannot be read: "),
        (pair("site.pem", "site.pem"), "site.pem: has no key in PEM"),
        (pair("site.pem", "encrypted"), "encrypted: is encrypted"),
        (pair("site.pem", "odd"), "odd: is not a key that works here"),
        (pair("site.pem", "client.key"), "client.key: is not the key of the certificate in "),
        (pair("site.pem", "credential:nuncio-none"), "credential:nuncio-none: "),
        (
            r#""certificates": { "chain": "site.pem", "key": "site.key", "ocsp": "site.pem" }"#.to_owned(),
            "site.pem: is no OCSP response",
        ),
        (auth(r#""ca": "site.key""#), "site.key: has no certificate in PEM"),
        (auth(r#""ca": "garbage""#), "garbage: certificate 1 is no authority: "),
        (auth(r#""ca": "ca.pem", "crl": "ca.pem""#), "ca.pem: has no revocation list in PEM"),
        (format!(r#"{good}, "key_log": "none/keys""#), "none/keys: cannot be written: "),
    ];
    for (json, expected) in cases {
        // As from a file in that directory.
        let text = format!(r#"{{ "listeners": [{{ "address": "127.0.0.1:1", "tls": {{ {json} }} }}] }}"#);
        let (config, _) = crate::config::parse(&text, &directory.0, "test").unwrap();
        let error =
            ServerContext::load(config.listeners[0].chains[0].service.tls.as_ref().unwrap()).err().unwrap().to_string();
        let said = error.rsplit(&format!("{}/", directory.0.display())).find(|part| part.starts_with(expected));
        assert!(said.is_some() || error.contains(expected), "{error}: {expected}");
    }
}

#[test]
fn a_key_that_everybody_can_read_is_a_warning() {
    let directory = Directory::new("warning", &["site.pem", "site.key"]);
    let config = listener_tls(&format!(
        r#"{{ "certificates": {{ "chain": "{0}/site.pem", "key": "{0}/site.key" }} }}"#,
        directory.0.display()
    ));
    for (mode, warnings) in [(0o600, 0), (0o640, 0), (0o644, 1)] {
        std::fs::set_permissions(directory.0.join("site.key"), std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(ServerContext::load(&config).unwrap().warnings().len(), warnings, "{mode:o}");
    }
}

#[test]
fn a_rotation_takes_the_new_files_or_keeps_all_old_ones() {
    let directory = Directory::new("rotation", &["site.pem", "site.key"]);
    let config = listener_tls(&format!(
        r#"{{ "certificates": {{ "chain": "{0}/site.pem", "key": "{0}/site.key" }} }}"#,
        directory.0.display()
    ));
    let first = ServerContext::load(&config).unwrap();
    let client = Arc::new(client_config(&[&TLS13], None));
    assert!(!sessions(&client, &first, "site.example.com").1.resumed);

    directory.copy("renewed.pem", "site.pem");
    assert!(first.reload(&config).is_err(), "the key is still the old one");
    directory.copy("renewed.key", "site.key");
    let second = first.reload(&config).unwrap();
    let shown = |server: &ServerContext| {
        let fresh = Arc::new(client_config(&[&TLS13], None));
        sessions(&fresh, server, "site.example.com").0.peer.clone().unwrap().chain
    };
    assert_eq!(shown(&second), certificates("renewed"));
    assert_eq!(shown(&first), certificates("site"), "whoever still holds it");
    assert!(sessions(&client, &second, "site.example.com").1.resumed, "sessions outlive the rotation");

    directory.copy("expired.pem", "site.pem");
    directory.copy("expired.key", "site.key");
    assert!(second.reload(&config).err().unwrap().to_string().ends_with("the certificate has expired"));
    let expired = ServerContext::load(&config).unwrap();
    let expiries = |server: &ServerContext| server.warnings().iter().filter(|text| text.ends_with("expired")).count();
    assert_eq!(expiries(&expired), 1, "at the start there is nothing better");
    assert!(expired.reload(&config).is_ok(), "nor later");
}

#[test]
fn a_resumed_session_knows_name_and_certificate() {
    for version in VERSIONS {
        let ca = context(&with_site(r#", "client_auth": { "mode": "require", "ca": "ca.pem" }"#));
        let client = Arc::new(client_config(&[version], Some("client")));
        for resumed in [false, true, true] {
            let (ours, theirs) = sessions(&client, &ca, "site.example.com");
            assert_eq!((ours.resumed, theirs.resumed), (resumed, resumed), "{version:?}");
            assert_eq!(theirs.sni.as_deref(), Some("site.example.com"));
            let peer = theirs.peer.as_ref().unwrap();
            assert_eq!((&peer.chain, peer.validated), (&certificates("client"), true));
            assert_eq!(peer.sha256, crate::tls::session::sha256(&certificates("client")[0]));
            assert_eq!(ours.peer.as_ref().unwrap().chain, certificates("site"));
        }
        // Another name, another session (row T-6).
        let (_, theirs) = sessions(&client, &ca, "a.wild.example.com");
        assert!(!theirs.resumed);
    }
}

#[test]
fn a_session_does_not_outlive_the_policy_that_it_began_with() {
    let directory = Directory::new("policy", &["ca.pem"]);
    let ca = directory.0.join("ca.pem").display().to_string();
    let auth = |text: &str| with_site(&format!(r#", "client_auth": {{ {text} }}"#));
    let optional = listener_tls(&auth(&format!(r#""mode": "optional", "ca": "{ca}""#)));
    for version in VERSIONS {
        directory.copy("ca.pem", "ca.pem");
        let first = ServerContext::load(&optional).unwrap();
        let client = Arc::new(client_config(&[version], None));
        let resumed = |server: &ServerContext| {
            let (_, server, _) = handshake(client.clone(), server.config().clone(), "site.example.com");
            server.map(|(_, session)| session.resumed).map_err(|error| error.kind)
        };
        sessions(&client, &first, "site.example.com");
        assert_eq!(resumed(&first.reload(&optional).unwrap()), Ok(true));
        let stricter = listener_tls(&auth(&format!(r#""mode": "require", "ca": "{ca}""#)));
        assert_eq!(resumed(&first.reload(&stricter).unwrap()), Err(HandshakeErrorKind::NoCertificate));
        assert_eq!(resumed(&ServerContext::load(&optional).unwrap()), Ok(false), "another listener");
        sessions(&client, &first, "site.example.com");
        directory.copy("stranger-ca.pem", "ca.pem");
        assert_eq!(resumed(&first.reload(&optional).unwrap()), Ok(false), "other authorities in the same file");
    }
}

#[test]
fn tickets_can_be_off() {
    for version in VERSIONS {
        let server = context(&with_site(r#", "session_tickets": false"#));
        let client = Arc::new(client_config(&[version], None));
        for _ in 0..2 {
            assert!(!sessions(&client, &server, "site.example.com").1.resumed);
        }
    }
}

#[test]
fn versions_and_protocols_are_those_of_the_configuration() {
    use crate::config::TlsVersion::{V12, V13};
    for (range, version) in [
        (r#""max_version": "TLSv1.2""#, V12),
        (r#""min_version": "TLSv1.3""#, V13),
        (r#""min_version": "TLSv1.2""#, V13),
    ] {
        let server = context(&with_site(&format!(", {range}")));
        let mut client = client_config(&VERSIONS, None);
        client.alpn_protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];
        let (ours, theirs) = sessions(&Arc::new(client), &server, "site.example.com");
        assert_eq!((ours.version, theirs.version), (version, version));
        assert_eq!(theirs.alpn.as_deref(), Some(&b"h2"[..]), "the server's order");
        assert_eq!(ours.alpn, theirs.alpn);
    }
}

/// What a server makes of a client's certificate, in either version: `Ok` is whether it has one that is validated.
fn judged(auth: &str, own: Option<&str>) -> Result<Option<bool>, HandshakeErrorKind> {
    let server = context(&with_site(&format!(r#", "client_auth": {{ {auth} }}"#)));
    let [first, second] = VERSIONS.map(|version| {
        let client = Arc::new(client_config(&[version], own));
        let (_, server, _) = handshake(client, server.config().clone(), "site.example.com");
        match server {
            Ok((_, session)) => Ok(session.peer.as_ref().map(|peer| peer.validated)),
            Err(error) => Err(error.kind),
        }
    });
    assert_eq!(first, second, "{auth} {own:?}");
    first
}

#[test]
fn certificates_of_clients() {
    use HandshakeErrorKind::{BadCertificate, NoCertificate};
    let hex = |name: &str| {
        let pin = crate::tls::session::sha256(&certificates(name)[0]);
        pin.map(|byte| format!("{byte:02x}")).join(":")
    };
    let spki = |name: &str| {
        let der = certificates(name).remove(0);
        let pin = crate::tls::session::sha256(nuncio_x509::parse(&der).unwrap().spki());
        let (mut encoder, mut text) = (crate::grpc::base64::Encoder::default(), Vec::new());
        encoder.encode(&pin, &mut text);
        encoder.pad(&mut text);
        String::from_utf8(text).unwrap()
    };
    let (client_hex, client_spki, stranger_hex) = (hex("client"), spki("client"), hex("stranger"));
    let ca = |more: &str| format!(r#""mode": "require", "ca": "ca.pem" {more}"#);
    let san = |san: &str| ca(&format!(r#", "allow_san": {san}"#));
    let good = Ok(Some(true));
    type Case<'a> = (String, Option<&'a str>, Result<Option<bool>, HandshakeErrorKind>);
    let cases: Vec<Case> = vec![
        (r#""mode": "off""#.to_owned(), Some("stranger"), Ok(None)),
        (ca(""), Some("client"), good),
        (ca(""), None, Err(NoCertificate)),
        (ca(""), Some("stranger"), Err(BadCertificate)),
        (ca(""), Some("site"), Err(BadCertificate)),
        (r#""mode": "optional", "ca": "ca.pem""#.to_owned(), None, Ok(None)),
        (r#""mode": "optional", "ca": "ca.pem""#.to_owned(), Some("client"), good),
        (r#""mode": "optional", "ca": "ca.pem""#.to_owned(), Some("stranger"), Err(BadCertificate)),
        (ca(""), Some("revoked"), good),
        (ca(r#", "crl": "ca.crl""#), Some("revoked"), Err(BadCertificate)),
        (ca(r#", "crl": "ca.crl""#), Some("client"), good),
        // Pins: either kind is enough; with authorities they come on top, without they decide alone.
        (format!(r#""mode": "require", "sha256": "{client_hex}""#), Some("client"), Ok(Some(false))),
        (format!(r#""mode": "require", "sha256": "{client_hex}""#), Some("stranger"), Err(BadCertificate)),
        (format!(r#""mode": "require", "sha256": "{stranger_hex}""#), Some("stranger"), Ok(Some(false))),
        (format!(r#""mode": "require", "spki": "{client_spki}""#), Some("client"), Ok(Some(false))),
        (
            format!(r#""mode": "require", "spki": "{client_spki}", "sha256": "{stranger_hex}""#),
            Some("client"),
            Ok(Some(false)),
        ),
        (
            format!(r#""mode": "require", "spki": "{client_spki}", "sha256": "{stranger_hex}""#),
            Some("stranger"),
            Ok(Some(false)),
        ),
        (format!(r#""mode": "require", "spki": "{client_spki}""#), Some("revoked"), Err(BadCertificate)),
        (ca(&format!(r#", "sha256": "{client_hex}""#)), Some("client"), good),
        (ca(&format!(r#", "sha256": "{client_hex}""#)), Some("revoked"), Err(BadCertificate)),
        (ca(&format!(r#", "sha256": "{stranger_hex}""#)), Some("stranger"), Err(BadCertificate)),
        // Names.
        (san(r#""client.example.com""#), Some("client"), good),
        (san(r#""*.example.com""#), Some("client"), good),
        (san(r#""one.many.example.com""#), Some("client"), good),
        (san(r#""spiffe://acme/web""#), Some("client"), good),
        (san(r#""a@example.com""#), Some("client"), good),
        (san(r#""192.0.2.1""#), Some("client"), good),
        (san(r#""2001:db8::1""#), Some("client"), good),
        (san(r#"{ "prefix": "spiffe://acme/" }"#), Some("client"), good),
        (san(r#"{ "regex": "192\\.0\\.2\\.[0-9]" }"#), Some("client"), good),
        (san(r#"["x.example.com", "spiffe://acme/web"]"#), Some("client"), good),
        (san(r#""example.com""#), Some("client"), Err(BadCertificate)),
        (san(r#""spiffe://acme/we""#), Some("client"), Err(BadCertificate)),
        (san(r#""b@example.com""#), Some("client"), Err(BadCertificate)),
        (san(r#"{ "exact": "acme" }"#), Some("client"), Err(BadCertificate)),
        (san(r#""spiffe://acme/web""#), Some("revoked"), Err(BadCertificate)),
        (san(r#""spiffe://acme/web""#), Some("stranger"), Err(BadCertificate)),
        // A pin and a name.
        (
            ca(&format!(r#", "sha256": "{client_hex}", "allow_san": "x.example.com""#)),
            Some("client"),
            Err(BadCertificate),
        ),
        (ca(&format!(r#", "sha256": "{client_hex}", "allow_san": "client.example.com""#)), Some("client"), good),
        (
            ca(&format!(r#", "sha256": "{stranger_hex}", "allow_san": "client.example.com""#)),
            Some("client"),
            Err(BadCertificate),
        ),
    ];
    for (auth, own, expected) in cases {
        assert_eq!(judged(&auth, own), expected, "{auth} {own:?}");
    }
}

#[test]
fn a_refused_client_is_told_why() {
    let server = context(&with_site(r#", "client_auth": { "mode": "require", "ca": "ca.pem" }"#));
    for (own, kind) in
        [(None, HandshakeErrorKind::NoCertificate), (Some("stranger"), HandshakeErrorKind::BadCertificate)]
    {
        // In TLS 1.3 the client believes to be done before the server has looked.
        let client = Arc::new(client_config(&[&TLS13], own));
        let (client, refused, _) = handshake(client, server.config().clone(), "site.example.com");
        assert_eq!(refused.map(drop).unwrap_err().kind, kind);
        let mut buf = bytes::BytesMut::with_capacity(10);
        let (mut client, _): (Transport, _) = client.unwrap();
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        match client.poll_read(&mut cx, &mut buf, 10) {
            std::task::Poll::Ready(Err(error)) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn secrets_are_logged_only_for_the_owner() {
    let directory = Directory::new("keys", &[]);
    let file = directory.0.join("keys.log");
    let server = context(&with_site(&format!(r#", "key_log": "{}""#, file.display())));
    for version in VERSIONS {
        sessions(&Arc::new(client_config(&[version], None)), &server, "site.example.com");
    }
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let log = std::fs::read_to_string(&file).unwrap();
    for label in ["CLIENT_RANDOM ", "CLIENT_TRAFFIC_SECRET_0 ", "SERVER_TRAFFIC_SECRET_0 "] {
        assert_eq!(log.lines().filter(|line| line.starts_with(label)).count(), 1, "{label}");
    }
    assert!(log.lines().all(|line| line.split(' ').count() == 3));
}

#[test]
fn an_ocsp_response_is_stapled() {
    let server = context(r#"{ "certificates": { "chain": "site.pem", "key": "site.key", "ocsp": "site.ocsp" } }"#);
    for version in VERSIONS {
        let verifier = Arc::new(Lenient::default());
        let mut client = client_config(&[version], None);
        client.dangerous().set_certificate_verifier(verifier.clone());
        sessions(&Arc::new(client), &server, "site.example.com");
        assert_eq!(*verifier.stapled.lock().unwrap(), std::fs::read(crate::tls::testing::path("site.ocsp")).unwrap());
    }
}

/// Takes every certificate and remembers what was stapled to it.
#[derive(Debug, Default)]
struct Lenient {
    stapled: Mutex<Vec<u8>>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        ocsp_response: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        *self.stapled.lock().unwrap() = ocsp_response.to_vec();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
