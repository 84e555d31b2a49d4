//! The one filter pipeline, for HTTP and for connections that carry bytes: a stream is two flows of parts (head, chunks,
//! trailers; without HTTP chunks alone), and a filter sees each part on its way.
//!
//! **Who pulls.** The stream task pulls a part, offers it to the chain, and forwards what comes out at the end.
//! It pulls no further part while one is parked, so a filter that stops a direction stops its source: nothing
//! is read, no window is released. That is the whole of back-pressure.
//!
//! **Two stops.** [`Flow::Hold`]: the filter kept the part (it took the chunk out, or it wants to see more before
//! the head may go on) and needs the next part of this direction. [`Flow::Wait`]: bring nothing in this direction;
//! poll me. The parked part stays in the chain, one per direction, and goes on at the next filter
//! once [`Filter::poll_resume`] says `Continue`.
//!
//! **Who owns what.** Heads live in [`StreamInfo`], so a filter that held one may still edit it when a
//! later chunk tells it how (`buffer` sets the length). Chunks belong to whoever holds the [`Chunk`].
//!
//! **Cancel.** The stream drops the chain; a filter's destructor is its cancellation. `on_end` comes before that,
//! once, for every filter that saw the request.

mod chain;
mod chunk;
mod per_worker;
mod registry;

mod buffer;
mod client_tls_auth;
mod connection_limit;
mod cors;
mod fault;
mod grpc_stats;
mod grpc_web;
mod header_mutation;
mod health_check;
mod ip_ranges;
mod local_rate_limit;
mod target;
#[cfg(test)]
mod testing;

use std::sync::Arc;
use std::task::{Context, Poll};

use nuncio_http::{HeaderList, RequestHead, ResponseHead};

pub use chain::{Chain, Offer, Part};
pub use chunk::Chunk;
pub use client_tls_auth::{ApprovedList, MAX_LIST, read_list};
pub use health_check::Failing;
pub use registry::{Around, Build, Factories, build};

use crate::error::ResponseFlags;
use crate::grpc::Status;
use crate::runtime::Rt;
use crate::stream::info::StreamInfo;

/// A direction of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dir {
    Request,
    Response,
}

/// What a filter makes of a part.
#[derive(Debug)]
pub enum Flow {
    /// On to the next filter.
    Continue,
    /// I kept it; bring the next part of this direction. After the last part there is none: holding that one is
    /// a reset.
    Hold,
    /// Bring nothing in this direction; poll me.
    Wait,
    /// Answer the client with this. On the response side only before the head went out.
    Respond(Box<LocalReply>),
    /// End the stream without a clean end.
    Reset(ResetReason),
}

/// Why a filter reset a stream: for the access log's response code details.
pub type ResetReason = &'static str;

/// An answer of the proxy's own.
#[derive(Debug, Clone)]
pub struct LocalReply {
    pub status: u16,
    pub headers: HeaderList,
    pub body: bytes::Bytes,
    pub flags: ResponseFlags,
    /// Envoy's response code details.
    pub detail: &'static str,
    /// What a gRPC client is told. `None`: what the status stands for.
    pub grpc_status: Option<Status>,
}

impl LocalReply {
    /// A reply with a short plain text.
    pub fn text(status: u16, body: &'static str, detail: &'static str) -> LocalReply {
        let body = bytes::Bytes::from_static(body.as_bytes());
        LocalReply {
            status,
            headers: HeaderList::new(),
            body,
            flags: ResponseFlags::default(),
            detail,
            grpc_status: None,
        }
    }

    pub fn with_grpc_status(mut self, status: Status) -> LocalReply {
        self.grpc_status = Some(status);
        self
    }

    pub fn with_flag(mut self, flag: ResponseFlags) -> LocalReply {
        self.flags.insert(flag);
        self
    }
}

/// What a filter may use besides the part.
pub struct StreamCx<'a> {
    pub rt: &'a Rt,
    /// Holds the heads, except the one that is just being offered.
    pub info: &'a mut StreamInfo,
}

/// How a stream ended.
pub struct StreamEnd<'a> {
    pub info: &'a StreamInfo,
}

/// One filter of one stream. Everything passes by default.
pub trait Filter {
    /// Stands in the place of the request's head where a stream has none: a connection that carries bytes begins. No
    /// byte of it has been read, and no host picked. An answer (`Respond`) closes it like a reset: there is no way to say it.
    fn on_connection(&mut self, _cx: &mut StreamCx<'_>) -> Flow {
        Flow::Continue
    }
    fn on_request_head(&mut self, _head: &mut RequestHead, _cx: &mut StreamCx<'_>) -> Flow {
        Flow::Continue
    }
    /// Comes a second time when a local reply takes the place of a response: what was kept of that one is void.
    fn on_response_head(&mut self, _head: &mut ResponseHead, _cx: &mut StreamCx<'_>) -> Flow {
        Flow::Continue
    }
    /// `end`: no data and no trailers follow. The chunk may be empty then.
    fn on_data(&mut self, _dir: Dir, _data: &mut Chunk, _end: bool, _cx: &mut StreamCx<'_>) -> Flow {
        Flow::Continue
    }
    /// Trailers end their direction. A filter that takes all fields out of them makes them a part of the body: what it
    /// gives from [`Filter::take_kept`] is the last of it then, and nobody behind sees trailers.
    fn on_trailers(&mut self, _dir: Dir, _trailers: &mut HeaderList, _cx: &mut StreamCx<'_>) -> Flow {
        Flow::Continue
    }
    /// The body bytes that this filter has kept. Asked for when trailers go on from it: what it gives goes on before
    /// them, for nothing can follow.
    fn take_kept(&mut self, _dir: Dir) -> Chunk {
        Chunk::default()
    }
    /// After `Wait`. `Continue` lets the parked part go on.
    fn poll_resume(&mut self, _dir: Dir, _task: &mut Context<'_>, _cx: &mut StreamCx<'_>) -> Poll<Flow> {
        Poll::Ready(Flow::Continue)
    }
    fn on_end(&mut self, _end: &StreamEnd<'_>) {}
}

/// Makes a filter for each stream. `None`: this stream needs none.
pub trait FilterFactory: Send + Sync {
    fn new_filter(&self, cx: &StreamCx<'_>) -> Option<Box<dyn Filter>>;

    /// What the control thread keeps up to date for its filters.
    fn approved_list(&self) -> Option<&Arc<ApprovedList>> {
        None
    }
}
