//! Datagrams from clients to hosts, and back: read a batch, find where each belongs, send it on.

use std::io::ErrorKind;

use super::buffers::Buffers;
use super::listener::{LISTENER, Listener};
use super::open::Refusal;
use crate::runtime::net::udp::{Path, Received};

/// ICMP errors that one look at a socket puts up with: an error that would not go away brings no endless loop.
const ERRORS: usize = 4;

impl Listener {
    /// Forwards one batch of what clients have sent. How many datagrams that were; more may wait if it is queued again.
    pub(super) fn forward_up(&mut self, buffers: &mut Buffers) -> usize {
        buffers.clear();
        match buffers.inbox.recv_batch(&self.socket) {
            Ok((_, more)) => {
                if more {
                    self.queue_listener();
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return 0,
            Err(_) => {
                self.view.stats.downstream_sess_rx_errors.inc();
                return 1;
            }
        }
        let count = self.sort(buffers);
        self.send_up(buffers);
        count
    }

    /// Finds the session of each datagram in the inbox.
    fn sort(&mut self, buffers: &mut Buffers) -> usize {
        let Buffers { inbox, pieces, .. } = buffers;
        let mut count = 0;
        // Most datagrams come from where the one before came from.
        let mut last: Option<(Path, Result<u32, Refusal>)> = None;
        for (slot, &Received { peer, local, .. }) in inbox.received().iter().enumerate() {
            let Some(peer) = peer else {
                self.view.stats.downstream_sess_rx_errors.inc();
                count += 1;
                continue;
            };
            let path = Path { peer, local };
            for range in inbox.received()[slot].datagrams() {
                count += 1;
                let known = last.filter(|(of, _)| *of == path && !self.view.udp.per_packet);
                let session = match known {
                    Some((_, Ok(session))) => Ok(session),
                    _ => self.session_for(path),
                };
                last = Some((path, session));
                match session {
                    Ok(session) => {
                        let Some(chain) = self.table.get_mut(session).map(|session| &mut session.chain) else {
                            continue;
                        };
                        let known = pieces.is_chain_of(*chain, session).then_some(*chain);
                        *chain = pieces.add(session, known, slot, range);
                    }
                    Err(refusal) => self.refused(path, refusal),
                }
            }
        }
        count
    }

    /// Sends each session's datagrams to its host.
    fn send_up(&mut self, buffers: &mut Buffers) {
        let Buffers { inbox, outbox, pieces } = buffers;
        let now = self.slot.worker.rt.now();
        let (mut datagrams, mut bytes) = (0, 0);
        for &chain in pieces.chains() {
            let Some(session) = self.table.get_mut(chain.session) else { continue };
            session.last = now;
            session.bytes_received += chain.bytes;
            datagrams += chain.datagrams;
            bytes += chain.bytes;
            let sent = outbox.send(&session.upstream, pieces.outgoing(inbox, chain, None));
            let stats = &session.cluster.udp_stats;
            stats.sess_tx_datagrams.add(sent.datagrams);
            stats.sess_tx_errors.add(sent.lost + sent.refused);
            session.cluster.stats.upstream_cx_tx_bytes_total.add(sent.bytes);
        }
        self.view.stats.downstream_sess_rx_datagrams.add(datagrams);
        self.view.stats.downstream_sess_rx_bytes.add(bytes);
    }

    /// Forwards what hosts have sent to sessions whose sockets come next on the list, as much as one batch holds. How many
    /// datagrams that were; each session counts as one at least.
    pub(super) fn forward_down(&mut self, buffers: &mut Buffers) -> usize {
        buffers.clear();
        let mut count = 0;
        while !buffers.inbox.is_full()
            && let Some(&index) = self.ready.front()
            && index != LISTENER
        {
            self.ready.pop_front();
            count += self.recv_from_host(index, buffers).max(1);
        }
        let Buffers { inbox, outbox, pieces } = buffers;
        let outgoing = pieces.chains().iter().filter_map(|&chain| {
            let path = self.table.get(chain.session)?.key.path;
            Some(pieces.outgoing(inbox, chain, Some(path)))
        });
        let sent = outbox.send(&self.socket, outgoing.flatten());
        let stats = &self.view.stats;
        stats.downstream_sess_tx_datagrams.add(sent.datagrams);
        stats.downstream_sess_tx_bytes.add(sent.bytes);
        stats.downstream_sess_tx_errors.add(sent.lost + sent.refused);
        count
    }

    /// Reads one session's socket into the free slots of the inbox.
    fn recv_from_host(&mut self, index: u32, buffers: &mut Buffers) -> usize {
        let Buffers { inbox, pieces, .. } = buffers;
        let Some(session) = self.table.get_mut(index) else { return 0 };
        session.queued = false;
        session.note_visit(self.turn);
        let first = inbox.received().len();
        for _ in 0..ERRORS {
            let result = match session.is_busy {
                true => inbox.recv_batch(&session.upstream).map(|_| ()),
                false => inbox.recv_one(&session.upstream),
            };
            match result {
                Ok(()) => break,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => session.cluster.udp_stats.sess_rx_errors.inc(),
            }
        }
        let (mut count, mut bytes, mut place) = (0, 0, None);
        for (slot, received) in inbox.received().iter().enumerate().skip(first) {
            for range in received.datagrams() {
                count += 1;
                place = Some(pieces.add(index, place, slot, range));
            }
            bytes += received.len as u64;
        }
        if count > 0 {
            session.last = self.slot.worker.rt.now();
            session.bytes_sent += bytes;
            session.cluster.udp_stats.sess_rx_datagrams.add(count as u64);
            session.cluster.stats.upstream_cx_rx_bytes_total.add(bytes);
        }
        count
    }
}
