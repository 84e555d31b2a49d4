//! `http.<prefix>.`: connections and requests of one HTTP listener, and what its codecs refuse.

use super::scope::scope;

scope! {
    /// One HTTP listener.
    pub struct HttpStats {
        downstream_cx_total: Counter,
        downstream_cx_active: Gauge,
        downstream_cx_http1_total: Counter,
        downstream_cx_http1_active: Gauge,
        downstream_cx_http2_total: Counter,
        downstream_cx_http2_active: Gauge,
        /// Those over TLS.
        downstream_cx_ssl_total: Counter,
        downstream_cx_ssl_active: Gauge,
        downstream_cx_destroy: Counter,
        downstream_cx_destroy_local: Counter,
        downstream_cx_destroy_remote: Counter,
        downstream_cx_destroy_active_rq: Counter,
        downstream_cx_destroy_local_active_rq: Counter,
        downstream_cx_destroy_remote_active_rq: Counter,
        downstream_cx_idle_timeout: Counter,
        downstream_cx_max_duration_reached: Counter,
        downstream_cx_max_requests_reached: Counter,
        downstream_cx_protocol_error: Counter,
        downstream_cx_drain_close: Counter,
        downstream_cx_delayed_close_timeout: Counter,
        downstream_cx_rx_bytes_total: Counter,
        downstream_cx_tx_bytes_total: Counter,
        downstream_cx_length_ms: Histogram,
        downstream_cx_upgrades_total: Counter,
        downstream_cx_upgrades_active: Gauge,
        downstream_rq_total: Counter,
        downstream_rq_http1_total: Counter,
        downstream_rq_http2_total: Counter,
        downstream_rq_active: Gauge,
        downstream_rq_completed: Counter,
        downstream_rq_1xx: Counter,
        downstream_rq_2xx: Counter,
        downstream_rq_3xx: Counter,
        downstream_rq_4xx: Counter,
        downstream_rq_5xx: Counter,
        downstream_rq_time: Histogram,
        downstream_rq_timeout: Counter,
        downstream_rq_header_timeout: Counter,
        downstream_rq_idle_timeout: Counter,
        downstream_rq_max_duration_reached: Counter,
        downstream_rq_response_before_rq_complete: Counter,
        downstream_rq_rx_reset: Counter,
        downstream_rq_tx_reset: Counter,
        downstream_rq_ws_on_non_ws_route: Counter,
        downstream_rq_failed_path_normalization: Counter,
        no_route: Counter,
        rq_redirect: Counter,
        rq_direct_response: Counter,
        rq_total: Counter,
        rq_reset_after_downstream_response_started: Counter,
        http1_requests_rejected_with_underscores_in_headers: Counter = "http1.requests_rejected_with_underscores_in_headers",
    }
}

impl HttpStats {
    /// Counts the final response to a client by its class; `downstream_rq_completed` is counted by the caller.
    #[inline]
    pub fn response(&self, status: u16) {
        match status / 100 {
            1 => self.downstream_rq_1xx.inc(),
            2 => self.downstream_rq_2xx.inc(),
            3 => self.downstream_rq_3xx.inc(),
            4 => self.downstream_rq_4xx.inc(),
            5 => self.downstream_rq_5xx.inc(),
            _ => {}
        }
    }
}
