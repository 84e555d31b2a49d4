//! A document from a host of a cluster, for the control thread: one GET over HTTP/1.1 on a connection of its own, with the
//! cluster's TLS and PROXY header. Bounded in time and size.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use nuncio_h1::{Client, Limits, Recv};
use nuncio_http::{HeaderList, Method, Output, RequestHead, Version};

use crate::cluster::{Cluster, Host};
use crate::config::ClusterProtocol;
use crate::runtime::Transport;
use crate::runtime::control::{self, ControlStream};
use crate::upstream::connect;

/// For the whole of it, all hosts that are tried included.
const TIME: Duration = Duration::from_secs(5);
/// Hosts that are tried.
const HOSTS: usize = 3;
const READ: usize = 16 * 1024;

/// Why there is no document.
#[derive(Debug)]
pub(super) enum FetchError {
    NoHost,
    /// The cluster takes no HTTP/1.
    Http2,
    Io(io::Error),
    Tls(String),
    /// What cannot be asked for, or is no answer.
    Protocol(String),
    Status(u16),
    TooLarge,
    Timeout,
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchError::NoHost => f.write_str("there is no host"),
            FetchError::Http2 => f.write_str("speaks \"h2\" only, and HTTP/1.1 is needed"),
            FetchError::Io(error) => write!(f, "{error}"),
            FetchError::Tls(error) => write!(f, "tls: {error}"),
            FetchError::Protocol(error) => f.write_str(error),
            FetchError::Status(status) => write!(f, "is answered {status}"),
            FetchError::TooLarge => f.write_str("is too large"),
            FetchError::Timeout => write!(f, "did not come within {TIME:?}"),
        }
    }
}

/// The body of a 200, of at most `most` bytes. Where a host does not give it, the next one is asked.
pub(super) async fn get(cluster: &Cluster, path: &str, most: usize) -> Result<Vec<u8>, FetchError> {
    if cluster.config.protocol == ClusterProtocol::H2 {
        return Err(FetchError::Http2);
    }
    let mut hosts: Vec<Arc<Host>> = cluster.hosts();
    fastrand::shuffle(&mut hosts);
    let tries = async {
        let mut last = FetchError::NoHost;
        for host in hosts.into_iter().take(HOSTS) {
            match get_from(cluster, &host, path, most).await {
                Ok(body) => return Ok(body),
                Err(error) => last = error,
            }
        }
        Err(last)
    };
    control::timeout(TIME, tries).await.unwrap_or(Err(FetchError::Timeout))
}

async fn get_from(cluster: &Cluster, host: &Host, path: &str, most: usize) -> Result<Vec<u8>, FetchError> {
    let mut io: Box<dyn Transport> = Box::new(ControlStream::connect(&host.address).await.map_err(FetchError::Io)?);
    if let Some(version) = cluster.config.proxy_protocol {
        let mut header = Output::new();
        header.put_slice(&connect::header(version, None));
        write(&mut *io, &mut header).await?;
    }
    if let Some(tls) = &cluster.tls {
        let mut handshake = tls.context.get().connect_http1(io);
        let done = poll_fn(|cx| handshake.poll(cx)).await;
        io = Box::new(done.map_err(|error| FetchError::Tls(error.to_string()))?.0);
    }
    let mut client = Client::new(Arc::new(Limits::default()));
    let mut out = Output::new();
    let mut head = RequestHead::new(Method::Get, Version::Http11, HeaderList::new());
    head.set_target(path.as_bytes());
    // As Envoy has it.
    let sni = cluster.config.tls.as_ref().and_then(|tls| tls.sni.as_deref());
    head.set_authority(sni.unwrap_or(&cluster.name).as_bytes());
    client.send_head(&head, None, &mut out).map_err(|error| FetchError::Protocol(format!("{error:?}")))?;
    write(&mut *io, &mut out).await?;
    receive(&mut *io, &mut client, most).await
}

async fn write(io: &mut dyn Transport, out: &mut Output) -> Result<(), FetchError> {
    while !out.is_empty() {
        let written = poll_fn(|cx| {
            let mut slices = [IoSlice::new(b""); 4];
            let filled = out.io_slices(&mut slices);
            io.poll_write_vectored(cx, &slices[..filled])
        });
        let len = written.await.map_err(FetchError::Io)?;
        out.advance(len);
    }
    Ok(())
}

async fn receive(io: &mut dyn Transport, client: &mut Client, most: usize) -> Result<Vec<u8>, FetchError> {
    let broken = |error: nuncio_h1::Error| FetchError::Protocol(error.to_string());
    let (mut input, mut body) = (BytesMut::new(), Vec::new());
    loop {
        let part = match client.recv(&mut input).map_err(broken)? {
            Recv::NeedMore => {
                input.reserve(READ);
                let read = poll_fn(|cx| io.poll_read(cx, &mut input, READ)).await.map_err(FetchError::Io)?;
                if read > 0 {
                    continue;
                }
                client.recv_eof(&input).map_err(broken)?
            }
            part => part,
        };
        match part {
            Recv::Head { head, .. } if head.is_interim() => {}
            Recv::Head { head, .. } if head.status != 200 => return Err(FetchError::Status(head.status)),
            Recv::Head { end, .. } if end => return Ok(body),
            Recv::Head { .. } => {}
            Recv::Data { chunk, end } => {
                if body.len() + chunk.len() > most {
                    return Err(FetchError::TooLarge);
                }
                body.extend_from_slice(&chunk);
                if end {
                    return Ok(body);
                }
            }
            Recv::Trailers(_) | Recv::End => return Ok(body),
            Recv::NeedMore | Recv::Paused | Recv::Tunnel(_) | Recv::Eof => {
                return Err(FetchError::Protocol("ended early".to_owned()));
            }
        }
    }
}
