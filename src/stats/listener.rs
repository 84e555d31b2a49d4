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
    }
}
