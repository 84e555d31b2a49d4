//! Receiving a body, however its end is marked (RFC 9112 section 6.3).

use bytes::BytesMut;
use nuncio_http::{BodyAccountant, BodyLength};

use crate::chunked::{Chunked, Part};
use crate::error::Error;
use crate::head::Kind;
use crate::limits::Limits;
use crate::recv::Recv;

/// The body being received.
#[derive(Debug)]
pub(crate) struct Body {
    accountant: BodyAccountant,
    end: End,
}

#[derive(Debug)]
enum End {
    /// At the declared length.
    Length,
    Chunked(Chunked),
    /// At the end of the connection: responses only.
    Close,
}

impl Body {
    pub(crate) fn exact(length: u64) -> Body {
        Body { accountant: BodyAccountant::new(BodyLength::Exact(length)), end: End::Length }
    }

    pub(crate) fn chunked() -> Body {
        Body { accountant: BodyAccountant::new(BodyLength::Unknown), end: End::Chunked(Chunked::new()) }
    }

    pub(crate) fn until_close() -> Body {
        Body { accountant: BodyAccountant::new(BodyLength::Unknown), end: End::Close }
    }

    pub(crate) fn seen(&self) -> u64 {
        self.accountant.seen()
    }

    /// Bytes to come, where the length is declared.
    pub(crate) fn remaining(&self) -> Option<u64> {
        self.accountant.remaining()
    }

    /// The next part out of the front of `buf`. The message is complete once a part [`ends_message`].
    pub(crate) fn recv<H>(&mut self, buf: &mut BytesMut, kind: Kind, limits: &Limits) -> Result<Recv<H>, Error> {
        let part = match &mut self.end {
            End::Chunked(chunked) => match chunked.recv(buf, kind, limits)? {
                Part::NeedMore => Recv::NeedMore,
                Part::Data { chunk, end } => Recv::Data { chunk, end },
                Part::Trailers(trailers) => Recv::Trailers(trailers),
                Part::End => Recv::End,
            },
            End::Length | End::Close if buf.is_empty() => Recv::NeedMore,
            End::Length | End::Close => {
                let left = self.accountant.remaining().unwrap_or(u64::MAX);
                let count = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
                Recv::Data { chunk: buf.split_to(count).freeze(), end: count as u64 == left }
            }
        };
        if let Recv::Data { chunk, .. } = &part {
            // Never fails here: no more than the rest was taken. It is counted where every body is counted.
            self.accountant.on_data(chunk.len()).map_err(|_| Error::TruncatedBody)?;
        }
        if ends_message(&part) {
            self.accountant.on_end().map_err(|_| Error::TruncatedBody)?;
        }
        Ok(part)
    }

    /// The connection ended. That ends a message only if nothing else can (RFC 9112 section 8).
    pub(crate) fn recv_eof(&self) -> Result<(), Error> {
        if matches!(self.end, End::Close) { Ok(()) } else { Err(Error::TruncatedBody) }
    }
}

/// This part is the last one of its message.
pub(crate) fn ends_message<H>(part: &Recv<H>) -> bool {
    matches!(part, Recv::End | Recv::Trailers(_) | Recv::Data { end: true, .. } | Recv::Head { end: true, .. })
}
