//! Sending a request once more.
//!
//! **Without being asked to**, when that cannot do harm: the host said that it has not acted on the request, or a kept connection
//! turned out dead. The same host is asked, on a fresh connection.

use nuncio_http::ResponseHead;

use super::attempt::{Sending, State};
use super::run::Stream;
use crate::error::{Error, Kind, Phase, Side};
use crate::upstream::{Exchange, Wanted};

/// Times a request is sent again that upstreams said they did not act on.
const UNPROCESSED_RETRIES: u8 = 3;

/// What becomes of a response.
pub(super) enum Judgement {
    /// It goes to the client.
    Take,
    /// The request is sent again.
    Again,
    /// It is kept until its trailers are here, at most so many bytes of it.
    Hold(usize),
}

impl Stream {
    /// The head of a response has come.
    pub(super) fn judge_head(&mut self, _head: &ResponseHead, _end: bool) -> Judgement {
        Judgement::Take
    }

    /// A response that was held has ended with this `grpc-status`. Says whether the request is sent again.
    pub(super) fn retry_trailers(&mut self, _status: u32) -> bool {
        false
    }

    /// Sends the request once more, if it may be. All of it must still be here.
    pub(super) fn retry(&mut self, error: Error) -> bool {
        self.retry_unharmed(error)
    }

    /// The upstream said that it has not acted on the request (RFC 9113 section 8.7), or a kept connection was lost before any
    /// byte of a response came (RFC 9112 section 9.3.1) and nothing of the request had left or it may be sent twice.
    fn retry_unharmed(&mut self, error: Error) -> bool {
        let Some(sending) = self.attempt.0.as_deref() else { return false };
        let State::Open(exchange) = &sending.current.state else { return false };
        let Some(most) = self.unharmed(error, exchange) else { return false };
        if sending.unharmed >= most || sending.accepted || !sending.replay.is_kept() {
            return false;
        }
        let (view, host) = (sending.view.clone(), sending.current.host.clone());
        view.stats.upstream_rq_retry.inc();
        if error.kind == Kind::Closed {
            view.stats.upstream_rq_stale_connection_retry.inc();
        }
        let again = self.try_host(&view, host, Wanted::Fresh);
        if let Some(Sending { current, unharmed, .. }) = self.attempt.0.as_deref_mut() {
            *unharmed += 1;
            *current = again;
        }
        true
    }

    /// How often at most this may lead to another try; `None`: the host may have acted on the request.
    fn unharmed(&self, error: Error, exchange: &Exchange) -> Option<u8> {
        match error.kind {
            _ if error.side != Side::Upstream || error.phase != Phase::Request => None,
            Kind::Unprocessed => Some(UNPROCESSED_RETRIES),
            Kind::Closed if exchange.is_reused() => {
                let idempotent = self.info.request.as_ref().is_some_and(|head| head.method.is_idempotent());
                (exchange.is_unsent() || idempotent && self.request.upgrade.is_none()).then_some(1)
            }
            _ => None,
        }
    }
}
