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
