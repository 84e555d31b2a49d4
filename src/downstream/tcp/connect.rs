//! Finding the host of a proxied connection: one after the other, until one takes it or as many were tried as may be.

use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use super::session::{End, Session};
use super::tunnel;
use crate::cluster::balance::PickCx;
use crate::cluster::outlier::Outcome;
use crate::cluster::{Busy, ClusterView, Host, HostView, Permit, Resource};
use crate::config::Priority;
use crate::error::Kind;
use crate::runtime::Hangup;
use crate::stream::buffers::ReadBuffer;
use crate::upstream::connect::{Connect, Connected};
use crate::upstream::connection::{Connection, Spoken};

/// The host's end, counted as a connection and as a request until it is dropped.
pub(super) struct Upstream {
    pub(super) connection: Connection,
    /// What the host has sent before the bytes flow: it goes first.
    pub(super) first: Option<ReadBuffer>,
    _request: Permit,
    _busy: Busy,
}

/// Connects to a host of the cluster. The client may go meanwhile, and is noticed.
pub(super) async fn connect(session: &mut Session, view: Rc<ClusterView>) -> Result<Upstream, End> {
    let stats = &view.stats;
    let Some(request) = Permit::try_new(&view, Priority::Default, Resource::Requests) else {
        stats.upstream_rq_pending_overflow.inc();
        return Err(End::Upstream(Kind::Overflow));
    };
    let most = session.view().tcp.max_connect_attempts;
    let (mut last, mut tried) = (None, Vec::new());
    for _ in 0..most {
        let Some(host) = pick(&view, session, &tried) else {
            stats.upstream_cx_none_healthy.inc();
            return Err(End::Upstream(Kind::NoHealthyHost));
        };
        tried.push(host.clone());
        let Some(permit) = Permit::try_connection(&view, Priority::Default, &host) else {
            stats.upstream_cx_overflow.inc();
            if view.shared.breaker.is_open(Priority::Default, Resource::Connections) {
                return Err(End::Upstream(Kind::Overflow));
            }
            // This host has as many as it may; another may have room.
            last = Some(Kind::Overflow);
            continue;
        };
        session.on_attempt(&host);
        let busy = Busy::new(host.clone());
        match attempt(session, &view, &host).await {
            Ok(Ok((connected, deadline))) => {
                let now = session.rt().now();
                let mut connection =
                    Connection::new(&view, host.clone(), connected.transport, permit, Spoken::Bytes, now);
                let first = match session.view().clone().tcp.tunnel.as_ref() {
                    Some(tunnel) => {
                        let opened = tunnel::open(session, &mut connection, tunnel, deadline).await;
                        if matches!(opened, Err(End::Tunnel(_) | End::Upstream(_))) {
                            view.report(&host, Outcome::ConnectFailed);
                        }
                        Some(opened?)
                    }
                    None => None,
                };
                view.report(&host, Outcome::Connected);
                return Ok(Upstream { connection, first, _request: request, _busy: busy });
            }
            Ok(Err(Kind::Overflow)) => return Err(End::Upstream(Kind::Overflow)),
            Ok(Err(kind)) => {
                // As Envoy: of a proxied connection, too late is a timeout.
                let late = kind == Kind::ConnectTimeout;
                view.report(&host, if late { Outcome::Timeout } else { Outcome::ConnectFailed });
                last = Some(kind);
            }
            Err(end) => return Err(end),
        }
    }
    stats.upstream_cx_connect_attempts_exceeded.inc();
    Err(End::Upstream(last.unwrap_or(Kind::Refused)))
}

/// A host, another one than those that were tried if there is one.
fn pick(view: &ClusterView, session: &Session, tried: &[Rc<HostView>]) -> Option<Rc<HostView>> {
    let is_tried = |host: &Host| tried.iter().any(|tried| std::ptr::eq(&***tried, host));
    let tried: Option<&dyn Fn(&Host) -> bool> = if tried.is_empty() { None } else { Some(&is_tried) };
    view.pick_for(&PickCx { hash: session.hash, subset: session.subset.as_deref(), tried, ..PickCx::default() })
}

/// A connection, and when all that comes before its bytes has to be done.
type Attempt = Result<(Connected, Instant), Kind>;

async fn attempt(session: &mut Session, view: &Rc<ClusterView>, host: &Rc<HostView>) -> Result<Attempt, End> {
    let rt = session.rt().clone();
    let mut connect = Connect::start(view, host, &session.info().connection, &rt);
    std::future::poll_fn(|task| {
        if let Poll::Ready(result) = connect.poll(task, &rt) {
            return Poll::Ready(Ok(result.map(|connected| (connected, connect.deadline()))));
        }
        // The timer wakes; whether time is up the connect itself knows.
        session.timer.set(Some(connect.wake_at()));
        let _ = session.timer.poll(task);
        match session.transport.poll_hangup(task) {
            Poll::Ready(Hangup::Reset) => Poll::Ready(Err(End::Client)),
            // It may have sent what it had to say, and wait for the answer.
            _ => Poll::Pending,
        }
    })
    .await
}
