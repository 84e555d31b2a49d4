//! Commands: heads go into the output at once, body bytes and trailers wait in their stream's queue for `fill`.

use bytes::Bytes;
use nuncio_http::{BodyAccountant, HeaderList, RequestHead, RequestKind, ResponseHead, Upgrade};

use super::Connection;
use crate::error::{EncodeError, Reason};
use crate::event::{Side, StreamRef};
use crate::head::{self, Encoding};
use crate::limits::KEPT_SCRATCH;
use crate::schedule::Priority;
use crate::stream::state::{Cause, State};
use crate::stream::{SendPhase, Stream};

impl Connection {
    /// Server: an interim response other than 101.
    pub fn send_interim(&mut self, stream: StreamRef, head: &ResponseHead) -> Result<(), EncodeError> {
        self.awaiting_head(stream)?;
        head::interim(self.encoding(), head)?;
        self.put_block(stream.id, false);
        if head.status == 100
            && let Some(entry) = self.streams.get_mut(stream)
        {
            entry.recv.expects_continue = false;
        }
        Ok(())
    }

    /// Server: `100 Continue`, if the client waits for it: once, before any body byte and before the final head (RFC 9110
    /// section 10.1.1, row S-15). Says whether it was sent.
    pub fn send_continue(&mut self, stream: StreamRef) -> bool {
        let waits = self
            .streams
            .get(stream)
            .is_some_and(|entry| entry.recv.expects_continue && entry.state.can_recv() && entry.recv.body.seen() == 0);
        waits && self.send_interim(stream, &ResponseHead::new(100, HeaderList::new())).is_ok()
    }

    /// Server: the final head. `end`: nothing follows. Always the end for HEAD, 204 and 304; data that is offered for such a
    /// response afterwards is dropped.
    pub fn send_response(&mut self, stream: StreamRef, head: &ResponseHead, end: bool) -> Result<(), EncodeError> {
        let request = self.awaiting_head(stream)?.kind;
        let plan = head::response(self.encoding(), head, request, end)?;
        let end = end || plan.bodyless;
        self.put_block(stream.id, end);
        let Some(entry) = self.streams.get_mut(stream) else { return Err(EncodeError::Closed) };
        entry.send.body = BodyAccountant::new(plan.body);
        entry.send.phase = match (end, plan.bodyless) {
            (_, true) => SendPhase::Bodyless,
            (true, false) => SendPhase::Done,
            (false, false) => SendPhase::Body,
        };
        if end {
            self.streams.set_state(stream, State::after_send_end);
        }
        Ok(())
    }

    /// Client: opens a stream with this head. With `protocol` it is an extended CONNECT (the method of `head` is not looked at).
    pub fn open(&mut self, head: &RequestHead, protocol: Option<Upgrade>, end: bool) -> Result<StreamRef, EncodeError> {
        let known = protocol.is_none() || self.peer.connect_protocol;
        if self.capacity() == 0 || !known {
            return Err(EncodeError::Refused);
        }
        let body = head::encode_request(self.encoding(), head, protocol, end)?;
        let id = self.next_id;
        self.next_id += 2;
        self.put_block(id, end);
        let kind = if protocol.is_some() { RequestKind::Connect } else { RequestKind::new(head.method) };
        let (stream, entry) = self.insert(id, kind, 0);
        entry.priority = Priority::of(&head.headers);
        entry.recv.awaits_head = true;
        entry.send.body = BodyAccountant::new(body);
        entry.send.phase = if end { SendPhase::Done } else { SendPhase::Body };
        if end {
            self.streams.set_state(stream, State::after_send_end);
        }
        Ok(stream)
    }

    /// Queues body bytes; [`Connection::fill`] sends them as windows allow. An end with nothing before it goes out at once.
    pub fn send_data(&mut self, stream: StreamRef, chunk: Bytes, end: bool) -> Result<(), EncodeError> {
        let entry = self.streams.get_mut(stream).ok_or(EncodeError::Closed)?;
        match entry.send.phase {
            SendPhase::Bodyless => return Ok(()),
            SendPhase::Done if chunk.is_empty() && !entry.is_reset() => return Ok(()),
            _ if self.failed.is_some() || entry.is_reset() => return Err(EncodeError::Closed),
            SendPhase::Head | SendPhase::Done => return Err(EncodeError::State),
            SendPhase::Body => {}
        }
        // Row S-18, on the way out.
        let mut body = entry.send.body;
        body.on_data(chunk.len()).map_err(|_| EncodeError::Length)?;
        if end {
            body.on_end().map_err(|_| EncodeError::Length)?;
            entry.send.phase = SendPhase::Done;
        }
        entry.send.body = body;
        let len = chunk.len();
        entry.send.queue.push(chunk);
        entry.send.queue.end = end;
        let bare = end && entry.send.queue.bytes() == 0;
        self.streams.queued += len;
        if bare {
            self.put_end(stream);
        }
        self.reschedule(stream);
        Ok(())
    }

    /// Trailers, behind the queued bytes.
    pub fn send_trailers(&mut self, stream: StreamRef, trailers: &HeaderList) -> Result<(), EncodeError> {
        let entry = self.streams.get_mut(stream).ok_or(EncodeError::Closed)?;
        match entry.send.phase {
            SendPhase::Bodyless => return Ok(()),
            _ if self.failed.is_some() || entry.is_reset() => return Err(EncodeError::Closed),
            SendPhase::Head | SendPhase::Done => return Err(EncodeError::State),
            SendPhase::Body => {}
        }
        head::check_trailers(trailers)?;
        entry.send.body.on_end().map_err(|_| EncodeError::Length)?;
        entry.send.phase = SendPhase::Done;
        entry.send.queue.end = true;
        if entry.send.queue.bytes() == 0 {
            self.put_trailers(stream, trailers);
        } else {
            entry.send.queue.trailers = Some(Box::new(trailers.clone()));
            self.streams.queued += 1;
        }
        Ok(())
    }

    /// Ends the stream in both directions. What it had queued is dropped. Nothing happens if it is closed already.
    pub fn reset(&mut self, stream: StreamRef, reason: Reason) {
        let open = self.streams.get(stream).is_some_and(|entry| !entry.state.is_closed());
        if open {
            self.put_rst_stream(stream.id, reason, false);
            self.close_stream(stream, Cause::LocalReset);
        }
    }

    /// The work for this stream is gone: its slot is free. A stream that is still open is reset first: with NO_ERROR if the
    /// response is complete and only the request was not awaited (RFC 9113 section 8.1), else with CANCEL.
    pub fn forget(&mut self, stream: StreamRef) {
        let Some(entry) = self.streams.get(stream) else { return };
        let answered = self.side == Side::Server && entry.state == State::HalfClosedLocal;
        self.reset(stream, if answered { Reason::NO_ERROR } else { Reason::CANCEL });
        if let Some(removed) = self.streams.remove(stream) {
            self.credit_taken(removed.held);
        }
    }

    /// The stream, if its final head may be sent.
    fn awaiting_head(&self, stream: StreamRef) -> Result<&Stream, EncodeError> {
        let entry = self.streams.get(stream).ok_or(EncodeError::Closed)?;
        if self.failed.is_some() || entry.is_reset() {
            return Err(EncodeError::Closed);
        }
        if self.side == Side::Client || entry.send.phase != SendPhase::Head {
            return Err(EncodeError::State);
        }
        Ok(entry)
    }

    fn encoding(&mut self) -> Encoding<'_> {
        Encoding { encoder: &mut self.encoder, block: &mut self.encoded }
    }

    /// The block that was encoded last.
    fn put_block(&mut self, id: u32, end: bool) {
        self.outbound.put_block(id, &self.encoded, end, self.peer.max_frame_size as usize);
        self.encoded.clear();
        if self.encoded.capacity() > KEPT_SCRATCH {
            self.encoded = Vec::new();
        }
    }

    /// Trailers end the message; if nothing of them may be sent, a bare end does.
    pub(super) fn put_trailers(&mut self, stream: StreamRef, trailers: &HeaderList) {
        if !head::encode_trailers(self.encoding(), trailers) {
            return self.put_end(stream);
        }
        self.put_block(stream.id, true);
        self.streams.set_state(stream, State::after_send_end);
    }
}
