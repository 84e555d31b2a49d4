//! `udp.<name>.` and `cluster.<name>.udp.`: sessions of datagrams, as the listener and as the cluster see them.

use super::scope::scope;

scope! {
    /// One UDP listener. Datagrams are counted where they belong to a session; those that do not are counted by the reason.
    pub struct UdpStats {
        downstream_sess_total: Counter,
        downstream_sess_active: Gauge,
        /// Dropped: no route.
        downstream_sess_no_route: Counter,
        /// Dropped: the listener's or the process's limit of sessions.
        downstream_sess_overflow: Counter,
        /// Dropped: a draining listener begins no session.
        downstream_sess_draining: Counter,
        downstream_sess_rx_bytes: Counter,
        downstream_sess_rx_datagrams: Counter,
        downstream_sess_rx_errors: Counter,
        downstream_sess_tx_bytes: Counter,
        downstream_sess_tx_datagrams: Counter,
        downstream_sess_tx_errors: Counter,
        idle_timeout: Counter,
    }
}

scope! {
    /// One cluster. Errors are those of ICMP, and datagrams that the kernel did not take.
    pub struct ClusterUdpStats {
        sess_rx_datagrams: Counter,
        sess_rx_errors: Counter,
        sess_tx_datagrams: Counter,
        sess_tx_errors: Counter,
    }
}
