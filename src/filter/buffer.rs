//! `buffer`: a request is forwarded once it is here whole, so that a slow client holds no upstream connection. One that
//! is too large is answered 413: at once where its length is declared.
//!
//! Not for upgrades and CONNECT: their heads announce no body, and what follows passes as it comes.

use bytes::{Bytes, BytesMut};
use nuncio_http::{BodyLength, HeaderList, RequestHead};

use super::per_worker::{PerWorker, Shared};
use super::{Build, Chunk, Dir, Filter, FilterFactory, Flow, LocalReply, StreamCx};
use crate::config;
use crate::stats::{BufferStats, Handle};

/// Pieces below this many bytes are copied together: a body sent byte by byte would else cost thirty times its size.
const SMALL: usize = 1024;

/// `buffer`.
pub(super) struct BufferFactory(PerWorker<Settings>);

struct Settings {
    max_request_bytes: u64,
    stats: Handle<BufferStats>,
}

struct Buffer {
    settings: Shared<Settings>,
    /// The head is held.
    gathers: bool,
    /// Bytes so far.
    size: u64,
    kept: Chunk,
    /// Small pieces that belong behind `kept`.
    tail: BytesMut,
}

impl BufferFactory {
    pub(super) fn new(config: &config::Buffer, cx: &mut Build<'_>) -> BufferFactory {
        let stats = cx.scope::<BufferStats>();
        let max_request_bytes = config.max_request_bytes;
        BufferFactory(PerWorker::new(cx.workers, |index| Settings { max_request_bytes, stats: stats.worker(index) }))
    }
}

impl FilterFactory for BufferFactory {
    fn new_filter(&self, cx: &StreamCx<'_>) -> Option<Box<dyn Filter>> {
        let settings = self.0.of(cx.rt)?;
        let filter = Buffer { settings, gathers: false, size: 0, kept: Chunk::default(), tail: BytesMut::new() };
        Some(Box::new(filter))
    }
}

impl Filter for Buffer {
    fn on_request_head(&mut self, head: &mut RequestHead, _cx: &mut StreamCx<'_>) -> Flow {
        if head.body.is_empty() {
            return Flow::Continue;
        }
        if matches!(head.body, BodyLength::Exact(length) if length > self.settings.max_request_bytes) {
            return self.too_large();
        }
        self.gathers = true;
        Flow::Hold
    }

    fn on_data(&mut self, dir: Dir, data: &mut Chunk, end: bool, cx: &mut StreamCx<'_>) -> Flow {
        if dir == Dir::Response || !self.gathers {
            return Flow::Continue;
        }
        // A request that comes in one part is not touched.
        let whole = end && self.size == 0;
        self.size = self.size.saturating_add(data.len() as u64);
        if self.size > self.settings.max_request_bytes {
            return self.too_large();
        }
        if !whole {
            self.keep(std::mem::take(data));
        }
        if !end {
            return Flow::Hold;
        }
        if !whole {
            *data = self.release();
        }
        self.gathers = false;
        if let Some(head) = &mut cx.info.request
            && head.body == BodyLength::Unknown
        {
            head.body = BodyLength::Exact(self.size);
        }
        Flow::Continue
    }

    /// The length stays undeclared: only chunked coding has room for trailers (RFC 9112 section 7.1.2).
    fn on_trailers(&mut self, dir: Dir, _trailers: &mut HeaderList, _cx: &mut StreamCx<'_>) -> Flow {
        if dir == Dir::Request {
            self.gathers = false;
        }
        Flow::Continue
    }

    fn take_kept(&mut self, dir: Dir) -> Chunk {
        if dir == Dir::Request { self.release() } else { Chunk::default() }
    }
}

impl Buffer {
    fn keep(&mut self, data: Chunk) {
        for piece in data.into_pieces() {
            if piece.len() < SMALL {
                self.tail.extend_from_slice(&piece);
            } else {
                self.flush_tail();
                self.kept.append(Chunk::from(piece));
            }
        }
    }

    fn flush_tail(&mut self) {
        if !self.tail.is_empty() {
            let tail: Bytes = self.tail.split().freeze();
            self.kept.append(Chunk::from(tail));
        }
    }

    fn release(&mut self) -> Chunk {
        self.flush_tail();
        std::mem::take(&mut self.kept)
    }

    fn too_large(&mut self) -> Flow {
        self.gathers = false;
        drop(self.release());
        self.settings.stats.rq_too_large.inc();
        Flow::Respond(Box::new(LocalReply::text(413, "payload too large\n", "request_payload_too_large")))
    }
}

#[cfg(test)]
mod tests;
