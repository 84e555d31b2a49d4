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
            if let Some(line) = line(&input)? {
                return Ok(line.to_vec());
            }
            if read(io, &mut input).await? == 0 {
                return Err(tcp::ended(&input));
            }
        }
    }
}

/// The line of an answer, without its end. `None`: there is more of it to come.
fn line(input: &[u8]) -> Result<Option<&[u8]>, ControlError> {
    let end = input.windows(2).position(|pair| pair == b"\r\n");
    match end {
        // Half of an end may be there.
        _ if end.unwrap_or(input.len().saturating_sub(1)) > MOST => {
            Err(ControlError::Protocol(format!("no answer is as long as {}", super::quoted(input))))
        }
        Some(end) if input.len() > end + 2 => {
            Err(ControlError::Protocol(format!("more than one answer: {}", super::quoted(input))))
        }
        Some(end) => Ok(input.get(..end)),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation;

    #[test]
    fn an_answer_is_the_same_in_pieces() {
        let long = [&b"+"[..], &[b'x'; MOST - 1], b"\r\n"].concat();
        let samples: [&[u8]; 4] = [b"+PONG\r\n", b":0\r\n", b"-ERR no\r\n", &long];
        assert!(samples.iter().all(|sample| line(sample).is_ok_and(|line| line.is_some())));
        mutation::check(&samples, &[b"\r", b"\n", b"\r\n", b"\r\n+PONG\r\n"], |input| {
            let pieces = || (0..input.len()).map(|end| line(&input[..end]));
            match line(input) {
                // Only a whole line is one.
                Ok(Some(line)) => assert!(line.len() + 2 == input.len() && pieces().all(|it| matches!(it, Ok(None)))),
                Ok(None) => assert!(input.len() <= MOST + 1 && pieces().all(|it| matches!(it, Ok(None)))),
                Err(_) => assert!(input.len() > MOST + 1 || input.windows(2).any(|pair| pair == b"\r\n")),
            }
        });
    }
}
