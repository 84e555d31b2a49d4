//! Many connections of one worker: whatever comes in which pieces, each reads its own bytes, and nothing stays behind.

use std::io::{self, IoSlice};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes, BytesMut};

use super::{BUDGET, Buffers, LARGE, ReadBuffer, SMALL};
use crate::runtime::net::Addr;
use crate::runtime::{Hangup, Transport};

/// A peer that sends bytes which tell whose they are and where they belong.
struct Peer {
    number: usize,
    /// Bytes that have been read of it.
    sent: usize,
    /// Bytes that are there.
    ready: usize,
    addr: Addr,
}

fn byte(number: usize, at: usize) -> u8 {
    (number * 31 + at * 7 + at / 251) as u8
}

impl Transport for Peer {
    fn poll_read(&mut self, _: &mut Context<'_>, buf: &mut BytesMut, most: usize) -> Poll<io::Result<usize>> {
        let room = (buf.capacity() - buf.len()).min(most);
        assert!(room > 0, "a read without room");
        let len = self.ready.min(room);
        if len == 0 {
            return Poll::Pending;
        }
        buf.extend((self.sent..self.sent + len).map(|at| byte(self.number, at)));
        self.sent += len;
        self.ready -= len;
        Poll::Ready(Ok(len))
    }

    /// Now and then there is nothing after all.
    fn poll_readable(&mut self, _: &mut Context<'_>) -> Poll<()> {
        if self.ready > 0 || self.sent.is_multiple_of(3) { Poll::Ready(()) } else { Poll::Pending }
    }

    fn poll_write_vectored(&mut self, _: &mut Context<'_>, _: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn has_pending_read(&self) -> bool {
        self.ready > 0
    }

    fn poll_hangup(&mut self, _: &mut Context<'_>) -> Poll<Hangup> {
        Poll::Pending
    }

    fn poll_reset(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    fn abort(&mut self) {}

    fn detach(&mut self) {}

    fn local_addr(&self) -> &Addr {
        &self.addr
    }

    fn peer_addr(&self) -> &Addr {
        &self.addr
    }
}

/// A connection, and what it has taken of its buffer but not let go of.
struct Reader {
    peer: Peer,
    buffer: ReadBuffer,
    taken: usize,
    held: Vec<(usize, Bytes)>,
}

impl Reader {
    fn new(owner: &Rc<Buffers>, number: usize) -> Reader {
        let addr = Addr::Inet(([192, 0, 2, 1], 1).into());
        let peer = Peer { number, sent: 0, ready: 0, addr };
        Reader { peer, buffer: ReadBuffer::new(owner), taken: 0, held: Vec::new() }
    }

    fn is_own(&self, from: usize, bytes: &[u8]) -> bool {
        bytes.iter().enumerate().all(|(at, it)| *it == byte(self.peer.number, from + at))
    }

    fn step(&mut self, rng: &mut fastrand::Rng) {
        let mut cx = Context::from_waker(Waker::noop());
        match rng.u8(..10) {
            0..3 => {
                let most = [SMALL / 64, SMALL, 40 * SMALL][rng.usize(..3)];
                self.peer.ready += rng.usize(..=most);
            }
            // Nobody reads on with more than a head or a frame left.
            3..6 if self.buffer.bytes.len() <= LARGE / 2 => {
                let most = [1, 100, 4096, LARGE, usize::MAX][rng.usize(..5)];
                let before = self.buffer.bytes.len();
                if let Poll::Ready(read) = self.buffer.poll_fill(&mut cx, &mut self.peer, most) {
                    let read = read.unwrap();
                    assert!(read <= most && self.buffer.bytes.len() == before + read);
                }
            }
            6..8 if !self.buffer.bytes.is_empty() => {
                let all = self.buffer.bytes.len();
                let len = if rng.bool() { all } else { rng.usize(1..=all) };
                let chunk = self.buffer.bytes.split_to(len).freeze();
                self.held.push((self.taken, chunk));
                self.taken += len;
            }
            8 => {
                let len = rng.usize(..=self.buffer.bytes.len());
                self.buffer.bytes.advance(len);
                self.taken += len;
                self.buffer.release();
            }
            _ => {
                if !self.held.is_empty() {
                    let (from, chunk) = self.held.swap_remove(rng.usize(..self.held.len()));
                    assert!(self.is_own(from, &chunk));
                }
            }
        }
        assert!(self.is_own(self.taken, &self.buffer.bytes), "connection {}", self.peer.number);
        let (len, capacity) = (self.buffer.bytes.len(), self.buffer.bytes.capacity());
        assert!(capacity <= 2 * LARGE, "{len} bytes in {capacity}");
    }
}

#[test]
fn each_reads_its_own_bytes_and_nothing_stays_behind() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let owner = Rc::new(Buffers::default());
    let mut readers: Vec<Reader> = (0..20).map(|number| Reader::new(&owner, number)).collect();
    for round in 0..20_000 {
        let at = rng.usize(..readers.len());
        readers[at].step(&mut rng);
        if round % 97 == 0 {
            // Another one takes its place; what was sent on from the first is still held by somebody.
            let old = std::mem::replace(&mut readers[at], Reader::new(&owner, round));
            assert!(old.held.iter().all(|(from, chunk)| old.is_own(*from, chunk)));
        }
        assert!(owner.shared.borrow().is_empty() && owner.grown.get() <= BUDGET);
    }
    assert!(readers.iter().all(|it| it.held.iter().all(|(from, chunk)| it.is_own(*from, chunk))));
    drop(readers);
    assert_eq!(owner.grown.get(), 0);
    assert!(owner.small.borrow().iter().all(|it| it.is_empty() && (SMALL..2 * SMALL).contains(&it.capacity())));
    assert!(owner.large.borrow().iter().all(|it| it.is_empty() && it.capacity() >= LARGE));
}
