//! One connection to a host, in use or idle. It holds its circuit breaker permit and counts itself out when it is
//! dropped, however that comes about.

use std::rc::Rc;
use std::time::Instant;

use crate::cluster::{ClusterView, HostView, Permit};
use crate::runtime::Transport;

/// What a connection is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoken {
    Http1,
    Http2,
    /// What a client and the host agree on.
    Bytes,
}

pub struct Connection {
    pub transport: Box<dyn Transport>,
    pub host: Rc<HostView>,
    /// Requests sent on it, the current one included.
    pub requests: u64,
    /// The host closed it.
    pub closed_by_host: bool,
    /// A request is on its way.
    pub in_request: bool,
    opened: Instant,
    idle_since: Instant,
    view: Rc<ClusterView>,
    _permit: Permit,
}

impl Connection {
    pub fn new(
        view: &Rc<ClusterView>,
        host: Rc<HostView>,
        transport: Box<dyn Transport>,
        permit: Permit,
        spoken: Spoken,
        now: Instant,
    ) -> Connection {
        let stats = &view.stats;
        stats.upstream_cx_total.inc();
        match spoken {
            Spoken::Http1 => stats.upstream_cx_http1_total.inc(),
            Spoken::Http2 => stats.upstream_cx_http2_total.inc(),
            Spoken::Bytes => {}
        }
        stats.upstream_cx_active.inc();
        host.stats.cx_total.inc();
        host.stats.cx_active.inc();
        Connection {
            transport,
            host,
            requests: 0,
            closed_by_host: false,
            in_request: false,
            opened: now,
            idle_since: now,
            view: view.clone(),
            _permit: permit,
        }
    }

    pub fn view(&self) -> &Rc<ClusterView> {
        &self.view
    }

    pub fn idle_since(&self) -> Instant {
        self.idle_since
    }

    /// The connection carried a request before: it may have died since.
    pub fn is_reused(&self) -> bool {
        self.requests > 1
    }

    /// Whether it may serve one more request.
    fn is_spent(&self) -> bool {
        let config = &self.view.shared.config;
        config.max_requests_per_connection.is_some_and(|most| self.requests >= most)
    }

    /// When it has lived long enough (`max_connection_duration`).
    pub fn lifetime(&self) -> Option<Instant> {
        self.view.shared.config.max_connection_duration.map(|limit| self.opened + limit)
    }

    pub fn is_old(&self, now: Instant) -> bool {
        self.lifetime().is_some_and(|end| end <= now)
    }

    /// Keeps the connection for another request. Only for one whose last exchange was clean to the last byte.
    pub fn keep(mut self, now: Instant) {
        let view = self.view.clone();
        self.transport.detach();
        if view.is_retired()
            || !self.host.is_member()
            || view.wanted_elsewhere() > 0
            || self.transport.has_pending_read()
        {
            return;
        }
        if view.shared.config.proxy_protocol.is_some() {
            // It was announced as one client's, and stays that client's alone (row S-24).
            return;
        }
        if self.is_old(now) {
            view.stats.upstream_cx_max_duration_reached.inc();
            return;
        }
        if self.is_spent() {
            view.stats.upstream_cx_max_requests.inc();
            return;
        }
        self.idle_since = now;
        self.in_request = false;
        view.pool.put(self, view.shared.config.max_idle_connections);
    }

    /// Ends the count of how long it lived. Called when it is dropped.
    fn count_out(&self) {
        let stats = &self.view.stats;
        stats.upstream_cx_active.dec();
        stats.upstream_cx_destroy.inc();
        let (ended, in_request) = match self.closed_by_host {
            true => (&stats.upstream_cx_destroy_remote, &stats.upstream_cx_destroy_remote_with_active_rq),
            false => (&stats.upstream_cx_destroy_local, &stats.upstream_cx_destroy_local_with_active_rq),
        };
        ended.inc();
        if self.in_request {
            stats.upstream_cx_destroy_with_active_rq.inc();
            in_request.inc();
        }
        self.host.stats.cx_active.dec();
        stats.upstream_cx_length_ms.record(self.view.rt.now().saturating_duration_since(self.opened));
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.count_out();
        // The permit is given back right after this; whoever waits for it looks later, in its own task.
        self.view.pool.wake_next();
    }
}
