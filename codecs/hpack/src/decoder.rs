//! Header blocks to fields (RFC 7541 section 6). Memory: the dynamic table, and room for the longest name and value of a
//! block in Huffman code. However often a block refers to an entry, the decoder itself copies nothing for it.

use nuncio_http::HeaderId;

use crate::DEFAULT_TABLE_SIZE;
use crate::dynamic_table::{DynamicTable, Name};
use crate::error::Error;
use crate::static_table::{self, Entry};
use crate::{huffman, integer};

/// Size updates at the start of a block: the smallest size since the last one and the final one (section 4.2).
const MAX_SIZE_UPDATES: usize = 2;

/// Room for decoded strings that stays between blocks.
const KEPT_SCRATCH: usize = 4096;

/// One decoded field, borrowed for the length of the visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// `Other` for the names of pseudo-header fields, for unknown names, and for any with an upper-case letter.
    pub id: HeaderId,
    /// As received: neither validated nor lower-cased.
    pub name: &'a [u8],
    /// As received.
    pub value: &'a [u8],
    /// Whoever passes the field on must do so as a never-indexed literal (section 6.2.3).
    pub never_indexed: bool,
}

/// Decodes the header blocks that come on one connection.
#[derive(Debug)]
pub struct Decoder {
    table: DynamicTable,
    /// What we announced.
    most: usize,
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Decoder {
    /// `max_table_size`: SETTINGS_HEADER_TABLE_SIZE we announced, in bytes, 1 GiB at most. The table begins with it, or with
    /// [`DEFAULT_TABLE_SIZE`] if that is less. (A peer that has not read our settings yet goes by the default: announcing
    /// less than it takes back what such a peer may already use.)
    pub fn new(max_table_size: usize) -> Decoder {
        Decoder {
            table: DynamicTable::new(max_table_size.min(DEFAULT_TABLE_SIZE)),
            most: max_table_size,
            name: Vec::new(),
            value: Vec::new(),
        }
    }

    /// Decodes one complete header block (all fragments joined), calling `visit` for each field in order. What the visitor
    /// does with a field (count, refuse, keep) is its own business: the decoder goes on to the end so that the table stays
    /// in step. After an error the tables of the two ends differ, and the connection has to end.
    pub fn decode(&mut self, block: &[u8], mut visit: impl FnMut(Field<'_>)) -> Result<(), Error> {
        let mut rest = block;
        self.decode_size_updates(&mut rest)?;
        while let Some(&first) = rest.first() {
            match first {
                0x80.. => {
                    let index = integer::read(&mut rest, 7)? as usize;
                    visit(self.indexed(index)?);
                }
                0x40.. => self.decode_literal(&mut rest, 6, &mut visit)?,
                0x20.. => return Err(Error::MisplacedSizeUpdate),
                _ => self.decode_literal(&mut rest, 4, &mut visit)?,
            }
        }
        for scratch in [&mut self.name, &mut self.value] {
            if scratch.len() > KEPT_SCRATCH {
                *scratch = Vec::new();
            }
        }
        Ok(())
    }

    /// Octets allocated.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        self.table.memory() + self.name.capacity() + self.value.capacity()
    }

    #[cfg(test)]
    pub(crate) fn table(&self) -> &DynamicTable {
        &self.table
    }

    /// Section 6.3.
    fn decode_size_updates(&mut self, rest: &mut &[u8]) -> Result<(), Error> {
        let mut updates = 0;
        while let Some(0x20..0x40) = rest.first() {
            let size = integer::read(rest, 5)? as usize;
            updates += 1;
            if updates > MAX_SIZE_UPDATES {
                return Err(Error::TooManySizeUpdates);
            }
            if size > self.most {
                return Err(Error::SizeUpdateTooLarge);
            }
            self.table.resize(size);
        }
        Ok(())
    }

    /// Section 6.1.
    #[inline]
    fn indexed(&self, index: usize) -> Result<Field<'_>, Error> {
        let entry = match index.checked_sub(static_table::LEN + 1) {
            Some(nth) => self.table.get(nth),
            None => static_table::get(index),
        };
        let Entry { id, name, value } = entry.ok_or(Error::BadIndex)?;
        Ok(Field { id, name, value, never_indexed: false })
    }

    /// Section 6.2: a literal whose name's index has `prefix` bits, 6 only if the field is to be inserted.
    fn decode_literal(
        &mut self,
        rest: &mut &[u8],
        prefix: u32,
        visit: &mut impl FnMut(Field<'_>),
    ) -> Result<(), Error> {
        let inserted = prefix == 6;
        let never_indexed = !inserted && rest.first().is_some_and(|first| first & 0x10 != 0);
        let index = integer::read(rest, prefix)? as usize;
        let source = match index.checked_sub(static_table::LEN + 1) {
            Some(nth) if nth >= self.table.len() => return Err(Error::BadIndex),
            Some(nth) => Name::Of(nth),
            None if index == 0 => {
                let name = string(rest, &mut self.name)?;
                Name::Text(HeaderId::recognise(name), name)
            }
            None => static_table::get(index).map(|entry| Name::Text(entry.id, entry.name)).ok_or(Error::BadIndex)?,
        };
        let value = string(rest, &mut self.value)?;
        let (id, name) = match source {
            Name::Text(id, name) => (id, name),
            Name::Of(nth) => self.table.get(nth).map(|entry| (entry.id, entry.name)).ok_or(Error::BadIndex)?,
        };
        visit(Field { id, name, value, never_indexed });
        if inserted {
            self.table.insert(source, value);
        }
        Ok(())
    }
}

/// Section 5.2. A string in Huffman code comes out in `scratch`, another one stays where it is.
fn string<'a, 'block: 'a>(rest: &mut &'block [u8], scratch: &'a mut Vec<u8>) -> Result<&'a [u8], Error> {
    let coded = rest.first().is_some_and(|first| first & 0x80 != 0);
    let len = integer::read(rest, 7)? as usize;
    let (text, tail) = rest.split_at_checked(len).ok_or(Error::Truncated)?;
    *rest = tail;
    if coded { huffman::decode(text, scratch) } else { Ok(text) }
}
