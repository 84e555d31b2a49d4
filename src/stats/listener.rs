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
        downstream_cx_overload_reject: Counter,
        downstream_cx_length_ms: Histogram,
        /// Closed while the listener still looked at the first bytes.
        downstream_pre_cx_timeout: Counter,
        downstream_pre_cx_active: Gauge,
        downstream_listener_filter_error: Counter,
        downstream_listener_filter_remote_close: Counter,
        downstream_global_cx_overflow: Counter,
        /// `accept` failed for want of descriptors or memory.
        accept_error: Counter,
        no_filter_chain_match: Counter,
    }
}
