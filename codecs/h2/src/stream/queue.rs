//! What a stream has to send and cannot send yet: body bytes, then trailers or a bare end.

use std::collections::VecDeque;

use bytes::Bytes;
use nuncio_http::HeaderList;

/// Room for this many chunks stays with the slot when its stream is gone.
const KEPT_CHUNKS: usize = 8;

#[derive(Debug, Default)]
pub(crate) struct SendQueue {
    chunks: VecDeque<Bytes>,
    bytes: usize,
    /// Nothing follows.
    pub(crate) end: bool,
    /// These follow.
    pub(crate) trailers: Option<Box<HeaderList>>,
}

impl SendQueue {
    /// Body bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes, with trailers as one.
    pub(crate) fn len(&self) -> usize {
        self.bytes + usize::from(self.trailers.is_some())
    }

    pub(crate) fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.bytes += chunk.len();
            self.chunks.push_back(chunk);
        }
    }

    /// Takes up to `most` bytes off one chunk.
    pub(crate) fn pop(&mut self, most: usize) -> Option<Bytes> {
        let front = self.chunks.front_mut()?;
        let chunk = if front.len() > most { front.split_to(most) } else { self.chunks.pop_front()? };
        self.bytes -= chunk.len();
        Some(chunk)
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) {
        self.chunks.clear();
        self.bytes = 0;
        self.end = false;
        self.trailers = None;
    }

    /// An empty queue with this one's memory, unless that is much.
    pub(crate) fn recycle(mut self) -> SendQueue {
        self.clear();
        if self.chunks.capacity() > KEPT_CHUNKS { SendQueue::default() } else { self }
    }
}
