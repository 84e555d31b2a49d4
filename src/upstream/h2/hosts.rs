//! The HTTP/2 connections of one cluster on one worker, by host, and the requests that wait for one to be opened.
//!
//! Whoever finds no connection with room opens one and says so by [`Hosts::begin`]; who comes meanwhile waits for it. When it is
//! there all of them look again; when it could not be opened all of them fail with it, and nobody tries a dead host once
//! for each request. When the one who was opening it goes away, the next in the queue takes over.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::Connection;
use crate::error::Kind;

/// By host.
pub struct Hosts {
    hosts: Box<[RefCell<Host>]>,
}

#[derive(Default)]
struct Host {
    connections: Vec<Rc<Connection>>,
    connecting: bool,
    /// What the last handshake agreed on, where that decides.
    speaks: Option<bool>,
    waiting: Vec<Rc<Waiter>>,
}

#[derive(Default)]
struct Waiter {
    waker: RefCell<Option<Waker>>,
    /// Why there is no connection.
    failed: Cell<Option<Kind>>,
    /// It is to look again.
    woken: Cell<bool>,
}

/// One request's place in the queue for a connection that is being opened.
pub struct Wait(Rc<Waiter>);

impl Hosts {
    pub fn new(hosts: usize) -> Hosts {
        Hosts { hosts: (0..hosts).map(|_| RefCell::default()).collect() }
    }

    /// A connection to this host that takes another stream: the first one that does, so that others can fall idle.
    pub fn find(&self, host: usize) -> Option<Rc<Connection>> {
        self.hosts[host].borrow().connections.iter().find(|connection| connection.has_room()).cloned()
    }

    /// Whether the host agreed on HTTP/2 when it was last asked; `None`: it was not.
    pub fn speaks(&self, host: usize) -> Option<bool> {
        self.hosts[host].borrow().speaks
    }

    /// A handshake has decided. Those who wait for a connection to share look again if there is none.
    pub fn learn(&self, host: usize, http2: bool) {
        self.hosts[host].borrow_mut().speaks = Some(http2);
    }

    /// Somebody is opening a connection to this host.
    pub fn is_connecting(&self, host: usize) -> bool {
        self.hosts[host].borrow().connecting
    }

    /// The caller opens one.
    pub fn begin(&self, host: usize) {
        self.hosts[host].borrow_mut().connecting = true;
    }

    /// It is open. Those who wait do so until the host has said how many streams it takes.
    pub fn opened(&self, connection: Rc<Connection>) {
        self.hosts[connection.host()].borrow_mut().connections.push(connection);
    }

    /// The host's settings have come, or will not: all who waited look again.
    pub(super) fn settled(&self, host: usize) {
        self.done(host, None);
    }

    /// It could not be opened.
    pub fn failed(&self, host: usize, kind: Kind) {
        self.done(host, Some(kind));
    }

    /// Whoever was opening it went away: the others look again, and the first of them opens one.
    pub fn gave_up(&self, host: usize) {
        self.done(host, None);
    }

    fn done(&self, host: usize, failed: Option<Kind>) {
        let mut place = self.hosts[host].borrow_mut();
        place.connecting = false;
        let waiting = std::mem::take(&mut place.waiting);
        drop(place);
        for waiter in waiting {
            waiter.failed.set(failed);
            waiter.woken.set(true);
            if let Some(waker) = waiter.waker.take() {
                waker.wake();
            }
        }
    }

    /// Waits for the connection that is being opened.
    pub fn wait(&self, host: usize, task: &Context<'_>) -> Wait {
        let waiter = Rc::new(Waiter { waker: RefCell::new(Some(task.waker().clone())), ..Waiter::default() });
        self.hosts[host].borrow_mut().waiting.push(waiter.clone());
        Wait(waiter)
    }

    /// The connection is closed.
    pub(super) fn remove(&self, connection: &Connection) {
        let mut host = self.hosts[connection.host()].borrow_mut();
        let at = host.connections.iter().position(|other| std::ptr::eq(&**other, connection));
        let removed = at.map(|at| host.connections.swap_remove(at));
        // Out of the cell before it is dropped.
        drop(host);
        drop(removed);
    }

    /// Connections of all hosts.
    pub fn all(&self) -> Vec<Rc<Connection>> {
        self.hosts.iter().flat_map(|host| host.borrow().connections.clone()).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.hosts.iter().all(|host| {
            let host = host.borrow();
            host.connections.is_empty() && !host.connecting
        })
    }
}

impl Wait {
    /// Ready when it is worth looking again, or with the reason why there is no connection.
    pub fn poll(&self, task: &Context<'_>) -> Poll<Result<(), Kind>> {
        if self.0.woken.get() {
            return Poll::Ready(self.0.failed.get().map_or(Ok(()), Err));
        }
        *self.0.waker.borrow_mut() = Some(task.waker().clone());
        Poll::Pending
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let waker = self.0.waker.take();
        drop(waker);
    }
}
