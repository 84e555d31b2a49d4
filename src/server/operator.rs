//! The admin port: what operators see of the process, and their orders to it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::ListenerSnapshot;
use super::process::{Process, State};
use super::run::{Event, RunError};
use super::udp::UdpSnapshot;
use crate::admin::{self, AdminState, CertificateStatus, ClusterStatus, ListenerStatus, ServerInfo, ServerState};
use crate::explain::{Explanation, Question, Scene};
use crate::runtime::control::{self, Control, ControlListener, Sender};
use crate::runtime::net::{Addr, ListenOptions, Listener};
use crate::runtime_values::{Entry, Refusal};
use crate::stats::{Filter, Snapshot};

/// What an operator wants of the control thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Drain,
    Quit,
    ReopenLogs,
}

/// Opens the admin port, if there is one.
pub(super) fn start(control: &Control, process: &Rc<RefCell<Process>>, events: &Sender<Event>) -> Result<(), RunError> {
    let Some(config) = process.borrow().snapshot().config.admin.clone() else { return Ok(()) };
    let failed = |error| RunError(format!("admin: {}: {error}", config.address));
    let listener = Listener::bind(&config.address, ListenOptions { backlog: 64, ..ListenOptions::default() });
    let listener = listener.and_then(ControlListener::new).map_err(failed)?;
    process.borrow_mut().admin = Some(listener.local_addr().clone());
    let operator = Rc::new(Operator { process: process.clone(), events: events.clone() });
    let options = admin::Options { allow_remote: config.allow_remote, ..admin::Options::default() };
    control.spawn(admin::serve(control.clone(), listener, operator, options));
    Ok(())
}

struct Operator {
    process: Rc<RefCell<Process>>,
    events: Sender<Event>,
}

impl Operator {
    fn order(&self, order: Order) {
        // Full: the control thread has more than enough to do; the operator sees that nothing happens and asks again.
        let _ = self.events.try_send(Event::Operator(order));
    }
}

impl AdminState for Operator {
    fn info(&self) -> ServerInfo {
        let process = self.process.borrow();
        let state = match process.state {
            State::Initializing => ServerState::Initializing,
            State::Live if process.failed_by_operator => ServerState::Draining,
            State::Live => ServerState::Live,
            State::Draining => ServerState::Draining,
        };
        ServerInfo {
            state,
            version: env!("CARGO_PKG_VERSION"),
            uptime: control::now().saturating_duration_since(process.started),
            workers: process.workers,
            node: process.snapshot().config.node.clone(),
            config_path: process.options.path.as_ref().map(|path| path.display().to_string()).unwrap_or_default(),
        }
    }

    fn stats(&self, filter: &Filter) -> Snapshot {
        let mut process = self.process.borrow_mut();
        process.refresh();
        for cluster in &process.snapshot().clusters {
            let stats = cluster.stats.control();
            cluster.breaker.report(&stats);
            stats.membership_total.set(i64::from(cluster.membership.total()));
            stats.membership_healthy.set(i64::from(cluster.membership.healthy()));
            stats.membership_degraded.set(i64::from(cluster.membership.degraded()));
        }
        process.registry.snapshot(filter)
    }

    fn clusters(&self) -> Vec<ClusterStatus> {
        let process = self.process.borrow();
        let status = process.snapshot().clusters.iter().map(|cluster| ClusterStatus {
            name: cluster.name.clone(),
            circuit_breaker: cluster.config.circuit_breaker,
            hosts: cluster.hosts(),
        });
        status.collect()
    }

    fn listeners(&self) -> Vec<ListenerStatus> {
        let process = self.process.borrow();
        let status = process.snapshot().names_and_keys().filter_map(|(name, key)| {
            Some(ListenerStatus { name: name.clone(), address: process.bound.get(key)?.clone() })
        });
        status.collect()
    }

    fn certificates(&self) -> Vec<CertificateStatus> {
        self.process.borrow().snapshot().certificates_in_use().map(|in_use| in_use.status()).collect()
    }

    fn config_dump(&self) -> String {
        self.process.borrow().snapshot().config.to_json()
    }

    fn reset_counters(&self) {
        self.process.borrow_mut().registry.reset_counters();
    }

    fn reopen_logs(&self) {
        self.order(Order::ReopenLogs);
    }

    fn explain(&self, question: &Question) -> Explanation {
        let mut process = self.process.borrow_mut();
        let snapshot = process.snapshot().clone();
        let address =
            |listener: &Arc<ListenerSnapshot>| process.bound.get(&listener.key).unwrap_or(&listener.address).clone();
        let addresses = snapshot.listeners.iter().map(address).collect();
        let bound = |listener: &UdpSnapshot| process.bound.get(&listener.key).and_then(Addr::inet);
        let udp_addresses = snapshot.udp.iter().map(|it| bound(it).unwrap_or(it.address)).collect();
        let clusters = Some(&*snapshot.clusters);
        let config = &snapshot.config;
        Scene { config, addresses, udp_addresses, values: &mut process.values, clusters }.explain(question)
    }

    fn runtime(&self) -> Vec<Entry> {
        self.process.borrow().values.entries()
    }

    fn modify_runtime(&self, changes: &[(String, String)]) -> Result<(), Refusal> {
        self.process.borrow_mut().values.modify(changes)
    }

    fn drain_listeners(&self, _graceful: bool) {
        self.order(Order::Drain);
    }

    fn set_healthy(&self, healthy: bool) {
        let mut process = self.process.borrow_mut();
        process.failed_by_operator = !healthy;
        // What drains is failing whatever an operator says.
        process.failing.set(!healthy || process.state == State::Draining);
    }

    fn quit(&self) {
        self.order(Order::Quit);
    }
}
