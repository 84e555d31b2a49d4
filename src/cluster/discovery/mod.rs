//! Where hosts come from, other than the configuration itself: names that DNS knows, and files. A task for each name or
//! file asks again and again; what it learns goes into state machines that see no socket and no clock, and what comes of
//! all of them, to the cluster's keeper. Nobody waits for any of this.
//!
//! ```text
//!   Resolver --answers--> NameSource, ServiceSource --hosts--+
//!   file ------endpoints-------------------------------------+--> Named --> keeper
//! ```
//! What a failure does to hosts that were found is the same everywhere: nothing ([`slot`]).

mod dns;
mod file;
mod name;
mod pace;
mod service;
mod slot;
mod source;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::{Cluster, Identity};
use crate::config::Discovery;
use crate::dns::Resolver;
use crate::runtime::control::{Control, Owned};

/// A host and its weight, 1 to 128.
pub(super) type NamedHost = (Identity, u32);

/// What was found last, until the keeper takes it.
#[derive(Debug, Default)]
pub(super) struct Named(RefCell<Option<Vec<NamedHost>>>);

impl Named {
    pub(super) fn take(&self) -> Option<Vec<NamedHost>> {
        self.0.borrow_mut().take()
    }
}

/// Tasks that end with this.
pub(super) struct Finding(#[expect(dead_code, reason = "they live as long as this")] Vec<Owned>);

/// Starts to look for the hosts of a cluster, if they have to be looked for. Whatever is found stands in what is returned, and
/// the cluster's signal is raised.
pub(super) fn start(control: &Control, cluster: &Arc<Cluster>, resolver: &Resolver) -> (Finding, Rc<Named>) {
    let named = Rc::<Named>::default();
    let report = {
        let (cluster, named) = (cluster.clone(), named.clone());
        move |hosts: Vec<NamedHost>| {
            *named.0.borrow_mut() = Some(hosts);
            cluster.signal.raise();
        }
    };
    let tasks = match cluster.config.discovery {
        Discovery::Static | Discovery::OriginalDst => Vec::new(),
        Discovery::File => vec![control.spawn_owned(file::follow(cluster.clone(), report))],
        Discovery::StrictDns | Discovery::LogicalDns | Discovery::Srv => {
            dns::start(control, cluster, resolver, Box::new(report))
        }
    };
    (Finding(tasks), named)
}
