//! The dynamic table (RFC 7541 sections 2.3.2 and 4), the same for both directions. Names and values stand one behind the
//! other in one buffer in the order of their insertion; evicting moves the place where it begins. Memory grows with use, to
//! twice the table's size at most.

use std::collections::VecDeque;

use nuncio_http::HeaderId;

use crate::static_table::Entry;

/// Where a place in twice as much text still fits into 32 bits.
const LARGEST: usize = 1 << 30;

/// Room for text that is made at once, if the table is not smaller.
const FIRST_ROOM: usize = 256;

/// What an entry counts beyond its name and value (section 4.1).
const OVERHEAD: usize = 32;

/// A table, counted from the newest entry, which is 0.
#[derive(Debug)]
pub(crate) struct DynamicTable {
    entries: VecDeque<Place>,
    /// Text of the entries, behind some of evicted ones.
    text: Vec<u8>,
    /// Where `text` begins in all that was ever inserted, modulo 2^32.
    base: u32,
    /// As section 4.1 counts it.
    size: usize,
    max_size: usize,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    id: HeaderId,
    /// Where the name begins in all that was ever inserted, modulo 2^32. The value is behind it.
    at: u32,
    name_len: u32,
    value_len: u32,
}

impl Place {
    fn len(&self) -> usize {
        self.name_len as usize + self.value_len as usize
    }
}

/// The name of a field to be inserted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Name<'a> {
    Text(HeaderId, &'a [u8]),
    /// That of this entry, which may have to go for the new one (section 4.4).
    Of(usize),
}

/// Size of a field in a table (section 4.1).
pub(crate) fn entry_size(name: &[u8], value: &[u8]) -> usize {
    name.len() + value.len() + OVERHEAD
}

impl DynamicTable {
    /// `max_size`: at most [`LARGEST`].
    pub(crate) fn new(max_size: usize) -> DynamicTable {
        DynamicTable { entries: VecDeque::new(), text: Vec::new(), base: 0, size: 0, max_size: max_size.min(LARGEST) }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn max_size(&self) -> usize {
        self.max_size
    }

    #[cfg(test)]
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Octets allocated.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        self.text.capacity() + self.entries.capacity() * size_of::<Place>()
    }

    /// Evicts what does not fit any more (section 4.3).
    pub(crate) fn resize(&mut self, max_size: usize) {
        self.max_size = max_size.min(LARGEST);
        self.evict_down_to(self.max_size);
        if self.entries.is_empty() {
            // Resizing to nothing is how a peer asks for our memory back.
            self.text = Vec::new();
            self.entries = VecDeque::new();
        }
    }

    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<Entry<'_>> {
        let place = self.entries.get(index)?;
        let start = self.offset(place.at);
        let text = self.text.get(start..start + place.len())?;
        let (name, value) = text.split_at_checked(place.name_len as usize)?;
        Some(Entry { id: place.id, name, value })
    }

    /// Inserts a field, for which old ones go; one that is larger than the table empties it (section 4.4).
    pub(crate) fn insert(&mut self, name: Name<'_>, value: &[u8]) {
        let (id, name_len, source) = match name {
            Name::Text(id, text) => (id, text.len(), None),
            Name::Of(index) => match self.entries.get(index) {
                Some(place) => (place.id, place.name_len as usize, Some(place.at)),
                None => return,
            },
        };
        let len = name_len + value.len();
        // The text of evicted entries stays where it is until there is room for the new one.
        self.evict_down_to(self.max_size.saturating_sub(len + OVERHEAD));
        if len + OVERHEAD > self.max_size {
            return;
        }
        self.make_room(len, source);
        let at = self.base.wrapping_add(self.text.len() as u32);
        match (name, source) {
            (Name::Text(_, text), _) => self.text.extend_from_slice(text),
            (Name::Of(_), source) => {
                let start = self.offset(source.unwrap_or(at));
                self.text.extend_from_within(start..start + name_len);
            }
        }
        self.text.extend_from_slice(value);
        // Both are below `max_size`.
        self.entries.push_front(Place { id, at, name_len: name_len as u32, value_len: value.len() as u32 });
        self.size += len + OVERHEAD;
    }

    fn evict_down_to(&mut self, size: usize) {
        while self.size > size {
            let Some(place) = self.entries.pop_back() else { break };
            self.size -= place.len() + OVERHEAD;
        }
    }

    /// Room for `len` octets of text, without those in front of the oldest entry and of `source` if need be.
    fn make_room(&mut self, len: usize, source: Option<u32>) {
        if self.text.capacity() - self.text.len() >= len {
            return;
        }
        let oldest = self.entries.back().map_or(self.text.len(), |place| self.offset(place.at));
        let unused = source.map_or(oldest, |at| oldest.min(self.offset(at)));
        // What is kept was in the table a moment ago, so that twice its size is enough for old and new.
        let most = 2 * self.max_size;
        if unused >= self.text.len() / 2 || self.text.len() + len > most {
            self.text.drain(..unused);
            self.base = self.base.wrapping_add(unused as u32);
        }
        let needed = self.text.len() + len;
        let capacity = needed.max(most.min(FIRST_ROOM.max(2 * self.text.capacity())));
        self.text.reserve_exact(capacity - self.text.len());
    }

    fn offset(&self, at: u32) -> usize {
        at.wrapping_sub(self.base) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against a list, from a place shortly before the places begin at 0 again.
    #[test]
    fn places_wrap_around() {
        let mut rng = fastrand::Rng::with_seed(32);
        let mut table = DynamicTable { base: u32::MAX - 500_000, ..DynamicTable::new(500) };
        let mut model: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        for nth in 0..20_000 {
            let most = if rng.bool() { 60 } else { 480 };
            let value = vec![nth as u8; rng.usize(0..most)];
            let from = rng.usize(0..=model.len());
            let name = model.get(from).map_or_else(|| format!("name-{nth}").into_bytes(), |(name, _)| name.clone());
            table.insert(if from < model.len() { Name::Of(from) } else { Name::Text(HeaderId::Other, &name) }, &value);
            model.insert(0, (name, value));
            while model.iter().map(|(name, value)| entry_size(name, value)).sum::<usize>() > 500 {
                model.pop();
            }
            assert_eq!(table.len(), model.len());
            for (index, (name, value)) in model.iter().enumerate() {
                assert_eq!(table.get(index), Some(Entry { id: HeaderId::Other, name, value }), "step {nth}");
            }
            assert!(table.text.capacity() <= 1000);
        }
        assert!(table.base < u32::MAX / 2, "went past the end");
    }
}
