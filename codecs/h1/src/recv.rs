//! The parts of a message as a driver pulls them.

use bytes::Bytes;
use nuncio_http::{HeaderList, RequestHead, Upgrade};

/// One part of a message. `H` is [`Request`] on the server side, `ResponseHead` on the client side.
#[derive(Debug)]
pub enum Recv<H> {
    /// Read more bytes first.
    NeedMore,
    /// A head; `end`: the message ends with it.
    Head { head: H, end: bool },
    /// Body bytes; `end`: the message ends with them.
    Data { chunk: Bytes, end: bool },
    /// Trailers; they end the message.
    Trailers(HeaderList),
    /// The message ends, without a part to say so.
    End,
    /// The message is complete, or waits for our answer: nothing is read now.
    Paused,
    /// Raw bytes behind an accepted upgrade or CONNECT.
    Tunnel(Bytes),
    /// The peer sends no more. Clean: between messages, behind a whole message, or in a tunnel.
    Eof,
}

/// A received request, without its hop-by-hop fields.
#[derive(Debug, Clone)]
pub struct Request {
    /// `scheme` is that of an absolute-form target, else `Http`: the driver knows the transport and sets it.
    pub head: RequestHead,
    /// The client waits for `100 Continue` before it sends the body.
    pub expect_continue: bool,
    /// The protocol that the client asks for: only of an HTTP/1.1 request without a body.
    pub upgrade: Option<Upgrade>,
    /// The client allows another request on this connection.
    pub keep_alive: bool,
}
