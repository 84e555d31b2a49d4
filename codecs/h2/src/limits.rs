//! What a peer may make us hold or do: the limits that are configured, and the constants of the abuse rules that are not.

use std::time::Duration;

use nuncio_http::{Scheme, Underscores};

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

    /// SETTINGS_MAX_CONCURRENT_STREAMS we announce (server), and most streams we open at once (client). A server counts streams
    /// until they are forgotten, but for those that both sides have ended in good order.
    pub max_concurrent_streams: u32,
    /// SETTINGS_INITIAL_WINDOW_SIZE we announce, in bytes.
    pub initial_stream_window: u32,
    /// A stream's window widens up to this, in bytes, while what comes is taken on as fast as it comes; what is not taken holds the first
    /// window only. Below `initial_stream_window`: it does not widen.
    pub widest_stream_window: u32,
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
            widest_stream_window: 0,
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

/// Beyond this many times `Limits::head_bytes` the connection ends (row H2-3).
pub(crate) const HEAD_FLOOD_FACTOR: usize = 4;

/// SETTINGS frames that cost nothing in the ledger.
pub(crate) const FREE_SETTINGS: u64 = 2;

/// PING frames that cost nothing: this many, and this many more for each stream and each DATA frame of either direction.
/// gRPC peers measure the round trip with each window of data.
pub(crate) const FREE_PINGS: u64 = 10;
pub(crate) const FREE_PINGS_PER_FRAME: u64 = 2;

/// WINDOW_UPDATE frames that cost nothing: this many, and this many more for each stream or each part of its allowance.
pub(crate) const FREE_WINDOW_UPDATES: u64 = 5;
pub(crate) const FREE_WINDOW_UPDATES_PER_FRAME: u64 = 2;

/// A DATA frame that carries less is tiny unless it is the last one (row H2-9), or unless there was no more (row H2-11).
pub(crate) const TINY_DATA: usize = 64;

/// Tiny DATA frames that cost nothing in either direction: this many at once, and this many more each second. Messages of a
/// few bytes are what some gRPC streams are made of.
pub(crate) const TINY_DATA_BURST: u32 = 25_600;
pub(crate) const TINY_DATA_RATE: u32 = 10_000;

/// Streams that are gone and whose late frames we know.
pub(crate) const RECENT_STREAMS: usize = 64;

/// Frames that yield nothing are read this many at a time (row H2-18).
pub(crate) const QUIET_FRAMES: u32 = 32;

/// Streams that a client may open before it has read the server's settings, which may set any number (RFC 9113 section
/// 5.1.2 recommends 100 at least).
pub(crate) const ASSUMED_STREAMS: u32 = 100;

/// A graceful shutdown names its last stream after this time if the peer does not answer our PING.
pub(crate) const SHUTDOWN_ROUND_TRIP: Duration = Duration::from_secs(1);

/// Most bytes of a DATA frame we send: larger ones would let one stream hold up the others.
pub(crate) const DATA_FRAME: usize = 16 * 1024;

/// Scratch memory above this is given back after use.
pub(crate) const KEPT_SCRATCH: usize = 4 * 1024;
