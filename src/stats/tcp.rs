//! `tcp.<prefix>.`: connections of one chain that carries bytes.

use super::scope::scope;

scope! {
    /// One chain of `"protocol": "tcp"`.
    pub struct TcpStats {
        downstream_cx_total: Counter,
        downstream_cx_active: Gauge,
        downstream_cx_no_route: Counter,
        /// A filter did not let it through.
        downstream_cx_refused: Counter,
        downstream_cx_rx_bytes_total: Counter,
        downstream_cx_tx_bytes_total: Counter,
        downstream_cx_length_ms: Histogram,
        /// Reads that waited because the other side was slower.
        downstream_flow_control_paused_reading_total: Counter,
        upstream_flow_control_paused_reading_total: Counter,
        idle_timeout: Counter,
        max_downstream_connection_duration: Counter,
    }
}
