//! `redis`: `PING` is answered `+PONG`; or `EXISTS key` is answered `:0`, for a host that has this key is in maintenance.

use bytes::{Bytes, BytesMut};

use super::{Outcome, Refusal, tcp};
use crate::config::RedisProbe;
use crate::runtime::Transport;
use crate::upstream::control::{ControlError, read};

/// Longest line that is an answer, in bytes.
const MOST: usize = 1024;

pub(super) struct Command {
    /// As RESP writes it.
    bytes: Bytes,
    expected: &'static [u8],
}

impl Command {
    pub(super) fn new(probe: &RedisProbe) -> Command {
        match &probe.key {
            None => Command { bytes: Bytes::from_static(b"*1\r\n$4\r\nPING\r\n"), expected: b"+PONG" },
            Some(key) => {
                let bytes = format!("*2\r\n$6\r\nEXISTS\r\n${}\r\n{key}\r\n", key.len());
                Command { bytes: bytes.into(), expected: b":0" }
            }
        }
    }

    pub(super) async fn run(&self, io: &mut dyn Transport) -> Result<Result<Outcome, ControlError>, Refusal> {
        match self.answer(io).await {
            Err(error) => Ok(Err(error)),
            Ok(line) if *line == *self.expected => Ok(Ok(Outcome::Healthy { degraded: false })),
            Ok(line) if *self.expected == *b":0" && line.starts_with(b":") => {
                Err(Refusal::active("it has the key of the check"))
            }
            Ok(line) => Err(Refusal::active(format!("it answers {}", super::quoted(&line)))),
        }
    }

    /// The line of the answer, without its end.
    async fn answer(&self, io: &mut dyn Transport) -> Result<Vec<u8>, ControlError> {
        tcp::send(io, &self.bytes).await?;
        let mut input = BytesMut::new();
        loop {
            if let Some(end) = input.windows(2).position(|pair| pair == b"\r\n") {
                return match input.len() == end + 2 {
                    true => Ok(input[..end].to_vec()),
                    false => Err(ControlError::Protocol(format!("more than one answer: {}", super::quoted(&input)))),
                };
            }
            if input.len() > MOST {
                return Err(ControlError::Protocol(format!("no answer is as long as {}", super::quoted(&input))));
            }
            if read(io, &mut input).await? == 0 {
                return Err(tcp::ended(&input));
            }
        }
    }
}
