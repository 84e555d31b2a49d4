//! The slices of a write, cut into the plaintext of records: as large as may be, so that a head and the body behind it
//! share one, and without a copy where a slice fills a record by itself.

use std::cell::RefCell;
use std::io::IoSlice;

/// Plaintext of one record, in bytes, at most (RFC 8446 section 5.1).
const RECORD: usize = 16 << 10;

thread_local! {
    /// One record's worth, for the slices that have to be joined.
    static JOINED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

pub(super) struct Gather<'b> {
    slices: &'b [IoSlice<'b>],
    /// Bytes of the first slice that are done with.
    done: usize,
    /// Bytes that may still be taken.
    left: usize,
    joined: Vec<u8>,
}

impl<'b> Gather<'b> {
    /// At most `most` bytes of all slices.
    pub(super) fn new(slices: &'b [IoSlice<'b>], most: usize) -> Gather<'b> {
        let joined = JOINED.try_with(|joined| std::mem::take(&mut *joined.borrow_mut())).unwrap_or_default();
        Gather { slices, done: 0, left: most, joined }
    }

    /// The next record's plaintext.
    pub(super) fn next(&mut self) -> Option<&[u8]> {
        self.skip_empty();
        let most = self.left.min(RECORD);
        let rest = &self.slices.first().filter(|_| most > 0)?[self.done..];
        if rest.len() >= most || self.slices.len() == 1 {
            let len = rest.len().min(most);
            self.done += len;
            self.left -= len;
            return Some(&rest[..len]);
        }
        self.joined.clear();
        while self.joined.len() < most {
            self.skip_empty();
            let Some(slice) = self.slices.first() else { break };
            let rest = &slice[self.done..];
            let len = rest.len().min(most - self.joined.len());
            self.joined.extend_from_slice(&rest[..len]);
            self.done += len;
        }
        self.left -= self.joined.len();
        Some(&self.joined)
    }

    fn skip_empty(&mut self) {
        while let Some((first, others)) = self.slices.split_first()
            && first.len() == self.done
        {
            self.slices = others;
            self.done = 0;
        }
    }
}

impl Drop for Gather<'_> {
    fn drop(&mut self) {
        let joined = std::mem::take(&mut self.joined);
        let _ = JOINED.try_with(|spare| *spare.borrow_mut() = joined);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_full_and_in_order() {
        let mut rng = fastrand::Rng::with_seed(6);
        for _ in 0..200 {
            let sizes = [0, 1, 5, 200, RECORD - 1, RECORD, RECORD + 1, 3 * RECORD, 100_000];
            let parts: Vec<Vec<u8>> = (0..rng.usize(..6))
                .map(|_| {
                    let len = sizes[rng.usize(..sizes.len())];
                    std::iter::repeat_with(|| rng.u8(..)).take(len).collect()
                })
                .collect();
            let slices: Vec<IoSlice> = parts.iter().map(|part| IoSlice::new(part)).collect();
            let most = [1, RECORD, 4 * RECORD, 1_000_000][rng.usize(..4)];
            let (mut gather, mut records) = (Gather::new(&slices, most), Vec::new());
            while let Some(record) = gather.next() {
                assert!(!record.is_empty());
                records.push(record.to_vec());
            }
            let whole = parts.concat();
            let whole = &whole[..whole.len().min(most)];
            assert_eq!(records.concat(), whole);
            assert_eq!(records.len(), whole.len().div_ceil(RECORD));
        }
    }
}
