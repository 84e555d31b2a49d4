//! The state of the control thread: what runs, and how it is replaced.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use super::run::{Options, RunError, Started};
use super::snapshot::{Builder, Renewed};
use super::udp::UdpSockets;
use super::worker::Command;
use super::{ListenerSnapshot, Snapshot};
use crate::access_log::Sinks;
use crate::cluster::{self, CheckLimit, Cluster, Keeper};
use crate::config::Config;
use crate::dns::Resolver;
use crate::filter::{Around, Failing};
use crate::listener::ConnectionLimit;
use crate::order;
use crate::runtime::control::{self, Control, Receiver};
use crate::runtime::mailbox::Sender;
use crate::runtime::net::{Addr, ListenOptions, Listener, SocketFile};
use crate::runtime_values::RuntimeValues;
use crate::stats::{
    AccessLogStats, ClusterManagerStats, DnsStats, Handle, ListenerManagerStats, Registry, RuntimeStats, Scope,
    ServerStats,
};
use crate::tls::SystemRoots;

/// What the process is doing, as `/ready` and `/server_info` say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Initializing,
    Live,
    Draining,
}

pub(super) struct Process {
    pub(super) options: Options,
    pub(super) workers: usize,
    pub(super) mailboxes: Vec<Sender<Command>>,
    pub(super) registry: Registry,
    pub(super) values: RuntimeValues,
    pub(super) logs: Sinks,
    pub(super) stats: Handle<ServerStats>,
    pub(super) state: State,
    /// An operator has said `/healthcheck/fail`.
    pub(super) failed_by_operator: bool,
    /// For that reason, or because it drains.
    pub(super) failing: Arc<Failing>,
    pub(super) started: Instant,
    /// Over all listeners.
    pub(super) connections: Arc<ConnectionLimit>,
    /// Where each listener is bound, with the port that the kernel chose, by key.
    pub(super) bound: BTreeMap<String, Addr>,
    /// Those of UNIX sockets, by key: a file goes when its listener stops accepting, which is before its sockets are closed.
    files: BTreeMap<String, SocketFile>,
    /// Where the admin port is bound.
    pub(super) admin: Option<Addr>,
    snapshot: Arc<Snapshot>,
    system_roots: Arc<SystemRoots>,
    /// Told whenever another snapshot runs.
    applied: control::Sender<()>,
    default_connections: u64,
    /// Those of the process itself, kept over reloads.
    scopes: (Arc<Scope<ServerStats>>, Arc<Scope<AccessLogStats>>),
    listeners: Handle<ListenerManagerStats>,
    clusters: Handle<ClusterManagerStats>,
    control: Control,
    resolver: Resolver,
    /// Of all clusters together.
    checks: CheckLimit,
    /// One for each cluster of the running configuration.
    keepers: Vec<(Arc<Cluster>, Keeper)>,
}

/// A configuration that cannot fail any more.
pub(super) struct Prepared {
    snapshot: Snapshot,
    sockets: Sockets,
    renewed: Vec<Renewed>,
}

/// Sockets for the workers, in the order of the workers.
type Sockets = Vec<WorkerSockets>;

/// Sockets for one worker, by listener key.
#[derive(Default)]
pub(super) struct WorkerSockets {
    pub(super) streams: BTreeMap<String, Listener>,
    pub(super) udp: UdpSockets,
}

impl Process {
    /// Nothing runs yet. `connections`: most connections, unless the configuration says.
    pub(super) fn new(
        control: &Control,
        workers: usize,
        options: Options,
        connections: u64,
        applied: control::Sender<()>,
    ) -> Process {
        let mut registry = Registry::new();
        let server = registry.scope::<ServerStats>("server", workers);
        let access_log = registry.scope::<AccessLogStats>("access_log", workers);
        let listeners = registry.scope::<ListenerManagerStats>("listener_manager", workers).control();
        let clusters = registry.scope::<ClusterManagerStats>("cluster_manager", workers).control();
        let values = RuntimeValues::new(registry.scope::<RuntimeStats>("runtime", workers).control());
        let resolver = Resolver::new(registry.scope::<DnsStats>("dns", workers).control());
        let stats = server.control();
        stats.concurrency.set(workers as i64);
        Process {
            options,
            workers,
            mailboxes: Vec::new(),
            logs: Sinks::new(access_log.clone()),
            stats,
            state: State::Initializing,
            failed_by_operator: false,
            failing: Arc::default(),
            started: control::now(),
            resolver,
            checks: CheckLimit::default(),
            connections: Arc::new(ConnectionLimit::new(connections)),
            bound: BTreeMap::new(),
            files: BTreeMap::new(),
            admin: None,
            snapshot: Arc::new(Snapshot::default()),
            system_roots: Arc::default(),
            applied,
            default_connections: connections,
            scopes: (server, access_log),
            listeners,
            clusters,
            control: control.clone(),
            keepers: Vec::new(),
            values,
            registry,
        }
    }

    pub(super) fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// The file to watch, where the configuration asks for it.
    pub(super) fn watched(&self) -> Option<PathBuf> {
        self.options.path.clone().filter(|_| self.snapshot.config.watch)
    }

    /// Everything about a new configuration that can fail: nothing of what runs has changed when it does.
    pub(super) fn prepare(&mut self, config: Config) -> Result<Prepared, RunError> {
        let current = self.snapshot.clone();
        let mut builder = Builder {
            registry: &mut self.registry,
            values: &mut self.values,
            logs: &mut self.logs,
            workers: self.workers,
            system_roots: &self.system_roots,
            drain_time: config.drain_time,
            around: Around {
                failing: self.failing.clone(),
                node_cluster: config.node.cluster.clone(),
                ..Around::default()
            },
            current: &current,
            renewed: Vec::new(),
        };
        let built = builder.build(config).map_err(|error| RunError(error.to_string()));
        let renewed = builder.renewed;
        let prepared = built.and_then(|snapshot| {
            let sockets = self.bind(&snapshot)?;
            Ok(Prepared { snapshot, sockets, renewed })
        });
        if prepared.is_err() {
            self.listeners.listener_create_failure.inc();
            self.forget_unused();
        }
        prepared
    }

    /// Binds the listeners that are new.
    fn bind(&self, snapshot: &Snapshot) -> Result<Sockets, RunError> {
        let udp = super::udp::bind(snapshot, &self.bound, self.workers)?;
        let mut sockets: Sockets = udp.into_iter().map(|udp| WorkerSockets { streams: BTreeMap::new(), udp }).collect();
        for listener in &snapshot.listeners {
            if self.bound.contains_key(&listener.key) {
                continue;
            }
            let group = Listener::bind_group(&listener.address, listen_options(listener), self.workers)
                .map_err(|error| RunError(format!("listener {}: {}: {error}", listener.name, listener.address)))?;
            for (worker, socket) in sockets.iter_mut().zip(group) {
                worker.streams.insert(listener.key.clone(), socket);
            }
        }
        Ok(sockets)
    }

    /// Makes a prepared configuration the running one. Cannot fail.
    pub(super) fn apply(&mut self, prepared: Prepared) {
        let Prepared { snapshot, mut sockets, renewed } = prepared;
        self.count_changes(&snapshot);
        if let Some(first) = sockets.first_mut() {
            for (key, socket) in &mut first.streams {
                self.bound.insert(key.clone(), socket.local_addr().clone());
                self.files.extend(socket.take_file().map(|file| (key.clone(), file)));
            }
            let udp = first.udp.iter().map(|(key, socket)| (key.clone(), Addr::Inet(socket.local_addr())));
            self.bound.extend(udp);
        }
        let keys: BTreeSet<&String> = order::set(snapshot.keys());
        self.bound.retain(|key, _| keys.contains(key));
        self.files.retain(|key, _| keys.contains(key));
        for (listener, config) in snapshot.listeners.iter().zip(&snapshot.config.listeners) {
            listener.connections.set(config.max_connections);
        }
        snapshot.udp.iter().for_each(|listener| listener.sessions.set(listener.config.max_sessions));
        self.connections.set(snapshot.config.max_connections.unwrap_or(self.default_connections));
        for Renewed { cluster, context } in renewed {
            if let Some(tls) = &cluster.tls {
                tls.context.set(context);
            }
        }
        cluster::settle(&snapshot.clusters, &snapshot.config.node.zone);
        let known = std::mem::take(&mut self.keepers);
        let mut known: BTreeMap<_, _> = order::map(known.into_iter().map(|kept| (Arc::as_ptr(&kept.0), kept)));
        for cluster in &snapshot.clusters {
            let kept = known.remove(&Arc::as_ptr(cluster));
            let start = || (cluster.clone(), Keeper::start(&self.control, cluster, &self.resolver, &self.checks));
            self.keepers.push(kept.unwrap_or_else(start));
        }
        // The keepers of clusters that are gone or were replaced end here.
        drop(known);
        let values = snapshot.config.runtime.iter().map(|(key, value)| (key.clone(), value.to_string()));
        self.values.set_file(order::map(values));
        self.snapshot = Arc::new(snapshot);
        for (mailbox, sockets) in self.mailboxes.iter().zip(sockets) {
            // A worker that has ended is an event of its own.
            let _ = mailbox.send(Command::Apply { snapshot: self.snapshot.clone(), sockets });
        }
        // Full: whoever is told has not looked yet.
        let _ = self.applied.try_send(());
        self.forget_unused();
    }

    fn count_changes(&self, next: &Snapshot) {
        let had: BTreeSet<&String> = order::set(self.snapshot.keys());
        let has: BTreeSet<&String> = order::set(next.keys());
        self.listeners.listener_added.add(has.difference(&had).count() as u64);
        self.listeners.listener_create_success.add(has.difference(&had).count() as u64);
        let kept = |config: &&crate::config::Listener| {
            self.snapshot.config.listeners.iter().any(|had| had.address == config.address && had != *config)
        };
        let kept_udp = |config: &&crate::config::UdpListener| {
            self.snapshot.config.listeners.udp.iter().any(|had| had.address == config.address && had != *config)
        };
        let modified = next.config.listeners.iter().filter(kept).count()
            + next.config.listeners.udp.iter().filter(kept_udp).count();
        self.listeners.listener_modified.add(modified as u64);
        self.listeners.listener_removed.add(had.difference(&has).count() as u64);
        self.listeners.total_listeners_active.set(has.len() as i64);
        self.listeners.workers_started.set(1);

        let known = |name: &str| self.snapshot.clusters.iter().find(|cluster| &*cluster.name == name);
        let (mut added, mut modified) = (0, 0);
        for cluster in &next.clusters {
            match known(&cluster.name) {
                None => added += 1,
                Some(before) if !Arc::ptr_eq(before, cluster) => {
                    modified += 1;
                    cluster.stats.control().membership_change.inc();
                }
                Some(_) => {}
            }
        }
        self.clusters.cluster_added.add(added);
        self.clusters.cluster_modified.add(modified);
        self.clusters
            .cluster_removed
            .add((self.snapshot.clusters.len() as u64 + added).saturating_sub(next.clusters.len() as u64));
        self.clusters.active_clusters.set(next.clusters.len() as i64);
    }

    /// Counters, runtime values and log files that no configuration names any more.
    fn forget_unused(&mut self) {
        self.registry.sweep();
        self.values.sweep();
        self.logs.sweep();
    }

    pub(super) fn set_live(&mut self) {
        self.state = State::Live;
        self.stats.live.set(1);
        self.stats.config_last_reload_success.set(1);
        self.stats.config_last_reload_time.set(unix_seconds());
    }

    /// Tells the workers to finish what is in flight. Each says when it has.
    pub(super) fn start_drain(&mut self) -> Receiver<usize> {
        self.state = State::Draining;
        self.failing.set(true);
        self.stats.live.set(0);
        self.stats.state.set(1);
        self.bound.clear();
        self.files.clear();
        self.listeners.total_listeners_active.set(0);
        let (done, receiver) = control::channel(self.workers.max(1));
        for mailbox in &self.mailboxes {
            // A worker that has ended is an event of its own.
            let _ = mailbox.send(Command::Drain { done: done.clone() });
        }
        receiver
    }

    /// Asks every worker for a sign of life: how many were asked, and where the answers come.
    pub(super) fn ping(&self) -> (usize, Receiver<usize>) {
        let (answer, receiver) = control::channel(self.workers.max(1));
        for mailbox in &self.mailboxes {
            let _ = mailbox.send(Command::Ping { answer: answer.clone() });
        }
        (self.mailboxes.len(), receiver)
    }

    /// Brings the gauges of the process up to date.
    pub(super) fn refresh(&self) {
        let stats = &self.stats;
        stats.uptime.set(control::now().saturating_duration_since(self.started).as_secs() as i64);
        stats.total_connections.set(self.connections.open() as i64);
        stats.set_memory();
        self.refresh_certificates();
    }

    /// Only our own count: that of an authority is not asked for its time.
    fn refresh_certificates(&self) {
        let now = unix_seconds();
        let statuses = self.snapshot.certificates_in_use().map(|in_use| in_use.status());
        let days = statuses.flat_map(|status| status.own).map(|certificate| certificate.days_left(now)).min();
        self.stats.days_until_first_cert_expiring.set(days.unwrap_or(NO_CERTIFICATE));
        for tls in self.snapshot.listeners.iter().flat_map(|it| &it.chains).filter_map(|chain| chain.tls.as_ref()) {
            let expires = tls.context.get().certificates().iter().map(|certificate| certificate.not_after).min();
            tls.certificate_stats.expiration_unix_time_seconds.set(expires.unwrap_or_default());
        }
    }

    /// For the workers, which count in it too.
    pub(super) fn server_scope(&self) -> Arc<Scope<ServerStats>> {
        self.scopes.0.clone()
    }

    pub(super) fn started_view(&self) -> Started<'_> {
        let listeners = self.snapshot.names_and_keys();
        let listeners = listeners.filter_map(|(name, key)| Some((&**name, self.bound.get(key)?))).collect();
        Started { listeners, admin: self.admin.as_ref(), workers: self.workers }
    }

    pub(super) fn stop(&mut self) {
        self.files.clear();
        for mailbox in &self.mailboxes {
            let _ = mailbox.send(Command::Stop);
        }
    }
}

/// Where nothing can expire, `days_until_first_cert_expiring` is as good as never.
const NO_CERTIFICATE: i64 = i32::MAX as i64;

fn listen_options(listener: &ListenerSnapshot) -> ListenOptions {
    ListenOptions { backlog: listener.backlog, ..ListenOptions::default() }
}

/// Seconds since 1970.
pub(super) fn unix_seconds() -> i64 {
    let now = control::system_time().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}
