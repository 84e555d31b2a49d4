//! HTTP/2 without I/O (RFC 9113): one connection, either side. The caller reads bytes into a `BytesMut` and pulls
//! [`Recv`] events out of its front; it sends by commands, and takes what is to be written from [`Connection::output`].
//!
//! **Who owns what.** The codec owns the state of the connection and of each stream, the bytes that wait for a window
//! (`send_data` queues, [`Connection::fill`] makes frames of them) and the bytes that wait for the socket (`output`). The
//! caller owns what it received: a DATA chunk is its own until it says [`Connection::release`], which opens the window
//! again. Not releasing is back-pressure.
//!
//! **A stream's slot** is taken by its HEADERS and comes free by [`Connection::forget`], not by a frame: a peer that resets
//! its stream has not got rid of our work for it (rows H2-1 and H2-2 of the threat list).
//!
//! **Errors** are scope x reason x who started it: a broken stream is an event ([`Recv::Reset`]), a broken connection the
//! error of [`Connection::recv`]; in both cases what the peer must be told already stands in `output`.
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use nuncio_http::{HeaderList, Output, RequestHead, ResponseHead, Scheme, Underscores, Upgrade};

/// Which end of the connection we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Client,
    Server,
}

/// A stream: its identifier on the wire, and its place in the connection's table, for a caller that keeps a table of the
/// same shape. A place is used again after [`Connection::forget`]; the identifier never is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamRef {
    pub id: u32,
    pub slot: u32,
}

/// What came.
#[derive(Debug)]
pub enum Recv {
    /// Read more bytes first.
    NeedMore,
    /// Server: a request. It holds a slot until it is forgotten.
    Request { stream: StreamRef, request: Request, end: bool },
    /// Server: a request that is to be answered with this status in place of being served (431, 414, 417, 400). It holds
    /// a slot like any other; what it sends behind its head is dropped by the codec.
    Refused { stream: StreamRef, status: u16, detail: &'static str },
    /// Client: a head, interim (1xx) or final.
    Response { stream: StreamRef, head: ResponseHead, end: bool },
    /// Body bytes; never empty unless `end`. To be released when they are taken on.
    Data { stream: StreamRef, chunk: Bytes, end: bool },
    /// Trailers; they end the message.
    Trailers { stream: StreamRef, trailers: HeaderList },
    /// The stream broke off; nothing comes for it any more and nothing can be sent. It still holds its slot.
    Reset { stream: StreamRef, reset: Reset },
    /// The peer's settings came, or windows or limits changed: what waited may be able to go on.
    Settings,
    /// The peer takes no further streams from us (those it did not process come as [`Recv::Reset`]), or will open none.
    Goaway { reason: Reason },
}

/// A request without its pseudo-header and hop-by-hop fields. `te: trailers` stays. Cookie crumbs are joined.
#[derive(Debug, Clone)]
pub struct Request {
    /// `version` is `Http2`. For an extended CONNECT (RFC 8441) the method is CONNECT and scheme and path are set.
    pub head: RequestHead,
    /// `:protocol` of an extended CONNECT.
    pub protocol: Option<Upgrade>,
    /// The client waits for `100 Continue`.
    pub expect_continue: bool,
}

/// How a stream broke off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reset {
    pub reason: Reason,
    /// The peer sent RST_STREAM or GOAWAY; else we did, because of what the peer sent.
    pub by_peer: bool,
    /// The peer has not acted on the request: it may be sent again (RFC 9113 section 8.7).
    pub unprocessed: bool,
    /// For logs.
    pub detail: &'static str,
}

/// An error code (RFC 9113 section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason(pub u32);

impl Reason {
    pub const NO_ERROR: Reason = Reason(0x0);
    pub const PROTOCOL_ERROR: Reason = Reason(0x1);
    pub const INTERNAL_ERROR: Reason = Reason(0x2);
    pub const FLOW_CONTROL_ERROR: Reason = Reason(0x3);
    pub const SETTINGS_TIMEOUT: Reason = Reason(0x4);
    pub const STREAM_CLOSED: Reason = Reason(0x5);
    pub const FRAME_SIZE_ERROR: Reason = Reason(0x6);
    pub const REFUSED_STREAM: Reason = Reason(0x7);
    pub const CANCEL: Reason = Reason(0x8);
    pub const COMPRESSION_ERROR: Reason = Reason(0x9);
    pub const CONNECT_ERROR: Reason = Reason(0xa);
    pub const ENHANCE_YOUR_CALM: Reason = Reason(0xb);
    pub const INADEQUATE_SECURITY: Reason = Reason(0xc);
    pub const HTTP_1_1_REQUIRED: Reason = Reason(0xd);
}

/// The connection is over. GOAWAY with `reason` stands in the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Error {
    pub reason: Reason,
    pub kind: ErrorKind,
}

/// Which rule or limit was broken; one for each, so that each can have its own stat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    BadPreface,
    Protocol(&'static str),
}

/// What of ours could not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncodeError {
    /// Not in this state of the stream.
    State,
    /// The stream is closed or was reset: there is nobody to send to.
    Closed,
    /// No stream can be opened now: see [`Connection::capacity`].
    Refused,
    /// The body disagrees with its declared length.
    Length,
    BadField,
    BadStatus,
    BadTarget,
}

/// What a peer may make us hold or do, and what we announce. The default suits an edge that faces strangers (table 1.8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Decoded head: names, values and 32 bytes a field. Beyond: 431, or a reset towards an upstream; beyond four times as
    /// much the connection ends.
    pub head_bytes: usize,
    /// Fields of a head, pseudo-header fields and cookie crumbs not counted: 431 beyond.
    pub fields: usize,
    /// `cookie` fields of a head: 431 beyond.
    pub cookie_crumbs: usize,
    /// `:path`, in bytes: 414 beyond.
    pub target_bytes: usize,
    pub trailer_bytes: usize,
    pub trailer_fields: usize,
    /// 1xx responses before the final one.
    pub interim_responses: u8,
    pub underscores: Underscores,
    /// What `:scheme` must say; `None`: http or https.
    pub scheme: Option<Scheme>,

    /// SETTINGS_MAX_CONCURRENT_STREAMS we announce (server), and most streams we open at once (client).
    pub max_concurrent_streams: u32,
    /// SETTINGS_INITIAL_WINDOW_SIZE we announce, in bytes.
    pub initial_stream_window: u32,
    /// The connection's receive window, in bytes.
    pub initial_connection_window: u32,
    /// SETTINGS_MAX_FRAME_SIZE we announce.
    pub max_frame_size: u32,
    /// SETTINGS_HEADER_TABLE_SIZE we announce; the encoder uses the lesser of this and the peer's.
    pub header_table_size: u32,
    /// SETTINGS_ENABLE_CONNECT_PROTOCOL (server).
    pub connect_protocol: bool,

    /// Decoded heads of all streams together, in bytes: REFUSED_STREAM beyond (row H2-5).
    pub header_memory: usize,
    /// CONTINUATION frames of one block (row H2-3).
    pub continuations: u32,
    /// A header block, once begun, is whole within this time (row H2-3).
    pub block_timeout: Duration,
    /// Entries of one SETTINGS frame (row H2-7).
    pub settings_entries: u32,
    /// Resets received and provoked, one bucket (rows H2-1, H2-2): this many at once,
    pub reset_burst: u32,
    /// this many more each second,
    pub reset_rate: u32,
    /// this many in the life of the connection,
    pub reset_total: u32,
    /// and this many in its life of streams whose response had not begun.
    pub reset_before_response: u32,
    /// Replies (PING, SETTINGS, RST_STREAM) that wait for the socket (row H2-6).
    pub outbound_control_frames: u32,
    /// All frames that wait for the socket.
    pub outbound_frames: u32,
    /// Empty frames without END_STREAM (row H2-8): in a row,
    pub empty_frames_in_row: u32,
    /// and in all.
    pub empty_frames: u32,
    /// PRIORITY frames, times (1 + streams) (row H2-12).
    pub priority_per_stream: u32,
    /// WINDOW_UPDATE: 5 + 2 x (streams + this x DATA frames sent) (row H2-11).
    pub window_updates_per_data_frame: u32,
    /// The ledger of everything odd (row H2-17): this many points at once,
    pub glitch_burst: u32,
    /// this many more each second. GOAWAY without an error at three quarters.
    pub glitch_rate: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            head_bytes: 60 * 1024,
            fields: 100,
            cookie_crumbs: 128,
            target_bytes: 8 * 1024,
            trailer_bytes: 8 * 1024,
            trailer_fields: 64,
            interim_responses: 8,
            underscores: Underscores::Reject,
            scheme: None,
            max_concurrent_streams: 100,
            initial_stream_window: 64 * 1024,
            initial_connection_window: 1024 * 1024,
            max_frame_size: 16 * 1024,
            header_table_size: 4096,
            connect_protocol: false,
            header_memory: 256 * 1024,
            continuations: 8,
            block_timeout: Duration::from_secs(10),
            settings_entries: 32,
            reset_burst: 200,
            reset_rate: 33,
            reset_total: 10_000,
            reset_before_response: 500,
            outbound_control_frames: 100,
            outbound_frames: 1000,
            empty_frames_in_row: 1,
            empty_frames: 100,
            priority_per_stream: 100,
            window_updates_per_data_frame: 10,
            glitch_burst: 1000,
            glitch_rate: 33,
        }
    }
}

/// What happened since it was last taken: for stats. Each counts events, not frames of a particular size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub rx_reset: u32,
    pub tx_reset: u32,
    /// Streams refused at the concurrency or header-memory limit.
    pub stream_refused: u32,
    /// Heads beyond `head_bytes`, `fields` or `cookie_crumbs`.
    pub header_overflow: u32,
    /// Malformed messages (RFC 9113 section 8.1.1).
    pub rx_messaging_error: u32,
    pub trailers: u32,
    pub dropped_headers_with_underscores: u32,
    pub requests_rejected_with_underscores: u32,
    pub goaway_sent: u32,
    /// Points entered in the ledger.
    pub glitches: u32,
    pub rx_ping: u32,
}

/// One connection.
pub struct Connection {
    output: Output,
}

#[allow(unused_variables)]
impl Connection {
    /// A connection that has just been opened. The server expects the client's preface; the client's own stands in `output`,
    /// and so do the SETTINGS of either.
    pub fn new(side: Side, limits: Arc<Limits>, now: Instant) -> Connection {
        unimplemented!()
    }

    // ---- receiving

    /// The next event out of the front of `buf`. DATA is yielded as it comes, not frame by frame; other frames are left in
    /// `buf` until they are whole. After an error the same error comes again.
    pub fn recv(&mut self, buf: &mut BytesMut, now: Instant) -> Result<Recv, Error> {
        unimplemented!()
    }

    /// The caller has taken `bytes` body bytes of this stream on: opens the windows again. Harmless for a stream that is gone.
    pub fn release(&mut self, stream: StreamRef, bytes: usize) {
        unimplemented!()
    }

    /// When [`Connection::handle_timeout`] is to be called.
    pub fn deadline(&self) -> Option<Instant> {
        unimplemented!()
    }

    /// A limit of time passed: an unfinished preface or header block, or the second step of a graceful shutdown.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        unimplemented!()
    }

    // ---- sending

    /// Server: an interim response other than 101.
    pub fn send_interim(&mut self, stream: StreamRef, head: &ResponseHead) -> Result<(), EncodeError> {
        unimplemented!()
    }

    /// Server: `100 Continue`, if the client waits for it. Says whether it was sent.
    pub fn send_continue(&mut self, stream: StreamRef) -> bool {
        unimplemented!()
    }

    /// Server: the final head. `end`: nothing follows. Always the end for HEAD, 204 and 304; data that is offered for such a
    /// response afterwards is dropped.
    pub fn send_response(&mut self, stream: StreamRef, head: &ResponseHead, end: bool) -> Result<(), EncodeError> {
        unimplemented!()
    }

    /// Client: opens a stream with this head. With `protocol` it is an extended CONNECT (the method of `head` is not looked at).
    pub fn open(
        &mut self,
        head: &RequestHead,
        protocol: Option<Upgrade>,
        end: bool,
    ) -> Result<StreamRef, EncodeError> {
        unimplemented!()
    }

    /// Client: how many streams may be opened now. 0 after GOAWAY in either direction, or when identifiers run out.
    pub fn capacity(&self) -> u32 {
        unimplemented!()
    }

    /// Queues body bytes; [`Connection::fill`] sends them as windows allow.
    pub fn send_data(&mut self, stream: StreamRef, chunk: Bytes, end: bool) -> Result<(), EncodeError> {
        unimplemented!()
    }

    /// Trailers, behind the queued bytes.
    pub fn send_trailers(&mut self, stream: StreamRef, trailers: &HeaderList) -> Result<(), EncodeError> {
        unimplemented!()
    }

    /// Ends the stream in both directions. What it had queued is dropped. Nothing happens if it is closed already.
    pub fn reset(&mut self, stream: StreamRef, reason: Reason) {
        unimplemented!()
    }

    /// The work for this stream is gone: its slot is free. A stream that is still open is reset with CANCEL first.
    pub fn forget(&mut self, stream: StreamRef) {
        unimplemented!()
    }

    /// Moves queued body bytes and trailers into `output`, by urgency (RFC 9218) and in turn, until it holds `most` bytes or
    /// nothing more may be sent.
    pub fn fill(&mut self, most: usize) {
        unimplemented!()
    }

    /// Bytes for the socket. The caller writes and advances it.
    pub fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    /// Everything in `output` was written: replies are no longer outstanding.
    pub fn on_flushed(&mut self) {
        unimplemented!()
    }

    /// `fill` would add something.
    pub fn wants_fill(&self) -> bool {
        unimplemented!()
    }

    /// So many replies wait for the socket that no more of the peer's frames should be read (row H2-6).
    pub fn is_congested(&self) -> bool {
        unimplemented!()
    }

    // ---- the connection's end

    /// Begins a graceful shutdown (RFC 9113 section 6.8): GOAWAY that still lets in what is on its way, then, after a round
    /// trip or a second, the one that names the last stream. For a client: no further streams.
    pub fn shutdown(&mut self, now: Instant) {
        unimplemented!()
    }

    /// GOAWAY at once. The caller flushes and closes.
    pub fn close(&mut self, reason: Reason) {
        unimplemented!()
    }

    /// The shutdown is complete: the last GOAWAY is said and no stream is left.
    pub fn is_drained(&self) -> bool {
        unimplemented!()
    }

    // ---- getters

    /// Streams that hold a slot.
    pub fn streams(&self) -> usize {
        unimplemented!()
    }

    /// Bytes of this stream that wait for a window or their turn; trailers and a bare end that wait count as one byte.
    pub fn queued(&self, stream: StreamRef) -> usize {
        unimplemented!()
    }

    /// The same of all streams.
    pub fn queued_total(&self) -> usize {
        unimplemented!()
    }

    /// Bytes that the windows of stream and connection would let out beyond what is queued.
    pub fn window(&self, stream: StreamRef) -> usize {
        unimplemented!()
    }

    /// Body bytes of this stream that were made frames so far.
    pub fn sent(&self, stream: StreamRef) -> u64 {
        unimplemented!()
    }

    /// The request (server) or response (client) is received to its end.
    pub fn recv_done(&self, stream: StreamRef) -> bool {
        unimplemented!()
    }

    /// Body bytes to come, where the length is declared.
    pub fn body_remaining(&self, stream: StreamRef) -> Option<u64> {
        unimplemented!()
    }

    /// The peer's first SETTINGS have come.
    pub fn settings_received(&self) -> bool {
        unimplemented!()
    }

    /// The peer takes extended CONNECT (RFC 8441 section 3).
    pub fn peer_connect_protocol(&self) -> bool {
        unimplemented!()
    }

    /// Takes the counts since the last call.
    pub fn take_counts(&mut self) -> Counts {
        unimplemented!()
    }
}
