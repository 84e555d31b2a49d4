//! The place of a listener on a worker: its accept loop holds it, and finds the newest chains in it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::slot::Slot;
use super::view::{ListenerView, TcpView};
use super::{Arrival, Connections};
use crate::runtime::Reader;
use crate::server::Worker;
use crate::stats::{Handle, ListenerStats, TlsStats};
use crate::tls::ServerContext;

pub struct Port {
    pub worker: Rc<Worker>,
    /// The listener's name.
    pub name: Arc<str>,
    /// Those whose chain is not known yet. Its drain ends the accepting.
    pub connections: Connections,
    view: RefCell<Rc<PortView>>,
}

/// What a port serves, under one configuration.
pub struct PortView {
    pub stats: Handle<ListenerStats>,
    pub arrival: Arc<Arrival>,
    /// In the order that `arrival` knows.
    pub chains: Vec<ChainSlot>,
}

/// One chain.
#[derive(Clone)]
pub struct ChainSlot {
    /// TLS comes first.
    pub tls: Option<Rc<ServerTls>>,
    pub served: Served,
}

/// What a chain does with a connection.
#[derive(Clone)]
pub enum Served {
    Http(Rc<Slot<ListenerView>>),
    Tcp(Rc<Slot<TcpView>>),
}

/// TLS with clients.
pub struct ServerTls {
    /// Certificates may be replaced at any time.
    pub context: Reader<ServerContext>,
    /// For a handshake.
    pub timeout: Duration,
    pub stats: Handle<TlsStats>,
}

impl Port {
    pub fn new(worker: Rc<Worker>, name: Arc<str>, connections: Connections, view: Rc<PortView>) -> Port {
        Port { worker, name, connections, view: RefCell::new(view) }
    }

    pub fn view(&self) -> Rc<PortView> {
        self.view.borrow().clone()
    }

    pub fn set_view(&self, view: Rc<PortView>) {
        *self.view.borrow_mut() = view;
    }

    /// From now on nothing is accepted, idle connections close, and busy ones when they are done.
    pub fn drain(&self) {
        self.connections.drain();
        self.view().chains.iter().for_each(|chain| chain.connections().drain());
    }
}

impl PortView {
    /// The chain, if a connection is known to be its before any byte of it is read.
    pub fn at_once(&self) -> Option<&ChainSlot> {
        let arrival = &self.arrival;
        let chain = arrival.only_chain().filter(|_| !arrival.peeks && arrival.proxy_protocol.is_none())?;
        self.chains.get(chain).filter(|chain| chain.tls.is_none())
    }
}

impl ChainSlot {
    pub fn connections(&self) -> &Connections {
        match &self.served {
            Served::Http(slot) => &slot.connections,
            Served::Tcp(slot) => &slot.connections,
        }
    }

    /// The same place, whatever view is in it.
    pub fn is_same(&self, other: &ChainSlot) -> bool {
        match (&self.served, &other.served) {
            (Served::Http(one), Served::Http(two)) => Rc::ptr_eq(one, two),
            (Served::Tcp(one), Served::Tcp(two)) => Rc::ptr_eq(one, two),
            _ => false,
        }
    }

    pub fn name(&self) -> &Arc<str> {
        match &self.served {
            Served::Http(slot) => &slot.name,
            Served::Tcp(slot) => &slot.name,
        }
    }
}
