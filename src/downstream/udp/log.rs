//! The access log's line of a session that has ended, and of datagrams that got none.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::listener::Listener;
use super::open::Refusal;
use super::session::Session;
use crate::error::ResponseFlags;
use crate::runtime::net::Addr;
use crate::runtime::net::udp::Path;
use crate::stream::StreamInfo;
use crate::stream::info::ConnectionInfo;

/// Between two lines about datagrams refused for the same reason: whoever floods a port fills no disk.
const PAUSE: Duration = Duration::from_secs(1);

/// When each reason was logged last.
#[derive(Default)]
pub(super) struct Refusals(Vec<(Refusal, Instant)>);

impl Refusals {
    /// Whether this reason may be logged now; notes that it is.
    pub(super) fn is_due(&mut self, refusal: Refusal, now: Instant) -> bool {
        match self.0.iter_mut().find(|(of, _)| *of == refusal) {
            Some((_, last)) if now.saturating_duration_since(*last) < PAUSE => return false,
            Some((_, last)) => *last = now,
            None => self.0.push((refusal, now)),
        }
        true
    }
}

impl Listener {
    pub(super) fn log_end(&self, session: &Session, flags: ResponseFlags) {
        if self.view.access_logs.is_empty() {
            return;
        }
        let mut info = self.info(session.key.path, session.started, flags);
        info.route = Some(session.route.clone()).filter(|name| !name.is_empty());
        info.cluster = Some(session.cluster.name.clone());
        info.host = Some(session.host().clone());
        info.upstream_local = Some(session.upstream.local_addr());
        info.upstream_remote = session.host().reached(&session.upstream.peer_addr());
        info.attempts = 1;
        info.bytes_received = session.bytes_received;
        info.bytes_sent = session.bytes_sent;
        self.view.access_logs.iter().for_each(|log| log.log(&info));
    }

    pub(super) fn log_refusal(&self, path: Path, refusal: Refusal) {
        let info = self.info(path, self.slot.worker.rt.now(), refusal.flag());
        self.view.access_logs.iter().for_each(|log| log.log(&info));
    }

    fn info(&self, path: Path, start: Instant, flags: ResponseFlags) -> StreamInfo {
        let rt = &self.slot.worker.rt;
        let bound = self.socket.local_addr();
        let local = SocketAddr::new(path.local.unwrap_or(bound.ip()), bound.port());
        let id = self.slot.worker.next_connection_id();
        let (remote, local) = (Addr::Inet(path.peer), Addr::Inet(local));
        let connection = Rc::new(ConnectionInfo::of(id, remote, local, self.slot.name.clone()));
        let mut info = StreamInfo::bytes(connection, start, rt);
        info.times.end = Some(rt.now());
        info.flags = flags;
        info
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::control::now;

    #[test]
    fn one_line_a_second_for_each_reason() {
        let (start, mut refusals) = (now(), Refusals::default());
        let rows = [
            (0, Refusal::NoRoute, true),
            (0, Refusal::Sessions, true),
            (999, Refusal::NoRoute, false),
            (1000, Refusal::NoRoute, true),
            (1001, Refusal::NoRoute, false),
            (1001, Refusal::Sessions, true),
        ];
        for (at, refusal, due) in rows {
            assert_eq!(refusals.is_due(refusal, start + Duration::from_millis(at)), due, "{refusal:?} at {at}");
        }
    }
}
