//! `cluster.<name>.health_check.`: the checks of a cluster's hosts.

use super::scope::scope;

scope! {
    /// Counted on the control thread.
    pub struct HealthCheckStats {
        attempt: Counter,
        success: Counter,
        /// All of them, passive ones too.
        failure: Counter,
        /// Hosts that said so in a response to a client.
        passive_failure: Counter,
        /// Not reached, or not in time.
        network_failure: Counter,
        /// Answers whose `x-envoy-upstream-healthchecked-cluster` was looked at.
        verify_cluster: Counter,
        /// Hosts that are healthy.
        healthy: Gauge,
        degraded: Gauge,
    }
}
