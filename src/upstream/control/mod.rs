//! What the control thread asks of hosts itself, over connections of its own: health checks, and documents. Here is how such
//! a connection is opened; [`Client`] speaks HTTP on it. Everything is bounded in size; who waits bounds the time.

mod http1;
mod http2;

use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};

use bytes::{Bytes, BytesMut};
use nuncio_http::{HeaderList, Output, RequestHead, ResponseHead};

use self::http1::Http1;
use self::http2::Http2;
use super::connect;
use crate::cluster::{Cluster, Host};
use crate::runtime::Transport;
use crate::runtime::control::{self, ControlStream};
use crate::runtime::net::{self, Addr};

/// Bytes of one read.
const READ: usize = 16 * 1024;

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum ControlError {
    Io(io::Error),
    Tls(String),
    /// What cannot be asked for, or is no answer.
    Protocol(String),
    /// The connection, which had served before, was closed before anything of an answer came: another one may serve.
    Stale,
    /// The body is longer than may be kept; the status of the response.
    TooLarge(u16),
}

impl ControlError {
    /// We lack descriptors or memory for a socket: nobody was spoken to.
    pub(crate) fn is_exhaustion(&self) -> bool {
        matches!(self, ControlError::Io(error) if net::is_fd_exhausted(error))
    }
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ControlError::Io(error) => write!(f, "{error}"),
            ControlError::Tls(error) => write!(f, "tls: {error}"),
            ControlError::Protocol(error) => f.write_str(error),
            ControlError::Stale => f.write_str("the connection was closed"),
            ControlError::TooLarge(_) => f.write_str("is too large"),
        }
    }
}

/// An open connection.
pub(crate) struct Dialed {
    pub(crate) io: Box<dyn Transport>,
    /// The TLS handshake agreed on HTTP/2.
    pub(crate) is_http2: bool,
}

/// What the TLS handshake offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    /// What the cluster's configuration says.
    Configured,
    Http1,
}

/// Connects to `address`, which is the host's or another port of it, with the cluster's PROXY header and TLS.
pub(crate) async fn dial(cluster: &Cluster, host: &Host, address: &Addr, offer: Offer) -> Result<Dialed, ControlError> {
    let mut io: Box<dyn Transport> = Box::new(ControlStream::connect(address).await.map_err(ControlError::Io)?);
    if let Some(version) = cluster.config.proxy_protocol {
        let mut header = Output::new();
        header.put_slice(&connect::header(version, None));
        write(&mut *io, &mut header).await?;
    }
    let Some(tls) = &cluster.tls else { return Ok(Dialed { io, is_http2: false }) };
    let mut handshake = match offer {
        Offer::Configured => tls.context.get().connect(io, host.name.as_deref()),
        Offer::Http1 => tls.context.get().connect_http1(io),
    };
    let done = poll_fn(|cx| handshake.poll(cx)).await;
    let (io, session) = done.map_err(|error| ControlError::Tls(error.to_string()))?;
    Ok(Dialed { io: Box::new(io), is_http2: session.alpn.as_deref() == Some(b"h2") })
}

/// Writes all of `out`.
pub(crate) async fn write(io: &mut dyn Transport, out: &mut Output) -> Result<(), ControlError> {
    while !out.is_empty() {
        let written = poll_fn(|cx| {
            let mut slices = [IoSlice::new(b""); 4];
            let filled = out.io_slices(&mut slices);
            io.poll_write_vectored(cx, &slices[..filled])
        });
        let len = written.await.map_err(ControlError::Io)?;
        out.advance(len);
    }
    Ok(())
}

/// Reads what there is; 0 is the end.
pub(crate) async fn read(io: &mut dyn Transport, input: &mut BytesMut) -> Result<usize, ControlError> {
    input.reserve(READ);
    let read = poll_fn(|cx| io.poll_read(cx, input, READ)).await.map_err(ControlError::Io);
    // A host that sends faster than it is read would have the thread for itself, beyond any limit of time.
    control::yield_now().await;
    read
}

/// A response.
pub(crate) struct Answer {
    pub(crate) head: ResponseHead,
    /// As much as was to be kept.
    pub(crate) body: Vec<u8>,
    /// Empty where there are none, and always over HTTP/1.
    pub(crate) trailers: HeaderList,
}

/// How much of a body is kept, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// All of it, if it is no longer than this.
    All(usize),
    /// Its beginning; the rest is read, so that the connection can serve again, and dropped.
    Start(usize),
}

/// HTTP over one connection, one request at a time.
pub(crate) enum Client {
    Http1(Box<Http1>),
    Http2(Box<Http2>),
}

impl Client {
    pub(crate) fn http1(io: Box<dyn Transport>) -> Client {
        Client::Http1(Box::new(Http1::new(io)))
    }

    pub(crate) fn http2(io: Box<dyn Transport>, cluster: &Cluster) -> Client {
        Client::Http2(Box::new(Http2::new(io, cluster.config.http.limits())))
    }

    /// Sends a request with its body, and receives the response. The head's body length must be that of `body`.
    pub(crate) async fn ask(&mut self, head: &RequestHead, body: Bytes, keep: Keep) -> Result<Answer, ControlError> {
        match self {
            Client::Http1(client) => client.ask(head, body, keep).await,
            Client::Http2(client) => client.ask(head, body, keep).await,
        }
    }

    /// It may serve another request, as far as is known.
    pub(crate) async fn is_reusable(&mut self) -> bool {
        match self {
            Client::Http1(client) => client.is_reusable(),
            Client::Http2(client) => client.is_reusable().await,
        }
    }
}

/// A body as it comes.
struct Body {
    keep: Keep,
    bytes: Vec<u8>,
}

impl Body {
    fn new(keep: Keep) -> Body {
        Body { keep, bytes: Vec::new() }
    }

    fn push(&mut self, chunk: &[u8], status: u16) -> Result<(), ControlError> {
        match self.keep {
            Keep::All(most) if chunk.len() > most.saturating_sub(self.bytes.len()) => {
                return Err(ControlError::TooLarge(status));
            }
            Keep::All(_) => self.bytes.extend_from_slice(chunk),
            Keep::Start(most) => {
                let room = most.saturating_sub(self.bytes.len());
                self.bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
            }
        }
        Ok(())
    }
}
