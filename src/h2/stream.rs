//! One stream's hold on its connection. Dropping it ends the stream.

use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use nuncio_h2::{EncodeError, Reason, StreamRef};
use nuncio_http::{HeaderList, ResponseHead};

use super::Mux;
use super::entry::{Lost, Received};
use super::mux::park;
use crate::filter::Part;
use crate::stream::WATERMARK;

pub(crate) struct StreamHandle {
    mux: Rc<Mux>,
    stream: StreamRef,
}

impl StreamHandle {
    pub(super) fn new(mux: Rc<Mux>, stream: StreamRef) -> StreamHandle {
        StreamHandle { mux, stream }
    }

    /// What comes next; what had come before the stream was lost comes before the loss.
    pub(crate) fn poll_recv(&mut self, task: &mut Context<'_>) -> Poll<Result<Received, Lost>> {
        let mut core = self.mux.core();
        let Some(entry) = core.entry(self.stream) else { return Poll::Ready(Err(Lost::Closed)) };
        let Some((received, freed)) = entry.pop() else {
            if let Some(lost) = entry.lost {
                return Poll::Ready(Err(lost));
            }
            park(&mut entry.waker, task);
            return Poll::Pending;
        };
        if freed > 0 {
            core.codec.release(self.stream, freed);
            if !core.codec.output().is_empty() {
                core.wake_task();
            }
        }
        Poll::Ready(Ok(received))
    }

    /// Ready when the stream is lost, whatever is still to be taken.
    pub(crate) fn poll_lost(&mut self, task: &mut Context<'_>) -> Poll<Lost> {
        let mut core = self.mux.core();
        let Some(entry) = core.entry(self.stream) else { return Poll::Ready(Lost::Closed) };
        match entry.lost {
            Some(lost) => Poll::Ready(lost),
            None => {
                park(&mut entry.waker, task);
                Poll::Pending
            }
        }
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.mux.core().entry(self.stream).is_none_or(|entry| entry.lost.is_some())
    }

    /// How many bytes may be queued now; pending while that is none. A lost stream takes everything, to no end.
    pub(crate) fn poll_room(&mut self, task: &mut Context<'_>) -> Poll<usize> {
        let mut core = self.mux.core();
        if core.entry(self.stream).is_none_or(|entry| entry.lost.is_some()) {
            return Poll::Ready(WATERMARK);
        }
        match core.room(self.stream, WATERMARK) {
            0 => {
                core.block(self.stream, task);
                Poll::Pending
            }
            room => Poll::Ready(room),
        }
    }

    /// Ready when everything that was queued has become frames.
    pub(crate) fn poll_sent(&mut self, task: &mut Context<'_>) -> Poll<()> {
        let mut core = self.mux.core();
        if core.codec.queued(self.stream) == 0 || core.entry(self.stream).is_none_or(|entry| entry.lost.is_some()) {
            return Poll::Ready(());
        }
        core.block(self.stream, task);
        Poll::Pending
    }

    /// Bytes wait for a window or their turn.
    pub(crate) fn has_queued(&self) -> bool {
        let mut core = self.mux.core();
        core.codec.queued(self.stream) > 0 && core.entry(self.stream).is_some_and(|entry| entry.lost.is_none())
    }

    /// Body bytes that became frames so far.
    pub(crate) fn sent(&self) -> u64 {
        self.mux.core().codec.sent(self.stream)
    }

    /// Everything of the other side's message has come.
    pub(crate) fn recv_done(&self) -> bool {
        self.mux.core().codec.recv_done(self.stream)
    }

    pub(crate) fn send_continue(&mut self) {
        let mut core = self.mux.core();
        if core.codec.send_continue(self.stream) {
            core.wake_task();
        }
    }

    pub(crate) fn send_interim(&mut self, head: &ResponseHead) -> Result<(), EncodeError> {
        let mut core = self.mux.core();
        core.wake_task();
        core.codec.send_interim(self.stream, head)
    }

    pub(crate) fn send_response(&mut self, head: &ResponseHead, end: bool) -> Result<(), EncodeError> {
        let mut core = self.mux.core();
        core.wake_task();
        core.codec.send_response(self.stream, head, end)
    }

    pub(crate) fn send_part(&mut self, part: Part) -> Result<(), EncodeError> {
        let mut core = self.mux.core();
        core.wake_task();
        let (chunk, end) = match part {
            Part::Trailers(trailers) => return core.send_trailers(self.stream, &trailers),
            Part::Data { chunk, end } => (chunk, end),
        };
        core.handed_over(chunk.len());
        let mut pieces = chunk.into_pieces().peekable();
        if end && pieces.peek().is_none() {
            return core.codec.send_data(self.stream, Bytes::new(), true);
        }
        while let Some(piece) = pieces.next() {
            core.codec.send_data(self.stream, piece, end && pieces.peek().is_none())?;
        }
        Ok(())
    }

    /// Ends the stream in both directions.
    pub(crate) fn reset(&mut self, reason: Reason) {
        let mut core = self.mux.core();
        core.codec.reset(self.stream, reason);
        core.wake_task();
    }
}

impl super::mux::Core {
    fn send_trailers(&mut self, stream: StreamRef, trailers: &HeaderList) -> Result<(), EncodeError> {
        if trailers.is_empty() {
            self.codec.send_data(stream, Bytes::new(), true)
        } else {
            self.codec.send_trailers(stream, trailers)
        }
    }
}

impl Drop for StreamHandle {
    fn drop(&mut self) {
        let mut core = self.mux.core();
        if let Some(entry) = core.entry(self.stream) {
            // Out of the cell before it is dropped: a waker may hold the last reference to a task.
            let waker = entry.waker.take();
            entry.clear();
            core.codec.forget(self.stream);
            core.wake_task();
            drop(core);
            drop(waker);
        }
    }
}
