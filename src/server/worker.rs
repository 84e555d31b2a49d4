//! A worker thread's side of the process: its listeners and clusters, and the commands that change them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::process::WorkerSockets;
use super::udp::UdpSlots;
use super::{ListenerSnapshot, Snapshot};
use crate::cluster::ClusterView;
use crate::listener::{ConnectionLimit, ConnectionStats, Connections, ListenerSlot, ListenerView, accept_loop};
use crate::runtime::Rt;
use crate::runtime::control::Sender;
use crate::runtime::mailbox;
use crate::runtime::net::Listener;
use crate::stats::{Handle, Scope, ServerStats};
use crate::stream::buffers::Buffers;

/// How often idle upstream connections are looked over.
const SWEEP: Duration = Duration::from_millis(500);
/// The same while requests wait, here or elsewhere, for permits that idle connections may hold.
const SWEEP_BUSY: Duration = Duration::from_millis(50);

/// What connections and streams share on their worker.
pub struct Worker {
    pub rt: Rt,
    pub buffers: Rc<Buffers>,
    /// Of all workers, for unique connection ids.
    workers: usize,
    connections: Cell<u64>,
}

impl Worker {
    /// One of so many.
    pub(crate) fn new(rt: Rt, workers: usize) -> Worker {
        Worker { rt, buffers: Rc::default(), workers, connections: Cell::new(0) }
    }

    /// Unique in the process.
    pub fn next_connection_id(&self) -> u64 {
        let count = self.connections.get() + 1;
        self.connections.set(count);
        count * self.workers as u64 + self.rt.worker_index() as u64
    }
}

/// What the control thread tells a worker.
pub(super) enum Command {
    /// Serve this from now on, new listeners on these sockets, by their keys.
    Apply {
        snapshot: Arc<Snapshot>,
        sockets: WorkerSockets,
    },
    /// Finish what is in flight; then say so.
    Drain {
        done: Sender<usize>,
    },
    /// Say that you are alive.
    Ping {
        answer: Sender<usize>,
    },
    Stop,
}

/// What a worker is told once, at its start.
pub(super) struct Shared {
    /// How many there are.
    pub(super) workers: usize,
    /// Of the process.
    pub(super) connections: Arc<ConnectionLimit>,
    pub(super) stats: Arc<Scope<ServerStats>>,
}

/// A worker from its first command to its last.
pub(super) async fn worker_main(rt: Rt, receiver: mailbox::Receiver<Command>, shared: Shared) -> std::io::Result<()> {
    let mut mailbox = receiver.into_worker(&rt)?;
    let worker = Rc::new(Worker::new(rt.clone(), shared.workers));
    let state = Rc::new(State {
        worker,
        process_limit: shared.connections,
        stats: shared.stats.worker(rt.worker_index()),
        slots: RefCell::default(),
        retired: RefCell::default(),
        udp: UdpSlots::default(),
        clusters: RefCell::default(),
        retired_clusters: RefCell::default(),
    });
    rt.spawn(sweep(state.clone()));
    while let Some(command) = mailbox.recv().await {
        match command {
            Command::Apply { snapshot, sockets } => state.apply(&snapshot, sockets),
            Command::Drain { done } => state.drain(done),
            Command::Ping { answer } => {
                // The control thread may have given up waiting.
                let _ = answer.try_send(rt.worker_index());
            }
            Command::Stop => break,
        }
    }
    Ok(())
}

struct State {
    worker: Rc<Worker>,
    process_limit: Arc<ConnectionLimit>,
    stats: Handle<ServerStats>,
    /// By key.
    slots: RefCell<BTreeMap<String, Rc<ListenerSlot>>>,
    /// Listeners that are gone from the configuration and still have connections.
    retired: RefCell<Vec<Rc<ListenerSlot>>>,
    udp: UdpSlots,
    /// In the order of the snapshot.
    clusters: RefCell<Vec<Rc<ClusterView>>>,
    /// Clusters that are gone from the configuration and still have requests waiting.
    retired_clusters: RefCell<Vec<Rc<ClusterView>>>,
}

impl State {
    fn apply(&self, snapshot: &Arc<Snapshot>, sockets: WorkerSockets) {
        let WorkerSockets { streams: mut sockets, udp } = sockets;
        let clusters = self.take_clusters(snapshot);
        self.udp.apply(&self.worker, &self.process_limit, snapshot, &clusters, udp);
        let mut slots = BTreeMap::new();
        let mut before = self.slots.take();
        for listener in &snapshot.listeners {
            let view = Rc::new(self.view(listener, &clusters));
            if let Some(slot) = before.remove(&listener.key) {
                slot.set_view(view);
                slots.insert(listener.key.clone(), slot);
            } else if let Some(socket) = sockets.remove(&listener.key)
                && let Some(slot) = self.open(listener, view, socket)
            {
                slots.insert(listener.key.clone(), slot);
            }
        }
        for slot in before.into_values() {
            slot.connections.drain();
            self.retired.borrow_mut().push(slot);
        }
        *self.slots.borrow_mut() = slots;
        for view in self.clusters.replace(clusters.to_vec()) {
            if !clusters.iter().any(|kept| Rc::ptr_eq(kept, &view)) {
                view.retire();
                self.retired_clusters.borrow_mut().push(view);
            }
        }
    }

    fn take_clusters(&self, snapshot: &Snapshot) -> Rc<[Rc<ClusterView>]> {
        let before = self.clusters.borrow();
        let view = |cluster: &Arc<crate::cluster::Cluster>| {
            let same = before.iter().find(|view| Arc::ptr_eq(&view.shared, cluster));
            same.cloned().unwrap_or_else(|| ClusterView::new(cluster.clone(), &self.worker.rt))
        };
        snapshot.clusters.iter().map(view).collect()
    }

    fn view(&self, listener: &ListenerSnapshot, clusters: &Rc<[Rc<ClusterView>]>) -> ListenerView {
        let index = self.worker.rt.worker_index();
        ListenerView {
            worker: self.worker.clone(),
            http: listener.http.clone(),
            // A copy for each worker: its references are counted where no other worker writes.
            limits: Arc::new((*listener.limits).clone()),
            h2_limits: Arc::new(listener.h2_limits.clone()),
            upstream_limits: Arc::new(nuncio_h1::Limits {
                keep_trailers: listener.http.enable_trailers,
                ..nuncio_h1::Limits::default()
            }),
            routes: listener.routes.clone(),
            extras: listener.extras.clone(),
            filters: listener.filters.clone(),
            clusters: clusters.clone(),
            connection_stats: Rc::new(ConnectionStats {
                http: listener.stats.worker(index),
                listener: listener.listener_stats.worker(index),
            }),
            stats: listener.stats.worker(index),
            http2_stats: listener.http2_stats.worker(index),
            listener_stats: listener.listener_stats.worker(index),
            access_logs: listener.access_logs.iter().map(|log| log.logger(index)).collect(),
        }
    }

    fn open(&self, listener: &ListenerSnapshot, view: Rc<ListenerView>, socket: Listener) -> Option<Rc<ListenerSlot>> {
        let connections = Connections::new(listener.connections.clone(), self.process_limit.clone());
        let slot = Rc::new(ListenerSlot::new(self.worker.clone(), listener.name.clone(), connections, view));
        match socket.into_worker(&self.worker.rt) {
            Ok(socket) => {
                self.worker.rt.spawn(accept_loop(socket, slot.clone()));
                Some(slot)
            }
            Err(error) => {
                log::error!("listener {}: {error}", listener.name);
                None
            }
        }
    }

    fn drain(&self, done: Sender<usize>) {
        let mut retired = self.retired.borrow_mut();
        retired.extend(self.slots.take().into_values());
        retired.iter().for_each(|slot| slot.connections.drain());
        let slots = retired.clone();
        drop(retired);
        let udp = self.udp.drain();
        let index = self.worker.rt.worker_index();
        self.worker.rt.spawn(async move {
            for slot in &slots {
                std::future::poll_fn(|task| slot.connections.poll_empty(task)).await;
            }
            for slot in &udp {
                std::future::poll_fn(|task| slot.sessions.poll_empty(task)).await;
            }
            // Nobody listens any more when the drain took too long.
            let _ = done.try_send(index);
        });
    }
}

/// Closes idle upstream connections in time, forgets retired listeners, counts panics.
async fn sweep(state: Rc<State>) {
    let mut pause = SWEEP;
    loop {
        state.worker.rt.sleep(pause).await;
        let clusters = state.clusters.borrow().clone();
        state.retired_clusters.borrow_mut().retain(|view| !view.pool.is_unused());
        let retired = state.retired_clusters.borrow().clone();
        let mut short = false;
        for view in clusters.iter().chain(&retired) {
            view.sweep();
            short |= view.is_short();
        }
        pause = if short { SWEEP_BUSY } else { SWEEP };
        let stats = &state.stats;
        stats.panics.add(state.worker.rt.panics().saturating_sub(stats.panics.get()));
        state.retired.borrow_mut().retain(|slot| slot.connections.open() > 0);
        state.udp.sweep();
    }
}
