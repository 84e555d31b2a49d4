//! HEADERS and CONTINUATION (RFC 9113 sections 6.2 and 6.10): a header block is gathered, decoded whatever becomes of its
//! stream, because the tables of both ends must stay the same, and then belongs to a request, a response or trailers.

use std::time::Instant;

use bytes::Bytes;
use nuncio_http::{BodyAccountant, RequestKind};

use super::Connection;
use crate::error::{Error, ErrorKind, Fault, Reason, StreamFault};
use crate::event::{Recv, Side, StreamRef};
use crate::frame::headers::Headers;
use crate::frame::priority::Dependency;
use crate::frame::{Header, flag};
use crate::head::{RequestBuilder, RequestOutcome, ResponseBuilder, Room, TrailersBuilder, UNDERSCORE, Verdict};
use crate::ledger::Counts;
use crate::limits::{HEAD_FLOOD_FACTOR, KEPT_SCRATCH};
use crate::stream::state::{Cause, State};
use crate::streams::Gone;

/// A header block that is not whole yet.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) id: u32,
    pub(super) since: Instant,
    end_stream: bool,
    dependency: Option<Dependency>,
    fragments: Vec<u8>,
    continuations: u32,
}

#[cfg(test)]
impl Block {
    pub(super) fn memory(&self) -> usize {
        self.fragments.capacity()
    }
}

/// What a header block is.
enum Target {
    Request,
    Response(StreamRef),
    Trailers(StreamRef),
    /// Decoded for the table's sake.
    Nothing,
    Fault(StreamFault),
}

impl Connection {
    pub(super) fn on_headers(&mut self, frame: Headers<'_>, id: u32) -> Result<Option<Recv>, Fault> {
        let Headers { fragment, dependency, end_stream, end_headers } = frame;
        let empty = fragment.is_empty() && !end_stream && !end_headers;
        self.ledger.payload_frame(empty, &self.limits)?;
        if end_headers {
            return self.on_block(id, end_stream, dependency, fragment);
        }
        let since = self.partial_since.unwrap_or(self.now);
        let fragments = fragment.to_vec();
        self.block = Some(Block { id, since, end_stream, dependency, fragments, continuations: 0 });
        Ok(None)
    }

    pub(super) fn on_continuation(&mut self, header: Header, fragment: &[u8]) -> Result<Option<Recv>, Fault> {
        let end_headers = header.has(flag::END_HEADERS);
        self.ledger.payload_frame(fragment.is_empty() && !end_headers, &self.limits)?;
        let Some(mut block) = self.block.take() else { return Ok(None) };
        block.continuations += 1;
        if block.continuations > self.limits.continuations {
            return Err(ErrorKind::ContinuationFlood.into());
        }
        block.fragments.extend_from_slice(fragment);
        if block.fragments.len() > self.limits.head_bytes.saturating_mul(HEAD_FLOOD_FACTOR) {
            return Err(ErrorKind::HeaderFlood.into());
        }
        if end_headers {
            return self.on_block(block.id, block.end_stream, block.dependency, &block.fragments);
        }
        self.block = Some(block);
        Ok(None)
    }

    /// A whole header block.
    fn on_block(
        &mut self,
        id: u32,
        end: bool,
        dependency: Option<Dependency>,
        block: &[u8],
    ) -> Result<Option<Recv>, Fault> {
        let mut target = self.block_target(id, end)?;
        if let Some(Err(fault)) = dependency.map(|dependency| dependency.check(id)) {
            target = Target::Fault(fault);
        }
        match target {
            Target::Request => self.on_request(id, end, block),
            Target::Response(stream) => self.on_response(stream, end, block),
            Target::Trailers(stream) => self.on_trailers(stream, block),
            Target::Nothing => self.skip_block(block).map(|()| None),
            Target::Fault(fault) => self.skip_block(block).and(Err(fault.into())),
        }
    }

    /// What a block is, by the state of its stream (RFC 9113 sections 5.1 and 5.1.1). Opens the identifier if it is a new one.
    fn block_target(&mut self, id: u32, end: bool) -> Result<Target, Error> {
        let closed = StreamFault::new(id, Reason::STREAM_CLOSED, "http2.headers_on_closed_stream");
        if self.is_idle(id) {
            if self.side == Side::Client || id.is_multiple_of(2) {
                return Err(Error::protocol("HEADERS on a stream that the peer may not open"));
            }
            self.last_peer_id = id;
            return Ok(if self.is_beyond_shutdown(id) { Target::Nothing } else { Target::Request });
        }
        let Some(stream) = self.streams.find(id) else {
            return match self.gone(id) {
                Gone::Closed(Cause::LocalReset) => Ok(Target::Nothing),
                Gone::Forgotten => {
                    self.glitch()?;
                    Ok(Target::Nothing)
                }
                Gone::Closed(Cause::PeerReset) => Ok(Target::Fault(closed)),
                Gone::Closed(Cause::EndStream) => Err(Error::rule(Reason::STREAM_CLOSED, "HEADERS on a closed stream")),
                Gone::Unused => Err(Error::protocol("stream identifier goes backwards")),
            };
        };
        let Some(entry) = self.streams.get(stream) else { return Ok(Target::Nothing) };
        Ok(match entry.state {
            State::Open | State::HalfClosedLocal if entry.recv.awaits_head => Target::Response(stream),
            State::Open | State::HalfClosedLocal if end => Target::Trailers(stream),
            State::Open | State::HalfClosedLocal => {
                Target::Fault(StreamFault::new(id, Reason::PROTOCOL_ERROR, "http2.trailers_without_end"))
            }
            State::Closed(Cause::LocalReset) => Target::Nothing,
            State::Closed(Cause::EndStream) => {
                return Err(Error::rule(Reason::STREAM_CLOSED, "HEADERS on a closed stream"));
            }
            State::HalfClosedRemote | State::Closed(Cause::PeerReset) => Target::Fault(closed),
        })
    }

    /// Decodes a block that nobody wants.
    fn skip_block(&mut self, block: &[u8]) -> Result<(), Fault> {
        let mut bytes = 0usize;
        self.decoder
            .decode(block, |field| bytes = bytes.saturating_add(field.name.len() + field.value.len()))
            .map_err(|_| ErrorKind::Compression)?;
        if bytes > self.limits.head_bytes.saturating_mul(HEAD_FLOOD_FACTOR) {
            return Err(ErrorKind::HeaderFlood.into());
        }
        Ok(())
    }

    fn on_request(&mut self, id: u32, end: bool, block: &[u8]) -> Result<Option<Recv>, Fault> {
        if !self.has_slot() {
            self.skip_block(block)?;
            return Ok(self.refuse_stream(id).map(|()| None)?);
        }
        let mut builder = RequestBuilder::new(&self.limits, self.room, block.len(), std::mem::take(&mut self.crumbs));
        let decoded = self.decoder.decode(block, |field| builder.on_field(field));
        let mut outcome = builder.finish(end);
        decoded.map_err(|_| ErrorKind::Compression)?;
        self.crumbs = std::mem::take(&mut outcome.scratch);
        if self.crumbs.capacity() > KEPT_SCRATCH {
            self.crumbs = Vec::new();
        }
        if outcome.flood {
            return Err(ErrorKind::HeaderFlood.into());
        }
        let others = self.streams.head_cost();
        if others > 0 && others.saturating_add(outcome.size.bytes) > self.limits.header_memory {
            return Ok(self.refuse_stream(id).map(|()| None)?);
        }
        self.count_request(&outcome);
        self.room = Room::after(outcome.size);
        self.open_request(id, end, outcome)
    }

    fn count_request(&mut self, outcome: &RequestOutcome) {
        let counts = &mut self.ledger.counts;
        match outcome.verdict {
            Verdict::Malformed(_) => Counts::bump(&mut counts.rx_messaging_error),
            Verdict::Refused(_, UNDERSCORE) => Counts::bump(&mut counts.requests_rejected_with_underscores),
            _ if outcome.overflow => Counts::bump(&mut counts.header_overflow),
            _ if outcome.underscores_dropped => Counts::bump(&mut counts.dropped_headers_with_underscores),
            _ => {}
        }
    }

    fn open_request(&mut self, id: u32, end: bool, outcome: RequestOutcome) -> Result<Option<Recv>, Fault> {
        let RequestOutcome { request, verdict, kind, size, mut priority, .. } = outcome;
        let refused = match verdict {
            Verdict::Malformed(detail) => return Err(StreamFault::new(id, Reason::PROTOCOL_ERROR, detail).into()),
            Verdict::Refused(status, detail) => Some((status, detail)),
            Verdict::Good => None,
        };
        if let Some((early, update)) = self.early_priority
            && early <= id
        {
            self.early_priority = None;
            priority = if early == id { update } else { priority };
        }
        // Nothing is kept of the head of a refused request.
        let head_cost = if refused.is_some() { 0 } else { size.bytes };
        let (stream, entry) = self.insert(id, kind, head_cost);
        entry.priority = priority;
        entry.recv.body = BodyAccountant::new(request.head.body);
        entry.recv.discards = refused.is_some();
        entry.recv.expects_continue = request.expect_continue && refused.is_none();
        if end {
            self.streams.set_state(stream, State::after_recv_end);
        }
        Ok(Some(match refused {
            Some((status, detail)) => Recv::Refused { stream, status, detail },
            None => Recv::Request { stream, request, end },
        }))
    }

    /// One more stream may be served (rows H2-1 and H2-5). A reset frees no slot. A stream that both sides have ended in good
    /// order does, because the peer may open the next one before our caller has forgotten it; but only up to twice the number.
    fn has_slot(&self) -> bool {
        let most = self.limits.max_concurrent_streams as usize;
        let streams = self.streams.len();
        streams.saturating_sub(self.streams.ended()) < most
            && streams < most.saturating_mul(2)
            && self.streams.head_cost() < self.limits.header_memory
    }

    /// RFC 9113 section 5.1.2. A peer that cannot know better, because it sees fewer streams than we do or has not read our
    /// settings, is not charged as for a reset.
    fn refuse_stream(&mut self, id: u32) -> Result<(), Error> {
        Counts::bump(&mut self.ledger.counts.stream_refused);
        let over = self.streams.open() >= self.limits.max_concurrent_streams as usize;
        if over && self.settings_acked {
            self.ledger.reset(false, &self.limits, self.now)?;
        }
        self.glitch()?;
        self.put_rst_stream(id, Reason::REFUSED_STREAM, true);
        self.streams.remember(id, Cause::LocalReset);
        Ok(())
    }

    fn on_response(&mut self, stream: StreamRef, end: bool, block: &[u8]) -> Result<Option<Recv>, Fault> {
        let Some(request) = self.streams.get(stream).map(|entry| entry.kind) else { return Ok(None) };
        let mut builder = ResponseBuilder::new(&self.limits, self.room, block.len());
        let decoded = self.decoder.decode(block, |field| builder.on_field(field));
        let outcome = builder.finish(request, end);
        decoded.map_err(|_| ErrorKind::Compression)?;
        if outcome.flood {
            return Err(ErrorKind::HeaderFlood.into());
        }
        if outcome.overflow {
            Counts::bump(&mut self.ledger.counts.header_overflow);
        }
        if let Verdict::Malformed(detail) = outcome.verdict {
            Counts::bump(&mut self.ledger.counts.rx_messaging_error);
            return Err(StreamFault::new(stream.id, Reason::PROTOCOL_ERROR, detail).into());
        }
        self.room = Room::after(outcome.size);
        let most_interim = self.limits.interim_responses;
        let Some(entry) = self.streams.get_mut(stream) else { return Ok(None) };
        if outcome.head.is_interim() {
            entry.recv.interim = entry.recv.interim.saturating_add(1);
            if entry.recv.interim > most_interim {
                return Err(StreamFault::new(stream.id, Reason::ENHANCE_YOUR_CALM, "http2.too_many_interim").into());
            }
        } else {
            entry.recv.awaits_head = false;
            entry.recv.body = BodyAccountant::new(outcome.body);
        }
        if end {
            self.streams.set_state(stream, State::after_recv_end);
        }
        Ok(Some(Recv::Response { stream, head: outcome.head, end }))
    }

    /// RFC 9113 section 8.1. They end the message, and so its body (row S-18).
    fn on_trailers(&mut self, stream: StreamRef, block: &[u8]) -> Result<Option<Recv>, Fault> {
        let mut builder = TrailersBuilder::new(&self.limits, self.side);
        let decoded = self.decoder.decode(block, |field| builder.on_field(field));
        let outcome = builder.finish();
        decoded.map_err(|_| ErrorKind::Compression)?;
        if outcome.flood {
            return Err(ErrorKind::HeaderFlood.into());
        }
        let Some(entry) = self.streams.get(stream) else { return Ok(None) };
        if entry.recv.discards {
            self.streams.set_state(stream, State::after_recv_end);
            return Ok(None);
        }
        // RFC 9113 section 8.5.
        let tunnel = self.side == Side::Server && entry.kind == RequestKind::Connect;
        let detail = match (outcome.verdict, entry.recv.body.on_end()) {
            _ if tunnel => Some("http2.trailers_in_tunnel"),
            (Verdict::Malformed(detail), _) => Some(detail),
            (_, Err(_)) => Some("http2.body_too_short"),
            _ => None,
        };
        if let Some(detail) = detail {
            Counts::bump(&mut self.ledger.counts.rx_messaging_error);
            return Err(StreamFault::new(stream.id, Reason::PROTOCOL_ERROR, detail).into());
        }
        self.streams.set_state(stream, State::after_recv_end);
        if outcome.trailers.is_empty() {
            return Ok(Some(Recv::Data { stream, chunk: Bytes::new(), end: true }));
        }
        Counts::bump(&mut self.ledger.counts.trailers);
        Ok(Some(Recv::Trailers { stream, trailers: outcome.trailers }))
    }
}
