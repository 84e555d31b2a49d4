//! Writing an output queue to a transport.

use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use nuncio_http::Output;

use crate::runtime::Transport;

/// Slices of one write. More chunks than this in the queue take more than one.
const SLICES: usize = 16;

/// Writes until the queue is empty; `sent` counts.
pub fn poll_flush(
    task: &mut Context<'_>,
    transport: &mut dyn Transport,
    output: &mut Output,
    sent: &mut u64,
) -> Poll<io::Result<()>> {
    while !output.is_empty() {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let filled = output.io_slices(&mut slices);
        let written = ready!(transport.poll_write_vectored(task, &slices[..filled]))?;
        *sent += written as u64;
        output.advance(written);
    }
    Poll::Ready(Ok(()))
}
