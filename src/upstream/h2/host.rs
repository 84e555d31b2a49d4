//! The HTTP/2 connections of one host on one worker, and the requests that wait for one to be opened.
//!
//! Whoever finds no connection with room opens one and says so by [`Connections::begin`]; who comes meanwhile waits for it. When
//! it is there all of them look again; when it could not be opened all of them fail with it, and nobody tries a dead host
//! once for each request. When the one who was opening it goes away, the next in the queue takes over.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::Connection;
use crate::error::Kind;

/// Of one host.
#[derive(Default)]
pub struct Connections {
    open: RefCell<Vec<Rc<Connection>>>,
    connecting: Cell<bool>,
    /// What the last handshake agreed on, where that decides.
    speaks: Cell<Option<bool>>,
    waiting: RefCell<Vec<Rc<Waiter>>>,
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

impl Connections {
    /// One that takes another stream: the first that does, so that others can fall idle.
    pub fn find(&self) -> Option<Rc<Connection>> {
        self.open.borrow().iter().find(|connection| connection.has_room()).cloned()
    }

    /// Whether the host agreed on HTTP/2 when it was last asked; `None`: it was not.
    pub fn speaks(&self) -> Option<bool> {
        self.speaks.get()
    }

    /// A handshake has decided. Those who wait for a connection to share look again if there is none.
    pub fn learn(&self, http2: bool) {
        self.speaks.set(Some(http2));
    }

    /// Somebody is opening a connection.
    pub fn is_connecting(&self) -> bool {
        self.connecting.get()
    }

    /// The caller opens one.
    pub fn begin(&self) {
        self.connecting.set(true);
    }

    /// It is open. Those who wait do so until the host has said how many streams it takes.
    pub fn opened(&self, connection: Rc<Connection>) {
        self.open.borrow_mut().push(connection);
    }

    /// The host's settings have come, or will not: all who waited look again.
    pub(super) fn settled(&self) {
        self.done(None);
    }

    /// It could not be opened.
    pub fn failed(&self, kind: Kind) {
        self.done(Some(kind));
    }

    /// Whoever was opening it went away: the others look again, and the first of them opens one.
    pub fn gave_up(&self) {
        self.done(None);
    }

    fn done(&self, failed: Option<Kind>) {
        self.connecting.set(false);
        for waiter in self.waiting.take() {
            waiter.failed.set(failed);
            waiter.woken.set(true);
            if let Some(waker) = waiter.waker.take() {
                waker.wake();
            }
        }
    }

    /// Waits for the connection that is being opened.
    pub fn wait(&self, task: &Context<'_>) -> Wait {
        let waiter = Rc::new(Waiter { waker: RefCell::new(Some(task.waker().clone())), ..Waiter::default() });
        self.waiting.borrow_mut().push(waiter.clone());
        Wait(waiter)
    }

    /// The connection is closed.
    pub(super) fn remove(&self, connection: &Connection) {
        let mut open = self.open.borrow_mut();
        let at = open.iter().position(|other| std::ptr::eq(&**other, connection));
        let removed = at.map(|at| open.swap_remove(at));
        // Out of the cell before it is dropped.
        drop(open);
        drop(removed);
    }

    /// All that are open.
    pub fn all(&self) -> Vec<Rc<Connection>> {
        self.open.borrow().clone()
    }

    pub fn is_empty(&self) -> bool {
        self.open.borrow().is_empty() && !self.connecting.get()
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
