//! Fields to header blocks (RFC 7541 section 6). What is secret is never indexed (section 7.1.3), what hardly repeats is
//! not inserted for its value, everything else is.

use nuncio_http::HeaderId;

use crate::DEFAULT_TABLE_SIZE;
use crate::dynamic_table::{DynamicTable, Name, entry_size};
use crate::index::{Index, Print};
use crate::static_table::{self, Found};
use crate::{huffman, integer};

/// Values of one name that are inserted, if the static table does not have the name. Where there are more at a time, it is
/// an identifier of the message in all likelihood, and would push all other fields out.
const MOST_VALUES: usize = 4;

/// Encodes the header blocks that go out on one connection.
#[derive(Debug)]
pub struct Encoder {
    table: DynamicTable,
    index: Index,
    most: usize,
    /// The smallest table size since the last block, if the size changed.
    smallest: Option<usize>,
}

/// A representation of a literal field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Literal {
    /// Section 6.2.1.
    Incremental,
    /// Section 6.2.2.
    Without,
    /// Section 6.2.3.
    Never,
}

impl Encoder {
    /// `most`: largest dynamic table we will use ourselves, in bytes.
    pub fn new(most: usize) -> Encoder {
        let mut encoder =
            Encoder { table: DynamicTable::new(DEFAULT_TABLE_SIZE), index: Index::default(), most, smallest: None };
        encoder.resize(most.min(DEFAULT_TABLE_SIZE));
        encoder
    }

    /// The peer's SETTINGS_HEADER_TABLE_SIZE: the table becomes `min(size, most)`. The size updates go out at the start of
    /// the next block.
    pub fn set_peer_table_size(&mut self, size: u32) {
        self.resize(self.most.min(size as usize));
    }

    #[cfg(test)]
    pub(crate) fn table(&self) -> &DynamicTable {
        assert_eq!(self.index.len(), self.table.len(), "in step");
        &self.table
    }

    fn resize(&mut self, size: usize) {
        if size == self.table.max_size() {
            return;
        }
        self.smallest = Some(self.smallest.map_or(size, |smallest| smallest.min(size)));
        self.table.resize(size);
        self.index.truncate(self.table.len());
    }

    /// Starts a block: the smallest size since the last block and the final one, if the size changed (section 4.2).
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        let Some(smallest) = self.smallest.take() else { return };
        let size = self.table.max_size();
        if smallest < size {
            integer::write(smallest, 5, 0x20, out);
        }
        integer::write(size, 5, 0x20, out);
    }

    /// One field of the current block. `id` is that of `name`, `HeaderId::Other` for pseudo-headers and unknown names.
    pub fn encode(&mut self, id: HeaderId, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
        if is_secret(id) {
            return self.encode_never_indexed(id, name, value, out);
        }
        let found = static_table::find(id, name, value);
        if let Found::Field(index) = found {
            return integer::write(index, 7, 0x80, out);
        }
        let static_name = found.name();
        let varies = varies(id, static_name);
        if varies && static_name > 0 {
            return write_literal(Literal::Without, static_name, name, value, out);
        }
        let print = Print::new(id, name, value);
        let (mut name_index, mut others) = (static_name, 0);
        for (nth, same_value) in self.index.candidates(print) {
            let Some(entry) = self.table.get(nth) else { break };
            if id == HeaderId::Other && entry.name != name {
                continue;
            }
            let index = static_table::LEN + 1 + nth;
            if same_value && entry.value == value {
                return integer::write(index, 7, 0x80, out);
            }
            if name_index == 0 {
                name_index = index;
            }
            others += 1;
        }
        // The first one of a name without a static index goes in for its name, in any case.
        let most_values = if varies { 1 } else { MOST_VALUES };
        let worth_it = static_name > 0 || others < most_values;
        if worth_it && entry_size(name, value) <= self.table.max_size() / 4 * 3 {
            write_literal(Literal::Incremental, name_index, name, value, out);
            self.table.insert(Name::Text(id, name), value);
            self.index.insert(print, self.table.len());
        } else {
            write_literal(Literal::Without, name_index, name, value, out);
        }
    }

    /// As [`Encoder::encode`], for a field that came as a never-indexed literal: it stays one (section 6.2.3).
    pub fn encode_never_indexed(&mut self, id: HeaderId, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
        write_literal(Literal::Never, static_table::find(id, name, value).name(), name, value, out);
    }
}

/// Section 7.1.3, and the threat list: connections to an upstream carry the secrets of many clients.
fn is_secret(id: HeaderId) -> bool {
    matches!(id, HeaderId::Authorization | HeaderId::Cookie | HeaderId::SetCookie | HeaderId::ProxyAuthorization)
}

/// The value is another one in most messages. `static_index` is that of the name, 0 if it has none.
fn varies(id: HeaderId, static_index: usize) -> bool {
    match id {
        HeaderId::Other => VARYING.get(static_index).copied().unwrap_or_default(),
        HeaderId::Age
        | HeaderId::ContentLength
        | HeaderId::Etag
        | HeaderId::Forwarded
        | HeaderId::GrpcMessage
        | HeaderId::GrpcTimeout
        | HeaderId::LastModified
        | HeaderId::Location
        | HeaderId::XEnvoyOriginalPath
        | HeaderId::XEnvoyUpstreamServiceTime
        | HeaderId::XForwardedFor
        | HeaderId::XRealIp
        | HeaderId::XRequestId => true,
        _ => false,
    }
}

/// Static indexes of the names without an id whose values vary.
static VARYING: [bool; static_table::LEN + 1] = {
    let names: &[&[u8]] = &[
        b":path",
        b"content-location",
        b"content-range",
        b"if-match",
        b"if-modified-since",
        b"if-none-match",
        b"if-range",
        b"if-unmodified-since",
        b"range",
    ];
    let mut varying = [false; static_table::LEN + 1];
    let mut at = 0;
    while at < names.len() {
        varying[static_table::index_of(names[at])] = true;
        at += 1;
    }
    varying
};

/// Section 6.2. `name_index` 0: the name goes as text.
fn write_literal(literal: Literal, name_index: usize, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    match literal {
        Literal::Incremental => integer::write(name_index, 6, 0x40, out),
        Literal::Without => integer::write(name_index, 4, 0x00, out),
        Literal::Never => integer::write(name_index, 4, 0x10, out),
    }
    if name_index == 0 {
        write_string(name, out);
    }
    write_string(value, out);
}

/// Section 5.2: in Huffman code where that is shorter.
fn write_string(text: &[u8], out: &mut Vec<u8>) {
    let coded = huffman::encoded_len(text);
    if coded < text.len() {
        integer::write(coded, 7, 0x80, out);
        huffman::encode(text, out);
    } else {
        integer::write(text.len(), 7, 0x00, out);
        out.extend_from_slice(text);
    }
}
