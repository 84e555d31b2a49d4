//! One proxied connection: the client's end, what is known of it, and how it ends.

use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use super::bypass::Bypass;
use super::connect::Upstream;
use super::pipe::{Broken, Ends, Moved, Pipe};
use crate::cluster::{ClusterView, HostView, SubsetKey};
use crate::error::{Error, Kind, Phase, ResponseFlags};
use crate::filter::{Chain, Dir, Offer, StreamCx, StreamEnd};
use crate::listener::{Admission, Slot, TcpView};
use crate::route::{ClusterRef, L4Info};
use crate::runtime::{Hangup, Rt, Timer, Transport};
use crate::stream::buffers::ReadBuffer;
use crate::stream::info::{ConnectionInfo, StreamInfo, Target};

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Both directions came to their ends.
    Complete,
    /// The client reset it.
    Client,
    /// The host did, or could not be reached.
    Upstream(Kind),
    /// The host is a proxy that opened no tunnel: why.
    Tunnel(&'static str),
    NoRoute,
    /// A filter did not want it.
    Refused(&'static str),
    Idle,
    TooOld,
    /// Its listener is gone since `drain_time`.
    Drained,
}

pub(super) struct Session {
    pub(super) transport: Box<dyn Transport>,
    pub(super) timer: Timer,
    first: Option<ReadBuffer>,
    view: Rc<TcpView>,
    info: StreamInfo,
    chain: Chain,
    /// Of what its route chooses hosts by.
    pub(super) hash: Option<u64>,
    pub(super) subset: Option<Arc<SubsetKey>>,
    /// Counts it in its listener as long as it is open, and wakes it for a drain.
    admission: Admission,
    /// It has lived long enough then.
    lifetime: Option<Instant>,
    /// Its listener is gone: it has so long.
    drained_at: Option<Instant>,
}

impl Session {
    pub(super) fn new(
        transport: Box<dyn Transport>,
        info: Rc<ConnectionInfo>,
        slot: &Rc<Slot<TcpView>>,
        admission: Admission,
        first: Option<ReadBuffer>,
    ) -> Session {
        let view = slot.view();
        let rt = &view.worker.rt;
        view.listener_stats.downstream_cx_total.inc();
        view.listener_stats.downstream_cx_active.inc();
        view.stats.downstream_cx_total.inc();
        view.stats.downstream_cx_active.inc();
        let now = rt.now();
        let mut info = StreamInfo::bytes(info, now, rt);
        let chain = Chain::new(&view.filters, &StreamCx { rt, info: &mut info });
        Session {
            transport,
            timer: rt.timer(),
            first,
            lifetime: view.tcp.max_connection_duration.map(|limit| now + limit),
            info,
            chain,
            hash: None,
            subset: None,
            admission,
            drained_at: None,
            view,
        }
    }

    pub(super) fn view(&self) -> &Rc<TcpView> {
        &self.view
    }

    pub(super) fn rt(&self) -> &Rt {
        &self.view.worker.rt
    }

    pub(super) fn info(&self) -> &StreamInfo {
        &self.info
    }

    /// Shows the connection to the filters. It may take them a while.
    pub(super) async fn admit(&mut self) -> Result<(), End> {
        let mut cx = StreamCx { rt: &self.view.worker.rt, info: &mut self.info };
        let mut offer = self.chain.offer_head(Dir::Request, &mut cx);
        std::future::poll_fn(|task| {
            let offer = offer.take().or_else(|| {
                let mut cx = StreamCx { rt: &self.view.worker.rt, info: &mut self.info };
                self.chain.poll(Dir::Request, task, &mut cx)
            });
            match offer {
                Some(Offer::Respond(reply)) => {
                    self.info.flags.insert(reply.flags);
                    Poll::Ready(Err(End::Refused(reply.detail)))
                }
                Some(Offer::Reset(reason)) => Poll::Ready(Err(End::Refused(reason))),
                // A filter that wants to see bytes first gets them when they flow.
                Some(Offer::Head | Offer::Part(_) | Offer::More) => Poll::Ready(Ok(())),
                None => match self.transport.poll_hangup(task) {
                    Poll::Ready(Hangup::Reset) => Poll::Ready(Err(End::Client)),
                    _ => Poll::Pending,
                },
            }
        })
        .await
    }

    pub(super) fn is_echo(&self) -> bool {
        self.info.target == Some(Target::Echo)
    }

    /// The cluster: what a filter says, or the first route that matches.
    pub(super) fn route(&mut self) -> Result<Rc<ClusterView>, End> {
        let view = &self.view;
        if let Some(Target::Cluster(name)) = &self.info.target
            && let Some(cluster) = view.clusters.iter().find(|cluster| *cluster.name == **name)
        {
            let cluster = cluster.clone();
            return self.serving(&cluster);
        }
        let connection = &self.info.connection;
        let facts = L4Info {
            source: connection.remote.inet().map(|client| client.ip()),
            destination_port: connection.local.inet().map_or(0, |local| local.port()),
            sni: connection.server_name.as_deref(),
        };
        let Some(route) = view.routes.pick(&facts) else { return Err(End::NoRoute) };
        (self.hash, self.subset) = (route.hash(&facts), route.subset.clone());
        if !route.name.is_empty() {
            self.info.route = Some(route.name.clone());
        }
        let ClusterRef { slot, .. } = route.action.cluster(fastrand::u64(..));
        let cluster = view.clusters[*slot].clone();
        self.serving(&cluster)
    }

    /// The part of a cluster that may serve the client.
    fn serving(&mut self, cluster: &Rc<ClusterView>) -> Result<Rc<ClusterView>, End> {
        self.info.cluster = Some(cluster.name.clone());
        cluster.serving(&self.info.connection).ok_or_else(|| {
            cluster.stats.upstream_cx_none_healthy.inc();
            End::Upstream(Kind::NoHealthyHost)
        })
    }

    /// A host is tried.
    pub(super) fn on_attempt(&mut self, host: &Rc<HostView>) {
        self.info.attempts += 1;
        self.info.host = Some(host.clone());
        self.info.upstream_remote = None;
    }

    /// Sends everything back.
    pub(super) async fn echo(&mut self) -> End {
        let mut pipe = Pipe::new(Dir::Request, self.take_buffer(), None);
        let mut idle = Idle::new(self);
        std::future::poll_fn(|task| {
            let mut cx = StreamCx { rt: &self.view.worker.rt, info: &mut self.info };
            let before = (pipe.read, pipe.written);
            let turn = pipe.poll(task, Ends::One(&mut *self.transport), (&mut self.chain, &mut cx));
            self.count(pipe.read - before.0, pipe.written - before.1);
            let moved = match turn {
                Ok(moved) => moved,
                Err(Broken::Filter(reason)) => return Poll::Ready(End::Refused(reason)),
                Err(Broken::Source | Broken::Sink) => return Poll::Ready(End::Client),
            };
            if pipe.is_over() { Poll::Ready(End::Complete) } else { idle.poll(task, self, moved, pipe.has_ended()) }
        })
        .await
    }

    /// Carries bytes both ways until both directions are over.
    pub(super) async fn carry(&mut self, mut upstream: Upstream) -> End {
        self.info.times.upstream_ready = Some(self.rt().now());
        if !self.view.access_logs.is_empty() {
            // A question to the kernel, and nobody else wants to know.
            self.info.upstream_local = Some(upstream.connection.transport.local_addr().clone());
        }
        let connection = &upstream.connection;
        self.info.upstream_remote = connection.host.reached(connection.transport.peer_addr());
        upstream.connection.in_request = true;
        let mut pipes = self.pipes(&mut upstream);
        let mut idle = Idle::new(self);
        let end = std::future::poll_fn(|task| {
            let moved = match self.turn(task, &mut upstream, &mut pipes) {
                Ok(moved) => moved,
                Err(end) => return Poll::Ready(end),
            };
            let Pipes { request, response } = &pipes;
            if request.is_over() && response.is_over() {
                return Poll::Ready(End::Complete);
            }
            idle.poll(task, self, moved, request.has_ended() || response.has_ended())
        })
        .await;
        upstream.connection.in_request = end != End::Complete;
        match end {
            End::Client => upstream.connection.transport.abort(),
            End::Upstream(_) => {
                upstream.connection.closed_by_host = true;
                self.transport.abort();
            }
            _ => {}
        }
        end
    }

    fn pipes(&mut self, upstream: &mut Upstream) -> Pipes {
        let worker = self.view.worker.clone();
        let sockets = [&mut *self.transport, &mut *upstream.connection.transport].map(|end| end.as_stream().is_some());
        let may_pass_by = self.chain.is_empty() && sockets == [true; 2];
        let bypass = || may_pass_by.then(|| Bypass::new(&worker.tubes));
        let first = upstream.first.take();
        Pipes {
            request: Pipe::new(Dir::Request, self.take_buffer(), bypass()),
            response: Pipe::new(Dir::Response, first.unwrap_or_else(|| ReadBuffer::new(&worker.buffers)), bypass()),
        }
    }

    /// Moves each direction as far as it goes, within bounds.
    fn turn(&mut self, task: &mut Context<'_>, upstream: &mut Upstream, pipes: &mut Pipes) -> Result<Moved, End> {
        let Pipes { request, response } = pipes;
        let (down, up) = (&mut *self.transport, &mut *upstream.connection.transport);
        let mut cx = StreamCx { rt: &self.view.worker.rt, info: &mut self.info };
        let before = [request.read, request.written, response.read, response.written];
        let ends = Ends::Two { source: down, sink: up, is_last: response.is_over() };
        let sent = request.poll(task, ends, (&mut self.chain, &mut cx));
        let ends = Ends::Two { source: up, sink: down, is_last: request.is_over() };
        // An error that the one direction has found the other would take for an end, and pass it on.
        let received = match &sent {
            Ok(_) => response.poll(task, ends, (&mut self.chain, &mut cx)),
            Err(_) => Ok(Moved::Nothing),
        };
        let after = [request.read, request.written, response.read, response.written];
        let [from_down, to_up, from_up, to_down] = std::array::from_fn(|at| after[at] - before[at]);
        self.count(from_down, to_down);
        let stats = &upstream.connection.view().stats;
        stats.upstream_cx_tx_bytes_total.add(to_up);
        stats.upstream_cx_rx_bytes_total.add(from_up);
        self.view.stats.downstream_flow_control_paused_reading_total.add(u64::from(request.take_paused()));
        self.view.stats.upstream_flow_control_paused_reading_total.add(u64::from(response.take_paused()));
        let end = |broken, source, sink| match broken {
            Broken::Source => source,
            Broken::Sink => sink,
            Broken::Filter(reason) => End::Refused(reason),
        };
        let host = End::Upstream(Kind::Closed);
        let sent = sent.map_err(|broken| end(broken, End::Client, host))?;
        let received = received.map_err(|broken| end(broken, host, End::Client))?;
        Ok(sent.max(received))
    }

    fn count(&mut self, received: u64, sent: u64) {
        self.info.bytes_received += received;
        self.info.bytes_sent += sent;
        self.view.stats.downstream_cx_rx_bytes_total.add(received);
        self.view.stats.downstream_cx_tx_bytes_total.add(sent);
    }

    fn take_buffer(&mut self) -> ReadBuffer {
        self.first.take().unwrap_or_else(|| ReadBuffer::new(&self.view.worker.buffers))
    }

    /// Log and stats.
    pub(super) fn finish(mut self, end: End) {
        let stats = &self.view.stats;
        let now = self.rt().now();
        self.info.times.end = Some(now);
        match end {
            End::Complete => {}
            End::Client => self.info.flags.insert(Error::downstream(Kind::Closed).flag()),
            End::Upstream(kind) => {
                let phase = if kind == Kind::Closed { Phase::Request } else { Phase::Connect };
                let error = Error::upstream(kind, phase);
                self.info.flags.insert(error.flag());
                self.info.detail = error.detail();
            }
            End::Tunnel(detail) => {
                self.info.flags.insert(ResponseFlags::UPSTREAM_CONNECTION_FAILURE);
                self.info.detail = detail;
            }
            End::NoRoute => {
                stats.downstream_cx_no_route.inc();
                self.info.flags.insert(Error::local(Kind::NoRoute).flag());
            }
            End::Refused(reason) => {
                stats.downstream_cx_refused.inc();
                self.info.detail = reason;
            }
            End::Idle => {
                stats.idle_timeout.inc();
                self.info.detail = "idle_timeout";
            }
            End::Drained => self.info.detail = "drain_time",
            End::TooOld => {
                stats.max_downstream_connection_duration.inc();
                self.info.detail = "max_connection_duration";
            }
        }
        self.chain.end(&StreamEnd { info: &self.info });
        for log in &*self.view.access_logs {
            log.log(&self.info);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let lived = self.rt().now().saturating_duration_since(self.info.start);
        let (stats, listener) = (&self.view.stats, &self.view.listener_stats);
        stats.downstream_cx_active.dec();
        stats.downstream_cx_length_ms.record(lived);
        listener.downstream_cx_active.dec();
        listener.downstream_cx_destroy.inc();
        listener.downstream_cx_length_ms.record(lived);
    }
}

/// Both directions.
struct Pipes {
    request: Pipe,
    response: Pipe,
}

/// The limits of time of bytes that flow, or do not.
struct Idle {
    since: Instant,
}

impl Idle {
    fn new(session: &Session) -> Idle {
        Idle { since: session.rt().now() }
    }

    /// After a turn: ready with the reason when the connection is to end.
    fn poll(&mut self, task: &mut Context<'_>, session: &mut Session, moved: Moved, half_closed: bool) -> Poll<End> {
        let now = session.rt().now();
        if moved != Moved::Nothing {
            self.since = now;
        }
        let tcp = &session.view.tcp;
        let half = tcp.half_close_timeout.filter(|_| half_closed);
        let limit = [tcp.idle_timeout, half].into_iter().flatten().min();
        let idle_at = limit.map(|limit| self.since + limit);
        let has_passed = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if session.drained_at.is_none() && session.admission.poll_drain(task).is_ready() {
            session.drained_at = now.checked_add(session.view.drain_time);
        }
        if has_passed(session.drained_at) {
            return Poll::Ready(End::Drained);
        }
        if has_passed(session.lifetime) {
            return Poll::Ready(End::TooOld);
        }
        if has_passed(idle_at) {
            return Poll::Ready(End::Idle);
        }
        session.timer.set([idle_at, session.lifetime, session.drained_at].into_iter().flatten().min());
        if moved == Moved::More || session.timer.poll(task).is_ready() {
            session.rt().yield_to_io(task);
        }
        Poll::Pending
    }
}
