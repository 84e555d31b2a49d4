//! Read buffers of one worker. A connection takes one when bytes arrive and gives it back when it goes idle.
//! A reader that keeps filling its buffer gets a larger one, up to 256 KiB, out of a budget that all
//! streams of the worker share: bulk transfers pay fewer syscalls, and a thousand of them cannot take the memory.

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
    /// Bytes of the budget in use.
    grown: Cell<usize>,
}

/// The buffer of one direction and how much it reads at a time.
pub struct ReadBuffer {
    pub bytes: BytesMut,
    /// Least room for a read. Above [`SMALL`] it is charged to the budget.
    size: usize,
    owner: Rc<Buffers>,
}

impl Buffers {
    fn take(&self, spare: &RefCell<Vec<BytesMut>>, size: usize) -> BytesMut {
        spare.borrow_mut().pop().unwrap_or_else(|| BytesMut::with_capacity(size))
    }

    /// Keeps a buffer for the next one who needs it, if nobody still reads chunks out of it.
    fn give(&self, mut bytes: BytesMut) {
        bytes.clear();
        let (spare, most, size) = match bytes.try_reclaim(LARGE) {
            true => (&self.large, SPARE_LARGE, LARGE),
            false => (&self.small, SPARE_SMALL, SMALL),
        };
        if spare.borrow().len() < most && bytes.try_reclaim(size) {
            spare.borrow_mut().push(bytes);
        }
    }
}

impl ReadBuffer {
    pub fn new(owner: &Rc<Buffers>) -> ReadBuffer {
        ReadBuffer { bytes: BytesMut::new(), size: SMALL, owner: owner.clone() }
    }

    /// How much is read before the other side must have taken it.
    pub fn watermark(&self) -> usize {
        self.size.max(2 * SMALL)
    }

    /// Reads at most `most` more bytes; 0 is the end of the stream. A reader that has little use for bytes takes little memory.
    pub fn poll_fill(
        &mut self,
        task: &mut Context<'_>,
        transport: &mut dyn Transport,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        // Not before there are bytes: while nothing comes no memory is taken, and the chunks read before may leave it.
        ready!(transport.poll_readable(task));
        self.make_room(most);
        let room = self.bytes.capacity() - self.bytes.len();
        let read = ready!(transport.poll_read(task, &mut self.bytes, most))?;
        if read == room && room >= self.size && most >= LARGE {
            self.grow();
        }
        Poll::Ready(Ok(read))
    }

    fn make_room(&mut self, most: usize) {
        let size = if most <= TINY { TINY } else { self.size };
        if self.bytes.capacity() == 0 {
            let owner = self.owner.clone();
            self.bytes = match size {
                TINY => BytesMut::with_capacity(TINY),
                SMALL => owner.take(&owner.small, size),
                _ => owner.take(&owner.large, size),
            };
        }
        // Moves to the front of its own memory if the chunks before are gone, else to new memory.
        if self.bytes.capacity() - self.bytes.len() < size / 2 {
            self.bytes.reserve(size);
        }
    }

    /// The peer sends faster than this buffer takes.
    fn grow(&mut self) {
        let next = if self.size < LARGE { LARGE } else { return };
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
        if self.bytes.is_empty() && self.bytes.capacity() > 0 {
            let bytes = std::mem::take(&mut self.bytes);
            self.owner.give(bytes);
            self.shrink();
        }
    }

    fn shrink(&mut self) {
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
