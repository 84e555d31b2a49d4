//! Stats of filters. Their scopes have the prefix of the chain: `http.<prefix>`, or `tcp.<prefix>`.

use super::scope::scope;

scope! {
    /// Filter `buffer`.
    pub struct BufferStats {
        rq_too_large: Counter = "buffer.rq_too_large",
    }
}

scope! {
    /// Filter `cors`.
    pub struct CorsStats {
        origin_valid: Counter = "cors.origin_valid",
        origin_invalid: Counter = "cors.origin_invalid",
    }
}

scope! {
    /// Filter `fault`.
    pub struct FaultStats {
        aborts_injected: Counter = "fault.aborts_injected",
        delays_injected: Counter = "fault.delays_injected",
        active_faults: Gauge = "fault.active_faults",
    }
}

scope! {
    /// Filter `health_check`.
    pub struct HealthCheckFilterStats {
        request_total: Counter = "health_check.request_total",
        ok: Counter = "health_check.ok",
        /// The proxy is failing.
        failed: Counter = "health_check.failed",
        cached_response: Counter = "health_check.cached_response",
        failed_cluster_empty: Counter = "health_check.failed_cluster_empty",
        failed_cluster_unhealthy: Counter = "health_check.failed_cluster_unhealthy",
        degraded: Counter = "health_check.degraded",
    }
}

scope! {
    /// Filter `local_rate_limit`.
    pub struct LocalRateLimitStats {
        enabled: Counter = "http_local_rate_limit.enabled",
        ok: Counter = "http_local_rate_limit.ok",
        rate_limited: Counter = "http_local_rate_limit.rate_limited",
        enforced: Counter = "http_local_rate_limit.enforced",
    }
}

scope! {
    /// Filters `ip_allow` and `ip_deny`.
    pub struct RbacStats {
        allowed: Counter = "rbac.allowed",
        denied: Counter = "rbac.denied",
    }
}

scope! {
    /// Filter `client_tls_auth`, below `auth.clientssl.<chain>`.
    pub struct ClientTlsAuthStats {
        update_success: Counter,
        update_failure: Counter,
        auth_no_ssl: Counter,
        auth_ip_allowlist: Counter,
        auth_digest_match: Counter,
        auth_digest_no_match: Counter,
        /// Certificates on the list.
        total_principals: Gauge,
    }
}

scope! {
    /// Filter `connection_limit`.
    pub struct ConnectionLimitStats {
        active_connections: Gauge = "connection_limit.active_connections",
        limited_connections: Counter = "connection_limit.limited_connections",
    }
}
