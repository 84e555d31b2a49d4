//! Finds the entries of an encoder's dynamic table that may match a field, by prints of name and value. The entries whose
//! names' prints fall into one bucket form a chain from the newest to the oldest; eviction just shortens the chains.

use std::collections::VecDeque;

use nuncio_http::HeaderId;

const BUCKETS: usize = 32;

/// In step with a [`crate::dynamic_table::DynamicTable`]: entry 0 is the newest.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// For each bucket, the number of its newest insertion. Insertions are numbered from 1.
    newest: [u64; BUCKETS],
    inserted: u64,
    links: VecDeque<Link>,
}

#[derive(Debug, Clone, Copy)]
struct Link {
    print: Print,
    /// The insertion before this one in the same bucket.
    older: u64,
}

/// What an entry is found by. Different fields may have the same print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Print {
    /// Of known names the id, which says all.
    pub(crate) name: u32,
    pub(crate) value: u32,
}

impl Print {
    #[inline]
    pub(crate) fn new(id: HeaderId, name: &[u8], value: &[u8]) -> Print {
        let name = if id == HeaderId::Other { print(name) | 1 << 31 } else { id as u32 };
        Print { name, value: print(value) }
    }

    fn bucket(self) -> usize {
        (self.name.wrapping_mul(GOLDEN) >> 27) as usize % BUCKETS
    }
}

impl Index {
    /// Notes an insertion, after which the table holds `len` entries.
    pub(crate) fn insert(&mut self, print: Print, len: usize) {
        let newest = &mut self.newest[print.bucket()];
        self.inserted += 1;
        self.links.push_front(Link { print, older: std::mem::replace(newest, self.inserted) });
        self.links.truncate(len);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.links.len()
    }

    /// Notes that the table now holds `len` entries.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.links.truncate(len);
    }

    /// The entries whose name has the print of this one, newest first, and whether the value's is the same too.
    #[inline]
    pub(crate) fn candidates(&self, print: Print) -> impl Iterator<Item = (usize, bool)> {
        let mut next = self.newest[print.bucket()];
        std::iter::from_fn(move || {
            loop {
                let index = usize::try_from(self.inserted - next).ok()?;
                let link = self.links.get(index)?;
                next = link.older;
                if link.print.name == print.name {
                    return Some((index, link.print.value == print.value));
                }
            }
        })
    }
}

const GOLDEN: u32 = 0x9e37_79b1;

/// Of the length and up to eight octets at either end: what differs between the values of one field stands there.
#[inline]
fn print(text: &[u8]) -> u32 {
    let (first, last) = match (text.first_chunk(), text.last_chunk()) {
        (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        _ => (text.iter().fold(0, |all, &octet| all << 8 | u64::from(octet)), 0),
    };
    let mixed = (first ^ last.rotate_left(23)).wrapping_add(text.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as u32
}
