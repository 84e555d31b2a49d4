//! A queue of bytes from one thread to another, without locks, system calls or a hand-over: the sender appends whole
//! lines to a segment that the receiver reads at the same time, up to the length that is published. A full segment is
//! followed by a new one, so that an idle queue holds one segment at most and a busy one what its budget allows.
//!
//! Why not batches through a channel: a batch that is not full would need somebody to come by and hand it over. Why
//! not a ring: it would in time touch all of its memory, however little is in it.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;

/// Bytes of one segment, unless a single line is longer.
const SEGMENT: usize = 16 * 1024;

/// Bytes that all segments of several queues may take.
#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    used: AtomicUsize,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Arc<Budget> {
        Arc::new(Budget { limit, used: AtomicUsize::new(0) })
    }

    fn take(&self, bytes: usize) -> bool {
        let add = |used: usize| used.checked_add(bytes).filter(|&used| used <= self.limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
    }

    /// More than half of it is in use.
    fn is_tight(&self) -> bool {
        self.used.load(Ordering::Relaxed) > self.limit / 2
    }
}

/// Words, because safe code shares memory between threads as atomics only, and bytes one by one would be slow.
struct Segment {
    words: Box<[AtomicU64]>,
    /// Bytes that may be read. Stored by the sender with `Release`, after the words.
    len: AtomicUsize,
    budget: Arc<Budget>,
}

impl Segment {
    fn new(bytes: usize, budget: &Arc<Budget>) -> Option<Arc<Segment>> {
        if !budget.take(bytes) {
            return None;
        }
        let words = (0..bytes / 8).map(|_| AtomicU64::new(0)).collect();
        Some(Arc::new(Segment { words, len: AtomicUsize::new(0), budget: Arc::clone(budget) }))
    }

    fn capacity(&self) -> usize {
        self.words.len() * 8
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.capacity(), Ordering::Relaxed);
    }
}

/// The sender's end. It may move to another thread, but not be shared by two.
pub(super) struct Sender {
    current: RefCell<Option<Arc<Segment>>>,
    /// Bytes in `current`.
    len: Cell<usize>,
    segments: mpsc::Sender<Arc<Segment>>,
    budget: Arc<Budget>,
}

/// The receiver's end.
pub(super) struct Receiver {
    current: Option<Arc<Segment>>,
    /// Bytes of `current` that were read.
    read: usize,
    segments: mpsc::Receiver<Arc<Segment>>,
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    Queued,
    /// Queued in a new segment; the receiver is far behind.
    Behind,
    /// There was no room.
    Dropped,
}

pub(super) fn queue(budget: Arc<Budget>) -> (Sender, Receiver) {
    let (sender, receiver) = mpsc::channel();
    (
        Sender { current: RefCell::new(None), len: Cell::new(0), segments: sender, budget },
        Receiver { current: None, read: 0, segments: receiver },
    )
}

impl Sender {
    /// Queues `line`, whole or not at all.
    pub(super) fn send(&self, line: &[u8]) -> Sent {
        let mut current = self.current.borrow_mut();
        let mut sent = Sent::Queued;
        let fits = |segment: &Arc<Segment>| segment.capacity() - self.len.get() >= line.len();
        if !current.as_ref().is_some_and(fits) {
            let bytes = line.len().next_multiple_of(8).max(SEGMENT);
            let Some(segment) = Segment::new(bytes, &self.budget) else { return Sent::Dropped };
            if self.segments.send(Arc::clone(&segment)).is_err() {
                return Sent::Dropped;
            }
            *current = Some(segment);
            self.len.set(0);
            if self.budget.is_tight() {
                sent = Sent::Behind;
            }
        }
        let Some(segment) = &*current else { return Sent::Dropped };
        let len = append(&segment.words, self.len.get(), line);
        self.len.set(len);
        segment.len.store(len, Ordering::Release);
        sent
    }
}

/// Writes `line` from byte `at` on and returns the byte behind it. The word that holds byte `at` may hold published bytes
/// before it, which stay as they are.
fn append(words: &[AtomicU64], at: usize, line: &[u8]) -> usize {
    let (mut word, inside) = (at / 8, at % 8);
    let mut rest = line;
    if inside > 0
        && let Some(slot) = words.get(word)
    {
        let (head, tail) = rest.split_at(rest.len().min(8 - inside));
        let mut bytes = slot.load(Ordering::Relaxed).to_le_bytes();
        bytes[inside..inside + head.len()].copy_from_slice(head);
        slot.store(u64::from_le_bytes(bytes), Ordering::Relaxed);
        rest = tail;
        word += 1;
    }
    let (whole, tail) = rest.as_chunks::<8>();
    for (slot, bytes) in words[word.min(words.len())..].iter().zip(whole) {
        slot.store(u64::from_le_bytes(*bytes), Ordering::Relaxed);
    }
    if !tail.is_empty()
        && let Some(slot) = words.get(word + whole.len())
    {
        let mut bytes = [0; 8];
        bytes[..tail.len()].copy_from_slice(tail);
        slot.store(u64::from_le_bytes(bytes), Ordering::Relaxed);
    }
    at + line.len()
}

impl Receiver {
    /// Appends what is queued to `out`, until that holds `max` bytes or more. Whole lines only. `false`: the sender is gone
    /// and everything was read.
    pub(super) fn receive(&mut self, out: &mut Vec<u8>, max: usize) -> bool {
        while out.len() < max {
            if let Some(segment) = &self.current {
                let len = segment.len.load(Ordering::Acquire);
                if len > self.read {
                    copy(&segment.words, self.read, len, out);
                    self.read = len;
                    continue;
                }
            }
            match self.segments.try_recv() {
                Ok(next) => {
                    // The sender left the last segment before it sent this one, so a last look at it sees all.
                    if let Some(last) = self.current.replace(next) {
                        copy(&last.words, self.read, last.len.load(Ordering::Acquire), out);
                    }
                    self.read = 0;
                }
                Err(mpsc::TryRecvError::Empty) => return true,
                Err(mpsc::TryRecvError::Disconnected) => {
                    if let Some(last) = self.current.take() {
                        copy(&last.words, self.read, last.len.load(Ordering::Acquire), out);
                    }
                    return false;
                }
            }
        }
        true
    }
}

/// Appends bytes `from..to`.
fn copy(words: &[AtomicU64], from: usize, to: usize, out: &mut Vec<u8>) {
    if from >= to {
        return;
    }
    let start = out.len();
    let words = &words[from / 8..to.div_ceil(8)];
    out.extend(words.iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()));
    out.truncate(start + (to - from / 8 * 8));
    out.drain(start..start + from % 8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_every_length_arrive_in_order() {
        let (sender, mut receiver) = queue(Budget::new(1 << 20));
        let (mut expected, mut got) = (Vec::new(), Vec::new());
        for round in 0..3000_usize {
            let line: Vec<u8> = (0..round % 41).map(|at| (round + at) as u8).collect();
            expected.extend_from_slice(&line);
            assert_eq!(sender.send(&line), Sent::Queued);
            if round % 7 == 0 {
                assert!(receiver.receive(&mut got, usize::MAX));
            }
        }
        let long = vec![b'x'; 3 * SEGMENT + 1];
        expected.extend_from_slice(&long);
        sender.send(&long);
        drop(sender);
        assert!(!receiver.receive(&mut got, usize::MAX));
        assert!(got == expected);
        assert_eq!(receiver.segments.try_recv().err(), Some(mpsc::TryRecvError::Disconnected));
    }

    #[test]
    fn the_budget_bounds_what_waits_and_comes_back() {
        let budget = Budget::new(4 * SEGMENT);
        let (sender, mut receiver) = queue(Arc::clone(&budget));
        let line = [b'l'; SEGMENT];
        let sent: Vec<Sent> = (0..6).map(|_| sender.send(&line)).collect();
        use Sent::{Behind, Dropped, Queued};
        assert_eq!(sent, [Queued, Queued, Behind, Behind, Dropped, Dropped]);
        let mut got = Vec::new();
        receiver.receive(&mut got, usize::MAX);
        assert_eq!(got.len(), 4 * SEGMENT);
        assert_eq!(budget.used.load(Ordering::Relaxed), SEGMENT, "the current one stays");
        assert_eq!(sender.send(&line), Queued);
        drop((sender, receiver));
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_sender_without_receiver_drops() {
        let (sender, receiver) = queue(Budget::new(1 << 20));
        drop(receiver);
        assert_eq!(sender.send(b"x"), Sent::Dropped);
    }

    #[test]
    fn the_receiver_sees_whole_lines_while_they_are_written() {
        let (sender, mut receiver) = queue(Budget::new(1 << 30));
        const LINES: usize = 200_000;
        let writer = std::thread::spawn(move || {
            for number in 0..LINES {
                sender.send(format!("{number}{}\n", "-".repeat(number % 23)).as_bytes());
            }
        });
        let (mut next, mut got) = (0, Vec::new());
        loop {
            got.clear();
            let open = receiver.receive(&mut got, 64 * 1024);
            assert!(got.is_empty() || got.ends_with(b"\n"));
            for line in std::str::from_utf8(&got).unwrap().lines() {
                assert_eq!(line.trim_end_matches('-').parse(), Ok(next));
                assert_eq!(line.bytes().filter(|&byte| byte == b'-').count(), next % 23);
                next += 1;
            }
            if !open {
                break;
            }
        }
        writer.join().unwrap();
        assert_eq!(next, LINES);
    }
}
