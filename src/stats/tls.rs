//! `listener.<address>.ssl.`, `cluster.<name>.ssl.`: handshakes.

use super::scope::scope;

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
