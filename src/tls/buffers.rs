//! Buffers for ciphertext. A connection takes one when there is something to hold and gives it back when it is empty;
//! what it must hold while nothing moves is copied into memory of its own size. Spare ones are kept by each thread.

use std::cell::RefCell;

use bytes::{Buf, BytesMut};

/// The largest record on the wire (RFC 8446 section 5.2, RFC 5246 section 6.2.3): header, text and what encryption adds.
const RECORD: usize = 5 + (16 << 10) + 2048;
/// A buffer for what arrives, in bytes: a record at least.
const SMALL: usize = RECORD;
/// One for a reader with much room, in bytes.
const LARGE: usize = 68 << 10;
/// A read is not worth a system call below this, in bytes.
const LEAST: usize = 4 << 10;
/// Spare buffers kept of each kind.
const SPARE: usize = 8;

thread_local! {
    static SPARES: RefCell<Spares> = RefCell::default();
}

#[derive(Default)]
struct Spares {
    small: Vec<BytesMut>,
    large: Vec<BytesMut>,
    outgoing: Vec<Vec<u8>>,
}

/// What has arrived and is not decrypted yet.
#[derive(Default)]
pub(super) struct Incoming {
    pub(super) bytes: BytesMut,
    /// Bytes of memory behind `bytes`, which does not count what lies before its start.
    pub(super) held: usize,
}

impl Incoming {
    pub(super) fn new(bytes: BytesMut) -> Incoming {
        Incoming { held: bytes.capacity(), bytes }
    }

    /// Makes room for a read, more of it for a reader with much `room`.
    pub(super) fn prepare(&mut self, room: usize) {
        let size = if room > 16 << 10 { LARGE } else { SMALL };
        let len = self.bytes.len();
        // A message of the handshake may take 64 KiB.
        let wanted = size.saturating_sub(len).max(LEAST);
        // Moves what is there to the front, if that is enough.
        if self.bytes.capacity() - len < wanted && !self.bytes.try_reclaim(wanted) {
            let larger = if len + wanted <= size { take(size) } else { BytesMut::with_capacity(len + SMALL) };
            self.held = larger.capacity();
            let old = std::mem::replace(&mut self.bytes, larger);
            self.bytes.extend_from_slice(&old);
            give(old);
        }
    }

    pub(super) fn advance(&mut self, count: usize) {
        self.bytes.advance(count.min(self.bytes.len()));
    }

    /// Nothing more comes for now: no more memory is held than there are bytes, by and large.
    pub(super) fn rest(&mut self) {
        let len = self.bytes.len();
        if self.held > 0 && len <= self.held / 4 {
            let copy = if len == 0 { BytesMut::new() } else { BytesMut::from(&self.bytes[..]) };
            self.held = copy.capacity();
            give(std::mem::replace(&mut self.bytes, copy));
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        give(std::mem::take(&mut self.bytes));
    }
}

fn take(size: usize) -> BytesMut {
    let spare = SPARES.try_with(|spares| {
        let mut spares = spares.borrow_mut();
        if size == LARGE { spares.large.pop() } else { spares.small.pop() }
    });
    spare.ok().flatten().unwrap_or_else(|| BytesMut::with_capacity(size))
}

/// Keeps a buffer for the next one who needs it, if it is one of ours.
fn give(mut bytes: BytesMut) {
    bytes.clear();
    let large = bytes.try_reclaim(LARGE);
    if !large && !bytes.try_reclaim(SMALL) {
        return;
    }
    // Fails only while the thread ends.
    let _ = SPARES.try_with(|spares| {
        let mut spares = spares.borrow_mut();
        let list = if large { &mut spares.large } else { &mut spares.small };
        if list.len() < SPARE {
            list.push(bytes);
        }
    });
}

/// Ciphertext on its way to the socket.
#[derive(Default)]
pub(super) struct Outgoing {
    /// All of it initialised, so that encryption has slices to write to; what is pending is within.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Outgoing {
    /// The least size of a buffer that is kept: a batch of records.
    const SIZE: usize = (64 << 10) + 1024;

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(super) fn len(&self) -> usize {
        self.end - self.start
    }

    pub(super) fn pending(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Space for at least `size` bytes behind what is pending.
    pub(super) fn space(&mut self, size: usize) -> &mut [u8] {
        if self.bytes.len() - self.end < size {
            self.grow(size);
        }
        &mut self.bytes[self.end..]
    }

    fn grow(&mut self, size: usize) {
        let spare = SPARES.try_with(|spares| spares.borrow_mut().outgoing.pop());
        let mut bytes = spare.ok().flatten().unwrap_or_default();
        let (len, needed) = (self.len(), self.len() + size);
        if bytes.len() < needed {
            bytes.resize(needed.max(Outgoing::SIZE), 0);
        }
        bytes[..len].copy_from_slice(self.pending());
        let old = std::mem::replace(&mut self.bytes, bytes);
        (self.start, self.end) = (0, len);
        give_outgoing(old);
    }

    /// `count` bytes of the space are filled.
    pub(super) fn fill(&mut self, count: usize) {
        self.end += count;
        debug_assert!(self.end <= self.bytes.len());
    }

    /// The first `count` bytes have left.
    pub(super) fn advance(&mut self, count: usize) {
        self.start += count.min(self.len());
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
            give_outgoing(std::mem::take(&mut self.bytes));
        }
    }

    /// The socket takes no more for now: no more memory is held than there are bytes.
    pub(super) fn rest(&mut self) {
        if self.bytes.len() >= Outgoing::SIZE {
            let copy = self.pending().to_vec();
            (self.start, self.end) = (0, copy.len());
            give_outgoing(std::mem::replace(&mut self.bytes, copy));
        }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        give_outgoing(std::mem::take(&mut self.bytes));
    }
}

fn give_outgoing(bytes: Vec<u8>) {
    if !(Outgoing::SIZE..=2 * Outgoing::SIZE).contains(&bytes.len()) {
        return;
    }
    let _ = SPARES.try_with(|spares| {
        let mut spares = spares.borrow_mut();
        if spares.outgoing.len() < SPARE {
            spares.outgoing.push(bytes);
        }
    });
}
