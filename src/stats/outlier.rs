//! `cluster.<name>.outlier_detection.`: hosts that were found to be outliers, and what was done about it.

use super::scope::scope;

scope! {
    /// Counted on the control thread. `detected`: found; `enforced`: ejected for it.
    pub struct OutlierStats {
        /// Hosts that are ejected now.
        ejections_active: Gauge,
        ejections_enforced_total: Counter,
        /// Found, but as many as may be were ejected already, or it is the last one.
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
        /// Far slower than the others; ours.
        ejections_detected_latency: Counter,
        ejections_enforced_latency: Counter,
    }
}
