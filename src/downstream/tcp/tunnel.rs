//! Asking a host that is a proxy to connect further: a CONNECT, its answer, and from then on bytes (RFC 9110 section 9.3.6).
//!
//! ```text
//!  connected --CONNECT--> asked --1xx--> asked --2xx--> the bytes behind the head are the first of the tunnel
//!     | bytes that            | any other status, no HTTP, the end, `connect_timeout`: closed, no other host is asked:
//!     | nobody asked for      | it was reached, and would not
//!     `-- closed              `-- the client goes: given up
//! ```

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use nuncio_h1::{Client, Limits, Recv};
use nuncio_http::{HeaderList, Method, Output, RequestHead, ResponseHead, Version};

use super::session::{End, Session};
use crate::config;
use crate::error::Kind;
use crate::runtime::Hangup;
use crate::stream::buffers::ReadBuffer;
use crate::stream::flush::poll_flush;
use crate::upstream::connection::Connection;

/// Opens the tunnel. What is read behind the answer is the tunnel's.
pub(super) async fn open(
    session: &mut Session,
    connection: &mut Connection,
    tunnel: &config::Tunnel,
    deadline: Instant,
) -> Result<ReadBuffer, End> {
    let mut asking = Asking::new(session, connection, tunnel).map_err(End::Tunnel)?;
    session.timer.set(Some(deadline));
    let result = std::future::poll_fn(|task| {
        if let Poll::Ready(result) = asking.poll(task) {
            return Poll::Ready(result.map_err(End::Tunnel));
        }
        if session.timer.poll(task).is_ready() {
            asking.connection.view().stats.upstream_cx_connect_timeout.inc();
            return Poll::Ready(Err(End::Upstream(Kind::ConnectTimeout)));
        }
        match session.transport.poll_hangup(task) {
            Poll::Ready(Hangup::Reset) => Poll::Ready(Err(End::Client)),
            // It may have sent what it had to say, and wait for the answer.
            _ => Poll::Pending,
        }
    })
    .await;
    let Asking { buffer, sent, received, .. } = asking;
    connection.view().stats.upstream_cx_tx_bytes_total.add(sent);
    // What is left belongs to the tunnel, and is counted there.
    connection.view().stats.upstream_cx_rx_bytes_total.add(received - buffer.bytes.len() as u64);
    if matches!(result, Err(End::Tunnel(_) | End::Upstream(_))) {
        connection.view().stats.upstream_cx_connect_fail.inc();
        connection.host.stats.cx_connect_fail.inc();
    }
    result.map(|()| buffer)
}

struct Asking<'a> {
    connection: &'a mut Connection,
    codec: Client,
    output: Output,
    sent: u64,
    received: u64,
    buffer: ReadBuffer,
}

impl<'a> Asking<'a> {
    fn new(
        session: &Session,
        connection: &'a mut Connection,
        tunnel: &config::Tunnel,
    ) -> Result<Asking<'a>, &'static str> {
        if connection.view().shared.config.protocol != config::ClusterProtocol::H1 {
            return Err("tunnel_needs_http1");
        }
        let mut head = RequestHead::new(Method::Connect, Version::Http11, HeaderList::new());
        head.set_authority(tunnel.host.as_bytes());
        let mut codec = Client::new(Arc::new(Limits::default()));
        let mut output = Output::new();
        codec.send_head(&head, None, &mut output).map_err(|error| error.detail())?;
        Ok(Asking {
            connection,
            codec,
            output,
            sent: 0,
            received: 0,
            buffer: ReadBuffer::new(&session.view().worker.buffers),
        })
    }

    fn poll(&mut self, task: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        if self.sent == 0 && self.connection.transport.has_pending_read() {
            // What comes before the question is no answer to it.
            return Poll::Ready(Err("tunnel_unexpected_bytes"));
        }
        let transport = &mut *self.connection.transport;
        if let Err(error) = ready!(poll_flush(task, transport, &mut self.output, &mut self.sent)) {
            log::debug!("tunnel: {error}");
            return Poll::Ready(Err("tunnel_closed"));
        }
        loop {
            match self.codec.recv(&mut self.buffer.bytes) {
                Ok(Recv::NeedMore) => match ready!(self.buffer.poll_fill(task, transport, usize::MAX)) {
                    Ok(read) if read > 0 => self.received += read as u64,
                    _ => {
                        self.connection.closed_by_host = true;
                        return Poll::Ready(Err("tunnel_closed"));
                    }
                },
                Ok(Recv::Head { head, .. }) if head.is_interim() => {}
                Ok(Recv::Head { head, .. }) => return Poll::Ready(self.answered(&head)),
                Ok(_) => return Poll::Ready(Err("tunnel_protocol_error")),
                Err(error) => {
                    self.connection.view().stats.upstream_cx_protocol_error.inc();
                    return Poll::Ready(Err(error.detail()));
                }
            }
        }
    }

    fn answered(&self, head: &ResponseHead) -> Result<(), &'static str> {
        if self.codec.is_tunnel() {
            return Ok(());
        }
        log::debug!("cluster {}: the tunnel is refused with {}", self.connection.view().name, head.status);
        Err("tunnel_refused")
    }
}
