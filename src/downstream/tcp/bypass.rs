//! Bulk past this process: while a direction between two sockets has much to carry and no filter looks at it, its bytes go
//! through a kernel pipe (`runtime::net::Tube`) and not through the read buffer.
//!
//! ```text
//!  Buffer --a read brings much, a tube is free--> Tube --little comes at a time--> Buffer
//! ```
//! Bytes never overtake each other: the queue of the buffer is empty when a tube is taken, the tube is empty when it is
//! given back. A tube is held while there is something to move: a direction at rest has none.

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use super::pipe::Broken;
use crate::runtime::Transport;
use crate::runtime::net::{Tube, Tubes};

/// Bytes at a time that make a tube worth while.
const MUCH: usize = 16 * 1024;

/// One direction's way past the process.
pub(super) struct Bypass {
    tubes: Rc<Tubes>,
    tube: Option<Tube>,
    /// Much comes at a time.
    is_bulk: bool,
    /// The kernel does not do this here (seccomp, say).
    is_refused: bool,
}

impl Bypass {
    pub(super) fn new(tubes: &Rc<Tubes>) -> Bypass {
        Bypass { tubes: tubes.clone(), tube: None, is_bulk: false, is_refused: false }
    }

    /// So much came at once.
    pub(super) fn note(&mut self, len: usize) {
        self.is_bulk = len >= MUCH;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tube.as_ref().is_none_or(|tube| tube.held() == 0)
    }

    /// Nothing moves for now, or it is better read.
    pub(super) fn rest(&mut self) {
        self.tube = None;
    }

    /// Moves out what is in, as far as it goes.
    pub(super) fn flush(
        &mut self,
        task: &mut Context<'_>,
        sink: &mut dyn Transport,
        written: &mut u64,
    ) -> Poll<Result<(), Broken>> {
        while let Some(tube) = self.tube.as_mut().filter(|tube| tube.held() > 0) {
            let Some(sink) = sink.as_stream() else { return Poll::Ready(Err(Broken::Sink)) };
            let moved = ready!(sink.poll_write_tube(task, tube)).map_err(|_| Broken::Sink)?;
            *written += moved as u64;
        }
        Poll::Ready(Ok(()))
    }

    /// Moves more in; 0 is the end. None if that is not the way to take now.
    pub(super) fn fill(
        &mut self,
        task: &mut Context<'_>,
        source: &mut dyn Transport,
    ) -> Option<Poll<Result<usize, Broken>>> {
        if !self.is_bulk || self.is_refused {
            self.rest();
            return None;
        }
        let source = source.as_stream()?;
        if self.tube.is_none() {
            self.tube = self.tubes.take();
            // Asked again when a buffer is filled the next time.
            self.is_bulk = self.tube.is_some();
        }
        let tube = self.tube.as_mut()?;
        let moved = source.poll_read_tube(task, tube);
        match &moved {
            Poll::Ready(Ok(0)) => self.rest(),
            Poll::Ready(Ok(len)) => self.note(*len),
            Poll::Ready(Err(error)) if is_refusal(error) => {
                self.is_refused = true;
                self.rest();
                return None;
            }
            _ => {}
        }
        Some(moved.map_err(|_| Broken::Source))
    }
}

/// It was not the connection that failed; nothing has been moved.
fn is_refusal(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, PermissionDenied, Unsupported};
    matches!(error.kind(), InvalidInput | PermissionDenied | Unsupported)
}
