//! What [`Connection::recv`](crate::Connection::recv) yields.

use bytes::Bytes;
use nuncio_http::{HeaderList, RequestHead, ResponseHead, Upgrade};

use crate::error::Reason;

/// Which end of the connection we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Client,
    Server,
}

/// A stream: its identifier on the wire, and its place in the connection's table, for a caller that keeps a table of the
/// same shape. A place is used again after [`Connection::forget`](crate::Connection::forget); the identifier never is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamRef {
    pub id: u32,
    pub slot: u32,
}

/// What came.
#[derive(Debug)]
pub enum Recv {
    /// Read more bytes first.
    NeedMore,
    /// Server: a request. It holds a slot until it is forgotten.
    Request { stream: StreamRef, request: Request, end: bool },
    /// Server: a request that is to be answered with this status in place of being served (431, 414, 417, 400). It holds
    /// a slot like any other; what it sends behind its head is dropped by the codec.
    Refused { stream: StreamRef, status: u16, detail: &'static str },
    /// Client: a head, interim (1xx) or final.
    Response { stream: StreamRef, head: ResponseHead, end: bool },
    /// Body bytes; never empty unless `end`. To be released when they are taken on.
    Data { stream: StreamRef, chunk: Bytes, end: bool },
    /// Trailers; they end the message.
    Trailers { stream: StreamRef, trailers: HeaderList },
    /// The stream broke off; nothing comes for it any more and nothing can be sent. It still holds its slot.
    Reset { stream: StreamRef, reset: Reset },
    /// The peer's settings came, or windows or limits changed: what waited may be able to go on. Also comes after a run of
    /// frames that yield nothing, so that the caller gets its turn.
    Settings,
    /// The peer takes no further streams from us (those it did not process come as [`Recv::Reset`]), or will open none.
    Goaway { reason: Reason },
}

/// A request without its pseudo-header and hop-by-hop fields. `te: trailers` stays. Cookie crumbs are joined.
#[derive(Debug, Clone)]
pub struct Request {
    /// `version` is `Http2`. For an extended CONNECT (RFC 8441) the method is CONNECT and scheme and path are set.
    pub head: RequestHead,
    /// `:protocol` of an extended CONNECT.
    pub protocol: Option<Upgrade>,
    /// The client waits for `100 Continue`.
    pub expect_continue: bool,
}

/// How a stream broke off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reset {
    pub reason: Reason,
    /// The peer sent RST_STREAM or GOAWAY; else we did, because of what the peer sent.
    pub by_peer: bool,
    /// The peer has not acted on the request: it may be sent again (RFC 9113 section 8.7).
    pub unprocessed: bool,
    /// For logs.
    pub detail: &'static str,
}
