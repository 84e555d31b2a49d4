//! HTTP/1.1 without I/O (RFC 9112): a strict parser and a serialiser for both sides of a proxy. [`Server`] receives
//! requests and sends responses, [`Client`] the other way round. The caller owns the buffers: it reads into a `BytesMut`,
//! pulls [`Recv`] parts out of its front, and writes what the codec put into an `Output`. Not pulling is back-pressure.
//!
//! What the codec keeps to itself: framing, persistence and every hop-by-hop field. A head it yields has none of them,
//! a head it is given needs none. Rows "S-n", "T-n" and "L-n" in comments are those of the project's threat list.
#![forbid(unsafe_code)]

mod body;
mod chunked;
mod client;
mod error;
mod head;
mod limits;
mod plan;
mod recv;
mod send;
mod server;

#[cfg(test)]
mod tests;

pub use client::Client;
pub use error::{EncodeError, Error};
pub use limits::Limits;
pub use nuncio_http::{Underscores, Upgrade};
pub use recv::{Recv, Request};
pub use server::Server;
