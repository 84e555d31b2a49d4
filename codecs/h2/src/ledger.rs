//! What a connection has cost so far: the counts for stats, and the one ledger against which floods of small, legal or
//! nearly legal frames are held (rows H2-1, H2-2, H2-6 to H2-12 and H2-17). Time is an argument.

use std::time::{Duration, Instant};

use crate::error::ErrorKind;
use crate::limits::{
    FREE_PINGS, FREE_PINGS_PER_FRAME, FREE_SETTINGS, FREE_WINDOW_UPDATES, FREE_WINDOW_UPDATES_PER_FRAME, Limits,
    TINY_DATA, TINY_DATA_BURST, TINY_DATA_RATE,
};

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

impl Counts {
    /// Adds `counter`-wise one event.
    pub(crate) fn bump(counter: &mut u32) {
        *counter = counter.saturating_add(1);
    }
}

/// A token bucket: so many at once, so many more each second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    used: u32,
    burst: u32,
    rate: u32,
    /// What was used is paid back up to here.
    since: Instant,
}

impl Bucket {
    pub(crate) fn new(burst: u32, rate: u32, now: Instant) -> Bucket {
        Bucket { used: 0, burst, rate, since: now }
    }

    /// Takes `points`; `false`: there are not so many left, and all are used.
    pub(crate) fn take(&mut self, points: u32, now: Instant) -> bool {
        self.refill(now);
        self.used = self.used.saturating_add(points);
        let fits = self.used <= self.burst;
        self.used = self.used.min(self.burst);
        fits
    }

    /// Three quarters are used.
    pub(crate) fn is_low(&self) -> bool {
        self.used >= self.burst - self.burst / 4
    }

    fn refill(&mut self, now: Instant) {
        if self.used == 0 {
            self.since = now;
            return;
        }
        let elapsed = now.saturating_duration_since(self.since);
        let back = elapsed.as_millis().saturating_mul(u128::from(self.rate)) / 1000;
        if back > 0 {
            // What is left of the time counts for the next point.
            let back = u32::try_from(back).unwrap_or(u32::MAX);
            let spent = u64::from(back).saturating_mul(1000) / u64::from(self.rate.max(1));
            self.used = self.used.saturating_sub(back);
            self.since = self.since.checked_add(Duration::from_millis(spent)).unwrap_or(now).min(now);
        }
    }
}

/// What the peer has done so far that costs us more than it costs the peer.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) counts: Counts,
    glitches: Bucket,
    resets: Bucket,
    tiny_received: Bucket,
    tiny_sent: Bucket,
    resets_total: u32,
    resets_before_response: u32,
    empty_in_row: u32,
    empty_total: u32,
    settings: u64,
    pings: u64,
    priorities: u64,
    window_updates: u64,
    /// Streams opened by either side.
    pub(crate) streams: u64,
    pub(crate) data_frames_sent: u64,
    pub(crate) data_frames_received: u64,
}

/// Where the ledger stands after an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Standing {
    Good,
    /// Three quarters of the glitches are used up: this connection is to end in good order.
    Low,
}

impl Ledger {
    pub(crate) fn new(limits: &Limits, now: Instant) -> Ledger {
        Ledger {
            counts: Counts::default(),
            glitches: Bucket::new(limits.glitch_burst, limits.glitch_rate, now),
            resets: Bucket::new(limits.reset_burst, limits.reset_rate, now),
            tiny_received: Bucket::new(TINY_DATA_BURST, TINY_DATA_RATE, now),
            tiny_sent: Bucket::new(TINY_DATA_BURST, TINY_DATA_RATE, now),
            resets_total: 0,
            resets_before_response: 0,
            empty_in_row: 0,
            empty_total: 0,
            settings: 0,
            pings: 0,
            priorities: 0,
            window_updates: 0,
            streams: 0,
            data_frames_sent: 0,
            data_frames_received: 0,
        }
    }

    /// Something odd but legal, or a broken stream (row H2-17).
    pub(crate) fn glitch(&mut self, now: Instant) -> Result<Standing, ErrorKind> {
        Counts::bump(&mut self.counts.glitches);
        if !self.glitches.take(1, now) {
            return Err(ErrorKind::Glitches);
        }
        Ok(if self.glitches.is_low() { Standing::Low } else { Standing::Good })
    }

    /// A stream was reset by the peer, or by us for the peer's fault (rows H2-1 and H2-2).
    pub(crate) fn reset(&mut self, before_response: bool, limits: &Limits, now: Instant) -> Result<(), ErrorKind> {
        self.resets_total = self.resets_total.saturating_add(1);
        self.resets_before_response = self.resets_before_response.saturating_add(u32::from(before_response));
        if !self.resets.take(1, now) {
            return Err(ErrorKind::ResetFlood);
        }
        if self.resets_total > limits.reset_total {
            return Err(ErrorKind::ResetTotal);
        }
        if self.resets_before_response > limits.reset_before_response {
            return Err(ErrorKind::ResetBeforeResponse);
        }
        Ok(())
    }

    /// A DATA, HEADERS or CONTINUATION frame (row H2-8). `empty`: it carries nothing and ends nothing.
    pub(crate) fn payload_frame(&mut self, empty: bool, limits: &Limits) -> Result<(), ErrorKind> {
        if !empty {
            self.empty_in_row = 0;
            return Ok(());
        }
        self.empty_in_row = self.empty_in_row.saturating_add(1);
        self.empty_total = self.empty_total.saturating_add(1);
        if self.empty_in_row > limits.empty_frames_in_row || self.empty_total > limits.empty_frames {
            return Err(ErrorKind::EmptyFrames);
        }
        Ok(())
    }

    /// A DATA frame that is not the last one came. Says whether it is one tiny frame too many (row H2-9).
    pub(crate) fn received_is_odd(&mut self, bytes: usize, now: Instant) -> bool {
        bytes < TINY_DATA && !self.tiny_received.take(1, now)
    }

    /// The peer's window let out this much and no more. Says whether it is one tiny frame too many (row H2-11).
    pub(crate) fn window_is_odd(&mut self, bytes: usize, now: Instant) -> bool {
        bytes < TINY_DATA && !self.tiny_sent.take(1, now)
    }

    /// A SETTINGS frame. Says whether it is a glitch (row H2-7).
    pub(crate) fn settings_are_odd(&mut self) -> bool {
        self.settings = self.settings.saturating_add(1);
        self.settings > FREE_SETTINGS
    }

    /// A PING. Says whether it is a glitch (row H2-6).
    pub(crate) fn ping_is_odd(&mut self) -> bool {
        Counts::bump(&mut self.counts.rx_ping);
        self.pings = self.pings.saturating_add(1);
        let frames = self.streams.saturating_add(self.data_frames_sent).saturating_add(self.data_frames_received);
        self.pings > frames.saturating_mul(FREE_PINGS_PER_FRAME).saturating_add(FREE_PINGS)
    }

    /// A PRIORITY or PRIORITY_UPDATE frame (row H2-12).
    pub(crate) fn priority(&mut self, limits: &Limits) -> Result<(), ErrorKind> {
        self.priorities = self.priorities.saturating_add(1);
        let allowed = self.streams.saturating_add(1).saturating_mul(u64::from(limits.priority_per_stream));
        if self.priorities > allowed { Err(ErrorKind::PriorityFlood) } else { Ok(()) }
    }

    /// A WINDOW_UPDATE frame (row H2-11).
    pub(crate) fn window_update(&mut self, limits: &Limits) -> Result<(), ErrorKind> {
        self.window_updates = self.window_updates.saturating_add(1);
        let per_frame = u64::from(limits.window_updates_per_data_frame);
        let earned = self.streams.saturating_add(self.data_frames_sent.saturating_mul(per_frame));
        let allowed = earned.saturating_mul(FREE_WINDOW_UPDATES_PER_FRAME).saturating_add(FREE_WINDOW_UPDATES);
        if self.window_updates > allowed { Err(ErrorKind::WindowUpdateFlood) } else { Ok(()) }
    }
}
