//! Idle connections of one cluster on one worker, and the requests that wait for one.
//!
//! A connection is either here or with one stream. It comes here only after an exchange that was clean to the
//! last byte, and leaves by being taken, by its idle timeout, or because the host closed it: an idle
//! connection on which anything arrives is dropped, for nothing may arrive. The newest one is taken first, so
//! that the oldest can time out.
//!
//! Waiting: when the breaker lets no further connection be opened, a stream queues here and is woken
//! when one is given back or closed. A ticket, not a connection, is handed over: the woken stream tries again,
//! and a stream that goes away passes its turn on by [`Pool::leave`].

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::connection::Connection;
use crate::cluster::HostView;

/// What a cluster's hosts share.
#[derive(Default)]
pub struct Pool {
    /// Of all hosts.
    idle_count: Rc<Cell<usize>>,
    waiting: RefCell<VecDeque<(u64, Waker)>>,
    next_ticket: Cell<u64>,
    /// Requests of this worker that hold a permit for waiting, in the queue or not.
    pending: Cell<usize>,
}

/// The idle connections of one host, the one that was used last at the end.
#[derive(Default)]
pub struct Idle {
    connections: RefCell<Vec<Connection>>,
    /// The cluster's count, once one was here.
    count: RefCell<Option<Rc<Cell<usize>>>>,
}

impl Idle {
    pub fn clear(&self) {
        let closed = self.connections.take();
        if let Some(count) = &*self.count.borrow() {
            count.set(count.get() - closed.len());
        }
    }

    fn oldest(&self) -> Option<Instant> {
        self.connections.borrow().first().map(Connection::idle_since)
    }
}

impl Pool {
    /// The newest idle connection to a host that is still open, as far as the reactor knows.
    pub fn take(&self, host: &HostView) -> Option<Connection> {
        if self.idle_count.get() == 0 {
            return None;
        }
        loop {
            let mut connection = host.idle.connections.borrow_mut().pop()?;
            self.idle_count.set(self.idle_count.get() - 1);
            if !connection.transport.has_pending_read() && !connection.is_old(connection.view().rt.now()) {
                return Some(connection);
            }
            connection.closed_by_host = connection.transport.has_pending_read();
        }
    }

    pub(super) fn put(&self, connection: Connection, most: usize) {
        if self.idle_count.get() < most {
            let host = connection.host.clone();
            host.idle.count.borrow_mut().get_or_insert_with(|| self.idle_count.clone());
            self.idle_count.set(self.idle_count.get() + 1);
            host.idle.connections.borrow_mut().push(connection);
        }
        self.wake_next();
    }

    /// Closes the idle connection that was used longest ago. One with HTTP/2 says good-bye first: its permit comes free soon,
    /// and wakes whoever waits.
    pub fn evict_oldest(&self, hosts: &[Rc<HostView>]) -> bool {
        let idle = hosts.iter().filter_map(|host| Some((host.idle.oldest()?, host)));
        let Some((_, host)) = idle.min_by_key(|(since, _)| *since) else {
            let shared = hosts.iter().flat_map(|host| host.http2.all());
            if let Some(idle) = shared.into_iter().find(|connection| connection.is_idle()) {
                idle.evict();
            }
            return false;
        };
        let connection = host.idle.connections.borrow_mut().remove(0);
        self.idle_count.set(self.idle_count.get() - 1);
        drop(connection);
        true
    }

    /// Closes what was idle for `idle_timeout`, and what the host has closed. Says how many of the first.
    pub fn sweep(&self, hosts: &[Rc<HostView>], now: Instant, idle_timeout: Option<Duration>) -> usize {
        let is_expired = |connection: &Connection| {
            let idle = now.saturating_duration_since(connection.idle_since());
            idle_timeout.is_some_and(|limit| idle >= limit)
        };
        let stays = |connection: &Connection| {
            !is_expired(connection) && !connection.is_old(now) && !connection.transport.has_pending_read()
        };
        let mut timed_out = 0;
        for host in hosts {
            let pool = &host.idle.connections;
            if pool.borrow().iter().all(stays) {
                continue;
            }
            // Out of the cell first: a destructor must find the pool unborrowed.
            let (keep, closed): (Vec<Connection>, Vec<Connection>) = pool.take().into_iter().partition(stays);
            timed_out += closed.iter().filter(|connection| is_expired(connection)).count();
            self.idle_count.set(self.idle_count.get() - closed.len());
            *pool.borrow_mut() = keep;
        }
        // Permits are shared by all workers: one may have come free elsewhere, which nobody tells us.
        self.wake_all();
        timed_out
    }

    pub fn idle_count(&self) -> usize {
        self.idle_count.get()
    }

    /// Queues for a connection.
    pub fn join(&self, waker: &Waker) -> u64 {
        let ticket = self.next_ticket.get();
        self.next_ticket.set(ticket.wrapping_add(1));
        self.waiting.borrow_mut().push_back((ticket, waker.clone()));
        ticket
    }

    /// Back to its place in the queue: its turn came, but there was nothing to be had.
    pub fn rejoin(&self, ticket: u64, waker: &Waker) {
        let mut waiting = self.waiting.borrow_mut();
        let place = waiting.partition_point(|(queued, _)| *queued < ticket);
        waiting.insert(place, (ticket, waker.clone()));
    }

    /// There was nothing to be had for this ticket; the one behind it may wait for something else.
    pub fn pass_on(&self, ticket: u64) {
        let mut waiting = self.waiting.borrow_mut();
        let behind = waiting.partition_point(|(queued, _)| *queued <= ticket);
        let next = waiting.remove(behind);
        drop(waiting);
        if let Some((_, waker)) = next {
            waker.wake();
        }
    }

    /// Whether the ticket still waits for its turn; then this waker is the one to wake.
    pub fn is_queued(&self, ticket: u64, waker: &Waker) -> bool {
        let mut waiting = self.waiting.borrow_mut();
        let Some((_, queued)) = waiting.iter_mut().find(|(queued, _)| *queued == ticket) else { return false };
        queued.clone_from(waker);
        true
    }

    /// Leaves the queue. A stream that goes away when its turn had come passes the turn on.
    pub fn leave(&self, ticket: u64) {
        let mut waiting = self.waiting.borrow_mut();
        let before = waiting.len();
        waiting.retain(|(queued, _)| *queued != ticket);
        let had_turn = waiting.len() == before;
        drop(waiting);
        if had_turn {
            self.wake_next();
        }
    }

    /// A connection or a permit came free.
    pub fn wake_next(&self) {
        if self.waiting.borrow().is_empty() {
            return;
        }
        let next = self.waiting.borrow_mut().pop_front();
        if let Some((_, waker)) = next {
            waker.wake();
        }
    }

    /// One more request of this worker holds a permit for waiting, or one fewer.
    pub(super) fn count_pending(&self, change: isize) {
        self.pending.set(self.pending.get().saturating_add_signed(change));
    }

    /// How many do.
    pub fn pending(&self) -> usize {
        self.pending.get()
    }

    /// Requests of this worker that are queued for a connection.
    pub fn waiting(&self) -> usize {
        self.waiting.borrow().len()
    }

    /// No idle connection for one request at a time, and nobody waits for one.
    pub fn is_unused(&self) -> bool {
        self.idle_count() == 0 && self.waiting() == 0
    }

    fn wake_all(&self) {
        let waiting = self.waiting.take();
        for (_, waker) in waiting {
            waker.wake();
        }
    }
}
