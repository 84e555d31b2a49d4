//! UDP listeners of the process: made ready on the control thread, bound, and served by each worker.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::Snapshot;
use super::run::RunError;
use super::snapshot::{BuildError, Builder, Slots};
use super::worker::Worker;
use crate::access_log::Log;
use crate::cluster::ClusterView;
use crate::config::{self, Config};
use crate::downstream::udp::{Buffers, UdpSlot, UdpView, serve};
use crate::listener::{ConnectionLimit, Connections};
use crate::route::L4Table;
use crate::runtime::net::Addr;
use crate::runtime::net::udp::UdpListener;
use crate::stats::{Scope, UdpStats};

/// One UDP listener, ready to serve.
pub struct UdpSnapshot {
    /// What stays the same over reloads: the address, or the name where the kernel chooses the port.
    pub key: String,
    pub name: Arc<str>,
    pub address: SocketAddr,
    pub config: config::Udp,
    pub drain_time: Duration,
    pub routes: Arc<L4Table>,
    pub sessions: Arc<ConnectionLimit>,
    pub stats: Arc<Scope<UdpStats>>,
    pub access_logs: Vec<Log>,
}

/// Sockets for one worker, by listener key.
pub(super) type UdpSockets = BTreeMap<String, UdpListener>;

impl Builder<'_> {
    pub(super) fn udp_listener(
        &mut self,
        config: &Config,
        listener: &config::UdpListener,
        slots: &Slots<'_>,
    ) -> Result<UdpSnapshot, BuildError> {
        let name = &listener.name;
        let routes = L4Table::build(&listener.routes, self.values, |cluster| slots.find(cluster))
            .map_err(|(at, error)| BuildError(format!("listener {name}: routes[{at}]: {error}")))?;
        let key = key(listener);
        let running = self.current.udp.iter().find(|running| running.key == key);
        let sessions = running.map_or_else(|| Arc::new(ConnectionLimit::new(0)), |running| running.sessions.clone());
        let logs = listener.access_log.as_ref().unwrap_or(&config.access_log);
        let access_logs = logs.iter().map(|log| self.logs.open(log)).collect::<Result<Vec<Log>, _>>();
        Ok(UdpSnapshot {
            name: name.as_str().into(),
            address: listener.address,
            config: listener.udp.clone(),
            drain_time: config.drain_time,
            routes: Arc::new(routes),
            sessions,
            stats: self.registry.scope::<UdpStats>(&format!("udp.{name}"), self.workers),
            access_logs: access_logs.map_err(|error| BuildError(format!("listener {name}: access_log: {error}")))?,
            key,
        })
    }
}

/// Of no TCP listener: a port may have one of each kind.
fn key(listener: &config::UdpListener) -> String {
    match listener.address.port() {
        0 => format!("udp/{}#{}", listener.address, listener.name),
        _ => format!("udp/{}", listener.address),
    }
}

/// Binds the listeners that are new, for so many workers.
pub(super) fn bind(
    snapshot: &Snapshot,
    bound: &BTreeMap<String, Addr>,
    workers: usize,
) -> Result<Vec<UdpSockets>, RunError> {
    let mut sockets: Vec<UdpSockets> = (0..workers).map(|_| BTreeMap::new()).collect();
    for listener in snapshot.udp.iter().filter(|listener| !bound.contains_key(&listener.key)) {
        let group = UdpListener::bind_group(listener.address, workers)
            .map_err(|error| RunError(format!("listener {}: {} (UDP): {error}", listener.name, listener.address)))?;
        for (worker, socket) in sockets.iter_mut().zip(group) {
            worker.insert(listener.key.clone(), socket);
        }
    }
    Ok(sockets)
}

/// The UDP listeners of one worker.
#[derive(Default)]
pub(super) struct UdpSlots {
    /// By key.
    slots: RefCell<BTreeMap<String, Rc<UdpSlot>>>,
    /// Those that are gone from the configuration and still have sessions.
    retired: RefCell<Vec<Rc<UdpSlot>>>,
    /// Made with the first listener.
    buffers: RefCell<Option<Rc<RefCell<Buffers>>>>,
}

impl UdpSlots {
    pub(super) fn apply(
        &self,
        worker: &Rc<Worker>,
        process_limit: &Arc<ConnectionLimit>,
        snapshot: &Snapshot,
        clusters: &Rc<[Rc<ClusterView>]>,
        mut sockets: UdpSockets,
    ) {
        let mut slots = BTreeMap::new();
        let mut before = self.slots.take();
        for listener in &snapshot.udp {
            let view = Rc::new(view(listener, clusters, worker.rt.worker_index()));
            if let Some(slot) = before.remove(&listener.key) {
                slot.set_view(view);
                slots.insert(listener.key.clone(), slot);
            } else if let Some(socket) = sockets.remove(&listener.key) {
                let sessions = Connections::new(listener.sessions.clone(), process_limit.clone());
                let slot = Rc::new(UdpSlot::new(worker.clone(), listener.name.clone(), sessions, view));
                worker.rt.spawn_boxed(Box::pin(serve(socket, slot.clone(), self.buffers())));
                slots.insert(listener.key.clone(), slot);
            }
        }
        for slot in before.into_values() {
            slot.sessions.drain();
            self.retired.borrow_mut().push(slot);
        }
        *self.slots.borrow_mut() = slots;
    }

    fn buffers(&self) -> Rc<RefCell<Buffers>> {
        self.buffers.borrow_mut().get_or_insert_with(|| Rc::new(RefCell::new(Buffers::new()))).clone()
    }

    /// Drains all of them: what is to be waited for.
    pub(super) fn drain(&self) -> Vec<Rc<UdpSlot>> {
        let mut retired = self.retired.borrow_mut();
        retired.extend(self.slots.take().into_values());
        retired.iter().for_each(|slot| slot.sessions.drain());
        retired.clone()
    }

    /// Forgets retired listeners without sessions.
    pub(super) fn sweep(&self) {
        self.retired.borrow_mut().retain(|slot| slot.sessions.open() > 0);
    }
}

fn view(listener: &UdpSnapshot, clusters: &Rc<[Rc<ClusterView>]>, worker: usize) -> UdpView {
    UdpView {
        udp: listener.config.clone(),
        drain_time: listener.drain_time,
        routes: listener.routes.clone(),
        clusters: clusters.clone(),
        stats: listener.stats.worker(worker),
        access_logs: listener.access_logs.iter().map(|log| log.logger(worker)).collect(),
    }
}
