//! Discovery: finds the hosts of a cluster whose configuration does not list them. It runs on the control thread, a task for
//! each such cluster, and hands lists of hosts to the cluster's keeper. What cannot be found out changes nothing.
//!
//! * `finder`: the hosts by what DNS says, of `addresses` of names and of SRV records (`srv`); each `question` has its own
//!   time. Sans-IO.
//! * `dns`: asks what the finder wants to know.
//! * `file`: the hosts that a file lists.

mod addresses;
mod dns;
mod file;
mod finder;
mod question;
mod srv;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use super::{Cluster, Host, Identity};
use crate::config::Discovery;
use crate::dns::Resolver;
use crate::runtime::control::{Control, Owned};

/// The newest list of hosts, with their weights, on its way to the keeper.
#[derive(Default)]
pub(super) struct Found(Cell<Option<Vec<(Identity, u32)>>>);

impl Found {
    fn set(&self, hosts: Vec<(Identity, u32)>) {
        self.0.set(Some(hosts));
    }

    /// A list that has not been taken yet.
    pub(super) fn take(&self) -> Option<Vec<(Identity, u32)>> {
        self.0.take()
    }
}

/// Starts to find the hosts of a cluster, if there is anything to find; each change of [`Found`] raises its signal.
/// `known`: its hosts at the start.
pub(super) fn start(
    control: &Control,
    cluster: &Arc<Cluster>,
    known: &[Arc<Host>],
    resolver: &Resolver,
    found: &Rc<Found>,
) -> Option<Owned> {
    let (cluster, found) = (cluster.clone(), found.clone());
    match cluster.config.discovery {
        Discovery::Static | Discovery::OriginalDst => None,
        Discovery::StrictDns | Discovery::LogicalDns | Discovery::Srv => {
            Some(control.spawn_owned(dns::run(control.clone(), cluster, known.to_vec(), resolver.clone(), found)))
        }
        Discovery::File => {
            let path = cluster.config.file.clone()?;
            Some(control.spawn_owned(file::run(cluster, path, found)))
        }
    }
}
