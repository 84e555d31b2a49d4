//! One stream. Its state on the wire is that of RFC 9113 section 5.1, for a connection on which nobody pushes:
//!
//! ```text
//!                  send or receive HEADERS
//!        idle ---------------------------------> open
//!                                                 |
//!                      receive END_STREAM         |         send END_STREAM
//!                  .------------------------------+------------------------------.
//!                  v                              |                              v
//!        half-closed (remote)                     |                     half-closed (local)
//!                  |                              | RST_STREAM either way        |
//!                  |  send END_STREAM             v          receive END_STREAM  |
//!                  `---------------------------> closed <------------------------'
//!                        or RST_STREAM                         or RST_STREAM
//! ```
//!
//! A closed stream stays in the table until its work is forgotten (row H2-1).

pub(crate) mod queue;
pub(crate) mod state;

use nuncio_http::{BodyAccountant, BodyLength, RequestKind};

use crate::flow::{RecvWindow, SendWindow};
use crate::schedule::Priority;
use queue::SendQueue;
use state::{Cause, State};

/// A slot's stream.
#[derive(Debug)]
pub(crate) struct Stream {
    /// 0: the slot is free.
    pub(crate) id: u32,
    pub(crate) state: State,
    pub(crate) kind: RequestKind,
    pub(crate) priority: Priority,
    pub(crate) recv: Receiving,
    pub(crate) send: Sending,
    /// Decoded head, in bytes as `Limits::header_memory` counts them.
    pub(crate) head_cost: usize,
}

/// The message that comes.
#[derive(Debug)]
pub(crate) struct Receiving {
    /// Client: the final head is still to come.
    pub(crate) awaits_head: bool,
    /// Nobody wants the body.
    pub(crate) discards: bool,
    /// Server: the client waits for `100 Continue`.
    pub(crate) expects_continue: bool,
    /// 1xx responses so far.
    pub(crate) interim: u8,
    /// The one count of body bytes (row S-18).
    pub(crate) body: BodyAccountant,
    pub(crate) window: RecvWindow,
    /// Bytes that the caller holds: given to it and not released.
    pub(crate) held: usize,
}

/// The message that goes.
#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) phase: SendPhase,
    /// The one count of body bytes (row S-18).
    pub(crate) body: BodyAccountant,
    pub(crate) window: SendWindow,
    pub(crate) queue: SendQueue,
    /// Body bytes that were made frames.
    pub(crate) sent: u64,
    /// The schedule knows this stream.
    pub(crate) ready: bool,
}

/// What may be sent next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SendPhase {
    /// Server: the final head.
    Head,
    Body,
    /// Nothing; body bytes that are offered are dropped (HEAD, 204, 304).
    Bodyless,
    /// Nothing: the end is sent or queued.
    Done,
}

impl Stream {
    pub(crate) fn new(id: u32, kind: RequestKind, recv_window: RecvWindow, send_window: SendWindow) -> Stream {
        Stream {
            id,
            state: State::Open,
            kind,
            priority: Priority::DEFAULT,
            recv: Receiving {
                awaits_head: false,
                discards: false,
                expects_continue: false,
                interim: 0,
                body: BodyAccountant::new(BodyLength::Empty),
                window: recv_window,
                held: 0,
            },
            send: Sending {
                phase: SendPhase::Head,
                body: BodyAccountant::new(BodyLength::Empty),
                window: send_window,
                queue: SendQueue::default(),
                sent: 0,
                ready: false,
            },
            head_cost: 0,
        }
    }

    /// RST_STREAM went or came.
    pub(crate) fn is_reset(&self) -> bool {
        matches!(self.state, State::Closed(Cause::LocalReset | Cause::PeerReset))
    }
}
