//! What the connection's task and the tasks of its streams share.

use std::cell::{RefCell, RefMut};
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Instant;

use bytes::Bytes;
use nuncio_h2::{Connection, EncodeError, Reason, StreamRef};
use nuncio_http::{RequestHead, Upgrade};

use super::StreamHandle;
use super::entry::{Entry, Lost};

/// What the streams of a connection may have queued together while windows are shut, in bytes.
pub(super) const QUEUE_LIMIT: usize = 256 * 1024;

/// Once that much waits, what streams may hand over between two turns of the connection's task, in bytes: whether the socket
/// takes it is not known before.
const AHEAD: usize = 64 * 1024;

/// One connection, shared by its tasks.
pub(crate) struct Mux {
    core: RefCell<Core>,
}

pub(super) struct Core {
    pub(super) codec: Connection,
    /// By slot.
    pub(super) entries: Vec<Entry>,
    /// The connection's own task.
    task: Option<Waker>,
    /// Slots of the streams that wait for room.
    blocked: Vec<u32>,
    /// Slots of the streams that got data in this turn of the connection's task.
    fresh: Vec<u32>,
    /// Bytes that streams have handed over since the socket last took everything that may leave.
    ahead: usize,
    /// The socket takes no more.
    stuck: bool,
    /// Streams that cannot be opened before the peer's settings are known.
    waiting_for_settings: Vec<Waker>,
    /// Client: the last stream that was opened, and the last one of which something has left.
    pub(super) opened: u32,
    pub(super) left: u32,
    /// Nothing comes or goes any more.
    pub(super) lost: Option<Lost>,
}

impl Mux {
    pub(crate) fn new(codec: Connection) -> Rc<Mux> {
        let core = Core {
            codec,
            entries: Vec::new(),
            task: None,
            blocked: Vec::new(),
            fresh: Vec::new(),
            ahead: 0,
            stuck: false,
            waiting_for_settings: Vec::new(),
            opened: 0,
            left: 0,
            lost: None,
        };
        Rc::new(Mux { core: RefCell::new(core) })
    }

    pub(super) fn core(&self) -> RefMut<'_, Core> {
        self.core.borrow_mut()
    }

    /// Client: opens a stream. [`EncodeError::Refused`]: not on this connection.
    pub(crate) fn open(
        self: &Rc<Mux>,
        head: &RequestHead,
        protocol: Option<Upgrade>,
        end: bool,
    ) -> Result<StreamHandle, EncodeError> {
        let mut core = self.core();
        if core.lost.is_some() {
            return Err(EncodeError::Refused);
        }
        let stream = core.codec.open(head, protocol, end)?;
        core.opened = stream.id;
        core.enter(stream);
        core.wake_task();
        drop(core);
        Ok(StreamHandle::new(self.clone(), stream))
    }

    /// Client: streams that may be opened now.
    pub(crate) fn capacity(&self) -> u32 {
        let core = self.core();
        if core.lost.is_some() { 0 } else { core.codec.capacity() }
    }

    /// Streams that hold a slot.
    pub(crate) fn streams(&self) -> usize {
        self.core().codec.streams()
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.core().lost.is_some()
    }

    /// Whether the peer takes extended CONNECT; `None`: it has not said yet.
    pub(crate) fn peer_connect_protocol(&self) -> Option<bool> {
        let core = self.core();
        core.codec.settings_received().then(|| core.codec.peer_connect_protocol())
    }

    /// Wakes the task when the peer's settings have come, or the connection is lost.
    pub(crate) fn park_for_settings(&self, task: &Context<'_>) {
        self.core().waiting_for_settings.push(task.waker().clone());
    }

    /// No further streams; those that are open go on to their end.
    pub(crate) fn shutdown(&self, now: Instant) {
        let mut core = self.core();
        core.codec.shutdown(now);
        core.wake_task();
    }

    /// GOAWAY at once.
    pub(crate) fn close(&self, reason: Reason) {
        let mut core = self.core();
        core.codec.close(reason);
        core.wake_task();
    }
}

impl Core {
    /// The connection's task is to be woken from now on.
    pub(super) fn park_task(&mut self, task: &Context<'_>) {
        if !self.task.as_ref().is_some_and(|waker| waker.will_wake(task.waker())) {
            self.task = Some(task.waker().clone());
        }
    }

    /// There is something for the connection's task to do.
    pub(super) fn wake_task(&self) {
        if let Some(waker) = &self.task {
            waker.wake_by_ref();
        }
    }

    /// A place for a new stream.
    pub(super) fn enter(&mut self, stream: StreamRef) {
        let slot = stream.slot as usize;
        if self.entries.len() <= slot {
            self.entries.resize_with(slot + 1, Entry::default);
        }
        self.entries[slot].clear();
        self.entries[slot].id = stream.id;
    }

    /// The stream's place; `None`: it is gone.
    pub(super) fn entry(&mut self, stream: StreamRef) -> Option<&mut Entry> {
        self.entries.get_mut(stream.slot as usize).filter(|entry| entry.id == stream.id)
    }

    /// Data for a stream; one that is gone gets nothing.
    pub(super) fn receive_data(&mut self, stream: StreamRef, chunk: Bytes, end: bool) {
        let Some(entry) = self.entry(stream) else { return };
        entry.push_data(chunk, end);
        entry.wake();
        if !std::mem::replace(&mut entry.fresh, true) {
            self.fresh.push(stream.slot);
        }
    }

    /// What the last turn brought and no stream has taken is copied out of the read buffer: a byte that is left lying would
    /// pin all of it (rows H2-9 and H2-10). Who takes data at once gets it without a copy.
    pub(super) fn own_queued(&mut self) {
        for slot in self.fresh.drain(..) {
            self.entries[slot as usize].own();
        }
    }

    /// How many bytes a stream may queue now: what its windows let out at once, or its share of what may wait. While the socket
    /// takes nothing, open windows let nothing out either: then all of it waits (row H2-10).
    pub(super) fn room(&self, stream: StreamRef, most: usize) -> usize {
        let queued = self.codec.queued(stream);
        let full = self.codec.queued_total() >= QUEUE_LIMIT;
        if queued >= most || full && (self.stuck || self.ahead >= AHEAD) {
            return 0;
        }
        // Large reads for few streams, small ones for many: all of them together pin little.
        let share = (QUEUE_LIMIT / self.codec.streams().max(1)).max(most / 2);
        let window = self.codec.window(stream).min(share);
        if full { window } else { window.max(most / 2) }
    }

    /// A stream has handed over so much.
    pub(super) fn handed_over(&mut self, bytes: usize) {
        self.ahead = self.ahead.saturating_add(bytes);
    }

    /// The socket was offered everything that may leave. `stuck`: it did not take all.
    pub(super) fn offered(&mut self, stuck: bool) {
        self.stuck = stuck;
        self.ahead = 0;
    }

    /// The stream is to be woken when there is room, or its bytes have left.
    pub(super) fn block(&mut self, stream: StreamRef, task: &Context<'_>) {
        let Some(entry) = self.entry(stream) else { return };
        park(&mut entry.waker, task);
        if !std::mem::replace(&mut entry.blocked, true) {
            self.blocked.push(stream.slot);
        }
    }

    /// Wakes the streams that waited for what is now there.
    pub(super) fn wake_unblocked(&mut self, most: usize) {
        let mut at = 0;
        while let Some(&slot) = self.blocked.get(at) {
            let id = self.entries[slot as usize].id;
            let stream = StreamRef { id, slot };
            let ready = id == 0 || self.codec.queued(stream) == 0 || self.room(stream, most) > 0;
            if !ready && self.lost.is_none() {
                at += 1;
                continue;
            }
            self.blocked.swap_remove(at);
            let entry = &mut self.entries[slot as usize];
            entry.blocked = false;
            entry.wake();
        }
    }

    /// The peer's settings have come.
    pub(super) fn wake_for_settings(&mut self) {
        if self.codec.settings_received() || self.lost.is_some() {
            self.waiting_for_settings.drain(..).for_each(Waker::wake);
        }
    }

    /// The connection is over: every stream is told, behind what it has received.
    pub(super) fn lose(&mut self, lost: Lost) {
        self.lost.get_or_insert(lost);
        self.wake_for_settings();
        let (opened, left) = (self.opened, self.left);
        for entry in self.entries.iter_mut().filter(|entry| entry.id != 0) {
            let unsent = lost == Lost::Closed && entry.id > left && entry.id <= opened;
            entry.lost.get_or_insert(if unsent { Lost::Unsent } else { lost });
            entry.wake();
        }
    }
}

impl Entry {
    pub(super) fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }
}

/// Remembers the task; a waker is cloned only when it is another one.
pub(super) fn park(place: &mut Option<Waker>, task: &Context<'_>) {
    if !place.as_ref().is_some_and(|waker| waker.will_wake(task.waker())) {
        *place = Some(task.waker().clone());
    }
}
