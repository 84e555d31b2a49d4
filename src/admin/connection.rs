//! One connection: requests in turn, each read whole, answered, and only then the next.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use nuncio_h1::{Error, Limits, Recv, Server};
use nuncio_http::{Output, RequestHead};

use super::endpoints::takes_body;
use super::guard::refusal;
use super::serve::Options;
use super::{AdminState, After, Reply, Request, handle};
use crate::runtime::Transport;
use crate::runtime::control::{ControlStream, timeout, yield_now};

/// Longest request body that is read, in bytes.
const BODY_MAX: usize = 64 * 1024;

const READ: usize = 4 * 1024;

/// How long a closed connection is read on, so that the answer is not lost to a reset.
const LINGER: Duration = Duration::from_secs(1);

struct Connection {
    io: ControlStream,
    server: Server,
    input: BytesMut,
    output: Output,
}

/// What came in place of a request.
enum End {
    /// The client is gone, or took too long.
    Silent,
    /// It broke the protocol and is told so.
    Refused(Error),
}

/// Serves one connection to its end. `open`: any name may stand in `host`.
pub(super) async fn serve_connection(io: ControlStream, state: &dyn AdminState, options: &Options, open: bool) {
    let limits = Limits { head_bytes: 16 * 1024, fields: 64, target_bytes: 4 * 1024, ..Limits::default() };
    let server = Server::new(Arc::new(limits));
    let mut connection = Connection { io, server, input: BytesMut::new(), output: Output::new() };
    loop {
        let reply = match connection.request(options).await {
            Ok((head, body)) => match (refusal(&head, open), body) {
                (Some(why), _) => Reply::text(403, why),
                (None, Some(body)) => handle(state, &Request::new(&head).with_body(body)),
                (None, None) => Reply::text(413, format!("a body has at most {BODY_MAX} bytes\n")),
            },
            Err(End::Refused(error)) => Reply::text(error.status(), format!("{error}\n")),
            Err(End::Silent) => return,
        };
        let sent = timeout(options.write_timeout, connection.answer(&reply)).await;
        if reply.after == After::Quit {
            state.quit();
        }
        match sent {
            Some(Ok(())) if connection.server.next_request() => {}
            Some(Ok(())) => {
                let _ = timeout(LINGER, connection.linger()).await;
                return;
            }
            Some(Err(_)) | None => return,
        }
    }
}

impl Connection {
    /// The next request with its body; without it where that is too large.
    async fn request(&mut self, options: &Options) -> Result<(RequestHead, Option<Vec<u8>>), End> {
        if self.input.is_empty() {
            // An idle connection holds no buffer.
            self.input = BytesMut::new();
            let readable = poll_fn(|cx| self.io.poll_readable(cx));
            timeout(options.idle_timeout, readable).await.ok_or(End::Silent)?;
        }
        timeout(options.request_timeout, self.receive()).await.unwrap_or(Err(End::Silent))
    }

    async fn receive(&mut self) -> Result<(RequestHead, Option<Vec<u8>>), End> {
        let (mut received, mut body, mut wanted) = (None, Vec::new(), false);
        loop {
            match self.server.recv(&mut self.input).map_err(End::Refused)? {
                Recv::NeedMore => self.read().await?,
                Recv::Head { head: request, end } => {
                    wanted = takes_body(&request.head);
                    // Where nobody needs the body, a client that waits to be asked for it is answered at once.
                    if end || (!wanted && self.server.continue_pending()) {
                        return Ok((request.head, Some(body)));
                    }
                    received = Some(request.head);
                    if self.server.send_continue(&mut self.output) {
                        self.flush().await.map_err(|_| End::Silent)?;
                    }
                }
                Recv::Data { chunk, end } => {
                    let fits = body.len() + chunk.len() <= BODY_MAX;
                    if fits {
                        body.extend_from_slice(&chunk);
                    } else {
                        self.server.close_after_response();
                    }
                    if end || !fits {
                        let body = if wanted { fits.then_some(body) } else { Some(Vec::new()) };
                        return received.map(|head| (head, body)).ok_or(End::Silent);
                    }
                }
                Recv::Trailers(_) | Recv::End => return received.map(|head| (head, Some(body))).ok_or(End::Silent),
                Recv::Paused | Recv::Tunnel(_) | Recv::Eof => return Err(End::Silent),
            }
        }
    }

    async fn read(&mut self) -> Result<(), End> {
        self.input.reserve(READ);
        let len = poll_fn(|cx| self.io.poll_read(cx, &mut self.input, usize::MAX)).await.map_err(|_| End::Silent)?;
        if len == 0 {
            return match self.server.recv_eof(&self.input) {
                Ok(_) => Err(End::Silent),
                Err(error) => Err(End::Refused(error)),
            };
        }
        Ok(())
    }

    async fn answer(&mut self, reply: &Reply) -> io::Result<()> {
        if reply.after == After::Quit {
            self.server.close_after_response();
        }
        let body = Bytes::copy_from_slice(reply.body.as_bytes());
        self.server.send_head(&reply.head(), &mut self.output).map_err(io::Error::other)?;
        if !self.server.response_done() {
            self.server.send_data(body, true, &mut self.output).map_err(io::Error::other)?;
        }
        self.flush().await
    }

    async fn flush(&mut self) -> io::Result<()> {
        while !self.output.is_empty() {
            let written = poll_fn(|cx| {
                let mut slices = [io::IoSlice::new(b""); 4];
                let filled = self.output.io_slices(&mut slices);
                self.io.poll_write_vectored(cx, &slices[..filled])
            });
            let len = written.await?;
            self.output.advance(len);
        }
        self.output = Output::new();
        Ok(())
    }

    /// Ends our side and reads until the client has ended its own.
    async fn linger(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.io.poll_close(cx)).await?;
        loop {
            self.input.clear();
            self.input.reserve(READ);
            if poll_fn(|cx| self.io.poll_read(cx, &mut self.input, usize::MAX)).await? == 0 {
                return Ok(());
            }
            // Whoever sends faster than it is read would never be cut off.
            yield_now().await;
        }
    }
}
