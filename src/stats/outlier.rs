//! `cluster.<name>.outlier_detection.`: hosts that were ejected, or would have been.

use super::scope::scope;

scope! {
    /// Counted on the control thread.
    pub struct OutlierStats {
        /// Hosts that are ejected.
        ejections_active: Gauge,
        ejections_enforced_total: Counter,
        /// As many were ejected as may be, or no other host served.
        ejections_overflow: Counter,
        ejections_detected_consecutive_5xx: Counter,
        ejections_enforced_consecutive_5xx: Counter,
        ejections_detected_consecutive_gateway_failure: Counter,
        ejections_enforced_consecutive_gateway_failure: Counter,
        ejections_detected_consecutive_local_origin_failure: Counter,
        ejections_enforced_consecutive_local_origin_failure: Counter,
        ejections_detected_success_rate: Counter,
        ejections_enforced_success_rate: Counter,
        ejections_detected_local_origin_success_rate: Counter,
        ejections_enforced_local_origin_success_rate: Counter,
        ejections_detected_failure_percentage: Counter,
        ejections_enforced_failure_percentage: Counter,
        ejections_detected_local_origin_failure_percentage: Counter,
        ejections_enforced_local_origin_failure_percentage: Counter,
        ejections_detected_latency: Counter,
        ejections_enforced_latency: Counter,
    }
}
