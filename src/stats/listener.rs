//! `listener.<address>.`: connections as the listener sees them.

use super::scope::scope;

scope! {
    /// One listener.
    pub struct ListenerStats {
        downstream_cx_total: Counter,
        downstream_cx_active: Gauge,
        downstream_cx_destroy: Counter,
        /// Refused because of the listener's or the process's limit of connections.
        downstream_cx_overflow: Counter,
        downstream_cx_length_ms: Histogram,
        downstream_global_cx_overflow: Counter,
        /// `accept` failed for want of descriptors or memory.
        accept_error: Counter,
        /// Closed: no chain matches them.
        no_filter_chain_match: Counter,
        /// No PROXY header or TLS hello within `detect_timeout`.
        downstream_pre_cx_timeout: Counter,
        /// Open, and their chain is not known yet.
        downstream_pre_cx_active: Gauge,
        /// A PROXY header that is none, or none where one has to be.
        proxy_protocol_error: Counter = "proxy_proto.error",
        /// A TLS hello that is none.
        client_hello_error: Counter = "tls_inspector.client_hello_error",
    }
}
