//! DATA frames out of the queues, within windows, by urgency and in turn (RFC 9113 section 6.9, RFC 9218 section 10).

use super::Connection;
use crate::event::StreamRef;
use crate::frame::data;
use crate::limits::DATA_FRAME;
use crate::schedule::Priority;
use crate::stream::state::State;

impl Connection {
    /// Moves queued body bytes and trailers into `output`, by urgency (RFC 9218) and in turn, until it holds `most` bytes or
    /// nothing more may be sent.
    pub fn fill(&mut self, most: usize) {
        while self.outbound.output.len() < most && self.wants_fill() {
            let Some(stream) = self.schedule.next().and_then(|slot| self.streams.at(slot)) else { break };
            self.put_data(stream);
        }
    }

    /// `fill` would add something.
    pub fn wants_fill(&self) -> bool {
        let open = self.send_window.available() > 0 && self.outbound.takes_data(&self.limits);
        open && self.failed.is_none() && !self.schedule.is_empty()
    }

    /// One frame of this stream.
    fn put_data(&mut self, stream: StreamRef) {
        let most_in_frame = DATA_FRAME.min(self.peer.max_frame_size as usize);
        let Some(entry) = self.streams.get_mut(stream) else { return };
        let send = &mut entry.send;
        let queued = send.queue.bytes();
        let allowed = send.window.available().min(self.send_window.available());
        let len = queued.min(allowed).min(most_in_frame);
        let drained = len == queued;
        let trailers = if drained { send.queue.trailers.take() } else { None };
        let end = drained && send.queue.end && trailers.is_none();

        self.outbound.begin_frame(data::header(stream.id, len, end));
        let mut left = len;
        while left > 0
            && let Some(chunk) = send.queue.pop(left)
        {
            left -= chunk.len();
            self.outbound.push(chunk);
        }
        send.window.consume(len);
        send.sent = send.sent.saturating_add(len as u64);
        self.send_window.consume(len);
        self.streams.queued -= len + usize::from(trailers.is_some());
        self.ledger.data_frames_sent = self.ledger.data_frames_sent.saturating_add(1);
        if end {
            self.streams.set_state(stream, State::after_send_end);
        }
        if let Some(trailers) = trailers {
            self.put_trailers(stream, &trailers);
        }
        self.reschedule(stream);
        // Row H2-11: windows that let out a few bytes at a time.
        if len == allowed
            && !drained
            && self.ledger.window_is_odd(len, self.now)
            && let Err(error) = self.glitch()
        {
            self.fail(error);
        }
    }

    /// END_STREAM on a frame of its own.
    pub(super) fn put_end(&mut self, stream: StreamRef) {
        self.outbound.put_frame(data::header(stream.id, 0, true), b"");
        self.ledger.data_frames_sent = self.ledger.data_frames_sent.saturating_add(1);
        self.streams.set_state(stream, State::after_send_end);
    }

    /// Puts a stream in or out of the schedule, by what it has to send and may.
    pub(super) fn reschedule(&mut self, stream: StreamRef) {
        let Some(entry) = self.streams.get_mut(stream) else { return };
        let ready = entry.send.queue.bytes() > 0 && entry.send.window.available() > 0;
        if std::mem::replace(&mut entry.send.ready, ready) == ready {
            return;
        }
        if ready {
            self.schedule.insert(stream.slot, stream.id, entry.priority);
        } else {
            self.schedule.remove(stream.slot);
        }
    }

    pub(super) fn set_priority(&mut self, stream: StreamRef, priority: Priority) {
        let Some(entry) = self.streams.get_mut(stream) else { return };
        entry.priority = priority;
        if entry.send.ready {
            self.schedule.remove(stream.slot);
            self.schedule.insert(stream.slot, stream.id, priority);
        }
    }
}
