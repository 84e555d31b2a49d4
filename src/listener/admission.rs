//! Which connections are taken, which are open, and how a drain reaches the idle ones.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};

/// How many connections may be open at once, over all workers.
#[derive(Debug)]
pub struct ConnectionLimit {
    most: AtomicU64,
    open: AtomicU64,
}

impl ConnectionLimit {
    pub fn new(most: u64) -> ConnectionLimit {
        ConnectionLimit { most: AtomicU64::new(most), open: AtomicU64::new(0) }
    }

    /// A reload may change the limit; what is open stays open.
    pub fn set(&self, most: u64) {
        self.most.store(most, Relaxed);
    }

    pub fn open(&self) -> u64 {
        self.open.load(Relaxed)
    }

    fn try_acquire(&self) -> bool {
        if self.open.fetch_add(1, Relaxed) < self.most.load(Relaxed) {
            return true;
        }
        self.release();
        false
    }

    fn release(&self) {
        self.open.fetch_sub(1, Relaxed);
    }
}

/// The open connections of one listener on one worker.
#[derive(Clone)]
pub struct Connections(Rc<Shared>);

struct Shared {
    /// Of the listener, and of the process.
    limits: [Arc<ConnectionLimit>; 2],
    draining: Cell<bool>,
    /// One waker for each idle connection; a free place has none.
    idle: RefCell<Vec<Option<Waker>>>,
    free: RefCell<Vec<u32>>,
    open: Cell<usize>,
    /// The accept loop.
    acceptor: RefCell<Option<Waker>>,
    /// Who waits for the last one to close.
    empty: RefCell<Option<Waker>>,
}

impl Connections {
    pub fn new(listener: Arc<ConnectionLimit>, process: Arc<ConnectionLimit>) -> Connections {
        Connections(Rc::new(Shared {
            limits: [listener, process],
            draining: Cell::new(false),
            idle: RefCell::default(),
            free: RefCell::default(),
            open: Cell::new(0),
            acceptor: RefCell::default(),
            empty: RefCell::default(),
        }))
    }

    /// Takes one more connection. The error is the limit that is reached: 0 the listener's, 1 the process's.
    pub fn admit(&self) -> Result<Admission, usize> {
        for (at, limit) in self.0.limits.iter().enumerate() {
            if !limit.try_acquire() {
                self.0.limits[..at].iter().for_each(|taken| taken.release());
                return Err(at);
            }
        }
        Ok(Admission { place: self.enter(), connections: self.clone() })
    }

    fn enter(&self) -> u32 {
        self.0.open.set(self.0.open.get() + 1);
        self.0.free.borrow_mut().pop().unwrap_or_else(|| {
            let mut idle = self.0.idle.borrow_mut();
            idle.push(None);
            // Far fewer connections than 2^32: each has a file descriptor.
            (idle.len() - 1) as u32
        })
    }

    fn leave(&self, place: u32) {
        let shared = &self.0;
        let waker = shared.idle.borrow_mut()[place as usize].take();
        drop(waker);
        shared.free.borrow_mut().push(place);
        shared.open.set(shared.open.get() - 1);
        if shared.open.get() == 0
            && let Some(waker) = shared.empty.borrow_mut().take()
        {
            waker.wake();
        }
    }

    pub fn open(&self) -> usize {
        self.0.open.get()
    }

    /// From now on idle connections close, and busy ones with their response.
    pub fn drain(&self) {
        self.0.draining.set(true);
        let wakers: Vec<Waker> = self.0.idle.borrow_mut().iter_mut().filter_map(Option::take).collect();
        let acceptor = self.0.acceptor.take();
        wakers.into_iter().chain(acceptor).for_each(Waker::wake);
    }

    /// For the accept loop: ready when it is to stop.
    pub fn poll_stop_accepting(&self, task: &mut Context<'_>) -> Poll<()> {
        if self.is_draining() {
            return Poll::Ready(());
        }
        let mut acceptor = self.0.acceptor.borrow_mut();
        if !acceptor.as_ref().is_some_and(|waker| waker.will_wake(task.waker())) {
            *acceptor = Some(task.waker().clone());
        }
        Poll::Pending
    }

    pub fn is_draining(&self) -> bool {
        self.0.draining.get()
    }

    /// Ready once no connection is open.
    pub fn poll_empty(&self, task: &mut Context<'_>) -> Poll<()> {
        if self.open() == 0 {
            return Poll::Ready(());
        }
        *self.0.empty.borrow_mut() = Some(task.waker().clone());
        Poll::Pending
    }
}

/// One open connection.
pub struct Admission {
    connections: Connections,
    place: u32,
}

impl Admission {
    /// For an idle connection: ready when it is to close.
    pub fn poll_drain(&self, task: &mut Context<'_>) -> Poll<()> {
        if self.connections.is_draining() {
            return Poll::Ready(());
        }
        let mut idle = self.connections.0.idle.borrow_mut();
        match &mut idle[self.place as usize] {
            Some(waker) if waker.will_wake(task.waker()) => {}
            place => *place = Some(task.waker().clone()),
        }
        Poll::Pending
    }
}

impl Admission {
    /// The connection is one of `other`'s from now on, under the same limits: its chain is known.
    pub fn move_to(&mut self, other: &Connections) {
        debug_assert!(Arc::ptr_eq(&other.0.limits[0], &self.connections.0.limits[0]), "limits of one listener");
        let place = other.enter();
        self.connections.leave(std::mem::replace(&mut self.place, place));
        self.connections = other.clone();
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.connections.0.limits.iter().for_each(|limit| limit.release());
        self.connections.leave(self.place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_limits_hold_and_are_given_back() {
        let (listener, process) = (Arc::new(ConnectionLimit::new(2)), Arc::new(ConnectionLimit::new(3)));
        let first = Connections::new(listener, process.clone());
        let second = Connections::new(Arc::new(ConnectionLimit::new(9)), process.clone());
        let one = first.admit().ok().unwrap();
        let _two = first.admit().ok().unwrap();
        assert_eq!(first.admit().err(), Some(0), "the listener's limit");
        let _three = second.admit().ok().unwrap();
        assert_eq!(second.admit().err(), Some(1), "the process's limit");
        assert_eq!(process.open(), 3, "a refusal takes nothing");
        drop(one);
        assert!(second.admit().is_ok());
        assert_eq!((first.open(), second.open()), (1, 1));
    }

    #[test]
    fn a_connection_that_moves_is_counted_once() {
        let limits = [Arc::new(ConnectionLimit::new(1)), Arc::new(ConnectionLimit::new(9))];
        let new = || Connections::new(limits[0].clone(), limits[1].clone());
        let (port, chain) = (new(), new());
        let mut one = port.admit().ok().unwrap();
        one.move_to(&chain);
        assert_eq!((port.open(), chain.open(), limits[0].open()), (0, 1, 1));
        assert_eq!(port.admit().err(), Some(0));
        drop(one);
        assert_eq!((chain.open(), limits[0].open(), limits[1].open()), (0, 0, 0));
    }
}
