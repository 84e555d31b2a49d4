//! `http2`: limits of one HTTP/2 connection, on either side. Each has its row in the manual; the defaults are those of a
//! host that faces strangers.

use serde::Serialize;

use super::text::{Cx, Node, read, write};

/// Rows H2-1 to H2-18 of the threat list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Http2 {
    /// Header table for what the peer sends, and the most we use ourselves, in bytes. Default 4096, 0 to 64 KiB.
    #[serde(serialize_with = "write::size")]
    pub hpack_table_size: u32,
    /// Heads of all streams together, in bytes. Default 256 KiB. Beyond: the stream is refused.
    #[serde(serialize_with = "write::size")]
    pub max_header_memory: usize,
    /// `cookie` fields of one head; they are joined into one. Default 128. Beyond: 431.
    pub max_cookie_crumbs: usize,
    /// Default 8.
    pub max_continuation_frames: u32,
    /// Entries of one SETTINGS frame. Default 32.
    pub max_settings_entries: u32,
    /// Replies that wait for the socket. Default 100.
    pub max_outbound_control_frames: u32,
    /// Frames that wait for the socket. Default 1000.
    pub max_outbound_frames: u32,
    /// Default 1.
    pub max_consecutive_inbound_frames_with_empty_payload: u32,
    /// Default 100.
    pub max_inbound_frames_with_empty_payload: u32,
    /// Default 100.
    pub max_inbound_priority_frames_per_stream: u32,
    /// Default 10.
    pub max_inbound_window_update_frames_per_data_frame_sent: u32,
    /// Resets, received or provoked: at once. Default 200.
    pub reset_burst: u32,
    /// More each second. Default 33.
    pub reset_rate: u32,
    /// In the life of a connection. Default 10 000.
    pub max_resets: u32,
    /// In its life, of streams without a response. Default 500.
    pub max_resets_before_response: u32,
    /// Points of the ledger of everything odd: at once. Default 1000.
    pub glitch_burst: u32,
    /// More each second. Default 33.
    pub glitch_rate: u32,
}

impl Default for Http2 {
    fn default() -> Http2 {
        let limits = nuncio_h2::Limits::default();
        Http2 {
            hpack_table_size: limits.header_table_size,
            max_header_memory: limits.header_memory,
            max_cookie_crumbs: limits.cookie_crumbs,
            max_continuation_frames: limits.continuations,
            max_settings_entries: limits.settings_entries,
            max_outbound_control_frames: limits.outbound_control_frames,
            max_outbound_frames: limits.outbound_frames,
            max_consecutive_inbound_frames_with_empty_payload: limits.empty_frames_in_row,
            max_inbound_frames_with_empty_payload: limits.empty_frames,
            max_inbound_priority_frames_per_stream: limits.priority_per_stream,
            max_inbound_window_update_frames_per_data_frame_sent: limits.window_updates_per_data_frame,
            reset_burst: limits.reset_burst,
            reset_rate: limits.reset_rate,
            max_resets: limits.reset_total,
            max_resets_before_response: limits.reset_before_response,
            glitch_burst: limits.glitch_burst,
            glitch_rate: limits.glitch_rate,
        }
    }
}

impl Http2 {
    /// As the codec takes them, over what else `limits` say.
    pub fn apply(&self, limits: nuncio_h2::Limits) -> nuncio_h2::Limits {
        nuncio_h2::Limits {
            header_table_size: self.hpack_table_size,
            header_memory: self.max_header_memory,
            cookie_crumbs: self.max_cookie_crumbs,
            continuations: self.max_continuation_frames,
            settings_entries: self.max_settings_entries,
            outbound_control_frames: self.max_outbound_control_frames,
            outbound_frames: self.max_outbound_frames,
            empty_frames_in_row: self.max_consecutive_inbound_frames_with_empty_payload,
            empty_frames: self.max_inbound_frames_with_empty_payload,
            priority_per_stream: self.max_inbound_priority_frames_per_stream,
            window_updates_per_data_frame: self.max_inbound_window_update_frames_per_data_frame_sent,
            reset_burst: self.reset_burst,
            reset_rate: self.reset_rate,
            reset_total: self.max_resets,
            reset_before_response: self.max_resets_before_response,
            glitch_burst: self.glitch_burst,
            glitch_rate: self.glitch_rate,
            ..limits
        }
    }
}

/// Bounds of the windows we announce, in bytes: below, a frame does not fit; above, RFC 9113 section 6.9.1.
pub(super) const WINDOWS: std::ops::RangeInclusive<u64> = (16 << 10)..=(1 << 31) - 1;

pub(super) fn read(cx: &Cx, node: &Node) -> Option<Http2> {
    let default = Http2::default();
    let mut o = cx.object(node)?;
    let http2 = Http2 {
        hpack_table_size: o.optional("hpack_table_size", default.hpack_table_size, read::size(0..=64 << 10)),
        max_header_memory: o.optional("max_header_memory", default.max_header_memory, read::size(4 << 10..=64 << 20)),
        max_cookie_crumbs: o.optional("max_cookie_crumbs", default.max_cookie_crumbs, read::integer(1..=10_000)),
        ..default
    };
    let mut http2 = http2;
    for (key, least, limit) in [
        ("max_continuation_frames", 0, &mut http2.max_continuation_frames),
        ("max_settings_entries", 8, &mut http2.max_settings_entries),
        ("max_outbound_control_frames", 10, &mut http2.max_outbound_control_frames),
        ("max_outbound_frames", 10, &mut http2.max_outbound_frames),
        (
            "max_consecutive_inbound_frames_with_empty_payload",
            0,
            &mut http2.max_consecutive_inbound_frames_with_empty_payload,
        ),
        ("max_inbound_frames_with_empty_payload", 0, &mut http2.max_inbound_frames_with_empty_payload),
        ("max_inbound_priority_frames_per_stream", 0, &mut http2.max_inbound_priority_frames_per_stream),
        (
            "max_inbound_window_update_frames_per_data_frame_sent",
            1,
            &mut http2.max_inbound_window_update_frames_per_data_frame_sent,
        ),
        ("reset_burst", 1, &mut http2.reset_burst),
        ("reset_rate", 0, &mut http2.reset_rate),
        ("max_resets", 1, &mut http2.max_resets),
        ("max_resets_before_response", 1, &mut http2.max_resets_before_response),
        ("glitch_burst", 10, &mut http2.glitch_burst),
        ("glitch_rate", 0, &mut http2.glitch_rate),
    ] {
        *limit = o.optional(key, *limit, read::integer(least..=u64::from(u32::MAX)));
    }
    o.finish();
    Some(http2)
}
