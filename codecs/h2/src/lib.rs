//! HTTP/2 without I/O (RFC 9113): one connection, either side. The caller reads bytes into a `BytesMut` and pulls
//! [`Recv`] events out of its front; it sends by commands, and takes what is to be written from [`Connection::output`].
//!
//! **Who owns what.** The codec owns the state of the connection and of each stream, the bytes that wait for a window
//! (`send_data` queues, [`Connection::fill`] makes frames of them) and the bytes that wait for the socket (`output`). The
//! caller owns what it received: a DATA chunk is its own until it says [`Connection::release`], which opens the window
//! again. Not releasing is back-pressure.
//!
//! **A stream's slot** is taken by its HEADERS and comes free by [`Connection::forget`], not by a frame: a peer that resets
//! its stream has not got rid of our work for it (rows H2-1 and H2-2 of the threat list).
//!
//! **Errors** are scope x reason x who started it: a broken stream is an event ([`Recv::Reset`]), a broken connection the
//! error of [`Connection::recv`]; in both cases what the peer must be told already stands in `output`.
#![forbid(unsafe_code)]

mod event;
mod error;
mod limits;
mod ledger;
mod frame;
mod settings;
mod flow;
mod stream;
mod streams;
mod head;
mod schedule;
mod outbound;
mod connection;
#[cfg(test)]
mod tests;

pub use connection::Connection;
pub use error::{EncodeError, Error, ErrorKind, Reason};
pub use event::{Recv, Request, Reset, Side, StreamRef};
pub use ledger::Counts;
pub use limits::Limits;
