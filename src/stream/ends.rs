//! The client's end of a stream: what [`super::Stream`] needs of it. HTTP/1 implements it for a whole connection,
//! a multiplexed protocol for one stream of many.

use std::task::{Context, Poll};

use nuncio_http::ResponseHead;

use crate::error::Error;
use crate::filter::Part;
use crate::runtime::Hangup;

/// The client's end of one stream. Sending only queues; `poll_flush` writes, so that what belongs together leaves together.
pub trait Downstream {
    /// The next part of the request, after its head.
    fn poll_recv(&mut self, task: &mut Context<'_>) -> Poll<Result<Part, Error>>;
    /// Tells the client to send its body, if it waits for that.
    fn send_continue(&mut self);
    /// An interim response (1xx, not 101).
    fn send_interim(&mut self, head: &ResponseHead) -> Result<(), Error>;
    /// The final head. 101, and 2xx to CONNECT, open the tunnel. `end`: nothing but an empty last part follows.
    fn send_head(&mut self, head: &ResponseHead, end: bool) -> Result<(), Error>;
    fn send_part(&mut self, part: Part) -> Result<(), Error>;
    /// How many bytes of the response it takes now, about; pending while that is none.
    fn poll_room(&mut self, task: &mut Context<'_>) -> Poll<usize>;
    /// Something is queued and has not left.
    fn has_output(&self) -> bool;
    /// Bytes that have left so far: what grows is no stalled client.
    fn sent(&self) -> u64;
    /// Sends what is queued; errors when the client is gone.
    fn poll_flush(&mut self, task: &mut Context<'_>) -> Poll<Result<(), Error>>;
    /// The client went, or closed its sending side, while nothing is read from it. In a tunnel: it went.
    fn poll_hangup(&mut self, task: &mut Context<'_>) -> Poll<Hangup>;
    /// The stream is a tunnel now.
    fn is_tunnel(&self) -> bool;
    /// Whether what is left of the request is known to be at most `limit` bytes: worth reading to keep the connection.
    fn can_drain(&self, limit: u64) -> bool;
    /// No further request after this one.
    fn close_after_response(&mut self);
}

/// What is left to do with the client's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The response went out whole.
    Complete,
    /// It did not: the client must see that it is cut short.
    Abort,
    /// There is no client any more.
    Gone,
}
