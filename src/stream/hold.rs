//! A gRPC response that is held back until it is known how the call ended: its status stands in the trailers, and a retry
//! policy may want another answer.
//!
//! Only a short answer is worth it, and a stream of messages must not wait: what is held goes on as soon as a second message
//! begins, the limit of bytes is reached, or [`LONGEST`] has passed since the head.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use nuncio_http::{HeaderList, ResponseHead};

use crate::filter::Part;
use crate::grpc::Frames;

/// A call with one answer ends right behind it; one that does not is a stream.
const LONGEST: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct Held {
    head: ResponseHead,
    parts: VecDeque<Part>,
    bytes: usize,
    most: usize,
    frames: Frames,
    messages: u64,
    /// It goes on then, whatever it is.
    pub(super) until: Instant,
}

/// What a part makes of the response.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing yet.
    More,
    /// It is no short answer: it goes on.
    Stream,
    /// It has ended. What the trailers say is the last part.
    Ended,
}

impl Held {
    /// At most `most` bytes are kept.
    pub(super) fn new(head: ResponseHead, most: usize, now: Instant) -> Held {
        Held {
            head,
            parts: VecDeque::new(),
            bytes: 0,
            most,
            frames: Frames::default(),
            messages: 0,
            until: now + LONGEST,
        }
    }

    /// The trailers, if they are here.
    pub(super) fn trailers(&self) -> Option<&HeaderList> {
        match self.parts.back() {
            Some(Part::Trailers(trailers)) => Some(trailers),
            _ => None,
        }
    }

    pub(super) fn add(&mut self, part: Part) -> Known {
        let known = match &part {
            Part::Trailers(_) => Known::Ended,
            Part::Data { end: true, .. } => Known::Ended,
            Part::Data { chunk, .. } => {
                self.bytes += chunk.len();
                self.messages += chunk.pieces().map(|piece| self.frames.pass(piece)).sum::<u64>();
                if self.bytes > self.most || self.messages > 1 { Known::Stream } else { Known::More }
            }
        };
        self.parts.push_back(part);
        known
    }

    /// It goes on to the client.
    pub(super) fn release(self) -> (ResponseHead, VecDeque<Part>) {
        (self.head, self.parts)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use nuncio_http::HeaderId;

    use super::*;
    use crate::filter::Chunk;

    fn held(most: usize) -> Held {
        Held::new(ResponseHead::new(200, HeaderList::new()), most, crate::runtime::control::now())
    }

    fn data(bytes: &'static [u8], end: bool) -> Part {
        Part::Data { chunk: Chunk::from(Bytes::from_static(bytes)), end }
    }

    fn trailers(status: &[u8]) -> Part {
        let mut trailers = HeaderList::new();
        trailers.push(HeaderId::GrpcStatus, status);
        Part::Trailers(trailers)
    }

    const MESSAGE: &[u8] = b"\0\0\0\0\x02ab";

    #[test]
    fn one_message_is_held_until_its_trailers() {
        let mut held = held(100);
        assert_eq!(held.add(data(MESSAGE, false)), Known::More);
        assert_eq!(held.add(trailers(b"14")), Known::Ended);
        assert_eq!(held.trailers().and_then(|trailers| trailers.get(HeaderId::GrpcStatus)), Some(&b"14"[..]));
        assert_eq!(held.release().1.len(), 2);
    }

    #[test]
    fn a_stream_goes_on_with_its_second_message() {
        let mut held = held(100);
        assert_eq!(held.add(data(MESSAGE, false)), Known::More);
        assert_eq!(held.add(data(b"\0\0\0", false)), Known::More, "not a message yet");
        assert_eq!(held.add(data(b"\0\0", false)), Known::Stream);
    }

    #[test]
    fn a_long_answer_goes_on() {
        let mut held = held(MESSAGE.len() - 1);
        assert_eq!(held.add(data(MESSAGE, false)), Known::Stream);
    }
}
