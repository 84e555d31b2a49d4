//! Read buffers of one worker. While nothing comes a connection has none.
//!
//! ```text
//!  nothing --bytes come--> a piece of the worker's shared buffer, as long as what was read
//!  piece --all of it taken--> nothing        (a thousand small messages share the buffers that they fill)
//!  piece --part of it must wait for more, or it was all that fitted--> a buffer of its own, 16 KiB
//!  own buffer --filled by one read--> 256 KiB, while the budget lasts
//!  own buffer --the connection goes idle--> nothing; the buffer is kept for the next one
//! ```
//! The budget is shared by all streams of the worker: bulk transfers pay fewer syscalls, and a thousand of them cannot take
//! the memory.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;

use crate::runtime::Transport;

/// The buffer of a reader that takes only little, in bytes.
const TINY: usize = 4 * 1024;
/// A buffer at rest, in bytes.
const SMALL: usize = 16 * 1024;
/// The largest buffer of one direction, in bytes.
const LARGE: usize = 256 * 1024;
/// What all buffers above the small size may take together, in bytes (table 1.8 of the limits).
const BUDGET: usize = 16 * 1024 * 1024;
/// Spare buffers kept of each size.
const SPARE_SMALL: usize = 32;
const SPARE_LARGE: usize = 8;

/// The spare buffers of a worker.
#[derive(Default)]
pub struct Buffers {
    small: RefCell<Vec<BytesMut>>,
    large: RefCell<Vec<BytesMut>>,
    /// What small messages are read into, one behind the other.
    shared: RefCell<BytesMut>,
    /// Bytes of the budget in use.
    grown: Cell<usize>,
}

/// The buffer of one direction and how much it reads at a time.
pub struct ReadBuffer {
    pub bytes: BytesMut,
    /// Least room for a read. Above [`SMALL`] it is charged to the budget.
    size: usize,
    /// What it may grow to, in bytes.
    largest: usize,
    /// More came at once than the shared buffer took, and as much as comes is wanted.
    fast: bool,
    owner: Rc<Buffers>,
}

impl Buffers {
    /// A buffer of at least this size.
    fn take(&self, size: usize) -> BytesMut {
        let spare = match size {
            SMALL => self.small.borrow_mut().pop(),
            LARGE => self.large.borrow_mut().pop(),
            _ => None,
        };
        spare.unwrap_or_else(|| BytesMut::with_capacity(size))
    }

    /// The shared buffer, with room for a small message.
    fn shared(&self) -> std::cell::RefMut<'_, BytesMut> {
        let mut shared = self.shared.borrow_mut();
        if shared.capacity() - shared.len() < SMALL / 2 && !shared.try_reclaim(SMALL) {
            // Those who still hold pieces of the old one free it.
            *shared = self.take(SMALL);
        }
        shared
    }

    /// Keeps a buffer for the next one who needs it, if nobody still reads chunks out of it.
    fn give(&self, mut bytes: BytesMut) {
        bytes.clear();
        let (spare, most) = if bytes.try_reclaim(LARGE) {
            (&self.large, SPARE_LARGE)
        } else if bytes.try_reclaim(SMALL) && bytes.capacity() < 2 * SMALL {
            (&self.small, SPARE_SMALL)
        } else {
            // Somebody reads out of it, or it is of no size that is asked for.
            return;
        };
        if spare.borrow().len() < most {
            spare.borrow_mut().push(bytes);
        }
    }
}

impl ReadBuffer {
    pub fn new(owner: &Rc<Buffers>) -> ReadBuffer {
        ReadBuffer { bytes: BytesMut::new(), size: SMALL, largest: LARGE, fast: false, owner: owner.clone() }
    }

    /// It never reads more than this at a time, in bytes, from the small size to the large one: for a connection whose data may
    /// have to wait in memory beside the buffer.
    pub fn limit(&mut self, largest: usize) {
        self.largest = largest.clamp(SMALL, LARGE);
    }

    /// Reads at most `most` more bytes; 0 is the end of the stream. A reader that has little use for bytes takes little memory.
    pub fn poll_fill(
        &mut self,
        task: &mut Context<'_>,
        transport: &mut dyn Transport,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        if self.bytes.is_empty() && self.bytes.capacity() == 0 {
            // A piece that was taken whole: whoever waits holds nothing of the shared buffer.
            self.bytes = BytesMut::new();
        }
        // Not before there are bytes: while nothing comes no memory is taken, and the chunks read before may leave it.
        ready!(transport.poll_readable(task));
        if self.bytes.capacity() == 0 && !self.fast {
            return self.poll_piece(task, transport, most);
        }
        self.make_room(most);
        let room = self.bytes.capacity() - self.bytes.len();
        let read = ready!(transport.poll_read(task, &mut self.bytes, most))?;
        if read == room && room >= self.size && most >= LARGE {
            self.grow();
        }
        Poll::Ready(Ok(read))
    }

    fn poll_piece(
        &mut self,
        task: &mut Context<'_>,
        transport: &mut dyn Transport,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        let mut shared = self.owner.shared();
        let room = shared.capacity() - shared.len();
        let read = ready!(transport.poll_read(task, &mut shared, most))?;
        self.fast = read == room && most >= LARGE;
        self.bytes = shared.split();
        Poll::Ready(Ok(read))
    }

    fn make_room(&mut self, most: usize) {
        let size = if most <= TINY { TINY } else { self.size };
        if self.bytes.capacity() == 0 {
            self.bytes = self.owner.take(size);
        }
        if !self.has_room(size) {
            self.move_on(size);
        }
    }

    /// Whether the next read needs other memory, because chunks that were read before still hold this.
    pub fn must_move(&mut self) -> bool {
        self.bytes.capacity() > 0 && !self.has_room(self.size)
    }

    /// There is room behind what is left of the last read, or at the front when the chunks before it are gone.
    fn has_room(&mut self, size: usize) -> bool {
        self.bytes.capacity() - self.bytes.len() >= size / 2 || self.bytes.try_reclaim(self.room(size))
    }

    /// What is left of the last read counts: with a whole size behind it the buffer would become twice as large.
    fn room(&self, size: usize) -> usize {
        size.saturating_sub(self.bytes.len()).max(size / 2)
    }

    /// To a spare buffer or a new one. A reader that grew where it is would leave one more behind each time.
    fn move_on(&mut self, size: usize) {
        if size == TINY || self.bytes.len() > size / 2 {
            return self.bytes.reserve(self.room(size));
        }
        let mut next = self.owner.take(size);
        next.extend_from_slice(&self.bytes);
        let old = std::mem::replace(&mut self.bytes, next);
        self.owner.give(old);
    }

    /// The peer sends faster than this buffer takes.
    fn grow(&mut self) {
        let next = if self.size < self.largest { self.largest } else { return };
        let extra = next - self.size;
        let grown = self.owner.grown.get() + extra;
        if grown > BUDGET {
            return;
        }
        self.owner.grown.set(grown);
        self.size = next;
        if self.bytes.is_empty() {
            let small = std::mem::take(&mut self.bytes);
            self.owner.give(small);
        }
    }

    /// Gives the memory back while nothing is in it.
    pub fn release(&mut self) {
        if self.bytes.is_empty() {
            // A piece that was taken has no capacity, but holds the memory it was cut from.
            let bytes = std::mem::take(&mut self.bytes);
            if bytes.capacity() > 0 || self.size > SMALL {
                self.owner.give(bytes);
            }
            self.shrink();
        }
    }

    fn shrink(&mut self) {
        self.fast = false;
        self.owner.grown.set(self.owner.grown.get() - (self.size - SMALL));
        self.size = SMALL;
    }
}

impl Drop for ReadBuffer {
    fn drop(&mut self) {
        self.shrink();
        let bytes = std::mem::take(&mut self.bytes);
        if bytes.capacity() > 0 {
            self.owner.give(bytes);
        }
    }
}

#[cfg(test)]
mod simulation;

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `rounds` times as fast as the buffer takes, and leaves a byte each time.
    fn busy(owner: &Rc<Buffers>, rounds: usize) -> ReadBuffer {
        let mut buffer = ReadBuffer::new(owner);
        for _ in 0..rounds {
            buffer.make_room(usize::MAX);
            let room = buffer.bytes.capacity() - buffer.bytes.len();
            buffer.bytes.resize(buffer.bytes.len() + room, 0);
            bytes::Buf::advance(&mut buffer.bytes, room - 1);
            buffer.grow();
        }
        buffer
    }

    #[test]
    fn a_reader_that_grows_again_and_again_takes_what_it_has_left() {
        let owner = Rc::new(Buffers::default());
        for _ in 0..20 {
            let mut buffer = busy(&owner, 10);
            buffer.make_room(usize::MAX);
            let capacity = buffer.bytes.capacity();
            assert!((LARGE / 2..=LARGE).contains(&capacity), "{capacity}");
            assert_eq!(owner.grown.get(), LARGE - SMALL);
            buffer.bytes.clear();
            buffer.release();
            assert_eq!(owner.grown.get(), 0);
            assert_eq!(owner.large.borrow().len(), 1);
            assert!(owner.small.borrow().len() <= 1);
        }
    }

    #[test]
    fn moving_keeps_what_has_not_been_taken() {
        let owner = Rc::new(Buffers::default());
        drop(busy(&owner, 3));
        let mut buffer = ReadBuffer::new(&owner);
        buffer.make_room(usize::MAX);
        buffer.bytes.extend_from_slice(&vec![b'x'; SMALL - 3]);
        let chunk = buffer.bytes.split_to(SMALL / 2);
        buffer.bytes.extend_from_slice(b"end");
        buffer.grow();
        buffer.make_room(usize::MAX);
        assert_eq!(owner.large.borrow().len(), 0, "the spare one is in use");
        assert_eq!((chunk.len(), buffer.bytes.len()), (SMALL / 2, SMALL / 2));
        assert!(buffer.bytes.ends_with(b"xend") && buffer.bytes.starts_with(b"xx"));
    }
}
