//! `server.` and the managers: the process as a whole. Gauges here are set by the control thread.

use super::scope::scope;

scope! {
    /// `server.`
    pub struct ServerStats {
        /// Seconds.
        uptime: Gauge,
        /// 1 while serving and not draining.
        live: Gauge,
        /// 0 live, 1 draining, 2 pre-initialising, 3 initialising.
        state: Gauge,
        concurrency: Gauge,
        total_connections: Gauge,
        /// Bytes of the heap; the resident set where the allocator does not tell.
        memory_allocated: Gauge,
        /// Bytes of the resident set.
        memory_physical_size: Gauge,
        /// Connections ended because their task panicked.
        panics: Counter,
        config_reload_success: Counter,
        config_reload_failure: Counter,
        /// 1 if the newest configuration is the running one.
        config_last_reload_success: Gauge,
        /// Seconds since 1970.
        config_last_reload_time: Gauge,
        /// Changed files of a `tls` that were put in force.
        certificate_reload_success: Counter,
        /// The same that could not be used.
        certificate_reload_failure: Counter,
        /// Whole days; 2147483647 without certificates.
        days_until_first_cert_expiring: Gauge,
    }
}

scope! {
    /// `listener_manager.`
    pub struct ListenerManagerStats {
        listener_added: Counter,
        listener_modified: Counter,
        listener_removed: Counter,
        listener_create_success: Counter,
        listener_create_failure: Counter,
        total_listeners_active: Gauge,
        workers_started: Gauge,
    }
}

scope! {
    /// `cluster_manager.`
    pub struct ClusterManagerStats {
        cluster_added: Counter,
        cluster_modified: Counter,
        cluster_removed: Counter,
        active_clusters: Gauge,
    }
}

scope! {
    /// `access_log.`
    pub struct AccessLogStats {
        /// Lines queued for the writer.
        written: Counter,
        /// Lines given up because the writer was too far behind.
        dropped: Counter,
        /// Queued lines that were in a write that failed.
        lost: SharedCounter,
        /// Writes that failed: disk full, pipe closed.
        write_failed: SharedCounter,
        reopen_failed: SharedCounter,
    }
}

impl ServerStats {
    /// Sets what the system knows of this process.
    pub fn set_memory(&self) {
        let resident = i64::try_from(resident_bytes().unwrap_or(0)).unwrap_or(i64::MAX);
        self.memory_allocated.set(resident);
        self.memory_physical_size.set(resident);
    }
}

/// Resident set of this process, in bytes (proc_pid_status(5), `VmRSS`).
pub fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resident_set_is_known() {
        let bytes = resident_bytes().unwrap();
        assert!((100_000..1 << 40).contains(&bytes), "{bytes}");
    }
}
