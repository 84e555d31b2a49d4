//! What is known of a stream, gathered as it goes: what access logs, header templates, stats and filters read.
//! Nothing here is a string built on the way: texts are borrowed from heads, shared, or static.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use nuncio_http::{HeaderList, RequestHead, ResponseHead, Scheme};

use crate::cluster::HostView;
use crate::config::Http;
use crate::error::ResponseFlags;
use crate::route::{self, CertElement};
use crate::runtime::net::Addr;
use crate::runtime::{Rt, Transport};
use crate::tls::{Peer, Session};

/// The downstream connection, shared by its streams.
#[derive(Debug)]
pub struct ConnectionInfo {
    /// Unique in this process.
    pub id: u64,
    /// The peer of the socket, or for whom it connects by its PROXY header.
    pub remote: Addr,
    /// The socket's own address, or where the client meant to go.
    pub local: Addr,
    /// `local` is another address than the socket's own.
    pub redirected: bool,
    /// The peer of the socket, where that is another one.
    pub direct_remote: Option<Box<Addr>>,
    /// The name of the listener, or of its chain.
    pub listener: Arc<str>,
    /// The name that a TLS hello asked for, lower case.
    pub server_name: Option<Box<str>>,
    /// What the TLS handshake with the client agreed on.
    pub tls: Option<Rc<Session>>,
    /// What upstreams are told of its certificate, once it was asked for.
    pub client_cert: OnceCell<Box<CertElement>>,
    /// Bytes of request bodies that its streams keep to send them again.
    pub replay: Cell<usize>,
}

impl ConnectionInfo {
    /// A connection that is what its socket says.
    pub fn new(id: u64, transport: &dyn Transport, listener: &Arc<str>) -> ConnectionInfo {
        ConnectionInfo::of(id, transport.peer_addr().clone(), transport.local_addr().clone(), listener.clone())
    }

    /// A connection, or a session of datagrams, between these two.
    pub fn of(id: u64, remote: Addr, local: Addr, listener: Arc<str>) -> ConnectionInfo {
        ConnectionInfo {
            id,
            remote,
            local,
            redirected: false,
            direct_remote: None,
            listener,
            server_name: None,
            tls: None,
            client_cert: OnceCell::new(),
            replay: Cell::new(0),
        }
    }

    /// For tests: a connection to the listener `web`.
    #[cfg(test)]
    pub fn between(remote: &str, local: &str) -> ConnectionInfo {
        ConnectionInfo::of(1, remote.parse().unwrap(), local.parse().unwrap(), Arc::from("web"))
    }
}

impl ConnectionInfo {
    /// By what the transport is.
    pub fn scheme(&self) -> Scheme {
        if self.tls.is_some() { Scheme::Https } else { Scheme::Http }
    }

    /// The client's certificate.
    pub fn peer(&self) -> Option<&Peer> {
        self.tls.as_ref()?.peer.as_ref()
    }

    /// Settles `x-forwarded-client-cert` of a request.
    pub fn apply_client_cert(&self, headers: &mut HeaderList, http: &Http) {
        route::apply_client_cert(headers, http, self.tls.as_deref(), &self.client_cert);
    }

    /// The peer of the socket.
    pub fn direct(&self) -> &Addr {
        self.direct_remote.as_deref().unwrap_or(&self.remote)
    }
}

/// Where a filter sends a connection that carries bytes, in place of the routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Back to where it came from.
    Echo,
    /// To the cluster of this name, if there is one.
    Cluster(Box<str>),
}

/// One stream.
#[derive(Debug)]
pub struct StreamInfo {
    pub connection: Rc<ConnectionInfo>,
    /// First byte of the request.
    pub start: Instant,
    pub start_time: SystemTime,
    /// Points in time after `start`, where they were reached.
    pub times: Times,
    /// Client address by the trust rules: the peer, or what a trusted proxy says of it.
    pub client: Option<std::net::IpAddr>,
    /// The request as it is: canonical path, rewritten and edited as far as that has happened. `None` when no head could be
    /// read.
    pub request: Option<RequestHead>,
    /// As it went out.
    pub response: Option<ResponseHead>,
    pub response_trailers: Option<HeaderList>,
    /// Status sent to the client; 0 when none was.
    pub status: u16,
    pub flags: ResponseFlags,
    /// Envoy's response code details; `via_upstream` for an upstream's own response.
    pub detail: &'static str,
    pub route: Option<Arc<str>>,
    pub cluster: Option<Rc<str>>,
    pub host: Option<Rc<HostView>>,
    /// Where the host was connected to, where that may be elsewhere than its `address`.
    pub upstream_remote: Option<Addr>,
    /// Local address of the upstream connection.
    pub upstream_local: Option<Addr>,
    /// Hosts that were tried, each time that one was.
    pub attempts: u32,
    /// Body bytes from the client, and to it.
    pub bytes_received: u64,
    pub bytes_sent: u64,
    pub target: Option<Target>,
}

/// Points in time of one stream.
#[derive(Debug, Clone, Copy, Default)]
pub struct Times {
    /// Last byte of the request came.
    pub request_end: Option<Instant>,
    /// An upstream connection was ready.
    pub upstream_ready: Option<Instant>,
    /// First and last byte of the request went to the upstream.
    pub upstream_request_start: Option<Instant>,
    pub upstream_request_end: Option<Instant>,
    /// Head and last byte of the response came.
    pub response_start: Option<Instant>,
    pub response_end: Option<Instant>,
    /// Last byte of the response went to the client.
    pub end: Option<Instant>,
}

impl StreamInfo {
    /// The host's address as it was used.
    pub fn host_address(&self) -> Option<&Addr> {
        self.upstream_remote.as_ref().or(self.host.as_ref().map(|host| &host.address))
    }

    /// A stream whose request head has come, its first byte at `start`.
    pub fn new(connection: Rc<ConnectionInfo>, head: RequestHead, start: Instant, rt: &Rt) -> StreamInfo {
        StreamInfo { request: Some(head), ..StreamInfo::bytes(connection, start, rt) }
    }

    /// A stream without heads: a connection that carries bytes.
    pub fn bytes(connection: Rc<ConnectionInfo>, start: Instant, rt: &Rt) -> StreamInfo {
        StreamInfo {
            client: connection.remote.inet().map(|peer| peer.ip()),
            connection,
            start,
            start_time: SystemTime::UNIX_EPOCH
                + rt.unix_time().saturating_sub(rt.now().saturating_duration_since(start)),
            times: Times::default(),
            request: None,
            response: None,
            response_trailers: None,
            status: 0,
            flags: ResponseFlags::default(),
            detail: "",
            route: None,
            cluster: None,
            host: None,
            upstream_remote: None,
            upstream_local: None,
            attempts: 0,
            bytes_received: 0,
            bytes_sent: 0,
            target: None,
        }
    }
}
