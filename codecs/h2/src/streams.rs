//! The table of streams. A slot is found at once by a [`StreamRef`], and by a search among the identifiers in use for a frame:
//! these only grow, so they are kept in order. Streams that are gone leave their identifier behind for a while, because
//! their late frames mean different things (RFC 9113 section 5.1).

use std::collections::VecDeque;

use nuncio_http::RequestKind;

use crate::event::StreamRef;
use crate::flow::{RecvWindow, SendWindow};
use crate::limits::RECENT_STREAMS;
use crate::stream::Stream;
use crate::stream::state::{Cause, State};

/// Free slots above this number go when the last stream does.
const KEPT_SLOTS: usize = 4;

#[derive(Debug, Default)]
pub(crate) struct Streams {
    slots: Vec<Stream>,
    free: Vec<u32>,
    /// Identifier and slot, in order of the identifiers.
    by_id: VecDeque<(u32, u32)>,
    /// Streams that are gone, and how they were closed.
    recent: VecDeque<(u32, Cause)>,
    /// The highest identifier that has left `recent`: what is below is not known any more.
    horizon: u32,
    /// Streams that are not closed on the wire.
    open: usize,
    /// Streams that END_STREAM closed in both directions.
    ended: usize,
    /// Decoded heads, in bytes.
    head_cost: usize,
    /// Bytes queued.
    pub(crate) queued: usize,
}

/// What is known of an identifier without a slot that is not idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gone {
    Closed(Cause),
    /// Too long ago to tell.
    Forgotten,
    /// Skipped over: it was never used.
    Unused,
}

impl Streams {
    /// Streams that hold a slot.
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Streams that are not closed on the wire.
    pub(crate) fn open(&self) -> usize {
        self.open
    }

    /// Streams that END_STREAM closed in both directions.
    pub(crate) fn ended(&self) -> usize {
        self.ended
    }

    /// Decoded heads, in bytes.
    pub(crate) fn head_cost(&self) -> usize {
        self.head_cost
    }

    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        let queues: usize = self.slots.iter().map(|stream| stream.send.queue.memory()).sum();
        let slots = self.slots.capacity() * size_of::<Stream>() + self.free.capacity() * 4;
        queues + slots + (self.by_id.capacity() + self.recent.capacity()) * 8
    }

    /// Gives a new stream a slot. `id` is above all that came before.
    pub(crate) fn insert(
        &mut self,
        id: u32,
        kind: RequestKind,
        head_cost: usize,
        recv_window: RecvWindow,
        send_window: SendWindow,
    ) -> (StreamRef, &mut Stream) {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.slots.push(Stream::new(0, kind, recv_window, send_window));
                // There are far fewer slots than 2^32: each is a stream of this connection.
                u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
            }
        };
        self.by_id.push_back((id, slot));
        self.open += 1;
        self.head_cost += head_cost;
        let stream = &mut self.slots[slot as usize];
        let queue = std::mem::take(&mut stream.send.queue);
        *stream = Stream::new(id, kind, recv_window, send_window);
        stream.send.queue = queue.recycle();
        stream.head_cost = head_cost;
        (StreamRef { id, slot }, stream)
    }

    /// Frees the slot; says what was in it.
    pub(crate) fn remove(&mut self, stream: StreamRef) -> Option<Removed> {
        let entry = self.get_mut(stream)?;
        let removed = Removed { state: entry.state, held: entry.recv.held };
        let (queued, head_cost) = (entry.send.queue.len(), entry.head_cost);
        entry.id = 0;
        entry.send.queue = std::mem::take(&mut entry.send.queue).recycle();
        self.queued -= queued;
        self.head_cost -= head_cost;
        self.open -= usize::from(!removed.state.is_closed());
        self.ended -= usize::from(removed.state == State::Closed(Cause::EndStream));
        if let Ok(at) = self.by_id.binary_search_by_key(&stream.id, |&(id, _)| id) {
            self.by_id.remove(at);
        }
        self.free.push(stream.slot);
        if let State::Closed(cause) = removed.state {
            self.remember(stream.id, cause);
        }
        if self.by_id.is_empty() && self.slots.len() > KEPT_SLOTS {
            self.slots.clear();
            self.slots.shrink_to(KEPT_SLOTS);
            self.free.clear();
            self.free.shrink_to(KEPT_SLOTS);
        }
        Some(removed)
    }

    pub(crate) fn get(&self, stream: StreamRef) -> Option<&Stream> {
        self.slots.get(stream.slot as usize).filter(|entry| entry.id == stream.id && stream.id != 0)
    }

    pub(crate) fn get_mut(&mut self, stream: StreamRef) -> Option<&mut Stream> {
        self.slots.get_mut(stream.slot as usize).filter(|entry| entry.id == stream.id && stream.id != 0)
    }

    /// The stream of a slot that is in use.
    pub(crate) fn at(&self, slot: u32) -> Option<StreamRef> {
        let id = self.slots.get(slot as usize)?.id;
        (id != 0).then_some(StreamRef { id, slot })
    }

    /// The stream of this identifier that holds a slot.
    pub(crate) fn find(&self, id: u32) -> Option<StreamRef> {
        let at = match self.by_id.back() {
            // Most frames belong to one of the last streams, and often there is only one.
            Some(&(last, slot)) if last == id => return Some(StreamRef { id, slot }),
            _ => self.by_id.binary_search_by_key(&id, |&(id, _)| id).ok()?,
        };
        self.by_id.get(at).map(|&(id, slot)| StreamRef { id, slot })
    }

    /// All streams that hold a slot, in order of their identifiers.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = StreamRef> {
        self.by_id.iter().map(|&(id, slot)| StreamRef { id, slot })
    }

    /// Moves a stream to another state.
    pub(crate) fn set_state(&mut self, stream: StreamRef, next: impl FnOnce(State) -> State) {
        let Some(entry) = self.get_mut(stream) else { return };
        let before = entry.state;
        entry.state = next(before);
        if !before.is_closed() && entry.state.is_closed() {
            let ended = entry.state == State::Closed(Cause::EndStream);
            self.open -= 1;
            self.ended += usize::from(ended);
        }
    }

    /// Drops what a stream has queued.
    pub(crate) fn clear_queue(&mut self, stream: StreamRef) {
        let Some(entry) = self.get_mut(stream) else { return };
        let queued = entry.send.queue.len();
        entry.send.queue.clear();
        self.queued -= queued;
    }

    /// A stream that never had a slot, or has none any more.
    pub(crate) fn remember(&mut self, id: u32, cause: Cause) {
        if self.recent.len() >= RECENT_STREAMS
            && let Some((oldest, _)) = self.recent.pop_front()
        {
            self.horizon = self.horizon.max(oldest);
        }
        self.recent.push_back((id, cause));
    }

    /// What became of an identifier that is not idle and has no slot.
    pub(crate) fn gone(&self, id: u32) -> Gone {
        match self.recent.iter().rev().find(|&&(recent, _)| recent == id) {
            Some(&(_, cause)) => Gone::Closed(cause),
            None if id <= self.horizon => Gone::Forgotten,
            None => Gone::Unused,
        }
    }
}

/// What was in a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Removed {
    pub(crate) state: State,
    /// Bytes that the caller had not released.
    pub(crate) held: usize,
}
