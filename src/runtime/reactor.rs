//! The reactor of one worker: each descriptor is registered once, edge-triggered, and its readiness is remembered here
//! (epoll(7), "Edge-triggered"). I/O is tried first; a waker is parked only when it would block.
//!
//! It sits on `epoll` itself and not on `polling::Poller`, whose `wait` (3.11) sets a timerfd, re-arms it and its
//! notifier with two `epoll_ctl` and reads an eventfd, every time. Here a turn of the loop costs one `epoll_wait`.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

use self::group::Groups;
use super::{Hangup, Rt};

mod group;
pub(super) use group::Group;
pub use group::Trigger;

/// What a descriptor is watched for.
#[derive(Clone, Copy)]
pub(super) enum Interest {
    /// Listening sockets and eventfds.
    Read,
    /// Connected or connecting sockets.
    Stream,
}

/// Events taken from the kernel in one turn.
const BATCH: usize = 256;

/// Bits of `Registration::state`.
mod state {
    /// A read may succeed.
    pub(super) const READABLE: u8 = 1;
    /// A write may succeed.
    pub(super) const WRITABLE: u8 = 2;
    /// The peer will send no more (EPOLLRDHUP).
    pub(super) const READ_CLOSED: u8 = 4;
    /// Both directions are over (EPOLLHUP).
    pub(super) const HUNG_UP: u8 = 8;
    /// An error is or was pending (EPOLLERR).
    pub(super) const FAILED: u8 = 16;
    /// We have shut down our own direction: EPOLLHUP is then an orderly end.
    pub(super) const WRITE_CLOSED: u8 = 32;
    /// The parked reader waits for data too, not only for a hangup.
    pub(super) const WANTS_DATA: u8 = 64;
    /// After these a read finds an end or an error and will not block.
    pub(super) const ENDED: u8 = READ_CLOSED | HUNG_UP | FAILED;
}
use state::*;

pub(super) struct Reactor {
    epoll: OwnedFd,
    slab: RefCell<Slab>,
    groups: RefCell<Groups>,
    events: RefCell<Vec<epoll::Event>>,
}

impl Reactor {
    pub(super) fn new() -> io::Result<Reactor> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let slab = RefCell::new(Slab { slots: Vec::new(), free: NIL });
        Ok(Reactor { epoll, slab, groups: RefCell::default(), events: RefCell::new(Vec::with_capacity(BATCH)) })
    }

    /// Waits for events at most `timeout` (for ever if `None`) and wakes the tasks concerned.
    pub(super) fn wait(&self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = timeout.map(|timeout| Timespec {
            tv_sec: timeout.as_secs() as i64,
            tv_nsec: i64::from(timeout.subsec_nanos()) as _,
        });
        let mut events = self.events.borrow_mut();
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in events.drain(..) {
            // not held while waking: a waker may do anything
            let token = event.data.u64();
            if token & group::MEMBER != 0 {
                let shared = self.groups.borrow().get(token);
                shared.into_iter().for_each(|group| group.dispatch(token));
                continue;
            }
            let registration = self.slab.borrow().get(token);
            if let Some(registration) = registration {
                registration.dispatch(event.flags);
            }
        }
        Ok(())
    }
}

/// One registration of a descriptor. The owner closes the descriptor, which ends the kernel's side of it; one that is
/// shared through `dup` must call [`Source::deregister`] first.
pub(super) struct Source {
    rt: Rt,
    registration: Rc<Registration>,
}

struct Registration {
    token: u64,
    state: Cell<u8>,
    reader: Cell<Option<Waker>>,
    writer: Cell<Option<Waker>>,
}

impl Source {
    pub(super) fn new(rt: &Rt, fd: impl AsFd, interest: Interest) -> io::Result<Source> {
        let reactor = &rt.worker().reactor;
        let registration = reactor.slab.borrow_mut().insert();
        // from here on `drop` gives the slot back
        let source = Source { rt: rt.clone(), registration };
        let flags = epoll::EventFlags::IN
            | epoll::EventFlags::ET
            | match interest {
                Interest::Read => epoll::EventFlags::empty(),
                Interest::Stream => epoll::EventFlags::OUT | epoll::EventFlags::RDHUP,
            };
        epoll::add(&reactor.epoll, fd, epoll::EventData::new_u64(source.registration.token), flags)?;
        Ok(source)
    }

    /// Says that a read is worth a try before any event has come.
    pub(super) fn assume_readable(&self) {
        self.registration.set(READABLE);
    }

    pub(super) fn assume_writable(&self) {
        self.registration.set(WRITABLE);
    }

    /// Whether an edge has come since the last read that emptied the socket.
    pub(super) fn is_readable(&self) -> bool {
        self.registration.has(READABLE)
    }

    /// Ready when a read is worth a try; otherwise parks the reader.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_readable() {
            return Poll::Ready(());
        }
        self.park_reader(cx);
        Poll::Pending
    }

    /// Parks the reader for any event on the receive side.
    pub(super) fn park_reader(&self, cx: &mut Context<'_>) {
        self.registration.set(WANTS_DATA);
        park(&self.registration.reader, cx);
    }

    /// Ready when a write is worth a try; otherwise parks the writer.
    pub(super) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.registration.has(WRITABLE) {
            return Poll::Ready(());
        }
        park(&self.registration.writer, cx);
        Poll::Pending
    }

    /// Ready when the peer has ended its side or is gone. Shares its waker with the reader, but data does not wake it.
    pub(super) fn poll_hangup(&self, cx: &mut Context<'_>, at_least: Hangup) -> Poll<Hangup> {
        match self.hangup() {
            Some(hangup) if hangup >= at_least => Poll::Ready(hangup),
            _ => {
                park(&self.registration.reader, cx);
                Poll::Pending
            }
        }
    }

    pub(super) fn hangup(&self) -> Option<Hangup> {
        let registration = &self.registration;
        if registration.has(FAILED) || registration.has(HUNG_UP) && !registration.has(WRITE_CLOSED) {
            Some(Hangup::Reset)
        } else {
            registration.has(READ_CLOSED | HUNG_UP).then_some(Hangup::HalfClosed)
        }
    }

    /// Whether an error came with an event, as for a connection attempt that failed.
    pub(super) fn has_failed(&self) -> bool {
        self.registration.has(FAILED | HUNG_UP)
    }

    /// Notes a read of `len` bytes into `space`: a short one has emptied the socket, so that the next bytes bring an
    /// edge. After an end or error was seen there is no further edge: the flag stays, the next read finds it.
    pub(super) fn read_done(&self, len: usize, space: usize) {
        if len < space && !self.registration.has(ENDED) {
            self.registration.clear(READABLE);
        }
    }

    /// Notes a write of `len` bytes out of `offered`: a short one has filled the socket's buffer.
    pub(super) fn write_done(&self, len: usize, offered: usize) {
        if len < offered && !self.registration.has(FAILED | HUNG_UP) {
            self.registration.clear(WRITABLE);
        }
    }

    pub(super) fn read_blocked(&self) {
        self.registration.clear(READABLE);
    }

    pub(super) fn write_blocked(&self) {
        self.registration.clear(WRITABLE);
    }

    pub(super) fn note_write_closed(&self) {
        self.registration.set(WRITE_CLOSED);
    }

    /// Forgets parked wakers: they would keep the memory of a finished task.
    pub(super) fn forget_wakers(&self) {
        drop(self.registration.reader.take());
        drop(self.registration.writer.take());
    }

    pub(super) fn deregister(&self, fd: impl AsFd) {
        // fails only if it was not registered, which is what is wanted
        let _ = epoll::delete(&self.rt.worker().reactor.epoll, fd);
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.rt.worker().reactor.slab.borrow_mut().remove(self.registration.token);
    }
}

impl Registration {
    fn dispatch(&self, flags: epoll::EventFlags) {
        use epoll::EventFlags;
        let ended = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
        for (flag, bit) in [(EventFlags::RDHUP, READ_CLOSED), (EventFlags::HUP, HUNG_UP), (EventFlags::ERR, FAILED)] {
            if flags.contains(flag) {
                self.set(bit);
            }
        }
        if flags.intersects(EventFlags::IN | ended) {
            self.set(READABLE);
            if self.has(WANTS_DATA) || flags.intersects(ended) {
                self.clear(WANTS_DATA);
                wake(&self.reader);
            }
        }
        if flags.intersects(EventFlags::OUT | EventFlags::HUP | EventFlags::ERR) {
            self.set(WRITABLE);
            wake(&self.writer);
        }
    }

    fn has(&self, bits: u8) -> bool {
        self.state.get() & bits != 0
    }

    fn set(&self, bits: u8) {
        self.state.set(self.state.get() | bits);
    }

    fn clear(&self, bits: u8) {
        self.state.set(self.state.get() & !bits);
    }
}

fn wake(slot: &Cell<Option<Waker>>) {
    if let Some(waker) = slot.take() {
        waker.wake();
    }
}

/// Leaves the task's waker, unless it is there already.
fn park(slot: &Cell<Option<Waker>>, cx: &mut Context<'_>) {
    let parked = slot.take().filter(|waker| waker.will_wake(cx.waker()));
    slot.set(Some(parked.unwrap_or_else(|| cx.waker().clone())));
}

/// Registrations by token: slot number below, generation above, so that an event of a closed descriptor, still in the
/// kernel's batch, finds nobody instead of the slot's next owner.
struct Slab {
    slots: Vec<Slot>,
    free: u32,
}

struct Slot {
    registration: Option<Rc<Registration>>,
    generation: u32,
    next_free: u32,
}

const NIL: u32 = u32::MAX;

impl Slab {
    fn insert(&mut self) -> Rc<Registration> {
        if self.free == NIL {
            self.free = self.slots.len() as u32;
            self.slots.push(Slot { registration: None, generation: 0, next_free: NIL });
        }
        let index = self.free;
        let slot = &mut self.slots[index as usize];
        self.free = slot.next_free;
        let token = (u64::from(slot.generation) << 32 | u64::from(index)) & !group::MEMBER;
        let registration =
            Registration { token, state: Cell::new(0), reader: Cell::new(None), writer: Cell::new(None) };
        slot.registration.insert(Rc::new(registration)).clone()
    }

    fn remove(&mut self, token: u64) {
        let index = token as u32;
        let slot = &mut self.slots[index as usize];
        slot.registration = None;
        slot.generation = slot.generation.wrapping_add(1);
        slot.next_free = std::mem::replace(&mut self.free, index);
    }

    fn get(&self, token: u64) -> Option<Rc<Registration>> {
        let slot = self.slots.get(token as u32 as usize)?;
        slot.registration.clone().filter(|registration| registration.token == token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_token_finds_nobody() {
        let mut slab = Slab { slots: Vec::new(), free: NIL };
        let old = slab.insert().token;
        slab.remove(old);
        assert!(slab.get(old).is_none());
        let new = slab.insert().token;
        assert_eq!(old as u32, new as u32, "the slot is used again");
        assert!(slab.get(old).is_none() && slab.get(new).is_some());
        assert!(slab.get(u64::MAX).is_none());
    }

    #[test]
    fn registrations_are_small() {
        assert!(size_of::<Registration>() <= 48, "{}", size_of::<Registration>());
        assert!(size_of::<Slot>() <= 16);
    }
}
