//! [`Session`]: what a handshake agreed on, for routes, headers and logs.

use std::cell::{OnceCell, RefCell};
use std::sync::Arc;

use ring::digest;
use rustls::pki_types::CertificateDer;
use rustls::{CipherSuite, CommonState, HandshakeKind, ProtocolVersion};

use super::certificate_info::CertificateInfo;
use super::peer_certificate::PeerCertificate;
use crate::config::{Pin, TlsVersion};

/// An established session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub version: TlsVersion,
    /// IANA's name.
    pub cipher: &'static str,
    /// The protocol of the application.
    pub alpn: Option<Vec<u8>>,
    /// The name asked for, in lower case and without a dot at its end.
    pub sni: Option<String>,
    pub peer: Option<Peer>,
    /// What of us the client was shown, or would have been had it not resumed a session. None with a host.
    pub local: Option<Arc<CertificateInfo>>,
    /// Keys and peer are those of an earlier session.
    pub resumed: bool,
}

/// The certificate of the other side, whether shown now or in the session that was resumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// DER, as it was sent: the peer's own first. Not empty.
    pub chain: Vec<CertificateDer<'static>>,
    /// SHA-256 of the first.
    pub sha256: Pin,
    /// It leads to an authority that the configuration names. If not, a pin let it in, or nothing was checked.
    pub validated: bool,
    /// Read when it is first asked for.
    certificate: OnceCell<Box<PeerCertificate>>,
}

impl Session {
    /// Of a connection whose handshake is done.
    pub(super) fn new(common: &CommonState, hello: Hello) -> Session {
        Session {
            version: match common.protocol_version() {
                Some(ProtocolVersion::TLSv1_2) => TlsVersion::V12,
                _ => TlsVersion::V13,
            },
            cipher: common.negotiated_cipher_suite().map_or("", |suite| cipher_name(suite.suite())),
            alpn: common.alpn_protocol().map(<[u8]>::to_vec),
            sni: hello.sni,
            peer: common.peer_certificates().and_then(|chain| Peer::new(chain, hello.validates)),
            local: hello.local,
            resumed: common.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }
}

impl Peer {
    pub(crate) fn new(chain: &[CertificateDer<'static>], validated: bool) -> Option<Peer> {
        let sha256 = sha256(chain.first()?);
        Some(Peer { chain: chain.to_vec(), sha256, validated, certificate: OnceCell::new() })
    }

    /// What its own certificate says.
    pub fn certificate(&self) -> &PeerCertificate {
        self.certificate
            .get_or_init(|| Box::new(self.chain.first().map(|own| PeerCertificate::of(own)).unwrap_or_default()))
    }
}

pub(super) fn sha256(bytes: &[u8]) -> Pin {
    let mut pin = [0; 32];
    pin.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    pin
}

/// The suites that rustls has with ring.
fn cipher_name(suite: CipherSuite) -> &'static str {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        suite => suite.as_str().unwrap_or(""),
    }
}

/// What a ClientHello said, and what the configuration that it met makes of client certificates. rustls tells this to
/// the one who picks a certificate and not to the one who holds the connection; both run within one step of
/// the handshake, on one thread. It holds for resumed sessions too, where no certificate is verified: tickets are sealed
/// with keys of their own for each policy (row TLS-4).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Hello {
    pub(super) sni: Option<String>,
    /// Certificates of the other side lead to an authority.
    pub(super) validates: bool,
    /// The certificate that was picked.
    pub(super) local: Option<Arc<CertificateInfo>>,
}

thread_local! {
    static HELLO: RefCell<Option<Hello>> = const { RefCell::new(None) };
}

impl Hello {
    pub(super) fn note(self) {
        HELLO.set(Some(self));
    }

    /// What was noted since the last call.
    pub(super) fn take() -> Option<Hello> {
        HELLO.take()
    }
}
