//! One connection: its parts, and what can be asked about it. What it does stands in the files beside this one: `recv` (the
//! frame loop), `control` (frames of the connection), `headers` and `data` (frames of a message), `send` (commands), `fill`
//! (DATA frames), `shutdown` (its end).

mod control;
mod data;
mod fill;
mod headers;
mod recv;
mod send;
mod shutdown;

use std::sync::Arc;
use std::time::Instant;

use nuncio_hpack::{Decoder, Encoder};
use nuncio_http::Output;

use crate::error::Error;
use crate::event::{Reset, Side, StreamRef};
use crate::flow::{INITIAL_WINDOW, MAX_WINDOW, RecvWindow, SendWindow};
use crate::frame::MAX_STREAM_ID;
use crate::head::Room;
use crate::ledger::{Counts, Ledger, Standing};
use crate::limits::{ASSUMED_STREAMS, Limits};
use crate::outbound::Outbound;
use crate::schedule::{Priority, Schedule};
use crate::settings::{self, PeerSettings};
use crate::stream::Stream;
use crate::streams::Streams;

use data::DataFrame;
use headers::Block;
use recv::PREFACE;
use shutdown::Shutdown;

/// What the encoder's table never exceeds, in bytes (row H2-14).
const ENCODER_TABLE: usize = 4096;

/// One connection.
pub struct Connection {
    side: Side,
    limits: Arc<Limits>,
    /// The time of the last call that said it.
    now: Instant,
    /// Why nothing more is received.
    failed: Option<Error>,
    /// Why the last stream was reset for the peer's fault.
    last_fault: Option<&'static str>,
    outbound: Outbound,
    ledger: Ledger,
    streams: Streams,
    schedule: Schedule,

    // ---- receiving
    decoder: Decoder,
    /// Bytes of the client's preface that have come; a client expects none.
    preface: usize,
    /// A part of a frame or of a header block has come, and since when it is not whole.
    partial_since: Option<Instant>,
    /// When the connection was made, until the peer's first SETTINGS come.
    opened: Option<Instant>,
    /// The header block that is not whole yet.
    block: Option<Block>,
    /// The DATA frame that is not whole yet.
    data: Option<DataFrame>,
    recv_window: RecvWindow,
    /// The peer has read our settings.
    settings_acked: bool,
    /// The highest identifier that the peer has opened.
    last_peer_id: u32,
    /// A PRIORITY_UPDATE for a stream that is still to come.
    early_priority: Option<(u32, Priority)>,
    /// How large the last head was.
    room: Room,
    /// Where cookie crumbs are joined.
    crumbs: Vec<u8>,

    // ---- sending
    encoder: Encoder,
    /// The header block that is being encoded.
    encoded: Vec<u8>,
    peer: PeerSettings,
    send_window: SendWindow,
    /// Client: the identifier of the next stream.
    next_id: u32,

    // ---- the end
    shutdown: Shutdown,
    /// The peer's GOAWAY: the last stream it acts on.
    goaway_received: Option<u32>,
    /// A GOAWAY that has not been yielded yet.
    goaway_pending: Option<crate::frame::goaway::Goaway>,
}

impl Connection {
    /// A connection that has just been opened. The server expects the client's preface; the client's own stands in `output`,
    /// and so do the SETTINGS of either. The caller's buffer must be able to hold a frame of `Limits::max_frame_size` and
    /// its header, 9 bytes.
    pub fn new(side: Side, limits: Arc<Limits>, now: Instant) -> Connection {
        // RFC 9113 section 6.9.2: the connection's window cannot be made smaller than it is at first.
        let window = limits.initial_connection_window.clamp(INITIAL_WINDOW, MAX_WINDOW);
        let mut outbound = Outbound::default();
        if side == Side::Client {
            outbound.put_raw(PREFACE);
        }
        outbound.put_settings(settings::ours(side, &limits));
        if window > INITIAL_WINDOW {
            outbound.put_window_update(0, window - INITIAL_WINDOW);
        }
        // A peer that has not read our settings goes by the default, and a table that is too large does no harm.
        let decoder_table = limits.header_table_size.max(settings::DEFAULT_HEADER_TABLE_SIZE);
        let encoder_table = (limits.header_table_size as usize).min(ENCODER_TABLE);
        Connection {
            side,
            now,
            failed: None,
            last_fault: None,
            outbound,
            ledger: Ledger::new(&limits, now),
            streams: Streams::default(),
            schedule: Schedule::default(),
            decoder: Decoder::new(decoder_table as usize),
            preface: 0,
            partial_since: None,
            opened: Some(now),
            block: None,
            data: None,
            recv_window: RecvWindow::new(window, window),
            settings_acked: false,
            last_peer_id: 0,
            early_priority: None,
            room: Room::default(),
            crumbs: Vec::new(),
            encoder: Encoder::new(encoder_table),
            encoded: Vec::new(),
            peer: PeerSettings::DEFAULT,
            send_window: SendWindow::new(INITIAL_WINDOW),
            next_id: 1,
            shutdown: Shutdown::No,
            goaway_received: None,
            goaway_pending: None,
            limits,
        }
    }

    /// Bytes for the socket. The caller writes and advances it.
    pub fn output(&mut self) -> &mut Output {
        &mut self.outbound.output
    }

    /// Everything in `output` was written: replies are no longer outstanding.
    pub fn on_flushed(&mut self) {
        self.outbound.on_flushed();
    }

    /// So many replies wait for the socket that no more of the peer's frames should be read (row H2-6).
    pub fn is_congested(&self) -> bool {
        self.outbound.is_congested(&self.limits)
    }

    /// Client: how many streams may be opened now. 0 after GOAWAY in either direction, or when identifiers run out.
    pub fn capacity(&self) -> u32 {
        let over = self.failed.is_some() || self.goaway_received.is_some() || self.shutdown != Shutdown::No;
        if self.side == Side::Server || over || self.next_id > MAX_STREAM_ID {
            return 0;
        }
        let allowed = match self.peer.max_concurrent_streams {
            Some(most) => most,
            None if self.opened.is_some() => ASSUMED_STREAMS,
            None => u32::MAX,
        };
        let count = |streams: usize| u32::try_from(streams).unwrap_or(u32::MAX);
        let by_peer = allowed.saturating_sub(count(self.streams.open()));
        let by_us = self.limits.max_concurrent_streams.saturating_sub(count(self.streams.len()));
        by_peer.min(by_us)
    }

    /// Streams that hold a slot.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Bytes of this stream that wait for a window or their turn; trailers and a bare end that wait count as one byte.
    pub fn queued(&self, stream: StreamRef) -> usize {
        self.streams.get(stream).map_or(0, |entry| entry.send.queue.len())
    }

    /// The same of all streams.
    pub fn queued_total(&self) -> usize {
        self.streams.queued
    }

    /// Bytes that the windows of stream and connection would let out beyond what is queued.
    pub fn window(&self, stream: StreamRef) -> usize {
        let Some(entry) = self.streams.get(stream).filter(|entry| entry.state.can_send()) else { return 0 };
        let by_stream = entry.send.window.available().saturating_sub(entry.send.queue.bytes());
        by_stream.min(self.connection_room())
    }

    /// Bytes that the connection's window would let out beyond what is queued.
    fn connection_room(&self) -> usize {
        self.send_window.available().saturating_sub(self.streams.queued)
    }

    /// Body bytes of this stream that were made frames so far.
    pub fn sent(&self, stream: StreamRef) -> u64 {
        self.streams.get(stream).map_or(0, |entry| entry.send.sent)
    }

    /// The request (server) or response (client) is received to its end.
    pub fn recv_done(&self, stream: StreamRef) -> bool {
        self.streams.get(stream).is_none_or(|entry| !entry.state.can_recv())
    }

    /// Body bytes to come, where the length is declared.
    pub fn body_remaining(&self, stream: StreamRef) -> Option<u64> {
        let entry = self.streams.get(stream)?;
        if entry.state.can_recv() && !entry.recv.awaits_head { entry.recv.body.remaining() } else { None }
    }

    /// The peer's first SETTINGS have come.
    pub fn settings_received(&self) -> bool {
        self.opened.is_none()
    }

    /// The peer takes extended CONNECT (RFC 8441 section 3).
    pub fn peer_connect_protocol(&self) -> bool {
        self.peer.connect_protocol
    }

    /// Takes the counts since the last call.
    pub fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.ledger.counts)
    }

    /// Why we reset a stream last because of what the peer sent, for logs. A malformed request, which is never yielded,
    /// says it only here.
    pub fn last_fault(&self) -> Option<&'static str> {
        self.last_fault
    }

    /// Bytes held, without the tables of HPACK, which are bounded by themselves.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        let block = self.block.as_ref().map_or(0, Block::memory);
        let scratch = self.crumbs.capacity() + self.encoded.capacity();
        block + scratch + self.streams.memory() + self.schedule.memory() + self.outbound.output.len()
    }

    /// A new stream's entry in the table.
    fn insert(&mut self, id: u32, kind: nuncio_http::RequestKind, head_cost: usize) -> (StreamRef, &mut Stream) {
        let ours = self.limits.initial_stream_window.min(MAX_WINDOW);
        // Until it has read our settings the peer goes by the default.
        let known = if self.settings_acked { ours } else { ours.max(INITIAL_WINDOW) };
        let send_window = SendWindow::new(self.peer.initial_window);
        self.ledger.streams = self.ledger.streams.saturating_add(1);
        let recv_window = RecvWindow::new(ours, known).widening(ours, self.limits.widest_stream_window.min(MAX_WINDOW));
        self.streams.insert(id, kind, head_cost, recv_window, send_window)
    }

    /// Something odd came (row H2-17).
    fn glitch(&mut self) -> Result<(), Error> {
        if self.ledger.glitch(self.now)? == Standing::Low {
            self.shutdown(self.now);
        }
        Ok(())
    }

    /// `bytes` of the connection's receive window are free again.
    fn credit(&mut self, bytes: usize) {
        if let Some(increment) = self.recv_window.give(bytes)
            && self.failed.is_none()
        {
            self.outbound.put_window_update(0, increment);
        }
    }

    /// Closes a stream with RST_STREAM of ours or of the peer's. What it had queued is dropped.
    fn close_stream(&mut self, stream: StreamRef, cause: crate::stream::state::Cause) {
        self.streams.set_state(stream, |state| state.after_reset(cause));
        self.streams.clear_queue(stream);
        self.reschedule(stream);
    }

    /// The event for a stream that broke off.
    fn reset_event(stream: StreamRef, reset: Reset) -> crate::event::Recv {
        crate::event::Recv::Reset { stream, reset }
    }
}
