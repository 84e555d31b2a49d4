//! What of a request is kept to send it again, within limits for the stream and for its connection. When they do not
//! suffice, or nothing can make it necessary any more, nothing is kept.

use std::rc::Rc;

use bytes::Bytes;
use nuncio_http::{HeaderList, Version};

use super::info::ConnectionInfo;
use crate::filter::{Chunk, Part};

/// The same for all streams of one downstream connection together.
const REPLAY_BUDGET: usize = 256 * 1024;
/// A copy takes at most this much room ahead of its bytes.
const AHEAD: usize = 4 * 1024;

/// The parts of the request that went to the upstream so far; `None`: too much, or it cannot be needed any more.
pub(super) struct Replay(Option<Kept>);

struct Kept {
    body: Body,
    /// What stands behind the body, if it has come.
    end: Option<End>,
    bytes: usize,
    most: usize,
    /// Counts them.
    connection: Rc<ConnectionInfo>,
}

/// The bytes of the body.
enum Body {
    /// HTTP/1: the client's own read buffer holds them, and nobody else's. They are shared with what was sent.
    Shared(Chunk),
    /// HTTP/2 and later: one byte would hold a read buffer that a whole connection fills, so all of them are copied (row H2-9).
    Copied(Vec<u8>),
}

enum End {
    Data,
    Trailers(HeaderList),
}

impl Replay {
    /// For a request that came on `connection` by this version; at most `most` bytes of its body.
    pub(super) fn new(connection: &Rc<ConnectionInfo>, version: Version, most: usize) -> Replay {
        let body = match version {
            Version::Http10 | Version::Http11 => Body::Shared(Chunk::default()),
            Version::Http2 | Version::Http3 => Body::Copied(Vec::new()),
        };
        Replay(Some(Kept { body, end: None, bytes: 0, most, connection: connection.clone() }))
    }

    /// A part is sent. `useful`: it may have to be sent again.
    pub(super) fn keep(&mut self, part: &Part, useful: bool) {
        if let Some(kept) = &mut self.0
            && (!useful || !kept.add(part))
        {
            self.0 = None;
        }
    }

    /// Everything that was sent, to be sent again; `None`: it is not there.
    pub(super) fn parts(&self) -> Option<impl Iterator<Item = Part>> {
        let kept = self.0.as_ref()?;
        let ended = matches!(kept.end, Some(End::Data));
        let data = (kept.bytes > 0 || ended).then(|| Part::Data { chunk: kept.body.chunk(), end: ended });
        let trailers = match &kept.end {
            Some(End::Trailers(trailers)) => Some(Part::Trailers(trailers.clone())),
            _ => None,
        };
        Some(data.into_iter().chain(trailers))
    }

    /// It is not needed any more.
    pub(super) fn give_up(&mut self) {
        self.0 = None;
    }

    pub(super) fn is_kept(&self) -> bool {
        self.0.is_some()
    }
}

impl Kept {
    /// False: it is too much.
    fn add(&mut self, part: &Part) -> bool {
        let (chunk, end) = match part {
            Part::Trailers(trailers) => {
                self.end = Some(End::Trailers(trailers.clone()));
                return true;
            }
            Part::Data { chunk, end } => (chunk, *end),
        };
        let len = chunk.len();
        let all = self.connection.replay.get() + len;
        if self.bytes + len > self.most || all > REPLAY_BUDGET {
            return false;
        }
        self.bytes += len;
        self.connection.replay.set(all);
        self.body.append(chunk);
        if end {
            self.end = Some(End::Data);
        }
        true
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.connection.replay.set(self.connection.replay.get() - self.bytes);
    }
}

impl Body {
    fn append(&mut self, chunk: &Chunk) {
        match self {
            Body::Shared(body) => body.append(chunk.clone()),
            Body::Copied(body) => {
                let len = chunk.len();
                if body.capacity() - body.len() < len {
                    // A hundred streams of crumbs: none of them takes much ahead.
                    body.reserve_exact(len.max(body.len().min(AHEAD)));
                }
                chunk.pieces().for_each(|piece| body.extend_from_slice(piece));
            }
        }
    }

    fn chunk(&self) -> Chunk {
        match self {
            Body::Shared(body) => body.clone(),
            Body::Copied(body) => Chunk::from(Bytes::copy_from_slice(body)),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;

    const REPLAY_LIMIT: usize = 64 * 1024;

    fn connection() -> Rc<ConnectionInfo> {
        Rc::new(ConnectionInfo::between("192.0.2.1:80", "192.0.2.1:80"))
    }

    fn data(bytes: &Bytes, end: bool) -> Part {
        Part::Data { chunk: Chunk::from(bytes.clone()), end }
    }

    /// The body, whether it has ended, and trailers.
    fn again(replay: &Replay) -> Option<(Vec<u8>, bool, usize)> {
        let mut all = (Vec::new(), false, 0);
        for part in replay.parts()? {
            assert!(!all.1, "nothing stands behind the end");
            all.1 = part.is_end();
            match part {
                Part::Data { chunk, .. } => chunk.pieces().for_each(|piece| all.0.extend_from_slice(piece)),
                Part::Trailers(trailers) => all.2 = trailers.len(),
            }
        }
        Some(all)
    }

    const BOTH: [Version; 2] = [Version::Http11, Version::Http2];

    #[test]
    fn what_was_sent_is_sent_again() {
        for version in BOTH {
            let connection = connection();
            let mut replay = Replay::new(&connection, version, REPLAY_LIMIT);
            assert_eq!(again(&replay), Some((Vec::new(), false, 0)), "{version:?}");
            replay.keep(&data(&Bytes::from_static(b"abc"), false), true);
            replay.keep(&data(&Bytes::from_static(b"de"), false), true);
            assert_eq!(again(&replay), Some((b"abcde".to_vec(), false, 0)), "{version:?}");
            assert_eq!(connection.replay.get(), 5);
            let mut trailers = HeaderList::new();
            trailers.push(nuncio_http::HeaderId::GrpcStatus, b"0");
            replay.keep(&Part::Trailers(trailers), true);
            assert_eq!(again(&replay), Some((b"abcde".to_vec(), true, 1)), "{version:?}");
            drop(replay);
            assert_eq!(connection.replay.get(), 0);

            let mut empty = Replay::new(&connection, version, REPLAY_LIMIT);
            empty.keep(&data(&Bytes::new(), true), true);
            assert_eq!(again(&empty), Some((Vec::new(), true, 0)), "{version:?}");
        }
    }

    #[test]
    fn only_an_http1_request_holds_the_buffer_it_was_read_into() {
        for version in BOTH {
            let mut replay = Replay::new(&connection(), version, REPLAY_LIMIT);
            let mut buffer = BytesMut::with_capacity(16 * 1024);
            buffer.extend_from_slice(b"x");
            let byte = buffer.split().freeze();
            replay.keep(&data(&byte, false), true);
            drop(byte);
            assert_eq!(buffer.try_reclaim(16 * 1024), version == Version::Http2, "{version:?}");
        }
    }

    #[test]
    fn copies_of_crumbs_take_little_room() {
        let mut replay = Replay::new(&connection(), Version::Http2, REPLAY_LIMIT);
        for count in 1..=REPLAY_LIMIT {
            replay.keep(&data(&Bytes::from_static(b"x"), false), true);
            let Some(Kept { body: Body::Copied(body), .. }) = &replay.0 else { panic!("no copy of {count}") };
            assert!(body.capacity() <= (2 * count).min(count + AHEAD), "{} for {count}", body.capacity());
        }
    }

    #[test]
    fn too_much_is_not_kept() {
        for version in BOTH {
            let connection = connection();
            let half = Bytes::from(vec![0; REPLAY_LIMIT / 2]);
            let full = || {
                let mut replay = Replay::new(&connection, version, REPLAY_LIMIT);
                replay.keep(&data(&half, false), true);
                replay.keep(&data(&half, false), true);
                replay
            };
            let mut one = full();
            assert!(one.is_kept());
            one.keep(&data(&Bytes::from_static(b"x"), false), true);
            assert!(!one.is_kept(), "{version:?}: beyond the limit of a stream");
            assert_eq!(again(&one), None);
            assert_eq!(connection.replay.get(), 0);

            let many: Vec<Replay> = (0..REPLAY_BUDGET / REPLAY_LIMIT).map(|_| full()).collect();
            assert!(many.iter().all(Replay::is_kept));
            let mut other = Replay::new(&connection, version, REPLAY_LIMIT);
            other.keep(&data(&Bytes::from_static(b"x"), false), true);
            assert!(!other.is_kept(), "{version:?}: beyond the budget of a connection");
            drop(many);
            assert_eq!(connection.replay.get(), 0);

            let mut useless = full();
            useless.keep(&data(&half, false), false);
            assert!(!useless.is_kept(), "{version:?}: nothing can make it necessary");
        }
    }
}
