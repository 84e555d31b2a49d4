//! From an accepted socket to the chain that serves it.
//!
//! ```text
//!  accepted --PROXY header, if the peer may send one--> --TLS hello, if a chain asks for it--> the chain is known
//!     |         no header, or a wrong one: closed           no hello: it is not TLS        none matches: closed
//!     `-- `detect_timeout` for both together, a drain, the client gone: closed
//!
//!  the chain is known --TLS handshake, if it has certificates--> served
//!     `-- `handshake_timeout`, an alert, a drain, the client gone: closed
//! ```
//! So many handshakes run at once on a worker; the others wait for their turn, within their time (row L-6).
//!
//! What was read and is not the PROXY header's goes on to whoever serves the connection: nothing is consumed by a look. The
//! buffer is this task's until then. A client that is silent holds none.

use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};

use nuncio_proxy_protocol as proxy_protocol;
use nuncio_tls_hello::{Hello, Peeked};

use super::arrival::Arrived;
use super::gate::Pass;
use super::{Admission, ChainSlot, Port, PortView, Served, ServerTls};
use crate::downstream::{self, Connection};
use crate::runtime::net::Addr;
use crate::runtime::{Rt, Timer, Transport};
use crate::server::Worker;
use crate::stream::buffers::ReadBuffer;
use crate::stream::info::ConnectionInfo;
use crate::tls::{HandshakeError, Session};

/// Why a connection did not get to a chain. Each has its counter.
#[derive(Debug)]
enum Refused {
    /// The peer went.
    Closed,
    Timeout,
    /// Nothing is accepted any more.
    Draining,
    ProxyProtocol,
    Hello,
    NoChain,
    Handshake(HandshakeError),
}

/// Takes one connection to its chain. `original`: where it was to go before it was redirected.
pub(super) async fn arrive(
    transport: Box<dyn Transport>,
    original: Option<SocketAddr>,
    port: Rc<Port>,
    admission: Admission,
) {
    let view = port.view();
    let _active = Active::new(&view);
    let mut arriving = Arriving::new(transport, original, &port, admission);
    let arrived = match arriving.find_chain(&view).await {
        Ok(chain) => match &chain.tls {
            Some(tls) => arriving.shake_hands(tls).await.map(|()| chain),
            None => Ok(chain),
        },
        Err(refused) => {
            match refused {
                Refused::Timeout => view.stats.downstream_pre_cx_timeout.inc(),
                Refused::ProxyProtocol => view.stats.proxy_protocol_error.inc(),
                Refused::Hello => view.stats.client_hello_error.inc(),
                Refused::NoChain => view.stats.no_filter_chain_match.inc(),
                Refused::Closed | Refused::Draining | Refused::Handshake(_) => {}
            }
            Err(refused)
        }
    };
    match arrived {
        Ok(chain) => arriving.serve(&chain, &port),
        Err(refused) => log::debug!("listener {}: {}: {refused:?}", port.name, arriving.source),
    }
}

/// Hands a connection to its chain, on a task of its own.
pub(super) fn serve(
    chain: &ChainSlot,
    transport: Box<dyn Transport>,
    info: Rc<ConnectionInfo>,
    admission: Admission,
    first: Option<ReadBuffer>,
    rt: &Rt,
) {
    match &chain.served {
        Served::Http(slot) => {
            rt.spawn(Connection::new(transport, info, slot.clone(), admission).serve_from(first));
        }
        Served::Tcp(slot) => {
            rt.spawn(downstream::tcp::serve(transport, info, slot.clone(), admission, first));
        }
    }
}

struct Arriving {
    /// None only while hands are shaken, and when that has failed.
    transport: Option<Box<dyn Transport>>,
    buffer: ReadBuffer,
    worker: Rc<Worker>,
    admission: Admission,
    timer: Timer,
    source: Addr,
    /// The socket's own address, or where the client meant to go: what netfilter says, or the PROXY header.
    destination: Addr,
    own: Addr,
    /// A PROXY header gave the addresses.
    proxied: bool,
    direct: Addr,
    hello: Option<Hello>,
    session: Option<Rc<Session>>,
}

impl Arriving {
    fn new(transport: Box<dyn Transport>, original: Option<SocketAddr>, port: &Port, admission: Admission) -> Arriving {
        Arriving {
            buffer: ReadBuffer::new(&port.worker.buffers),
            admission,
            timer: port.worker.rt.timer(),
            source: transport.peer_addr().clone(),
            destination: original.map_or_else(|| transport.local_addr().clone(), Addr::Inet),
            own: transport.local_addr().clone(),
            direct: transport.peer_addr().clone(),
            transport: Some(transport),
            worker: port.worker.clone(),
            proxied: false,
            hello: None,
            session: None,
        }
    }

    async fn find_chain(&mut self, view: &PortView) -> Result<ChainSlot, Refused> {
        self.timer.set_after(view.arrival.timeout);
        if view.arrival.trusts(&self.source) {
            self.read_proxy_header(view).await?;
        }
        if view.arrival.peeks {
            self.peek_hello().await?;
        }
        let arrived = Arrived { source: &self.source, destination: &self.destination, hello: self.hello.as_ref() };
        view.arrival.choose(&arrived).map(|at| view.chains[at].clone()).ok_or(Refused::NoChain)
    }

    /// Row T-12: only from peers that are trusted to say it.
    async fn read_proxy_header(&mut self, view: &PortView) -> Result<(), Refused> {
        let optional = view.arrival.proxy_protocol.as_ref().is_some_and(|it| it.optional);
        loop {
            match proxy_protocol::parse(&self.buffer.bytes) {
                Ok(proxy_protocol::Parsed::NeedMore) => self.read().await?,
                Ok(proxy_protocol::Parsed::Header { header, len }) => {
                    if let Some((source, destination)) = header.addresses {
                        self.set_addresses(source, destination);
                    }
                    bytes::Buf::advance(&mut self.buffer.bytes, len);
                    return Ok(());
                }
                Err(proxy_protocol::Error::NotProxy) if optional => return Ok(()),
                Err(_) => return Err(Refused::ProxyProtocol),
            }
        }
    }

    fn set_addresses(&mut self, source: SocketAddr, destination: SocketAddr) {
        (self.source, self.destination, self.proxied) = (source.into(), destination.into(), true);
    }

    async fn peek_hello(&mut self) -> Result<(), Refused> {
        loop {
            match nuncio_tls_hello::peek(&self.buffer.bytes) {
                Ok(Peeked::NeedMore) => self.read().await?,
                Ok(Peeked::NotTls) => return Ok(()),
                Ok(Peeked::Hello(hello)) => {
                    self.hello = Some(hello);
                    return Ok(());
                }
                Err(_) => return Err(Refused::Hello),
            }
        }
    }

    /// At least one more byte.
    async fn read(&mut self) -> Result<(), Refused> {
        std::future::poll_fn(|task| self.poll_read(task)).await
    }

    fn poll_read(&mut self, task: &mut Context<'_>) -> Poll<Result<(), Refused>> {
        let Some(transport) = &mut self.transport else { return Poll::Ready(Err(Refused::Closed)) };
        match self.buffer.poll_fill(task, &mut **transport, usize::MAX) {
            Poll::Ready(Ok(read)) if read > 0 => return Poll::Ready(Ok(())),
            Poll::Ready(_) => return Poll::Ready(Err(Refused::Closed)),
            Poll::Pending => {}
        }
        self.poll_given_up(task).map(Err)
    }

    /// What was read already is the beginning of the handshake.
    async fn shake_hands(&mut self, tls: &ServerTls) -> Result<(), Refused> {
        self.timer.set_after(tls.timeout);
        let Some(transport) = self.transport.take() else { return Err(Refused::Closed) };
        let first = std::mem::take(&mut self.buffer.bytes);
        let mut accept = crate::tls::accept(transport, first, tls.context.get().config().clone());
        let worker = self.worker.clone();
        let mut pass = Pass::new(&worker.handshakes);
        tls.stats.handshake_active.inc();
        let done = std::future::poll_fn(|task| {
            if pass.poll(task).is_ready() {
                let step = accept.poll(task);
                // All that is ready now has its turn before the next one. Who waits for its client holds no pass.
                let spent = std::mem::replace(&mut pass, Pass::new(&worker.handshakes));
                worker.rt.spawn(async move { drop(spent) });
                if let Poll::Ready(done) = step {
                    return Poll::Ready(done.map_err(Refused::Handshake));
                }
            }
            self.poll_given_up(task).map(Err)
        })
        .await;
        tls.stats.handshake_active.dec();
        match &done {
            Ok((_, session)) => tls.stats.done(session),
            Err(Refused::Handshake(error)) => tls.stats.failed(error.kind),
            Err(_) => tls.stats.handshake_timeout.inc(),
        }
        let (transport, session) = done?;
        self.transport = Some(Box::new(transport));
        self.session = Some(session);
        Ok(())
    }

    fn poll_given_up(&self, task: &mut Context<'_>) -> Poll<Refused> {
        if self.admission.poll_drain(task).is_ready() {
            return Poll::Ready(Refused::Draining);
        }
        self.timer.poll(task).map(|()| Refused::Timeout)
    }

    fn serve(mut self, chain: &ChainSlot, port: &Port) {
        let Some(transport) = self.transport else { return };
        self.admission.move_to(chain.connections());
        let asked = self.hello.and_then(|hello| hello.server_name);
        let asked = asked.or_else(|| self.session.as_ref().and_then(|session| session.sni.clone()));
        let info = ConnectionInfo {
            remote: self.source,
            redirected: self.destination != self.own,
            local: self.destination,
            direct_remote: self.proxied.then(|| Box::new(self.direct)),
            server_name: asked.map(String::into_boxed_str),
            tls: self.session,
            ..ConnectionInfo::new(port.worker.next_connection_id(), &*transport, chain.name())
        };
        serve(chain, transport, Rc::new(info), self.admission, Some(self.buffer), &port.worker.rt);
    }
}

/// Counts a connection as long as its chain is not known.
struct Active(Rc<PortView>);

impl Active {
    fn new(view: &Rc<PortView>) -> Active {
        view.stats.downstream_pre_cx_active.inc();
        Active(view.clone())
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.stats.downstream_pre_cx_active.dec();
    }
}
