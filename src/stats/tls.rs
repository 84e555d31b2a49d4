//! `listener.<address>.ssl.`, `cluster.<name>.ssl.`: handshakes.

use super::scope::scope;
use crate::config::TlsVersion;
use crate::tls::{HandshakeErrorKind, Session};

scope! {
    /// Handshakes with the clients of a listener, or the hosts of a cluster.
    pub struct TlsStats {
        handshake: Counter,
        /// Handshakes on their way.
        handshake_active: Gauge,
        /// Those of an earlier session.
        session_reused: Counter,
        /// Done, and the client showed no certificate.
        no_certificate: Counter,
        /// A certificate did not stand the check.
        fail_verify_error: Counter,
        fail_verify_no_cert: Counter,
        /// Any other failure.
        connection_error: Counter,
        handshake_timeout: Counter,
        version_tls_1_2: Counter = "versions.TLSv1.2",
        version_tls_1_3: Counter = "versions.TLSv1.3",
    }
}

scope! {
    /// `listener.<address>.ssl.certificate.<chain>.`
    pub struct CertificateStats {
        /// Of the certificate that expires first; seconds since 1970.
        expiration_unix_time_seconds: Gauge,
    }
}

impl TlsStats {
    /// A handshake that is done.
    pub fn done(&self, session: &Session) {
        self.handshake.inc();
        if session.resumed {
            self.session_reused.inc();
        }
        if session.peer.is_none() {
            self.no_certificate.inc();
        }
        match session.version {
            TlsVersion::V12 => self.version_tls_1_2.inc(),
            TlsVersion::V13 => self.version_tls_1_3.inc(),
        }
    }

    /// One that is not.
    pub fn failed(&self, kind: HandshakeErrorKind) {
        match kind {
            HandshakeErrorKind::NoCertificate => self.fail_verify_no_cert.inc(),
            HandshakeErrorKind::BadCertificate => self.fail_verify_error.inc(),
            _ => self.connection_error.inc(),
        }
    }
}
