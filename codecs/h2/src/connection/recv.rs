//! The frame loop: takes frames out of the caller's buffer and hands each to what is responsible for it. One event a call.

use std::time::Instant;

use bytes::{Buf, BytesMut};

use super::Connection;
use crate::error::{Error, ErrorKind, Fault, Reason, StreamFault};
use crate::event::{Recv, Reset, Side};
use crate::frame::{
    HEADER_LEN, Header, continuation, data, goaway, headers, ping, priority, priority_update, push_promise, rst_stream,
    settings, window_update,
};
use crate::ledger::Counts;
use crate::limits::QUIET_FRAMES;
use crate::settings::max_frame_size;
use crate::stream::SendPhase;
use crate::stream::state::Cause;
use crate::streams::Gone;

/// What a client sends first (RFC 9113 section 3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What one step of the loop comes to.
pub(super) enum Step {
    Event(Recv),
    /// A frame or a part of one was dealt with.
    Next,
    /// What is left is not enough.
    NeedMore,
}

impl Step {
    pub(super) fn from(event: Option<Recv>) -> Step {
        event.map_or(Step::Next, Step::Event)
    }
}

impl Connection {
    /// The next event out of the front of `buf`. DATA is yielded as it comes, not frame by frame; other frames are left in
    /// `buf` until they are whole. After an error the same error comes again.
    pub fn recv(&mut self, buf: &mut BytesMut, now: Instant) -> Result<Recv, Error> {
        self.now = self.now.max(now);
        for _ in 0..QUIET_FRAMES {
            if let Some(error) = self.failed {
                return Err(error);
            }
            let step = match self.step(buf) {
                Err(Fault::Stream(fault)) => self.break_stream(fault).map(Step::from),
                Err(Fault::Connection(error)) => Err(error),
                Ok(step) => Ok(step),
            };
            let step = step.and_then(|step| self.outbound.check(&self.limits).map(|()| step));
            match step {
                Ok(Step::Event(event)) => return Ok(event),
                Ok(Step::NeedMore) => {
                    self.on_partial(buf);
                    return Ok(Recv::NeedMore);
                }
                Ok(Step::Next) if self.is_congested() => break,
                Ok(Step::Next) => {}
                Err(error) => return Err(self.fail(error)),
            }
        }
        // The caller's turn: to flush, or to see to others.
        Ok(Recv::Settings)
    }

    fn step(&mut self, buf: &mut BytesMut) -> Result<Step, Fault> {
        if let Some(event) = self.pending_goaway() {
            return Ok(Step::Event(event));
        }
        if self.side == Side::Server && self.preface < PREFACE.len() {
            return Ok(self.recv_preface(buf)?);
        }
        if let Some(frame) = self.data {
            return Ok(self.recv_data(frame, buf));
        }
        let Some(header) = Header::peek(buf) else { return Ok(Step::NeedMore) };
        self.check_header(header)?;
        if header.kind == data::KIND {
            return self.begin_data(header, buf);
        }
        let len = HEADER_LEN + header.len;
        let Some(payload) = buf.get(HEADER_LEN..len) else { return Ok(Step::NeedMore) };
        let result = self.on_frame(header, payload);
        buf.advance(len);
        self.end_partial();
        Ok(Step::from(result?))
    }

    /// Compares what has come with the preface.
    fn recv_preface(&mut self, buf: &mut BytesMut) -> Result<Step, Error> {
        let expected = &PREFACE[self.preface..];
        let len = buf.len().min(expected.len());
        if buf[..len] != expected[..len] {
            return Err(ErrorKind::BadPreface.into());
        }
        buf.advance(len);
        self.preface += len;
        Ok(if self.preface < PREFACE.len() { Step::NeedMore } else { Step::Next })
    }

    /// What a frame of any type must fit (RFC 9113 sections 3.4, 4.2 and 6.10).
    fn check_header(&self, header: Header) -> Result<(), Error> {
        if header.len > max_frame_size(&self.limits) as usize {
            return Err(Error::frame_size("frame above SETTINGS_MAX_FRAME_SIZE"));
        }
        if self.opened.is_some() && (header.kind != settings::KIND || header.has(crate::frame::flag::ACK)) {
            return Err(Error::protocol("first frame is not SETTINGS"));
        }
        match &self.block {
            Some(block) if header.kind != continuation::KIND || header.stream != block.id => {
                Err(Error::protocol("header block interrupted"))
            }
            None if header.kind == continuation::KIND => Err(Error::protocol("CONTINUATION of nothing")),
            _ => Ok(()),
        }
    }

    fn on_frame(&mut self, header: Header, payload: &[u8]) -> Result<Option<Recv>, Fault> {
        match header.kind {
            headers::KIND => self.on_headers(headers::parse(header, payload)?, header.stream),
            continuation::KIND => self.on_continuation(header, payload),
            priority::KIND => self.on_priority(header, payload),
            rst_stream::KIND => self.on_rst_stream(header.stream, rst_stream::parse(header, payload)?),
            settings::KIND => self.on_settings(settings::parse(header, payload)?),
            push_promise::KIND => Err(push_promise::REFUSAL.into()),
            ping::KIND => self.on_ping(ping::parse(header, payload)?),
            goaway::KIND => self.on_goaway(goaway::parse(header, payload)?),
            window_update::KIND => self.on_window_update(header, payload),
            priority_update::KIND => self.on_priority_update(priority_update::parse(header, payload)?),
            // RFC 9113 section 4.1.
            _ => Ok(self.glitch().map(|()| None)?),
        }
    }

    /// What is left in the buffer is a part of something that has to be whole (row H2-3).
    fn on_partial(&mut self, buf: &BytesMut) {
        let partial = self.data.is_none() && !buf.is_empty() || self.block.is_some();
        if partial && self.partial_since.is_none() {
            self.partial_since = Some(self.now);
        }
    }

    /// A frame was whole. A header block may still not be.
    pub(super) fn end_partial(&mut self) {
        self.partial_since = self.block.as_ref().map(|block| block.since);
    }

    /// Resets a stream for the peer's fault (row H2-2). The event, if the stream is one that the caller knows.
    fn break_stream(&mut self, fault: StreamFault) -> Result<Option<Recv>, Error> {
        let StreamFault { id, reason, detail } = fault;
        self.last_fault = Some(detail);
        if self.is_idle(id) {
            // RST_STREAM cannot be said of it (RFC 9113 section 6.4).
            return Err(Error::rule(reason, detail));
        }
        let known = self.streams.find(id);
        let open = known.and_then(|stream| self.streams.get(stream)).filter(|entry| !entry.state.is_closed());
        let before_response = open.is_some_and(|entry| entry.send.phase == SendPhase::Head);
        let open = open.is_some();
        self.ledger.reset(before_response, &self.limits, self.now)?;
        self.glitch()?;
        self.put_rst_stream(id, reason);
        match known {
            Some(stream) if open => {
                self.close_stream(stream, Cause::LocalReset);
                let reset = Reset { reason, by_peer: false, unprocessed: false, detail };
                return Ok(Some(Connection::reset_event(stream, reset)));
            }
            None if self.gone(id) == Gone::Unused => self.streams.remember(id, Cause::LocalReset),
            _ => {}
        }
        Ok(None)
    }

    /// Nobody has used this identifier yet (RFC 9113 section 5.1.1).
    pub(super) fn is_idle(&self, id: u32) -> bool {
        match (self.side, id % 2) {
            (Side::Server, 1) => id > self.last_peer_id,
            (Side::Client, 1) => id >= self.next_id,
            // Nobody pushes.
            _ => true,
        }
    }

    /// What became of a stream that is not idle and has no slot.
    pub(super) fn gone(&self, id: u32) -> Gone {
        if self.is_beyond_shutdown(id) { Gone::Closed(Cause::LocalReset) } else { self.streams.gone(id) }
    }

    pub(super) fn put_rst_stream(&mut self, id: u32, reason: Reason) {
        if self.failed.is_none() {
            Counts::bump(&mut self.ledger.counts.tx_reset);
            self.outbound.put_rst_stream(id, reason);
        }
    }
}
