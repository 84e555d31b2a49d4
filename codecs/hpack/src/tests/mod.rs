//! Both directions together: the examples of RFC 7541 appendix C, the rules a decoder enforces and an encoder follows, and
//! seeded random cases against a naive model.

mod decoding;
mod encoding;
mod examples;
mod random;

use nuncio_http::HeaderId;

use crate::dynamic_table::DynamicTable;
use crate::{Decoder, Encoder, Error};

/// Name and value.
type Pair = (Vec<u8>, Vec<u8>);

/// Octets of hexadecimal text with spaces.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// Of lines `name: value`.
fn pairs(lines: &[&str]) -> Vec<Pair> {
    let lines = lines.iter().map(|line| line.split_once(": ").unwrap());
    lines.map(|(name, value)| (name.into(), value.into())).collect()
}

fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<Pair>, Error> {
    let mut fields = Vec::new();
    decoder.decode(block, |field| fields.push((field.name.to_vec(), field.value.to_vec()))).map(|()| fields)
}

fn encode(encoder: &mut Encoder, fields: &[Pair]) -> Vec<u8> {
    let mut block = Vec::new();
    encoder.begin(&mut block);
    for (name, value) in fields {
        encoder.encode(HeaderId::recognise(name), name, value, &mut block);
    }
    block
}

/// The entries of a table, newest first, whose size must be what section 4.1 says.
fn entries(table: &DynamicTable) -> Vec<Pair> {
    let entries = (0..table.len()).map(|nth| table.get(nth).unwrap());
    let entries: Vec<_> = entries.map(|entry| (entry.name.to_vec(), entry.value.to_vec())).collect();
    assert_eq!(table.get(table.len()), None);
    let size: usize = entries.iter().map(|(name, value)| name.len() + value.len() + 32).sum();
    assert_eq!(table.size(), size);
    assert!(size <= table.max_size());
    entries
}
