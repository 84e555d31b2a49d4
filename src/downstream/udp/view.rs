//! A worker's view of a UDP listener: what its sessions need, made once for each configuration. A reload puts a new view
//! into the slot; sessions keep the cluster and host that they have.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::access_log::Logger;
use crate::cluster::ClusterView;
use crate::config;
use crate::listener::Connections;
use crate::route::L4Table;
use crate::server::Worker;
use crate::stats::{Handle, UdpStats};

pub struct UdpView {
    pub udp: config::Udp,
    /// How long sessions go on once the listener drains.
    pub drain_time: Duration,
    pub routes: Arc<L4Table>,
    /// By the slot that routes name.
    pub clusters: Rc<[Rc<ClusterView>]>,
    pub stats: Handle<UdpStats>,
    pub access_logs: Rc<[Logger]>,
}

/// The place of a UDP listener on a worker.
pub struct UdpSlot {
    pub worker: Rc<Worker>,
    pub name: Arc<str>,
    /// Its sessions, which count as connections of the process.
    pub sessions: Connections,
    view: RefCell<Rc<UdpView>>,
}

impl UdpSlot {
    pub fn new(worker: Rc<Worker>, name: Arc<str>, sessions: Connections, view: Rc<UdpView>) -> UdpSlot {
        UdpSlot { worker, name, sessions, view: RefCell::new(view) }
    }

    pub fn view(&self) -> Rc<UdpView> {
        self.view.borrow().clone()
    }

    pub fn set_view(&self, view: Rc<UdpView>) {
        *self.view.borrow_mut() = view;
    }
}
