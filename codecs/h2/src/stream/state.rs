//! The states of RFC 9113 section 5.1 and their transitions. Idle streams have no state here: they are not in the table.

/// The state on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Open,
    HalfClosedRemote,
    HalfClosedLocal,
    Closed(Cause),
}

/// How a stream was closed, which decides what late frames mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// END_STREAM in both directions.
    EndStream,
    /// RST_STREAM or GOAWAY from the peer.
    PeerReset,
    /// Our RST_STREAM: the peer may not know yet.
    LocalReset,
}

impl State {
    /// Frames of a message may still come.
    pub(crate) fn can_recv(self) -> bool {
        matches!(self, State::Open | State::HalfClosedLocal)
    }

    /// Frames of a message may still be sent.
    pub(crate) fn can_send(self) -> bool {
        matches!(self, State::Open | State::HalfClosedRemote)
    }

    pub(crate) fn is_closed(self) -> bool {
        matches!(self, State::Closed(_))
    }

    /// END_STREAM came.
    pub(crate) fn after_recv_end(self) -> State {
        match self {
            State::Open => State::HalfClosedRemote,
            State::HalfClosedLocal => State::Closed(Cause::EndStream),
            State::HalfClosedRemote | State::Closed(_) => self,
        }
    }

    /// END_STREAM is sent.
    pub(crate) fn after_send_end(self) -> State {
        match self {
            State::Open => State::HalfClosedLocal,
            State::HalfClosedRemote => State::Closed(Cause::EndStream),
            State::HalfClosedLocal | State::Closed(_) => self,
        }
    }

    /// RST_STREAM goes or comes.
    pub(crate) fn after_reset(self, cause: Cause) -> State {
        if self.is_closed() { self } else { State::Closed(cause) }
    }
}

#[cfg(test)]
mod tests {
    use super::Cause::{EndStream, LocalReset, PeerReset};
    use super::State::{Closed, HalfClosedLocal, HalfClosedRemote, Open};

    #[test]
    fn the_diagram() {
        let table = [
            (Open, HalfClosedRemote, HalfClosedLocal, Closed(PeerReset)),
            (HalfClosedRemote, HalfClosedRemote, Closed(EndStream), Closed(PeerReset)),
            (HalfClosedLocal, Closed(EndStream), HalfClosedLocal, Closed(PeerReset)),
            (Closed(EndStream), Closed(EndStream), Closed(EndStream), Closed(EndStream)),
            (Closed(LocalReset), Closed(LocalReset), Closed(LocalReset), Closed(LocalReset)),
        ];
        for (state, recv_end, send_end, reset) in table {
            assert_eq!(state.after_recv_end(), recv_end, "{state:?}");
            assert_eq!(state.after_send_end(), send_end, "{state:?}");
            assert_eq!(state.after_reset(PeerReset), reset, "{state:?}");
        }
    }
}
