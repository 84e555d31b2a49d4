//! Descriptors that one task serves, thousands of them: the sessions of a UDP listener. A member has no registration of
//! its own and no waker, only a key that its owner chose; an event puts the key on the group's list and wakes the task.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use rustix::event::epoll;

use super::super::Rt;
use super::{park, wake};

/// The bit of an event's token that says: a member of a group. Below it 31 bits for the group, 32 for the key.
pub(super) const MEMBER: u64 = 1 << 63;

/// When a member comes up again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// Once something new has come, provided that it was read until it would block.
    Edge,
    /// As long as there is something to read, at each turn of the loop: for members that seldom have more than one thing to
    /// read, because they need not be asked whether they have.
    Level,
}

/// One group. Its members end with their descriptors; they must not outlive it registered.
pub(in super::super) struct Group {
    rt: Rt,
    slot: u32,
    shared: Rc<Shared>,
}

pub(super) struct Shared {
    /// Keys whose descriptors may be readable, in the order of their events; one may stand here twice.
    ready: RefCell<Vec<u32>>,
    waker: Cell<Option<Waker>>,
}

/// All groups of a worker. A place is used again: an event of a closed descriptor may then name a key that its new group
/// does not know, or one that has nothing to read. Owners bear both.
#[derive(Default)]
pub(super) struct Groups(Vec<Option<Rc<Shared>>>);

impl Group {
    pub(in super::super) fn new(rt: &Rt) -> Group {
        let shared = Rc::new(Shared { ready: RefCell::default(), waker: Cell::new(None) });
        let slot = rt.worker().reactor.groups.borrow_mut().insert(shared.clone());
        Group { rt: rt.clone(), slot, shared }
    }

    /// Watches `fd` for what can be read, errors among it, and for what waits there already.
    pub(in super::super) fn add(&self, fd: impl AsFd, key: u32, trigger: Trigger) -> io::Result<()> {
        let token = MEMBER | u64::from(self.slot) << 32 | u64::from(key);
        let flags = match trigger {
            Trigger::Edge => epoll::EventFlags::IN | epoll::EventFlags::ET,
            Trigger::Level => epoll::EventFlags::IN,
        };
        Ok(epoll::add(&self.rt.worker().reactor.epoll, fd, epoll::EventData::new_u64(token), flags)?)
    }

    /// Moves the keys of new events to the end of `into`; pending, with the task parked, if there are none.
    pub(in super::super) fn poll_ready(&self, cx: &mut Context<'_>, into: &mut VecDeque<u32>) -> Poll<()> {
        let mut ready = self.shared.ready.borrow_mut();
        if ready.is_empty() {
            park(&self.shared.waker, cx);
            return Poll::Pending;
        }
        into.extend(ready.drain(..));
        Poll::Ready(())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let shared = self.rt.worker().reactor.groups.borrow_mut().0[self.slot as usize].take();
        drop(shared);
    }
}

impl Shared {
    pub(super) fn dispatch(&self, token: u64) {
        self.ready.borrow_mut().push(token as u32);
        wake(&self.waker);
    }
}

impl Groups {
    fn insert(&mut self, shared: Rc<Shared>) -> u32 {
        let slot = self.0.iter().position(Option::is_none).unwrap_or_else(|| {
            self.0.push(None);
            self.0.len() - 1
        });
        self.0[slot] = Some(shared);
        // one a UDP listener: far below 2^31
        slot as u32
    }

    pub(super) fn get(&self, token: u64) -> Option<Rc<Shared>> {
        self.0.get((token & !MEMBER) as usize >> 32)?.clone()
    }
}
