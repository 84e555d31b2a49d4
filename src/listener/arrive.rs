//! From an accepted socket to the chain that serves it.
//!
//! ```text
//!  accepted --PROXY header, if the peer may send one--> --TLS hello, if a chain asks for it--> the chain is known --> served
//!     |         no header, or a wrong one: closed           no hello: it is not TLS        none matches: closed
//!     `-- `detect_timeout` for both together, a drain, the client gone: closed
//! ```
//! What was read and is not the PROXY header's goes on to whoever serves the connection: nothing is consumed by a look. The
//! buffer is this task's until then. A client that is silent holds none.

use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};

use nuncio_proxy_protocol as proxy_protocol;
use nuncio_tls_hello::{Hello, Peeked};

use super::arrival::Arrived;
use super::{Admission, ChainSlot, Port, PortView};
use crate::downstream::{self, Connection};
use crate::runtime::net::Addr;
use crate::runtime::{Rt, Timer, Transport};
use crate::stream::buffers::ReadBuffer;
use crate::stream::info::ConnectionInfo;

/// Why a connection did not get to a chain. Each has its counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    /// The peer went.
    Closed,
    Timeout,
    /// Nothing is accepted any more.
    Draining,
    ProxyProtocol,
    Hello,
}

/// Takes one connection to its chain.
pub(super) async fn arrive(transport: Box<dyn Transport>, port: Rc<Port>, admission: Admission) {
    let view = port.view();
    let _active = Active::new(&view);
    let mut arriving = Arriving::new(transport, &port, admission);
    match arriving.find_chain(&view).await {
        Ok(Some(chain)) => arriving.serve(&chain, &port),
        Ok(None) => view.stats.no_filter_chain_match.inc(),
        Err(refused) => {
            match refused {
                Refused::Closed | Refused::Draining => {}
                Refused::Timeout => view.stats.downstream_pre_cx_timeout.inc(),
                Refused::ProxyProtocol => view.stats.proxy_protocol_error.inc(),
                Refused::Hello => view.stats.client_hello_error.inc(),
            }
            log::debug!("listener {}: {}: {refused:?}", port.name, arriving.source);
        }
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
    match chain {
        ChainSlot::Http(slot) => {
            rt.spawn(Connection::new(transport, info, slot.clone(), admission).serve_from(first));
        }
        ChainSlot::Tcp(slot) => {
            rt.spawn(downstream::tcp::serve(transport, info, slot.clone(), admission, first));
        }
    }
}

struct Arriving {
    transport: Box<dyn Transport>,
    buffer: ReadBuffer,
    admission: Admission,
    timer: Timer,
    source: Addr,
    destination: Addr,
    /// A PROXY header gave the addresses.
    proxied: bool,
    hello: Option<Hello>,
}

impl Arriving {
    fn new(transport: Box<dyn Transport>, port: &Port, admission: Admission) -> Arriving {
        Arriving {
            buffer: ReadBuffer::new(&port.worker.buffers),
            admission,
            timer: port.worker.rt.timer(),
            source: transport.peer_addr().clone(),
            destination: transport.local_addr().clone(),
            transport,
            proxied: false,
            hello: None,
        }
    }

    async fn find_chain(&mut self, view: &PortView) -> Result<Option<ChainSlot>, Refused> {
        self.timer.set_after(view.arrival.timeout);
        if view.arrival.trusts(&self.source) {
            self.read_proxy_header(view).await?;
        }
        if view.arrival.peeks {
            self.peek_hello().await?;
        }
        let arrived = Arrived { source: &self.source, destination: &self.destination, hello: self.hello.as_ref() };
        Ok(view.arrival.choose(&arrived).map(|at| view.chains[at].clone()))
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
        match self.buffer.poll_fill(task, &mut *self.transport, usize::MAX) {
            Poll::Ready(Ok(read)) if read > 0 => return Poll::Ready(Ok(())),
            Poll::Ready(_) => return Poll::Ready(Err(Refused::Closed)),
            Poll::Pending => {}
        }
        if self.admission.poll_drain(task).is_ready() {
            return Poll::Ready(Err(Refused::Draining));
        }
        self.timer.poll(task).map(|()| Err(Refused::Timeout))
    }

    fn serve(mut self, chain: &ChainSlot, port: &Port) {
        self.admission.move_to(chain.connections());
        let info = ConnectionInfo {
            remote: self.source,
            local: self.destination,
            direct_remote: self.proxied.then(|| Box::new(self.transport.peer_addr().clone())),
            server_name: self.hello.and_then(|hello| hello.server_name).map(String::into_boxed_str),
            ..ConnectionInfo::new(port.worker.next_connection_id(), &*self.transport, chain.name())
        };
        serve(chain, self.transport, Rc::new(info), self.admission, Some(self.buffer), &port.worker.rt);
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
