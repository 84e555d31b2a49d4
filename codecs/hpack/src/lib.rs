//! HPACK (RFC 7541): header compression for HTTP/2, bounded on both sides. A [`Decoder`] and an [`Encoder`] serve one
//! connection each in one direction. No HTTP rules here: what a field means, and how many there may be, is the caller's.
#![forbid(unsafe_code)]

mod error;
mod integer;
mod huffman;
mod static_table;
mod dynamic_table;
mod index;
mod decoder;
mod encoder;
#[cfg(test)]
mod tests;

pub use decoder::{Decoder, Field};
pub use encoder::Encoder;
pub use error::Error;

/// SETTINGS_HEADER_TABLE_SIZE until a peer says otherwise (RFC 9113 section 6.5.2): how large a dynamic table is at the
/// start of a connection.
pub const DEFAULT_TABLE_SIZE: usize = 4096;
