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
use std::task::Waker;
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::h2::Hosts;

pub struct Pool {
    /// Connections that carry many streams; they are shared, not taken.
    pub http2: Hosts,
    /// By host.
    idle: Vec<RefCell<Vec<Connection>>>,
    idle_count: Cell<usize>,
    waiting: RefCell<VecDeque<(u64, Waker)>>,
    next_ticket: Cell<u64>,
}

impl Pool {
    pub fn new(hosts: usize) -> Pool {
        Pool {
            http2: Hosts::new(hosts),
            idle: (0..hosts).map(|_| RefCell::default()).collect(),
            idle_count: Cell::new(0),
            waiting: RefCell::default(),
            next_ticket: Cell::new(0),
        }
    }

    /// The newest idle connection to a host that is still open, as far as the reactor knows.
    pub fn take(&self, host: usize) -> Option<Connection> {
        if self.idle_count.get() == 0 {
            return None;
        }
        loop {
            let mut connection = self.idle[host].borrow_mut().pop()?;
            self.idle_count.set(self.idle_count.get() - 1);
            if !connection.transport.has_pending_read() {
                return Some(connection);
            }
            connection.closed_by_host = true;
        }
    }

    pub(super) fn put(&self, connection: Connection, most: usize) {
        if self.idle_count.get() < most {
            self.idle_count.set(self.idle_count.get() + 1);
            self.idle[connection.host].borrow_mut().push(connection);
        }
        self.wake_next();
    }

    /// Closes the idle connection that was used longest ago, of any host: it gives its permit to a host that
    /// has none. One with HTTP/2 says good-bye first: its permit comes free soon, and wakes whoever waits.
    pub fn evict_oldest(&self) -> bool {
        let oldest = |pool: &RefCell<Vec<Connection>>| pool.borrow().first().map(Connection::idle_since);
        let Some(host) = (0..self.idle.len())
            .filter(|&host| oldest(&self.idle[host]).is_some())
            .min_by_key(|&host| oldest(&self.idle[host]))
        else {
            if let Some(idle) = self.http2.all().iter().find(|connection| connection.is_idle()) {
                idle.evict();
            }
            return false;
        };
        let connection = self.idle[host].borrow_mut().remove(0);
        self.idle_count.set(self.idle_count.get() - 1);
        drop(connection);
        true
    }

    /// Closes what was idle for `idle_timeout`, and what the host has closed. Says how many of the first.
    pub fn sweep(&self, now: Instant, idle_timeout: Option<Duration>) -> usize {
        let mut timed_out = 0;
        for pool in &self.idle {
            // Out of the cell first: a destructor must find the pool unborrowed.
            let (keep, closed): (Vec<Connection>, Vec<Connection>) = pool.take().into_iter().partition(|connection| {
                let idle = now.saturating_duration_since(connection.idle_since());
                let expired = idle_timeout.is_some_and(|limit| idle >= limit);
                timed_out += usize::from(expired);
                !expired && !connection.transport.has_pending_read()
            });
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

    pub fn clear(&self) {
        for pool in &self.idle {
            drop(pool.take());
        }
        self.idle_count.set(0);
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

    /// Requests of this worker that wait for a connection.
    pub fn waiting(&self) -> usize {
        self.waiting.borrow().len()
    }

    /// No idle connection, and nobody waits for one.
    pub fn is_unused(&self) -> bool {
        self.idle_count() == 0 && self.waiting() == 0 && self.http2.is_empty()
    }

    fn wake_all(&self) {
        let waiting = self.waiting.take();
        for (_, waker) in waiting {
            waker.wake();
        }
    }
}
