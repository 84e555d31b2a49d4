//! Opening a connection to one host, whoever it is for: HTTP's pools and proxied connections alike.
//!
//! ```text
//!  Socket --connected--> Announcing (a PROXY header, where the cluster wants one) --written--> done, without TLS
//!    |                                                                             `--> Handshaking --agreed--> done
//!    `-- refused, no agreement, `connect_timeout` passed whatever the step: error, counted here
//! ```
//! Dropping it gives up. It has no timer: who polls it also polls at its `wake_at`. A host that has several addresses is
//! connected to at whichever answers first (`happy_eyeballs`).

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use nuncio_proxy_protocol::{self as proxy_protocol, Command, kind as tlv};

use super::happy_eyeballs::HappyEyeballs;
use crate::cluster::{ClusterView, HostView};
use crate::config::ProxyVersion;
use crate::error::Kind;
use crate::runtime::net::{self, Stream};
use crate::runtime::{Rt, Transport};
use crate::stream::info::ConnectionInfo;
use crate::tls::{self, HandshakeError, Session};

pub struct Connect {
    view: Rc<ClusterView>,
    host: Rc<HostView>,
    started: Instant,
    /// The PROXY header, as far as it has not been written.
    header: Vec<u8>,
    state: State,
}

enum State {
    Socket(net::Connect),
    /// The host has several addresses.
    Racing(HappyEyeballs),
    Announcing(Box<dyn Transport>),
    Handshaking(Box<tls::Connect>),
    Over,
}

/// A connection that carries bytes now.
pub struct Connected {
    pub transport: Box<dyn Transport>,
    /// What the TLS handshake agreed on.
    pub session: Option<Rc<Session>>,
}

impl Connect {
    /// Starts to connect on behalf of `client`.
    pub fn start(view: &Rc<ClusterView>, host: &Rc<HostView>, client: &ConnectionInfo, rt: &Rt) -> Connect {
        let state = match host.alternatives() {
            Some(addresses) => State::Racing(HappyEyeballs::start(&addresses, rt)),
            None => State::Socket(Stream::connect(rt, &host.address)),
        };
        let header = view.shared.config.proxy_protocol.map(|version| header(version, Some(client))).unwrap_or_default();
        Connect { view: view.clone(), host: host.clone(), started: rt.now(), header, state }
    }

    /// When it has to be done.
    pub fn deadline(&self) -> Instant {
        self.started + self.view.shared.config.connect_timeout
    }

    /// When to poll, even if nobody wakes.
    pub fn wake_at(&self) -> Instant {
        let next = match &self.state {
            State::Racing(eyeballs) => eyeballs.wake_at(),
            _ => None,
        };
        next.map_or(self.deadline(), |next| next.min(self.deadline()))
    }

    pub fn poll(&mut self, task: &mut Context<'_>, rt: &Rt) -> Poll<Result<Connected, Kind>> {
        let now = rt.now();
        let result = match self.poll_steps(task, rt) {
            Poll::Pending if now >= self.deadline() => {
                self.view.stats.upstream_cx_connect_timeout.inc();
                Err(Kind::ConnectTimeout)
            }
            other => ready!(other),
        };
        match &result {
            Ok(_) => self.view.stats.upstream_cx_connect_ms.record(now.saturating_duration_since(self.started)),
            Err(Kind::Overflow) => self.view.stats.upstream_cx_overflow.inc(),
            Err(_) => {
                self.view.stats.upstream_cx_connect_fail.inc();
                self.host.stats.cx_connect_fail.inc();
            }
        }
        Poll::Ready(result)
    }

    fn poll_steps(&mut self, task: &mut Context<'_>, rt: &Rt) -> Poll<Result<Connected, Kind>> {
        loop {
            match &mut self.state {
                State::Socket(connect) => {
                    let stream = ready!(Pin::new(connect).poll(task)).map_err(|error| why(&error))?;
                    self.state = State::Announcing(Box::new(stream));
                }
                State::Racing(eyeballs) => {
                    let stream = ready!(eyeballs.poll(task, rt)).map_err(|error| why(&error))?;
                    self.host.note_connected(stream.peer_addr());
                    self.state = State::Announcing(Box::new(stream));
                }
                State::Announcing(transport) => {
                    while !self.header.is_empty() {
                        let written = transport.poll_write_vectored(task, &[IoSlice::new(&self.header)]);
                        self.header.drain(..ready!(written).map_err(|_| Kind::Refused)?);
                    }
                    let State::Announcing(transport) = std::mem::replace(&mut self.state, State::Over) else {
                        continue;
                    };
                    let Some(tls) = &self.view.tls else {
                        return Poll::Ready(Ok(Connected { transport, session: None }));
                    };
                    self.state = State::Handshaking(Box::new(tls.context.get().connect(transport, None)));
                }
                State::Handshaking(connect) => {
                    let done = ready!(connect.poll(task));
                    self.state = State::Over;
                    return Poll::Ready(self.shaken(done));
                }
                State::Over => return Poll::Ready(Err(Kind::Refused)),
            }
        }
    }

    /// The handshake is over.
    fn shaken(&self, done: Result<(tls::Transport, Rc<Session>), HandshakeError>) -> Result<Connected, Kind> {
        let stats = self.view.tls.as_ref().map(|tls| &tls.stats);
        match done {
            Ok((transport, session)) => {
                if let Some(stats) = stats {
                    stats.done(&session);
                }
                Ok(Connected { transport: Box::new(transport), session: Some(session) })
            }
            Err(error) => {
                if let Some(stats) = stats {
                    stats.failed(error.kind);
                }
                let host = &self.host.address;
                log::debug!("cluster {}: {host}: tls: {error}", self.view.name);
                Err(Kind::Tls)
            }
        }
    }
}

/// Why there is no socket. That we may have no more of them is not the host's fault.
fn why(error: &io::Error) -> Kind {
    if net::is_fd_exhausted(error) { Kind::Overflow } else { Kind::Refused }
}

/// For whom we connect. Of a client on a UNIX socket there is nothing to say, and nothing where it is for ourselves.
pub(crate) fn header(version: ProxyVersion, client: Option<&ConnectionInfo>) -> Vec<u8> {
    const NOBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
    let mut out = Vec::new();
    let addresses = client.and_then(|client| client.remote.inet().zip(client.local.inet()));
    match (version, addresses) {
        (ProxyVersion::V1, Some((source, destination))) => proxy_protocol::encode_v1(source, destination, &mut out),
        (ProxyVersion::V1, None) => out.extend_from_slice(b"PROXY UNKNOWN\r\n"),
        (ProxyVersion::V2, addresses) => {
            let command = addresses.map_or(Command::Local, |_| Command::Proxy);
            let (source, destination) = addresses.unwrap_or((NOBODY, NOBODY));
            let name =
                client.and_then(|client| client.server_name.as_deref()).map(|name| (tlv::AUTHORITY, name.as_bytes()));
            // Too long a name is left out: the addresses are what the host needs.
            let told = name
                .is_some_and(|name| proxy_protocol::encode_v2(command, source, destination, &[name], &mut out).is_ok());
            if !told {
                out.clear();
                // Without a TLV it always fits.
                let _ = proxy_protocol::encode_v2(command, source, destination, &[], &mut out);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_not_to_blame_for_our_want_of_descriptors() {
        const EMFILE: i32 = 24;
        assert_eq!(why(&io::Error::from_raw_os_error(EMFILE)), Kind::Overflow);
        assert_eq!(why(&io::ErrorKind::ConnectionRefused.into()), Kind::Refused);
    }
}
