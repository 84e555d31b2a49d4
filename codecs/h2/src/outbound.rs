//! The bytes that wait for the socket, and how many frames they are (row H2-6). Every frame we send goes through here.

use bytes::Bytes;
use nuncio_http::Output;

use crate::error::{Error, ErrorKind, Reason};
use crate::frame::{Header, continuation, goaway, headers, ping, rst_stream, settings, window_update};
use crate::limits::Limits;

/// Queue of frames.
#[derive(Debug, Default)]
pub(crate) struct Outbound {
    pub(crate) output: Output,
    /// Bytes put in all.
    put: u64,
    frames: Waiting,
    replies: Waiting,
    /// Where `put` stood when the younger half of the waiting began.
    half: u64,
}

/// Frames that wait, the younger half apart: the older half is forgotten when all bytes before the younger one are written.
/// So a queue that is never quite empty is not taken for one that does not move.
#[derive(Debug, Clone, Copy, Default)]
struct Waiting {
    older: u32,
    younger: u32,
}

impl Waiting {
    fn count(self) -> u32 {
        self.older.saturating_add(self.younger)
    }

    fn add(&mut self) {
        self.younger = self.younger.saturating_add(1);
    }

    fn age(&mut self) {
        self.older = std::mem::take(&mut self.younger);
    }
}

impl Outbound {
    /// Raw bytes: the preface.
    pub(crate) fn put_raw(&mut self, bytes: &[u8]) {
        self.output.put_slice(bytes);
        self.put = self.put.saturating_add(bytes.len() as u64);
    }

    /// Any frame, header and payload.
    pub(crate) fn put_frame(&mut self, header: Header, payload: &[u8]) {
        self.begin_frame(header);
        self.output.put_slice(payload);
    }

    /// The header of a frame whose payload the caller adds with [`Outbound::push`].
    pub(crate) fn begin_frame(&mut self, header: Header) {
        self.settle();
        header.put(&mut self.output);
        self.put = self.put.saturating_add((crate::frame::HEADER_LEN + header.len) as u64);
        self.frames.add();
    }

    pub(crate) fn push(&mut self, chunk: Bytes) {
        self.output.push(chunk);
    }

    /// A header block in one HEADERS frame and as many CONTINUATION frames as it takes.
    pub(crate) fn put_block(&mut self, stream: u32, block: &[u8], end_stream: bool, max_frame_size: usize) {
        self.output.reserve(crate::frame::HEADER_LEN + block.len());
        let (first, mut rest) = block.split_at(block.len().min(max_frame_size));
        self.put_frame(headers::header(stream, first.len(), end_stream, rest.is_empty()), first);
        while !rest.is_empty() {
            let (fragment, behind) = rest.split_at(rest.len().min(max_frame_size));
            rest = behind;
            self.put_frame(continuation::header(stream, fragment.len(), rest.is_empty()), fragment);
        }
    }

    pub(crate) fn put_settings(&mut self, entries: impl Iterator<Item = (u16, u32)> + Clone) {
        self.begin_frame(settings::header(entries.clone().count()));
        for (id, value) in entries {
            self.output.put_slice(&settings::entry(id, value));
        }
    }

    pub(crate) fn put_settings_ack(&mut self) {
        self.put_frame(settings::ack(), b"");
        self.replies.add();
    }

    pub(crate) fn put_ping(&mut self, payload: [u8; 8]) {
        self.put_frame(ping::header(false), &payload);
    }

    pub(crate) fn put_ping_ack(&mut self, payload: [u8; 8]) {
        self.put_frame(ping::header(true), &payload);
        self.replies.add();
    }

    pub(crate) fn put_rst_stream(&mut self, stream: u32, reason: Reason) {
        let (header, payload) = rst_stream::frame(stream, reason);
        self.put_frame(header, &payload);
        self.replies.add();
    }

    pub(crate) fn put_window_update(&mut self, stream: u32, increment: u32) {
        let (header, payload) = window_update::frame(stream, increment);
        self.put_frame(header, &payload);
    }

    pub(crate) fn put_goaway(&mut self, last: u32, reason: Reason) {
        let (header, payload) = goaway::frame(goaway::Goaway { last, reason });
        self.put_frame(header, &payload);
    }

    /// All of it was written.
    pub(crate) fn on_flushed(&mut self) {
        self.settle();
    }

    /// Too much waits: the peer does not read what it made us say.
    pub(crate) fn check(&mut self, limits: &Limits) -> Result<(), Error> {
        self.settle();
        if self.replies.count() > limits.outbound_control_frames {
            return Err(ErrorKind::OutboundControlFlood.into());
        }
        if self.frames.count() > limits.outbound_frames {
            return Err(ErrorKind::OutboundFlood.into());
        }
        Ok(())
    }

    /// Half of the replies that may wait do, or three quarters of all frames.
    pub(crate) fn is_congested(&self, limits: &Limits) -> bool {
        let replies = self.replies.count() >= (limits.outbound_control_frames / 2).max(1);
        let frames = self.frames.count() >= (limits.outbound_frames / 4).saturating_mul(3).max(1);
        !self.output.is_empty() && (replies || frames)
    }

    /// DATA frames fill no more than half of what may wait; the rest is for replies and heads.
    pub(crate) fn takes_data(&self, limits: &Limits) -> bool {
        self.output.is_empty() || self.frames.count() <= limits.outbound_frames / 2
    }

    /// Finds out what was written since the last time.
    fn settle(&mut self) {
        let waiting = self.output.len() as u64;
        if waiting == 0 {
            self.frames = Waiting::default();
            self.replies = Waiting::default();
            self.half = self.put;
        } else if self.put.saturating_sub(waiting) >= self.half {
            self.frames.age();
            self.replies.age();
            self.half = self.put;
        }
    }
}
