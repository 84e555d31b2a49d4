//! Frames of the connection, and those of a stream that carry no message.

use super::Connection;
use crate::error::{Error, ErrorKind, Fault, Reason, StreamFault};
use crate::event::{Recv, Reset, Side, StreamRef};
use crate::flow::{INITIAL_WINDOW, MAX_WINDOW};
use crate::frame::goaway::Goaway;
use crate::frame::ping::Ping;
use crate::frame::priority_update::PriorityUpdate;
use crate::frame::settings::{Entries, Settings};
use crate::frame::{Header, priority, window_update};
use crate::ledger::Counts;
use crate::schedule::Priority;
use crate::settings::HEADER_TABLE_SIZE;
use crate::stream::SendPhase;
use crate::stream::state::Cause;
use crate::streams::Gone;

impl Connection {
    /// RFC 9113 section 6.5.
    pub(super) fn on_settings(&mut self, settings: Settings<'_>) -> Result<Option<Recv>, Fault> {
        let Settings::Entries(entries) = settings else {
            if std::mem::replace(&mut self.settings_acked, true) {
                self.glitch()?;
            } else {
                self.shrink_windows();
            }
            return Ok(None);
        };
        if entries.len() > self.limits.settings_entries as usize {
            return Err(ErrorKind::SettingsEntries.into());
        }
        if self.ledger.settings_are_odd() {
            self.glitch()?;
        }
        self.opened = None;
        self.apply_settings(entries)?;
        self.outbound.put_settings_ack();
        Ok(Some(Recv::Settings))
    }

    fn apply_settings(&mut self, entries: Entries<'_>) -> Result<(), Error> {
        let peer = self.peer.changed(entries, self.side)?;
        // One by one: the smallest on the way must be said as well (RFC 7541 section 4.2).
        for (_, size) in entries.iter().filter(|(setting, _)| *setting == HEADER_TABLE_SIZE) {
            self.encoder.set_peer_table_size(size);
        }
        let delta = i64::from(peer.initial_window) - i64::from(self.peer.initial_window);
        self.peer = peer;
        if delta == 0 {
            return Ok(());
        }
        // RFC 9113 section 6.9.2.
        for stream in self.streams.iter().collect::<Vec<_>>() {
            let Some(entry) = self.streams.get_mut(stream).filter(|entry| entry.state.can_send()) else { continue };
            entry
                .send
                .window
                .shift(delta)
                .map_err(|_| Error::rule(Reason::FLOW_CONTROL_ERROR, "SETTINGS overflows a window"))?;
            self.reschedule(stream);
        }
        Ok(())
    }

    /// The peer goes by our SETTINGS_INITIAL_WINDOW_SIZE from now on.
    fn shrink_windows(&mut self) {
        let ours = self.limits.initial_stream_window.min(MAX_WINDOW);
        let by = INITIAL_WINDOW.saturating_sub(ours);
        if by == 0 {
            return;
        }
        for stream in self.streams.iter().collect::<Vec<_>>() {
            if let Some(entry) = self.streams.get_mut(stream) {
                entry.recv.window.shrink(by);
            }
        }
    }

    /// RFC 9113 section 6.7.
    pub(super) fn on_ping(&mut self, ping: Ping) -> Result<Option<Recv>, Fault> {
        if ping.ack {
            if !self.on_shutdown_ack(ping.payload) {
                self.glitch()?;
            }
            return Ok(None);
        }
        if self.ledger.ping_is_odd() {
            self.glitch()?;
        }
        self.outbound.put_ping_ack(ping.payload);
        Ok(None)
    }

    /// RFC 9113 section 6.8. The streams that it ends come first.
    pub(super) fn on_goaway(&mut self, goaway: Goaway) -> Result<Option<Recv>, Fault> {
        let last = self.goaway_received.map_or(goaway.last, |before| before.min(goaway.last));
        if self.goaway_received.is_some_and(|before| goaway.last >= before) {
            self.glitch()?;
        }
        self.goaway_received = Some(last);
        self.goaway_pending = Some(Goaway { last, reason: goaway.reason });
        Ok(self.pending_goaway())
    }

    /// The next event that a GOAWAY brings. Streams that the peer opened are none of its business.
    pub(super) fn pending_goaway(&mut self) -> Option<Recv> {
        let Goaway { last, reason } = self.goaway_pending?;
        let unprocessed = |stream: &StreamRef| {
            let open = self.streams.get(*stream).is_some_and(|entry| !entry.state.is_closed());
            stream.id > last && open
        };
        let next = if self.side == Side::Client { self.streams.iter().find(unprocessed) } else { None };
        let Some(stream) = next else {
            self.goaway_pending = None;
            return Some(Recv::Goaway { reason });
        };
        self.close_stream(stream, Cause::PeerReset);
        let reset = Reset { reason, by_peer: true, unprocessed: true, detail: "http2.goaway" };
        Some(Connection::reset_event(stream, reset))
    }

    /// RFC 9113 section 6.9.
    pub(super) fn on_window_update(&mut self, header: Header, payload: &[u8]) -> Result<Option<Recv>, Fault> {
        self.ledger.window_update(&self.limits)?;
        if header.stream != 0 && self.is_idle(header.stream) {
            return Err(Error::protocol("WINDOW_UPDATE on an idle stream").into());
        }
        let increment = window_update::parse(header, payload)?;
        if header.stream == 0 {
            let before = self.connection_room();
            self.send_window.widen(increment).map_err(|_| {
                Error::rule(Reason::FLOW_CONTROL_ERROR, "WINDOW_UPDATE overflows the connection's window")
            })?;
            return Ok((before == 0 && self.connection_room() > 0).then_some(Recv::Settings));
        }
        // On a stream that is gone it was on its way.
        let Some(stream) = self.streams.find(header.stream) else { return Ok(None) };
        let before = self.window(stream);
        let Some(entry) = self.streams.get_mut(stream).filter(|entry| entry.state.can_send()) else {
            return Ok(None);
        };
        let fault = StreamFault::new(header.stream, Reason::FLOW_CONTROL_ERROR, "http2.window_overflow");
        entry.send.window.widen(increment).map_err(|_| fault)?;
        self.reschedule(stream);
        Ok((before == 0 && self.window(stream) > 0).then_some(Recv::Settings))
    }

    /// RFC 9113 section 6.4.
    pub(super) fn on_rst_stream(&mut self, id: u32, reason: Reason) -> Result<Option<Recv>, Fault> {
        if self.is_idle(id) {
            return Err(Error::protocol("RST_STREAM on an idle stream").into());
        }
        let Some(stream) = self.streams.find(id) else {
            // It was on its way, or this is a game.
            if !matches!(self.gone(id), Gone::Closed(Cause::EndStream | Cause::LocalReset)) {
                self.glitch()?;
            }
            return Ok(None);
        };
        let Some(entry) = self.streams.get(stream).filter(|entry| !entry.state.is_closed()) else { return Ok(None) };
        let before_response = entry.send.phase == SendPhase::Head;
        Counts::bump(&mut self.ledger.counts.rx_reset);
        if self.side == Side::Server {
            // As a client we have opened the stream ourselves.
            self.ledger.reset(before_response, &self.limits, self.now)?;
        }
        self.close_stream(stream, Cause::PeerReset);
        let unprocessed = self.side == Side::Client && reason == Reason::REFUSED_STREAM;
        let reset = Reset { reason, by_peer: true, unprocessed, detail: "http2.remote_reset" };
        Ok(Some(Connection::reset_event(stream, reset)))
    }

    /// RFC 9113 section 6.3: checked and dropped, in any state.
    pub(super) fn on_priority(&mut self, header: Header, payload: &[u8]) -> Result<Option<Recv>, Fault> {
        self.ledger.priority(&self.limits)?;
        priority::parse(header, payload)?;
        Ok(None)
    }

    /// RFC 9218 section 7.1.
    pub(super) fn on_priority_update(&mut self, update: PriorityUpdate<'_>) -> Result<Option<Recv>, Fault> {
        if self.side == Side::Client {
            return Err(Error::protocol("PRIORITY_UPDATE from a server").into());
        }
        self.ledger.priority(&self.limits)?;
        let priority = Priority::parse(update.value);
        match self.streams.find(update.stream) {
            Some(stream) => self.set_priority(stream, priority),
            None if self.is_idle(update.stream) => self.early_priority = Some((update.stream, priority)),
            None => {}
        }
        Ok(None)
    }
}
