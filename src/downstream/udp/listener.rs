//! The task of a listener on one worker: which socket is read next, when to stop, when sessions end.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::buffers::Buffers;
use super::log::Refusals;
use super::open::Refusal;
use super::table::Table;
use super::view::{UdpSlot, UdpView};
use crate::error::ResponseFlags;
use crate::runtime::Timer;
use crate::runtime::net::udp::{Path, Trigger, UdpListener, UdpSet};

/// The key of the listening socket; those of sessions are their places in the table.
pub(super) const LISTENER: u32 = u32::MAX;

/// Datagrams forwarded in one turn before others get theirs.
const BUDGET: usize = 256;

/// How often idle sessions are looked for, at most and at least.
const SWEEP: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// Forwards datagrams until the listener has drained: it then begins no session, and those that are there go on until they
/// are idle or `drain_time` is over.
pub async fn serve(socket: UdpListener, slot: Rc<UdpSlot>, buffers: Rc<RefCell<Buffers>>) {
    let rt = &slot.worker.rt;
    let (set, timer) = (UdpSet::new(rt), rt.timer());
    if let Err(error) = set.add(&socket, LISTENER, Trigger::Edge) {
        log::error!("listener {}: {error}", slot.name);
        return;
    }
    let mut listener = Listener {
        view: slot.view(),
        slot: slot.clone(),
        socket,
        set,
        timer,
        ready: VecDeque::new(),
        listener_queued: false,
        table: Table::default(),
        drain_ends: None,
        refusals: Refusals::default(),
        rng: fastrand::Rng::new(),
        turn: 1,
    };
    std::future::poll_fn(|task| listener.poll(task, &buffers)).await;
}

pub(super) struct Listener {
    pub(super) slot: Rc<UdpSlot>,
    /// The newest, taken with each turn.
    pub(super) view: Rc<UdpView>,
    pub(super) socket: UdpListener,
    pub(super) set: UdpSet,
    /// Set while there are sessions.
    timer: Timer,
    /// Keys of sockets to read, each once.
    pub(super) ready: VecDeque<u32>,
    listener_queued: bool,
    pub(super) table: Table,
    /// Set while it drains.
    drain_ends: Option<Instant>,
    pub(super) refusals: Refusals,
    pub(super) rng: fastrand::Rng,
    /// Counts looks at which sockets can be read.
    pub(super) turn: u64,
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Its sessions are gone with it, whatever has ended it.
        let left = self.table.idle(self.slot.worker.rt.now(), Duration::ZERO);
        left.into_iter().for_each(|index| self.end(index, ResponseFlags::DRAINED));
    }
}

impl Listener {
    /// Ready when it has drained.
    fn poll(&mut self, task: &mut Context<'_>, buffers: &RefCell<Buffers>) -> Poll<()> {
        self.view = self.slot.view();
        if self.slot.sessions.poll_stop_accepting(task).is_ready() && self.drain_ends.is_none() {
            let now = self.slot.worker.rt.now();
            self.drain_ends = Some(now.checked_add(self.view.drain_time).unwrap_or(now));
        }
        self.forward(task, &mut buffers.borrow_mut());
        self.sweep(task);
        if self.is_draining() && self.table.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Reads sockets until none has anything, or the budget is spent.
    fn forward(&mut self, task: &mut Context<'_>, buffers: &mut Buffers) {
        let mut spent = 0;
        loop {
            let from = self.ready.len();
            if self.set.poll_ready(task, &mut self.ready).is_ready() {
                self.queue_once(from);
                self.turn += 1;
            }
            match self.ready.front() {
                None => return,
                Some(_) if spent >= BUDGET => return self.slot.worker.rt.yield_to_io(task),
                Some(&LISTENER) => {
                    self.ready.pop_front();
                    self.listener_queued = false;
                    spent += self.forward_up(buffers).max(1);
                }
                Some(_) => spent += self.forward_down(buffers),
            }
        }
    }

    /// Of the keys that came at the end of the list, keeps those that stand there once and mean something.
    fn queue_once(&mut self, from: usize) {
        let mut kept = from;
        for at in from..self.ready.len() {
            let key = self.ready[at];
            let queued = match key {
                LISTENER => &mut self.listener_queued,
                _ => match self.table.get_mut(key) {
                    Some(session) => &mut session.queued,
                    None => continue,
                },
            };
            if !std::mem::replace(queued, true) {
                self.ready[kept] = key;
                kept += 1;
            }
        }
        self.ready.truncate(kept);
    }

    /// Puts the listening socket at the end of the list.
    pub(super) fn queue_listener(&mut self) {
        if !std::mem::replace(&mut self.listener_queued, true) {
            self.ready.push_back(LISTENER);
        }
    }

    pub(super) fn is_draining(&self) -> bool {
        self.drain_ends.is_some()
    }

    /// Ends the sessions whose time is over, once in a while.
    fn sweep(&mut self, task: &mut Context<'_>) {
        let now = self.slot.worker.rt.now();
        let idle = self.view.udp.idle_timeout;
        let period = (idle / 8).clamp(SWEEP.0, SWEEP.1);
        if self.table.is_empty() {
            return self.timer.set(None);
        }
        if !self.timer.is_set() {
            self.timer.set_after(period);
        }
        while self.timer.poll(task).is_ready() {
            let (idle, flag) = match self.drain_ends {
                Some(end) if now >= end => (Duration::ZERO, ResponseFlags::DRAINED),
                _ => (idle, ResponseFlags::default()),
            };
            for index in self.table.idle(now, idle) {
                if flag.is_empty() {
                    self.view.stats.idle_timeout.inc();
                }
                self.end(index, flag);
            }
            if self.table.is_empty() {
                return self.timer.set(None);
            }
            self.timer.set_after(period);
        }
    }

    pub(super) fn end(&mut self, index: u32, flags: ResponseFlags) {
        let Some(session) = self.table.remove(index) else { return };
        self.view.stats.downstream_sess_active.dec();
        self.log_end(&session, flags);
    }

    /// A datagram was dropped because it has no session.
    pub(super) fn refused(&mut self, path: Path, refusal: Refusal) {
        let now = self.slot.worker.rt.now();
        if !self.view.access_logs.is_empty() && self.refusals.is_due(refusal, now) {
            self.log_refusal(path, refusal);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::sync::Arc;

    use super::*;
    use crate::cluster::{Cluster, ClusterView};
    use crate::config;
    use crate::listener::{ConnectionLimit, Connections};
    use crate::route::L4Table;
    use crate::runtime::net::udp::Inbox;
    use crate::runtime::{Rt, run_worker};
    use crate::runtime_values::RuntimeValues;
    use crate::server::Worker;
    use crate::stats::{Handle, Registry};

    /// A listener in front of one host.
    fn slot(rt: &Rt, host: &UdpSocket) -> Rc<UdpSlot> {
        let endpoint = config::Endpoint::of(host.local_addr().unwrap().into());
        let cluster = Cluster::new(
            "app",
            &Arc::new(config::Cluster::new(vec![endpoint])),
            &[],
            &mut Registry::new(),
            1,
            &Arc::default(),
        );
        let action = config::L4Action::Cluster("app".to_owned());
        let route = config::L4Route {
            name: String::new(),
            matches: config::L4Match::default(),
            action,
            hash: Vec::new(),
            subset: Default::default(),
        };
        let view = UdpView {
            udp: config::Udp::default(),
            drain_time: Duration::ZERO,
            routes: Arc::new(L4Table::build(&[route], &mut RuntimeValues::default(), |_| 0).unwrap()),
            clusters: Rc::new([ClusterView::new(Arc::new(cluster.unwrap()), rt)]),
            stats: Handle::detached(),
            access_logs: Rc::new([]),
        };
        let limit = || Arc::new(ConnectionLimit::new(10));
        let worker = Rc::new(Worker::new(rt.clone(), 1));
        Rc::new(UdpSlot::new(worker, "test".into(), Connections::new(limit(), limit()), Rc::new(view)))
    }

    /// Empty datagrams cost as much as others: a turn ends after so many of them.
    #[test]
    fn a_turn_is_bounded() {
        run_worker(0, |rt| async move {
            let (host, client) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
            let socket = UdpListener::bind_group("127.0.0.1:0".parse().unwrap(), 1).unwrap().remove(0);
            client.connect(socket.local_addr()).unwrap();
            // All of them wait before the first turn.
            let sent = BUDGET as u64 + 2 * Inbox::SLOTS as u64;
            for _ in 0..sent {
                client.send(b"").unwrap();
            }
            let slot = slot(&rt, &host);
            rt.spawn(serve(socket, slot.clone(), Rc::new(RefCell::new(Buffers::new()))));
            let forwarded = || slot.view().stats.downstream_sess_rx_datagrams.get();
            while forwarded() == 0 {
                futures_lite::future::yield_now().await;
            }
            let first = forwarded();
            assert!(first <= BUDGET as u64 + Inbox::SLOTS as u64, "{first} of {sent} in one turn");
            while forwarded() < sent {
                futures_lite::future::yield_now().await;
            }
        })
        .unwrap();
    }
}
