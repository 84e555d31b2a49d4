//! `tcp`: a connection, and what is said on it.

use bytes::{Bytes, BytesMut};
use nuncio_http::Output;

use super::Outcome;
use super::http::holds;
use crate::config::{Payload, TcpProbe};
use crate::runtime::Transport;
use crate::upstream::control::{ControlError, read, write};

/// Most bytes that are looked at.
const MOST: usize = 16 * 1024;

pub(super) struct Exchange {
    send: Bytes,
    receive: Vec<Payload>,
}

impl Exchange {
    pub(super) fn new(probe: &TcpProbe) -> Exchange {
        let send = probe.send.as_ref().map(|payload| Bytes::copy_from_slice(&payload.0)).unwrap_or_default();
        Exchange { send, receive: probe.receive.clone() }
    }

    /// Nothing is said.
    pub(super) fn only_connects(&self) -> bool {
        self.receive.is_empty()
    }

    pub(super) async fn run(&self, io: &mut dyn Transport) -> Result<Outcome, ControlError> {
        send(io, &self.send).await?;
        let mut input = BytesMut::new();
        while !holds(&input, &self.receive) {
            if input.len() >= MOST {
                return Err(ControlError::Protocol(format!("{MOST} bytes came, and not what should")));
            }
            if read(io, &mut input).await? == 0 {
                return Err(ended(&input));
            }
        }
        Ok(Outcome::Healthy { degraded: false })
    }
}

/// Writes all of it.
pub(super) async fn send(io: &mut dyn Transport, bytes: &Bytes) -> Result<(), ControlError> {
    let mut out = Output::new();
    out.push(bytes.clone());
    write(io, &mut out).await
}

/// The host closed the connection. Before its first byte that says nothing of a connection that has stood for long.
pub(super) fn ended(input: &[u8]) -> ControlError {
    if input.is_empty() {
        ControlError::Stale
    } else {
        ControlError::Protocol(format!("ended after {}", super::quoted(input)))
    }
}
