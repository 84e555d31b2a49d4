//! What one stream has received and not yet taken.

use std::collections::VecDeque;
use std::task::Waker;

use bytes::{Bytes, BytesMut};
use nuncio_h2::Reset;
use nuncio_http::{HeaderList, ResponseHead};

use crate::filter::{Chunk, Part};

/// A DATA chunk below this many bytes is copied behind the one before it while that has not been taken either: a part of
/// its own would cost more than its bytes (row H2-9).
const SMALL: usize = 1024;
/// Room for gathered bytes at first: most streams of crumbs never gather many, and there may be a hundred of them.
const LEAST: usize = 256;
/// Parts that a free place keeps room for.
const KEPT: usize = 4;
/// Most bytes gathered in one part.
const GATHERED: usize = 16 * 1024;

/// What a stream receives.
#[derive(Debug)]
pub(crate) enum Received {
    /// Upstream only: a head, interim or final. `end`: the response ends with it.
    Head {
        head: ResponseHead,
        end: bool,
    },
    Part(Part),
}

/// Why a stream gets nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The stream alone.
    Reset(Reset),
    /// The connection was closed or broke.
    Closed,
    /// The same, before anything of this stream had left: the peer knows nothing of it.
    Unsent,
    /// The peer broke the protocol, and so the connection.
    Protocol(&'static str),
}

/// One stream's place. It is used again and again, and keeps its memory.
#[derive(Default)]
pub(super) struct Entry {
    /// The stream's identifier; 0: the place is free.
    pub(super) id: u32,
    queue: VecDeque<Queued>,
    pub(super) lost: Option<Lost>,
    pub(super) waker: Option<Waker>,
    /// It waits for room, or for its bytes to leave: it is listed.
    pub(super) blocked: bool,
    /// It got data since [`Entry::own`] was last called: it is listed.
    pub(super) fresh: bool,
}

enum Queued {
    Head {
        head: ResponseHead,
        end: bool,
    },
    /// `owned`: the memory is the chunk's own, not a part of the read buffer.
    Data {
        chunk: Bytes,
        end: bool,
        owned: bool,
    },
    Gathered {
        bytes: BytesMut,
        end: bool,
    },
    Trailers(HeaderList),
}

impl Entry {
    pub(super) fn push_head(&mut self, head: ResponseHead, end: bool) {
        self.queue.push_back(Queued::Head { head, end });
    }

    pub(super) fn push_trailers(&mut self, trailers: HeaderList) {
        self.queue.push_back(Queued::Trailers(trailers));
    }

    pub(super) fn push_data(&mut self, chunk: Bytes, end: bool) {
        if chunk.len() < SMALL
            && let Some(last) = self.queue.back_mut()
            && last.gather(&chunk, end)
        {
            return;
        }
        self.queue.push_back(Queued::Data { chunk, end, owned: false });
    }

    /// The next part, with the bytes of window that taking it sets free.
    pub(super) fn pop(&mut self) -> Option<(Received, usize)> {
        Some(match self.queue.pop_front()? {
            Queued::Head { head, end } => (Received::Head { head, end }, 0),
            Queued::Trailers(trailers) => (Received::Part(Part::Trailers(trailers)), 0),
            Queued::Data { chunk, end, .. } => data(chunk, end),
            Queued::Gathered { bytes, end } => data(bytes.freeze(), end),
        })
    }

    /// Copies what has not been taken out of the read buffer.
    pub(super) fn own(&mut self) {
        self.fresh = false;
        // Behind the first that is owned all are.
        for queued in self.queue.iter_mut().rev() {
            match queued {
                Queued::Data { owned: true, .. } => return,
                Queued::Data { chunk, owned, .. } => {
                    *chunk = Bytes::copy_from_slice(chunk);
                    *owned = true;
                }
                _ => {}
            }
        }
    }

    /// Forgets the stream. The memory stays, and so do the marks of being listed.
    pub(super) fn clear(&mut self) {
        self.queue.clear();
        // What one stream needed the next one may not.
        self.queue.shrink_to(KEPT);
        let queue = std::mem::take(&mut self.queue);
        *self = Entry { queue, blocked: self.blocked, fresh: self.fresh, ..Entry::default() };
    }
}

fn data(chunk: Bytes, end: bool) -> (Received, usize) {
    let len = chunk.len();
    (Received::Part(Part::Data { chunk: Chunk::from(chunk), end }), len)
}

impl Queued {
    /// Adds a small chunk to this part, if it is one that gathers.
    fn gather(&mut self, chunk: &Bytes, end: bool) -> bool {
        if let Queued::Data { chunk: first, end: false, .. } = self
            && first.len() < SMALL
        {
            let mut bytes = BytesMut::with_capacity(LEAST.max(first.len() + chunk.len()));
            bytes.extend_from_slice(first);
            *self = Queued::Gathered { bytes, end: false };
        }
        match self {
            Queued::Gathered { bytes, end: last } if !*last && bytes.len() + chunk.len() <= GATHERED => {
                bytes.extend_from_slice(chunk);
                *last = end;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(entry: &mut Entry) -> Vec<(usize, bool)> {
        std::iter::from_fn(|| entry.pop())
            .map(|(part, freed)| match part {
                Received::Part(Part::Data { chunk, end }) => {
                    assert_eq!(chunk.len(), freed);
                    (chunk.len(), end)
                }
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn small_chunks_are_gathered_and_large_ones_are_not_copied() {
        let mut entry = Entry::default();
        let large = Bytes::from(vec![b'x'; 5000]);
        entry.push_data(large.clone(), false);
        for _ in 0..30_000 {
            entry.push_data(Bytes::from_static(b"a"), false);
        }
        entry.push_data(large, false);
        entry.push_data(Bytes::from_static(b"b"), true);
        assert!(entry.queue.len() <= 6, "{}", entry.queue.len());
        let parts = taken(&mut entry);
        assert_eq!(parts.iter().map(|(len, _)| len).sum::<usize>(), 40_001);
        assert_eq!(parts.last(), Some(&(1, true)));
        assert!(parts[..parts.len() - 1].iter().all(|(_, end)| !end));
    }

    #[test]
    fn what_is_left_lying_is_copied_out_of_its_buffer() {
        let mut buffer = BytesMut::with_capacity(16 * 1024);
        let address = buffer.as_ptr();
        let mut entry = Entry { fresh: true, ..Entry::default() };
        let read = |buffer: &mut BytesMut| {
            buffer.extend_from_slice(&[b'x'; 2000]);
            buffer.split().freeze()
        };
        entry.push_data(read(&mut buffer), false);
        entry.push_data(Bytes::from_static(b"crumbs"), false);
        assert!(!buffer.try_reclaim(16 * 1024), "what is taken at once is not copied");
        entry.own();
        assert!(!entry.fresh);
        assert!(buffer.try_reclaim(16 * 1024), "nothing holds the buffer");
        assert_eq!(buffer.as_ptr(), address);

        entry.push_data(read(&mut buffer), true);
        let copy = |entry: &Entry| match &entry.queue[0] {
            Queued::Data { chunk, .. } => chunk.as_ptr(),
            _ => panic!("the first part is data"),
        };
        let first = copy(&entry);
        entry.own();
        assert_eq!(copy(&entry), first, "nothing is copied twice");
        assert!(buffer.try_reclaim(16 * 1024));
        assert_eq!(taken(&mut entry), [(2000, false), (6, false), (2000, true)]);
    }

    #[test]
    fn gathering_begins_small_and_takes_no_more_than_it_needs() {
        let mut entry = Entry::default();
        let gathered = |entry: &Entry| match &entry.queue[0] {
            Queued::Gathered { bytes, .. } => bytes.capacity(),
            _ => panic!("not gathered"),
        };
        entry.push_data(Bytes::from_static(b"a"), false);
        entry.push_data(Bytes::from_static(b"b"), false);
        assert!(gathered(&entry) <= 2 * LEAST, "{}", gathered(&entry));
        for _ in 0..GATHERED {
            entry.push_data(Bytes::from_static(b"c"), false);
        }
        assert!(gathered(&entry) <= 2 * GATHERED, "{}", gathered(&entry));
    }

    #[test]
    fn order_is_kept_around_the_end() {
        let mut entry = Entry::default();
        entry.push_data(Bytes::from_static(b"abc"), false);
        entry.push_data(Bytes::from_static(b"de"), true);
        assert_eq!(taken(&mut entry), [(5, true)]);
        assert!(entry.pop().is_none());
    }
}
