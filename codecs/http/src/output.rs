//! Bytes waiting for the socket, for vectored writes. Heads and small chunks are copied side by side into one
//! scratch buffer, so that a small response is one contiguous write; large chunks are queued by reference, never copied.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::Bytes;

/// A chunk up to this many bytes is cheaper to copy next to its head than to send as a slice of its own.
const COPY_MAX: usize = 2048;

/// Sent text in front of the scratch buffer is given up once there is this much of it, in bytes.
const COMPACT_AT: usize = 4096;

/// A queue of bytes to send. Empty it costs no allocation; in use, its scratch buffer serves message after message.
#[derive(Default)]
pub struct Output {
    /// Scratch text; what stands before `sent` has left.
    text: Vec<u8>,
    sent: usize,
    /// Chunks by reference, in order. Text behind the last one is not listed here.
    queue: VecDeque<Part>,
    /// Unsent text that `queue` lists.
    listed: usize,
    len: usize,
}

/// Some scratch text, then a chunk.
struct Part {
    text_len: usize,
    chunk: Bytes,
}

/// A state of the queue to roll back to; see [`Output::mark`].
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    text_len: usize,
}

impl Output {
    pub fn new() -> Output {
        Output::default()
    }

    /// Bytes still to send.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Makes room for a head of about `bytes`, so that writing it grows the scratch buffer once at most.
    pub fn reserve(&mut self, bytes: usize) {
        self.compact();
        self.text.reserve(bytes);
    }

    /// Appends a copy of `text`.
    pub fn put_slice(&mut self, text: &[u8]) {
        self.text.extend_from_slice(text);
        self.len += text.len();
    }

    /// Appends `chunk`: by reference when it is large, as a copy when it is small.
    pub fn push(&mut self, chunk: Bytes) {
        if chunk.len() <= COPY_MAX {
            self.compact();
            return self.put_slice(&chunk);
        }
        self.len += chunk.len();
        let text_len = self.text.len() - self.sent - self.listed;
        self.listed += text_len;
        self.queue.push_back(Part { text_len, chunk });
    }

    /// Remembers the end of the queue. Only [`Output::put_slice`] may be called between this and [`Output::rollback`].
    pub fn mark(&self) -> Mark {
        Mark { text_len: self.text.len() }
    }

    /// Takes back the text that was put since `mark`: a head that turns out invalid leaves no trace.
    pub fn rollback(&mut self, mark: Mark) {
        self.len -= self.text.len() - mark.text_len;
        self.text.truncate(mark.text_len);
    }

    /// Fills `slices` from the front of the queue and says how many are filled.
    pub fn io_slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut text = &self.text[self.sent..];
        let mut filled = 0;
        let mut add = |bytes: &'a [u8]| {
            if !bytes.is_empty()
                && let Some(slice) = slices.get_mut(filled)
            {
                *slice = IoSlice::new(bytes);
                filled += 1;
            }
        };
        for part in &self.queue {
            let (before, rest) = text.split_at(part.text_len);
            add(before);
            add(&part.chunk);
            text = rest;
        }
        add(text);
        filled
    }

    /// The first `count` bytes have left. More than [`Output::len`] counts as all.
    pub fn advance(&mut self, count: usize) {
        let mut left = count.min(self.len);
        self.len -= left;
        while let Some(part) = self.queue.front_mut() {
            let text = left.min(part.text_len);
            part.text_len -= text;
            self.listed -= text;
            self.sent += text;
            left -= text;
            let chunk = left.min(part.chunk.len());
            left -= chunk;
            if part.text_len > 0 || chunk < part.chunk.len() {
                bytes::Buf::advance(&mut part.chunk, chunk);
                return;
            }
            self.queue.pop_front();
        }
        self.sent += left;
        if self.len == 0 {
            self.text.clear();
            self.sent = 0;
        }
    }

    /// Forgets everything and keeps the scratch memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.queue.clear();
        self.sent = 0;
        self.listed = 0;
        self.len = 0;
    }

    /// Gives spare memory back: all of it when the queue is empty.
    pub fn shrink(&mut self) {
        self.text.drain(..self.sent);
        self.sent = 0;
        self.text.shrink_to_fit();
        self.queue.shrink_to_fit();
    }

    fn compact(&mut self) {
        if self.sent >= COMPACT_AT && self.sent >= self.text.len() / 2 {
            self.text.drain(..self.sent);
            self.sent = 0;
        }
    }
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Output({} bytes)", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(out: &Output) -> Vec<u8> {
        let mut slices = [IoSlice::new(b""); 16];
        let filled = out.io_slices(&mut slices);
        let all: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.iter().copied()).collect();
        assert_eq!(all.len(), out.len());
        all
    }

    fn sample() -> (Output, Vec<u8>) {
        let large = Bytes::from(vec![b'x'; COPY_MAX + 1]);
        let mut out = Output::new();
        out.put_slice(b"head");
        out.push(Bytes::from_static(b"small"));
        out.push(large.clone());
        out.push(large.clone());
        out.put_slice(b"tail");
        (out, [b"headsmall", &large[..], &large[..], b"tail"].concat())
    }

    #[test]
    fn small_chunks_join_their_head_and_large_ones_are_slices() {
        let (out, expected) = sample();
        assert_eq!(text(&out), expected);
        let mut slices = [IoSlice::new(b""); 16];
        assert_eq!(out.io_slices(&mut slices), 4);
        assert_eq!(&*slices[0], b"headsmall");
        assert_eq!(out.io_slices(&mut slices[..1]), 1, "no more than there is room for");
    }

    #[test]
    fn advance_by_every_step_yields_every_byte_once() {
        for step in [1, 2, 3, 5, 7, 9, 10, 2049, 2050, 4096, 10_000] {
            let (mut out, expected) = sample();
            let mut got = Vec::new();
            while !out.is_empty() {
                let rest = text(&out);
                got.extend_from_slice(&rest[..step.min(rest.len())]);
                out.advance(step);
            }
            assert_eq!(got, expected, "step {step}");
            assert_eq!(text(&out), b"");
            out.put_slice(b"next");
            assert_eq!(text(&out), b"next");
        }
    }

    #[test]
    fn a_queue_that_never_drains_does_not_grow_for_ever() {
        let mut out = Output::new();
        out.put_slice(b"0");
        for _ in 0..10_000 {
            out.reserve(100);
            out.put_slice(&[b'a'; 100]);
            out.advance(100);
        }
        assert_eq!(out.len(), 1);
        assert!(out.text.capacity() < 32 * 1024, "{}", out.text.capacity());
    }

    #[test]
    fn rollback_and_shrink() {
        let (mut out, expected) = sample();
        let mark = out.mark();
        out.put_slice(b"refused");
        out.rollback(mark);
        assert_eq!(text(&out), expected);
        out.advance(6);
        out.shrink();
        assert_eq!(text(&out), expected[6..]);
        out.clear();
        assert!(out.is_empty());
        out.shrink();
        assert_eq!((out.text.capacity(), out.queue.capacity()), (0, 0));
    }
}
