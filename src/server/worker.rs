//! A worker thread's side of the process: its listeners and clusters, and the commands that change them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::process::WorkerSockets;
use super::udp::UdpSlots;
use super::{ChainSnapshot, HttpSnapshot, ListenerSnapshot, ServiceSnapshot, Snapshot, TcpSnapshot};
use crate::cluster::ClusterView;
use crate::listener::{
    ChainSlot, ConnectionLimit, ConnectionStats, Connections, Gate, ListenerView, Port, PortView, Served, ServerTls,
    Slot, TcpView, accept_loop,
};
use crate::runtime::Rt;
use crate::runtime::control::Sender;
use crate::runtime::mailbox;
use crate::runtime::net::{Listener, Tubes};
use crate::stats::{Handle, ListenerStats, Scope, ServerStats};
use crate::stream::buffers::Buffers;

/// How often idle upstream connections are looked over.
const SWEEP: Duration = Duration::from_millis(500);
/// The same while requests wait, here or elsewhere, for permits that idle connections may hold.
const SWEEP_BUSY: Duration = Duration::from_millis(50);
/// Steps of handshakes with clients in one turn of a worker, before others have theirs (row L-6): some milliseconds.
const HANDSHAKES: usize = 8;

/// What connections and streams share on their worker.
pub struct Worker {
    pub rt: Rt,
    pub buffers: Rc<Buffers>,
    pub tubes: Rc<Tubes>,
    /// Handshakes with clients.
    pub handshakes: Rc<Gate>,
    /// Of all workers, for unique connection ids.
    workers: usize,
    connections: Cell<u64>,
}

impl Worker {
    /// One of so many.
    pub(crate) fn new(rt: Rt, workers: usize) -> Worker {
        Worker {
            rt,
            buffers: Rc::default(),
            tubes: Rc::default(),
            handshakes: Rc::new(Gate::new(HANDSHAKES)),
            workers,
            connections: Cell::new(0),
        }
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
        ports: RefCell::default(),
        retired: RefCell::default(),
        udp: UdpSlots::default(),
        clusters: RefCell::default(),
        retired_clusters: RefCell::default(),
    });
    rt.spawn_boxed(Box::pin(sweep(state.clone())));
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
    ports: RefCell<BTreeMap<String, Rc<Port>>>,
    /// Of listeners and chains that are gone from the configuration and still have some.
    retired: RefCell<Vec<Connections>>,
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
        let mut ports = BTreeMap::new();
        let mut before = self.ports.take();
        for listener in &snapshot.listeners {
            if let Some(port) = before.remove(&listener.key) {
                let had = port.view();
                port.set_view(Rc::new(self.port_view(listener, &had.chains, &clusters)));
                self.retire_chains(&had.chains, &port.view().chains);
                ports.insert(listener.key.clone(), port);
            } else if let Some(socket) = sockets.remove(&listener.key)
                && let Some(port) = self.open(listener, &clusters, socket)
            {
                ports.insert(listener.key.clone(), port);
            }
        }
        for port in before.into_values() {
            port.drain();
            self.retire(&port);
        }
        *self.ports.borrow_mut() = ports;
        for view in self.clusters.replace(clusters.to_vec()) {
            if !clusters.iter().any(|kept| Rc::ptr_eq(kept, &view)) {
                view.retire();
                self.retired_clusters.borrow_mut().push(view);
            }
        }
    }

    /// Remembers the connections of a port that accepts no more.
    fn retire(&self, port: &Port) {
        let view = port.view();
        let chains = view.chains.iter().map(ChainSlot::connections);
        self.retired.borrow_mut().extend(std::iter::once(&port.connections).chain(chains).cloned());
    }

    /// Chains that are not among those of now drain.
    fn retire_chains(&self, before: &[ChainSlot], now: &[ChainSlot]) {
        for chain in before.iter().filter(|chain| !now.iter().any(|kept| kept.is_same(chain))) {
            chain.connections().drain();
            self.retired.borrow_mut().push(chain.connections().clone());
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

    /// The chains of a listener: those that run already keep their places, and their connections.
    fn port_view(&self, listener: &ListenerSnapshot, had: &[ChainSlot], clusters: &Rc<[Rc<ClusterView>]>) -> PortView {
        let stats = listener.stats.worker(self.worker.rt.worker_index());
        let connections = || Connections::new(listener.connections.clone(), self.process_limit.clone());
        let slot = |chain: &ChainSnapshot| {
            let known = had.iter().find(|slot| slot.name() == &chain.name).map(|slot| &slot.served);
            let served = match &chain.service {
                ServiceSnapshot::Http(http) => {
                    let view = Rc::new(self.http_view(chain, http, &stats, clusters));
                    Served::Http(match known {
                        Some(Served::Http(slot)) => slot.with_view(view),
                        _ => Rc::new(Slot::new(self.worker.clone(), chain.name.clone(), connections(), view)),
                    })
                }
                ServiceSnapshot::Tcp(tcp) => {
                    let view = Rc::new(self.tcp_view(chain, tcp, &stats, clusters));
                    Served::Tcp(match known {
                        Some(Served::Tcp(slot)) => slot.with_view(view),
                        _ => Rc::new(Slot::new(self.worker.clone(), chain.name.clone(), connections(), view)),
                    })
                }
            };
            let tls = chain.tls.as_ref().map(|tls| {
                let stats = tls.stats.worker(self.worker.rt.worker_index());
                Rc::new(ServerTls { context: tls.context.reader(), timeout: tls.timeout, stats })
            });
            ChainSlot { tls, served }
        };
        let chains = listener.chains.iter().map(slot).collect();
        PortView { stats, arrival: listener.arrival.clone(), chains }
    }

    fn http_view(
        &self,
        chain: &ChainSnapshot,
        http: &HttpSnapshot,
        listener_stats: &Handle<ListenerStats>,
        clusters: &Rc<[Rc<ClusterView>]>,
    ) -> ListenerView {
        let index = self.worker.rt.worker_index();
        ListenerView {
            worker: self.worker.clone(),
            http: http.http.clone(),
            // A copy for each worker: its references are counted where no other worker writes.
            limits: Arc::new((*http.limits).clone()),
            h2_limits: Arc::new(http.h2_limits.clone()),
            upstream_limits: Arc::new(nuncio_h1::Limits {
                keep_trailers: http.http.enable_trailers,
                ..nuncio_h1::Limits::default()
            }),
            routes: http.routes.clone(),
            extras: http.extras.clone(),
            filters: chain.filters.clone(),
            clusters: clusters.clone(),
            connection_stats: Rc::new(ConnectionStats {
                http: http.stats.worker(index),
                listener: listener_stats.clone(),
            }),
            stats: http.stats.worker(index),
            http2_stats: http.http2_stats.worker(index),
            listener_stats: listener_stats.clone(),
            access_logs: chain.access_logs.iter().map(|log| log.logger(index)).collect(),
        }
    }

    fn tcp_view(
        &self,
        chain: &ChainSnapshot,
        tcp: &TcpSnapshot,
        listener_stats: &Handle<ListenerStats>,
        clusters: &Rc<[Rc<ClusterView>]>,
    ) -> TcpView {
        let index = self.worker.rt.worker_index();
        TcpView {
            worker: self.worker.clone(),
            tcp: tcp.tcp.clone(),
            drain_time: tcp.drain_time,
            routes: tcp.routes.clone(),
            filters: chain.filters.clone(),
            clusters: clusters.clone(),
            stats: tcp.stats.worker(index),
            listener_stats: listener_stats.clone(),
            access_logs: chain.access_logs.iter().map(|log| log.logger(index)).collect(),
        }
    }

    fn open(
        &self,
        listener: &ListenerSnapshot,
        clusters: &Rc<[Rc<ClusterView>]>,
        socket: Listener,
    ) -> Option<Rc<Port>> {
        let connections = Connections::new(listener.connections.clone(), self.process_limit.clone());
        let view = Rc::new(self.port_view(listener, &[], clusters));
        let port = Rc::new(Port::new(self.worker.clone(), listener.name.clone(), connections, view));
        match socket.into_worker(&self.worker.rt) {
            Ok(socket) => {
                self.worker.rt.spawn_boxed(Box::pin(accept_loop(socket, port.clone())));
                Some(port)
            }
            Err(error) => {
                log::error!("listener {}: {error}", listener.name);
                None
            }
        }
    }

    fn drain(&self, done: Sender<usize>) {
        for port in self.ports.take().into_values() {
            port.drain();
            self.retire(&port);
        }
        let retired = self.retired.borrow().clone();
        retired.iter().for_each(Connections::drain);
        let udp = self.udp.drain();
        let index = self.worker.rt.worker_index();
        self.worker.rt.spawn_boxed(Box::pin(async move {
            for connections in &retired {
                std::future::poll_fn(|task| connections.poll_empty(task)).await;
            }
            for slot in &udp {
                std::future::poll_fn(|task| slot.sessions.poll_empty(task)).await;
            }
            // Nobody listens any more when the drain took too long.
            let _ = done.try_send(index);
        }));
    }
}

/// Closes idle upstream connections in time, forgets retired listeners, counts panics.
async fn sweep(state: Rc<State>) {
    let mut pause = SWEEP;
    loop {
        state.worker.rt.sleep(pause).await;
        let clusters = state.clusters.borrow().clone();
        state.retired_clusters.borrow_mut().retain(|view| !view.is_unused());
        let retired = state.retired_clusters.borrow().clone();
        let mut short = false;
        for view in clusters.iter().chain(&retired) {
            view.sweep();
            short |= view.is_short();
        }
        pause = if short { SWEEP_BUSY } else { SWEEP };
        let stats = &state.stats;
        stats.panics.add(state.worker.rt.panics().saturating_sub(stats.panics.get()));
        state.retired.borrow_mut().retain(|connections| connections.open() > 0);
        state.udp.sweep();
    }
}
