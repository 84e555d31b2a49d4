//! DNS as a stub resolver speaks it (RFC 1034, 1035): queries for A, AAAA and SRV, and answers read strictly. [`Query`] knows
//! when to ask which server again, and over what; sockets, the clock and secure random bytes are the caller's.
//!
//! Nothing outside the answer section is believed, and what does not answer the very query is as if it had not come.
#![forbid(unsafe_code)]

mod name;
mod reader;
mod message;
mod records;
mod answer;
mod query;
#[cfg(test)]
mod testing;

pub use answer::{Reply, Stray, parse};
pub use message::{Asked, Question, RecordType};
pub use name::{Name, NameError};
pub use query::{Counts, Policy, Query, Transmit, Transport};
pub use records::{Failure, Outcome, Records, Srv};

/// Random bytes that one message needs: its id, and a bit for the case of each letter of its name.
pub const RANDOM: usize = 2 + CASE;

/// A name has at most 255 bytes.
pub(crate) const CASE: usize = 32;

/// What a server may send over UDP, in bytes: fits every path without fragments (DNS flag day 2020).
pub const MAX_UDP: usize = 1232;

/// Records in a message, over all sections.
pub const MAX_RECORDS: usize = 256;

/// Names on the way from the one asked for to the one with the records.
pub const MAX_CHAIN: usize = 8;

/// Datagrams on the socket of a query that do not answer it, before it goes on over TCP.
pub const MAX_STRAYS: u32 = 64;
