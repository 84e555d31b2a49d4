//! `http.<prefix>.http2.` and `cluster.<name>.http2.`: what one side's HTTP/2 codec saw.

use nuncio_h2::{Counts, ErrorKind};

use super::scope::scope;

scope! {
    /// The HTTP/2 codec of one listener or cluster. `inbound_*`, `outbound_*` and `*_flood`: connections that were closed for
    /// that.
    pub struct Http2Stats {
        rx_reset: Counter,
        tx_reset: Counter,
        stream_refused_errors: Counter,
        header_overflow: Counter,
        rx_messaging_error: Counter,
        trailers: Counter,
        dropped_headers_with_underscores: Counter,
        requests_rejected_with_underscores_in_headers: Counter,
        goaway_sent: Counter,
        glitches: Counter,
        rx_ping: Counter,
        tx_flush_timeout: Counter,
        protocol_error: Counter,
        bad_preface: Counter,
        preface_timeout: Counter,
        compression_error: Counter,
        continuation_flood: Counter,
        header_flood: Counter,
        header_timeout: Counter,
        reset_flood: Counter,
        reset_total: Counter,
        reset_before_response: Counter,
        outbound_control_flood: Counter,
        outbound_flood: Counter,
        settings_entries: Counter,
        inbound_empty_frames_flood: Counter,
        inbound_window_update_frames_flood: Counter,
        inbound_priority_frames_flood: Counter,
        glitch_flood: Counter,
    }
}

impl Http2Stats {
    /// Adds what a codec counted.
    pub fn count(&self, counts: &Counts) {
        if *counts == Counts::default() {
            return;
        }
        let rows = [
            (&self.rx_reset, counts.rx_reset),
            (&self.tx_reset, counts.tx_reset),
            (&self.stream_refused_errors, counts.stream_refused),
            (&self.header_overflow, counts.header_overflow),
            (&self.rx_messaging_error, counts.rx_messaging_error),
            (&self.trailers, counts.trailers),
            (&self.dropped_headers_with_underscores, counts.dropped_headers_with_underscores),
            (&self.requests_rejected_with_underscores_in_headers, counts.requests_rejected_with_underscores),
            (&self.goaway_sent, counts.goaway_sent),
            (&self.glitches, counts.glitches),
            (&self.rx_ping, counts.rx_ping),
        ];
        for (counter, count) in rows {
            counter.add(u64::from(count));
        }
    }

    /// A connection ended because its peer broke a rule or a limit.
    pub fn error(&self, kind: ErrorKind) {
        match kind {
            ErrorKind::Protocol(_) => self.protocol_error.inc(),
            ErrorKind::Closed => {}
            ErrorKind::BadPreface => self.bad_preface.inc(),
            ErrorKind::PrefaceTimeout => self.preface_timeout.inc(),
            ErrorKind::Compression => self.compression_error.inc(),
            ErrorKind::ContinuationFlood => self.continuation_flood.inc(),
            ErrorKind::HeaderFlood => self.header_flood.inc(),
            ErrorKind::HeaderTimeout => self.header_timeout.inc(),
            ErrorKind::ResetFlood => self.reset_flood.inc(),
            ErrorKind::ResetTotal => self.reset_total.inc(),
            ErrorKind::ResetBeforeResponse => self.reset_before_response.inc(),
            ErrorKind::OutboundControlFlood => self.outbound_control_flood.inc(),
            ErrorKind::OutboundFlood => self.outbound_flood.inc(),
            ErrorKind::SettingsEntries => self.settings_entries.inc(),
            ErrorKind::EmptyFrames => self.inbound_empty_frames_flood.inc(),
            ErrorKind::WindowUpdateFlood => self.inbound_window_update_frames_flood.inc(),
            ErrorKind::PriorityFlood => self.inbound_priority_frames_flood.inc(),
            ErrorKind::Glitches => self.glitch_flood.inc(),
        }
    }
}
