//! DATA (RFC 9113 section 6.1): passed on as it comes, without a copy. The whole frame is accounted for when its front has
//! come, padding included; padding and what nobody wants is credited at once.

use bytes::{Buf, Bytes, BytesMut};

use super::Connection;
use super::recv::Step;
use crate::error::{Error, Fault, Reason, StreamFault};
use crate::event::{Recv, Side, StreamRef};
use crate::frame::Header;
use crate::frame::data::{self, Front};
use crate::ledger::Counts;
use crate::stream::state::{Cause, State};
use crate::streams::Gone;

/// The DATA frame that is being received, behind its front.
#[derive(Debug, Clone, Copy)]
pub(super) struct DataFrame {
    /// `None`: nobody wants it, and the connection is credited already.
    to: Option<StreamRef>,
    /// Bytes of data to come.
    left: usize,
    /// Bytes of padding behind them.
    padding: usize,
    end_stream: bool,
}

/// Who gets a DATA frame.
enum Target {
    Stream(StreamRef),
    /// A stream whose body nobody wants.
    Discarded(StreamRef),
    Nobody,
    Fault(StreamFault),
}

impl Connection {
    pub(super) fn begin_data(&mut self, header: Header, buf: &mut BytesMut) -> Result<Step, Fault> {
        let Some(front) = data::parse_front(header, buf)? else { return Ok(Step::NeedMore) };
        let target = self.data_target(header.stream)?;
        self.recv_window
            .take(header.len)
            .map_err(|_| Error::rule(Reason::FLOW_CONTROL_ERROR, "DATA beyond the connection's window"))?;
        let empty = front.data == 0 && !front.end_stream;
        self.ledger.payload_frame(empty, &self.limits)?;
        self.ledger.data_frames_received = self.ledger.data_frames_received.saturating_add(1);
        let tiny = !front.end_stream && self.ledger.received_is_odd(front.data, self.now);
        if empty || tiny {
            self.glitch()?;
        }

        buf.advance(front.len);
        self.end_partial();
        let mut frame = DataFrame { to: None, left: front.data, padding: front.padding, end_stream: front.end_stream };
        let accepted = match target {
            Target::Stream(stream) => self.accept_data(stream, header.len, front).map(|()| Some(stream)),
            Target::Discarded(stream) => {
                if front.end_stream {
                    self.streams.set_state(stream, State::after_recv_end);
                }
                Ok(None)
            }
            Target::Nobody => Ok(None),
            Target::Fault(fault) => Err(fault),
        };
        if accepted.is_err_and(|fault| fault.reason == Reason::PROTOCOL_ERROR) {
            Counts::bump(&mut self.ledger.counts.rx_messaging_error);
        }
        frame.to = accepted.ok().flatten();
        // What nobody will release, padding among it, is taken on already.
        self.credit(if frame.to.is_some() { header.len - front.data } else { header.len });
        self.data = Some(frame);
        accepted?;
        Ok(match frame.to {
            Some(stream) if frame.left == 0 && frame.end_stream => self.end_of_data(stream, Bytes::new()),
            _ => Step::Next,
        })
    }

    /// Where DATA goes, by the state of its stream (RFC 9113 section 5.1).
    fn data_target(&self, id: u32) -> Result<Target, Error> {
        let closed = StreamFault::new(id, Reason::STREAM_CLOSED, "http2.data_on_closed_stream");
        if self.is_idle(id) {
            return Err(Error::protocol("DATA on an idle stream"));
        }
        let Some(stream) = self.streams.find(id) else {
            return match self.gone(id) {
                Gone::Closed(Cause::LocalReset) | Gone::Forgotten => Ok(Target::Nobody),
                Gone::Closed(Cause::PeerReset) => Ok(Target::Fault(closed)),
                Gone::Closed(Cause::EndStream) => Err(Error::rule(Reason::STREAM_CLOSED, "DATA on a closed stream")),
                Gone::Unused => Err(Error::protocol("DATA on a stream that was never opened")),
            };
        };
        let Some(entry) = self.streams.get(stream) else { return Ok(Target::Nobody) };
        Ok(match entry.state {
            State::Open | State::HalfClosedLocal if entry.recv.discards => Target::Discarded(stream),
            State::Open | State::HalfClosedLocal if entry.recv.awaits_head => {
                Target::Fault(StreamFault::new(id, Reason::PROTOCOL_ERROR, "http2.data_before_head"))
            }
            State::Open | State::HalfClosedLocal => Target::Stream(stream),
            State::Closed(Cause::LocalReset) => Target::Nobody,
            State::Closed(Cause::EndStream) => {
                return Err(Error::rule(Reason::STREAM_CLOSED, "DATA on a closed stream"));
            }
            State::HalfClosedRemote | State::Closed(Cause::PeerReset) => Target::Fault(closed),
        })
    }

    /// Checks a frame against the stream's window and the declared length before any of it is passed on (row S-18).
    fn accept_data(&mut self, stream: StreamRef, len: usize, front: Front) -> Result<(), StreamFault> {
        let Some(entry) = self.streams.get_mut(stream) else { return Ok(()) };
        let fault = |reason, detail| StreamFault::new(stream.id, reason, detail);
        entry.recv.window.take(len).map_err(|_| fault(Reason::FLOW_CONTROL_ERROR, "http2.window_exceeded"))?;
        let mut ahead = entry.recv.body;
        ahead.on_data(front.data).map_err(|_| fault(Reason::PROTOCOL_ERROR, "http2.body_too_long"))?;
        if front.end_stream {
            ahead.on_end().map_err(|_| fault(Reason::PROTOCOL_ERROR, "http2.body_too_short"))?;
        } else if let Some(increment) = entry.recv.window.give(len - front.data) {
            self.outbound.put_window_update(stream.id, increment);
        }
        Ok(())
    }

    /// Bytes behind the front of a frame.
    pub(super) fn recv_data(&mut self, mut frame: DataFrame, buf: &mut BytesMut) -> Step {
        if frame.left == 0 {
            let skipped = frame.padding.min(buf.len());
            buf.advance(skipped);
            frame.padding -= skipped;
            self.data = (frame.padding > 0).then_some(frame);
            return if frame.padding > 0 { Step::NeedMore } else { Step::Next };
        }
        let len = frame.left.min(buf.len());
        if len == 0 {
            return Step::NeedMore;
        }
        let wanted = frame.to.filter(|&stream| {
            let entry = self.streams.get(stream);
            entry.is_some_and(|entry| entry.state.can_recv() && !entry.recv.discards)
        });
        if frame.to.is_some() && wanted.is_none() {
            // The stream ended while its frame was under way.
            self.credit(frame.left);
        }
        frame.to = wanted;
        frame.left -= len;
        self.data = (frame.left > 0 || frame.padding > 0).then_some(frame);
        let Some(stream) = wanted else {
            buf.advance(len);
            return Step::Next;
        };
        let chunk = buf.split_to(len).freeze();
        if let Some(entry) = self.streams.get_mut(stream) {
            entry.recv.held += len;
            // The whole frame was found to fit before.
            let _ = entry.recv.body.on_data(len);
        }
        if self.side == Side::Client {
            self.credit(len);
        }
        if frame.left == 0 && frame.end_stream {
            return self.end_of_data(stream, chunk);
        }
        Step::Event(Recv::Data { stream, chunk, end: false })
    }

    /// The last bytes of a message.
    fn end_of_data(&mut self, stream: StreamRef, chunk: Bytes) -> Step {
        self.streams.set_state(stream, State::after_recv_end);
        Step::Event(Recv::Data { stream, chunk, end: true })
    }

    /// The connection's window opens for what the caller has taken on. A client's has opened before: the streams of one
    /// connection belong to many, and one who does not read must not stop the others; its own window holds it.
    pub(super) fn credit_taken(&mut self, bytes: usize) {
        if self.side == Side::Server {
            self.credit(bytes);
        }
    }

    /// The caller has taken `bytes` body bytes of this stream on: opens the windows again. Harmless for a stream that is gone.
    pub fn release(&mut self, stream: StreamRef, bytes: usize) {
        let Some(entry) = self.streams.get_mut(stream) else { return };
        let bytes = bytes.min(entry.recv.held);
        if bytes == 0 {
            return;
        }
        entry.recv.held -= bytes;
        if entry.state.can_recv()
            && let Some(increment) = entry.recv.window.give(bytes)
            && self.failed.is_none()
        {
            self.outbound.put_window_update(stream.id, increment);
        }
        self.credit_taken(bytes);
    }
}
