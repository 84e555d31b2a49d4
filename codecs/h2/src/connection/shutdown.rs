//! The end of a connection (RFC 9113 section 6.8): in good order, at once, or because something is broken. And what must
//! happen in time.

use std::time::Instant;

use super::Connection;
use crate::error::{Error, ErrorKind, Reason};
use crate::event::Side;
use crate::frame::MAX_STREAM_ID;
use crate::ledger::Counts;
use crate::limits::SHUTDOWN_ROUND_TRIP;

/// The payload of the PING that measures how long the peer needs to read our GOAWAY.
const SHUTDOWN_PING: [u8; 8] = *b"shutdown";

/// How far a graceful shutdown is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shutdown {
    No,
    /// GOAWAY without a last stream is said; what is on its way still gets in, until this time.
    Announced(Instant),
    /// Streams above this one are none.
    Final(u32),
}

impl Connection {
    /// Begins a graceful shutdown (RFC 9113 section 6.8): GOAWAY that still lets in what is on its way, then, after a round
    /// trip or a second, the one that names the last stream. For a client: no further streams.
    pub fn shutdown(&mut self, now: Instant) {
        if self.shutdown != Shutdown::No || self.failed.is_some() {
            return;
        }
        self.now = self.now.max(now);
        if self.side == Side::Client {
            return self.finish_shutdown();
        }
        self.put_goaway(MAX_STREAM_ID, Reason::NO_ERROR);
        self.outbound.put_ping(SHUTDOWN_PING);
        self.shutdown = Shutdown::Announced(self.now + SHUTDOWN_ROUND_TRIP);
    }

    /// GOAWAY at once. The caller flushes and closes.
    pub fn close(&mut self, reason: Reason) {
        self.fail(Error { reason, kind: ErrorKind::Closed });
    }

    /// The shutdown is complete: the last GOAWAY is said and no stream is left.
    pub fn is_drained(&self) -> bool {
        matches!(self.shutdown, Shutdown::Final(_)) && self.streams.len() == 0
    }

    /// When [`Connection::handle_timeout`] is to be called.
    pub fn deadline(&self) -> Option<Instant> {
        if self.failed.is_some() {
            return None;
        }
        let within = |since: Option<Instant>| since.and_then(|since| since.checked_add(self.limits.block_timeout));
        let shutdown = match self.shutdown {
            Shutdown::Announced(until) => Some(until),
            Shutdown::No | Shutdown::Final(_) => None,
        };
        [within(self.opened), within(self.partial_since), shutdown].into_iter().flatten().min()
    }

    /// A limit of time passed: an unfinished preface or header block, or the second step of a graceful shutdown.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        self.now = self.now.max(now);
        if let Some(error) = self.failed {
            return Err(error);
        }
        let timeout = self.limits.block_timeout;
        let over = |since: Option<Instant>| since.is_some_and(|since| now.saturating_duration_since(since) >= timeout);
        if over(self.opened) {
            return Err(self.fail(ErrorKind::PrefaceTimeout.into()));
        }
        if over(self.partial_since) {
            if !self.is_congested() {
                return Err(self.fail(ErrorKind::HeaderTimeout.into()));
            }
            // Nothing is read, so nothing can become whole.
            self.partial_since = Some(now);
            if let Some(block) = &mut self.block {
                block.since = now;
            }
        }
        if let Shutdown::Announced(until) = self.shutdown
            && now >= until
        {
            self.finish_shutdown();
        }
        Ok(())
    }

    /// An acknowledged PING: was it that of the shutdown?
    pub(super) fn on_shutdown_ack(&mut self, payload: [u8; 8]) -> bool {
        let awaited = payload == SHUTDOWN_PING && self.shutdown != Shutdown::No;
        if awaited && matches!(self.shutdown, Shutdown::Announced(_)) {
            self.finish_shutdown();
        }
        awaited
    }

    fn finish_shutdown(&mut self) {
        self.shutdown = Shutdown::Final(self.last_peer_id);
        self.put_goaway(self.last_peer_id, Reason::NO_ERROR);
    }

    /// The peer opened this stream before it read that there are to be none.
    pub(super) fn is_beyond_shutdown(&self, id: u32) -> bool {
        self.side == Side::Server && matches!(self.shutdown, Shutdown::Final(last) if id > last)
    }

    /// The last stream that a GOAWAY names: never more than one before it did.
    fn last_stream(&self) -> u32 {
        match self.shutdown {
            Shutdown::Final(last) => last,
            Shutdown::No | Shutdown::Announced(_) => self.last_peer_id,
        }
    }

    /// The connection is over.
    pub(super) fn fail(&mut self, error: Error) -> Error {
        if let Some(first) = self.failed {
            return first;
        }
        self.put_goaway(self.last_stream(), error.reason);
        self.failed = Some(error);
        error
    }

    fn put_goaway(&mut self, last: u32, reason: Reason) {
        Counts::bump(&mut self.ledger.counts.goaway_sent);
        self.outbound.put_goaway(last, reason);
    }
}
