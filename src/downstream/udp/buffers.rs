//! What datagrams are received in and sent from, once a worker; and which of them go where, as chains.

use std::ops::Range;

use crate::runtime::net::udp::{Inbox, Outbox, Outgoing, Path};

/// Taken by one listener's task for as long as it forwards what one read brought.
pub struct Buffers {
    pub(super) inbox: Inbox,
    pub(super) outbox: Outbox,
    pub(super) pieces: Pieces,
}

/// The datagrams of the inbox that are to be sent on: a list for each session, and the sessions in the order in which they
/// came up.
#[derive(Default)]
pub(super) struct Pieces {
    pieces: Vec<Piece>,
    chains: Vec<Chain>,
}

/// One datagram: a range of a slot's bytes.
struct Piece {
    slot: usize,
    range: Range<usize>,
    /// The next one of the same chain.
    next: Option<u32>,
}

/// The datagrams of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) session: u32,
    first: u32,
    last: u32,
    pub(super) datagrams: u64,
    pub(super) bytes: u64,
}

impl Buffers {
    #[expect(clippy::new_without_default, reason = "there is one a worker: nothing to make in passing")]
    pub fn new() -> Buffers {
        Buffers { inbox: Inbox::new(), outbox: Outbox::new(), pieces: Pieces::default() }
    }

    pub(super) fn clear(&mut self) {
        self.inbox.clear();
        self.pieces.pieces.clear();
        self.pieces.chains.clear();
    }
}

impl Pieces {
    /// Adds a datagram to a session's chain, which is at the place `chain`, if there is one. Gives its place.
    pub(super) fn add(&mut self, session: u32, chain: Option<u32>, slot: usize, range: Range<usize>) -> u32 {
        // An inbox holds far fewer than 2^32 datagrams.
        let at = self.pieces.len() as u32;
        let bytes = range.len() as u64;
        self.pieces.push(Piece { slot, range, next: None });
        match chain {
            Some(place) => {
                let chain = &mut self.chains[place as usize];
                self.pieces[chain.last as usize].next = Some(at);
                chain.last = at;
                chain.datagrams += 1;
                chain.bytes += bytes;
                place
            }
            None => {
                self.chains.push(Chain { session, first: at, last: at, datagrams: 1, bytes });
                self.chains.len() as u32 - 1
            }
        }
    }

    /// Whether the chain at this place is this session's: a session remembers its place from one batch to the next.
    pub(super) fn is_chain_of(&self, place: u32, session: u32) -> bool {
        self.chains.get(place as usize).is_some_and(|chain| chain.session == session)
    }

    pub(super) fn chains(&self) -> &[Chain] {
        &self.chains
    }

    /// The datagrams of a chain, in their order.
    pub(super) fn outgoing<'a>(
        &'a self,
        inbox: &'a Inbox,
        chain: Chain,
        path: Option<Path>,
    ) -> impl Iterator<Item = Outgoing<'a>> {
        let mut next = Some(chain.first);
        std::iter::from_fn(move || {
            let piece = &self.pieces[next? as usize];
            next = piece.next;
            Some(Outgoing { bytes: &inbox.bytes(piece.slot)[piece.range.clone()], path })
        })
    }
}
