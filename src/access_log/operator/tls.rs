//! What the TLS handshake with the client agreed on, and the certificates of both sides.

use std::time::{Duration, SystemTime};

use super::Value;
use crate::access_log::time::TimeFormat;
use crate::config::TlsVersion;
use crate::stream::StreamInfo;
use crate::tls::{CertificateInfo, Peer};

/// Names of operators are Envoy's, but `DOWNSTREAM_TLS_CIPHER` gives IANA's name of the cipher suite in TLS 1.2 too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Tls {
    /// By the handshake, or by the hello of a connection that is passed through.
    ServerName,
    Version,
    Cipher,
    PeerSubject,
    PeerIssuer,
    PeerSerial,
    /// SHA-256 in hexadecimal.
    PeerFingerprint,
    PeerUris,
    PeerDns,
    PeerEmails,
    PeerIps,
    PeerValidFrom(TimeFormat),
    PeerValidTo(TimeFormat),
    LocalSubject,
    LocalUris,
    LocalDns,
}

impl Tls {
    pub(super) fn parse(name: &str) -> Option<Tls> {
        Some(match name {
            "REQUESTED_SERVER_NAME" => Tls::ServerName,
            "DOWNSTREAM_TLS_VERSION" => Tls::Version,
            "DOWNSTREAM_TLS_CIPHER" => Tls::Cipher,
            "DOWNSTREAM_PEER_SUBJECT" => Tls::PeerSubject,
            "DOWNSTREAM_PEER_ISSUER" => Tls::PeerIssuer,
            "DOWNSTREAM_PEER_SERIAL" => Tls::PeerSerial,
            "DOWNSTREAM_PEER_FINGERPRINT_256" => Tls::PeerFingerprint,
            "DOWNSTREAM_PEER_URI_SAN" => Tls::PeerUris,
            "DOWNSTREAM_PEER_DNS_SAN" => Tls::PeerDns,
            "DOWNSTREAM_PEER_EMAIL_SAN" => Tls::PeerEmails,
            "DOWNSTREAM_PEER_IP_SAN" => Tls::PeerIps,
            "DOWNSTREAM_LOCAL_SUBJECT" => Tls::LocalSubject,
            "DOWNSTREAM_LOCAL_URI_SAN" => Tls::LocalUris,
            "DOWNSTREAM_LOCAL_DNS_SAN" => Tls::LocalDns,
            _ => return None,
        })
    }

    pub(super) fn value<'a>(&'a self, info: &'a StreamInfo) -> Value<'a> {
        let connection = &info.connection;
        if *self == Tls::ServerName {
            return connection.server_name.as_deref().map_or(Value::Absent, text);
        }
        let Some(session) = &connection.tls else { return Value::Absent };
        let peer = session.peer.as_ref().map(|peer| self.of_peer(peer));
        let local = session.local.as_deref().map(|local| self.of_local(local));
        match self {
            Tls::Version if session.version == TlsVersion::V12 => Value::Bytes(b"TLSv1.2"),
            Tls::Version => Value::Bytes(b"TLSv1.3"),
            Tls::Cipher => text(session.cipher),
            Tls::LocalSubject | Tls::LocalUris | Tls::LocalDns => local.unwrap_or(Value::Absent),
            _ => peer.unwrap_or(Value::Absent),
        }
    }

    fn of_peer<'a>(&'a self, peer: &'a Peer) -> Value<'a> {
        let certificate = peer.certificate();
        let time = |seconds: i64, format| {
            let since = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
            Value::Time(SystemTime::UNIX_EPOCH + since, format)
        };
        match self {
            Tls::PeerSubject => text(&certificate.subject),
            Tls::PeerIssuer => text(&certificate.issuer),
            Tls::PeerSerial => text(&certificate.serial),
            Tls::PeerFingerprint => Value::Hex(&peer.sha256),
            Tls::PeerUris => list(&certificate.uris),
            Tls::PeerDns => list(&certificate.dns),
            Tls::PeerEmails => list(&certificate.emails),
            Tls::PeerIps => list(&certificate.ips),
            Tls::PeerValidFrom(format) => certificate.validity.map_or(Value::Absent, |(from, _)| time(from, format)),
            Tls::PeerValidTo(format) => certificate.validity.map_or(Value::Absent, |(_, to)| time(to, format)),
            _ => Value::Absent,
        }
    }

    fn of_local<'a>(&'a self, local: &'a CertificateInfo) -> Value<'a> {
        match self {
            Tls::LocalSubject => text(&local.subject),
            Tls::LocalUris => list(&local.uris),
            Tls::LocalDns => list(&local.dns),
            _ => Value::Absent,
        }
    }
}

fn text(text: &str) -> Value<'_> {
    if text.is_empty() { Value::Absent } else { Value::Bytes(text.as_bytes()) }
}

fn list(list: &[String]) -> Value<'_> {
    if list.is_empty() { Value::Absent } else { Value::List(list) }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::sync::Arc;

    use super::*;
    use crate::access_log::{Format, testing};
    use crate::stream::info::ConnectionInfo;
    use crate::tls::Session;

    fn render(format: &str, session: Option<Session>) -> String {
        let mut info = testing::stream();
        info.connection = Rc::new(ConnectionInfo {
            server_name: session.as_ref().map(|_| "site.example.com".into()),
            tls: session.map(Rc::new),
            ..ConnectionInfo::between("10.0.0.1:5000", "10.0.0.2:443")
        });
        let mut out = Vec::new();
        Format::parse(format).unwrap().render(&info, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn session() -> Session {
        let der = include_bytes!("../../../testdata/x509/client.der");
        let local = CertificateInfo {
            subject: "CN=site".to_owned(),
            dns: vec!["a.example".to_owned(), "b.example".to_owned()],
            ..CertificateInfo::default()
        };
        Session {
            version: TlsVersion::V12,
            cipher: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            alpn: None,
            sni: None,
            peer: Peer::new(&[der.to_vec().into()], true),
            local: Some(Arc::new(local)),
            resumed: false,
        }
    }

    const ALL: [(&str, &str); 16] = [
        ("REQUESTED_SERVER_NAME", "site.example.com"),
        ("DOWNSTREAM_TLS_VERSION", "TLSv1.2"),
        ("DOWNSTREAM_TLS_CIPHER", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
        ("DOWNSTREAM_PEER_SUBJECT", "CN=client,OU=x,O=y"),
        ("DOWNSTREAM_PEER_ISSUER", "CN=CA,O=Nuncio\\x5C, tests"),
        ("DOWNSTREAM_PEER_SERIAL", "06"),
        ("DOWNSTREAM_PEER_URI_SAN", "spiffe://example/client"),
        ("DOWNSTREAM_PEER_DNS_SAN", "-"),
        ("DOWNSTREAM_PEER_EMAIL_SAN", "-"),
        ("DOWNSTREAM_PEER_IP_SAN", "-"),
        ("DOWNSTREAM_PEER_CERT_V_START", "2026-11-26T15:51:51.000Z"),
        ("DOWNSTREAM_PEER_CERT_V_START(%s)", "1795708311"),
        ("DOWNSTREAM_PEER_CERT_V_END(%F)", "2036-11-23"),
        ("DOWNSTREAM_LOCAL_SUBJECT", "CN=site"),
        ("DOWNSTREAM_LOCAL_URI_SAN", "-"),
        ("DOWNSTREAM_LOCAL_DNS_SAN", "a.example,b.example"),
    ];

    #[test]
    fn values() {
        for (operator, expected) in ALL {
            assert_eq!(render(&format!("%{operator}%"), Some(session())), expected, "{operator}");
        }
        let hex = render("%DOWNSTREAM_PEER_FINGERPRINT_256%", Some(session()));
        assert!(hex.len() == 64 && hex.bytes().all(|byte| b"0123456789abcdef".contains(&byte)), "{hex}");
    }

    #[test]
    fn nothing_on_plain_text_or_without_a_certificate() {
        let anonymous = Session { peer: None, local: None, ..session() };
        for (operator, _) in ALL {
            assert_eq!(render(&format!("%{operator}%"), None), "-", "{operator}");
            if operator.contains("PEER") || operator.contains("LOCAL") {
                assert_eq!(render(&format!("%{operator}%"), Some(anonymous.clone())), "-", "{operator}");
            }
        }
    }
}
