//! `cluster.<name>.`: connections and requests to one cluster.

use super::scope::scope;

scope! {
    /// One cluster.
    pub struct ClusterStats {
        upstream_cx_total: Counter,
        upstream_cx_active: Gauge,
        upstream_cx_http1_total: Counter,
        upstream_cx_http2_total: Counter,
        upstream_cx_connect_fail: Counter,
        upstream_cx_connect_timeout: Counter,
        /// As many hosts refused a proxied connection as may be tried.
        upstream_cx_connect_attempts_exceeded: Counter,
        upstream_cx_overflow: Counter,
        upstream_cx_connect_ms: Histogram,
        upstream_cx_length_ms: Histogram,
        upstream_cx_destroy: Counter,
        upstream_cx_destroy_local: Counter,
        upstream_cx_destroy_remote: Counter,
        upstream_cx_destroy_with_active_rq: Counter,
        upstream_cx_destroy_local_with_active_rq: Counter,
        upstream_cx_destroy_remote_with_active_rq: Counter,
        upstream_cx_idle_timeout: Counter,
        upstream_cx_max_requests: Counter,
        upstream_cx_max_duration_reached: Counter,
        upstream_cx_none_healthy: Counter,
        upstream_cx_protocol_error: Counter,
        upstream_cx_rx_bytes_total: Counter,
        upstream_cx_tx_bytes_total: Counter,
        upstream_rq_total: Counter,
        upstream_rq_active: Gauge,
        upstream_rq_pending_total: Counter,
        upstream_rq_pending_active: Gauge,
        upstream_rq_pending_overflow: Counter,
        upstream_rq_pending_failure_eject: Counter,
        /// Refused: `upstream.maintenance_mode`.
        upstream_rq_maintenance_mode: Counter,
        upstream_rq_cancelled: Counter,
        upstream_rq_timeout: Counter,
        upstream_rq_per_try_timeout: Counter,
        upstream_rq_per_try_idle_timeout: Counter,
        upstream_rq_rx_reset: Counter,
        upstream_rq_tx_reset: Counter,
        upstream_rq_retry: Counter,
        upstream_rq_retry_success: Counter,
        upstream_rq_retry_limit_exceeded: Counter,
        /// A retry was wanted, and the cluster had none left.
        upstream_rq_retry_overflow: Counter,
        upstream_rq_retry_backoff_exponential: Counter,
        upstream_rq_retry_backoff_ratelimited: Counter,
        /// Responses that were not taken, by status code.
        retry_upstream_rq: Codes = "retry.upstream_rq_",
        /// A second host was asked because the first was slow.
        upstream_rq_race_started: Counter,
        upstream_rq_race_won_by_other: Counter,
        /// Hosts that were asked besides and did not answer first.
        upstream_rq_race_cancelled: Counter,
        upstream_rq_completed: Counter,
        /// Copies of requests that were for another cluster.
        upstream_rq_shadow: Counter,
        /// Copies that were not sent, or not whole: no host, a closed breaker, a slow host.
        upstream_rq_shadow_dropped: Counter,
        upstream_rq_time: Histogram,
        upstream_rq_1xx: Counter,
        upstream_rq_2xx: Counter,
        upstream_rq_3xx: Counter,
        upstream_rq_4xx: Counter,
        upstream_rq_5xx: Counter,
        /// By status code.
        upstream_rq: Codes = "upstream_rq_",
        /// The upstream closed an idle connection at the moment a request was sent on it, and the request was sent again.
        upstream_rq_stale_connection_retry: Counter,
        /// Picks among all hosts of a priority, because too few of them are healthy.
        lb_healthy_panic: Counter,
        lb_subsets_selected: Counter,
        lb_subsets_fallback: Counter,
        lb_zone_routing_all_directly: Counter,
        lb_zone_routing_sampled: Counter,
        lb_zone_routing_cross_zone: Counter,
        lb_zone_no_capacity_left: Counter,
        /// Names were asked for, or a file of endpoints was read.
        update_attempt: Counter,
        update_success: Counter,
        update_failure: Counter,
        /// A name has no addresses, or a file no endpoints.
        update_empty: Counter,
        /// The hosts were as before.
        update_no_rebuild: Counter,
        membership_total: Gauge,
        membership_healthy: Gauge,
        membership_degraded: Gauge,
        membership_change: Counter,
        circuit_breakers_cx_open: Gauge = "circuit_breakers.default.cx_open",
        circuit_breakers_rq_open: Gauge = "circuit_breakers.default.rq_open",
        circuit_breakers_rq_pending_open: Gauge = "circuit_breakers.default.rq_pending_open",
        circuit_breakers_rq_retry_open: Gauge = "circuit_breakers.default.rq_retry_open",
        circuit_breakers_remaining_cx: Gauge = "circuit_breakers.default.remaining_cx",
        circuit_breakers_remaining_rq: Gauge = "circuit_breakers.default.remaining_rq",
        circuit_breakers_remaining_pending: Gauge = "circuit_breakers.default.remaining_pending",
        circuit_breakers_remaining_retries: Gauge = "circuit_breakers.default.remaining_retries",
        circuit_breakers_high_cx_open: Gauge = "circuit_breakers.high.cx_open",
        circuit_breakers_high_rq_open: Gauge = "circuit_breakers.high.rq_open",
        circuit_breakers_high_rq_pending_open: Gauge = "circuit_breakers.high.rq_pending_open",
        circuit_breakers_high_rq_retry_open: Gauge = "circuit_breakers.high.rq_retry_open",
        circuit_breakers_high_remaining_cx: Gauge = "circuit_breakers.high.remaining_cx",
        circuit_breakers_high_remaining_rq: Gauge = "circuit_breakers.high.remaining_rq",
        circuit_breakers_high_remaining_pending: Gauge = "circuit_breakers.high.remaining_pending",
        circuit_breakers_high_remaining_retries: Gauge = "circuit_breakers.high.remaining_retries",
    }
}

impl ClusterStats {
    /// Counts a response in whose place another one is asked for.
    pub fn retried(&self, status: u16) {
        self.retry_upstream_rq.count(status);
    }

    /// Counts the final response to a request by class and code; `upstream_rq_completed` is counted by the caller.
    #[inline]
    pub fn response(&self, status: u16) {
        self.upstream_rq.count(status);
        match status / 100 {
            1 => self.upstream_rq_1xx.inc(),
            2 => self.upstream_rq_2xx.inc(),
            3 => self.upstream_rq_3xx.inc(),
            4 => self.upstream_rq_4xx.inc(),
            5 => self.upstream_rq_5xx.inc(),
            _ => {}
        }
    }
}
