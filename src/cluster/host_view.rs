//! A worker's own part of a host: its connections on this worker. Made when the host is first picked; it ends when the host
//! is no longer one of the cluster's.

use std::rc::Rc;
use std::sync::Arc;

use super::host::Alternatives;
use super::{Flag, Host};
use crate::runtime::net::Addr;
use crate::runtime::{Reader, Rt};
use crate::upstream::h2;
use crate::upstream::pool::Idle;

pub struct HostView {
    shared: Arc<Host>,
    /// Connections that wait for a request.
    pub idle: Idle,
    /// Connections that carry many requests; they are shared, not taken.
    pub http2: h2::Connections,
    /// Where new connections go, if that may change.
    alternatives: Option<Reader<Vec<Addr>>>,
}

impl HostView {
    pub fn new(shared: Arc<Host>) -> HostView {
        let alternatives = shared.alternatives.as_ref().map(Alternatives::reader);
        HostView { shared, idle: Idle::default(), http2: h2::Connections::default(), alternatives }
    }

    /// Where a new connection goes: the first address that answers, in this order, of `Some`; else where it always was.
    pub fn alternatives(&self) -> Option<Arc<Vec<Addr>>> {
        self.alternatives.as_ref().map(Reader::get).filter(|addresses| !addresses.is_empty())
    }

    /// Where a datagram goes.
    pub fn address(&self) -> Addr {
        let current = self.alternatives().and_then(|addresses| addresses.first().cloned());
        current.unwrap_or_else(|| self.shared.address.clone())
    }

    /// `address`, at which a connection to it ends, where that is not its only one.
    pub fn reached(&self, address: &Addr) -> Option<Addr> {
        self.alternatives.is_some().then(|| address.clone())
    }

    pub fn shared(&self) -> &Arc<Host> {
        &self.shared
    }

    /// It is still one of the cluster's hosts.
    pub fn is_member(&self) -> bool {
        !self.shared.has(Flag::Removed)
    }

    /// It is none of the cluster's hosts any more, or its cluster is gone: what is in flight goes on, nothing is kept idle.
    pub(super) fn retire(&self, rt: &Rt) {
        self.idle.clear();
        for connection in self.http2.all() {
            connection.retire(rt.now());
        }
    }
}

impl std::ops::Deref for HostView {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.shared
    }
}

impl std::fmt::Debug for HostView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.shared.fmt(f)
    }
}

/// A host that has one more request, or proxied connection, as long as this lives.
pub struct Busy(Rc<HostView>);

impl Busy {
    pub fn new(host: Rc<HostView>) -> Busy {
        host.request_started();
        Busy(host)
    }
}

impl std::ops::Deref for Busy {
    type Target = Rc<HostView>;

    fn deref(&self) -> &Rc<HostView> {
        &self.0
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.request_ended();
    }
}

/// The views that a worker has made of a cluster's hosts.
#[derive(Default)]
pub(super) struct HostViews {
    /// By the place of the host in the plan; filled as hosts are picked.
    places: Vec<Option<Rc<HostView>>>,
    made: Vec<Rc<HostView>>,
}

impl HostViews {
    /// The places of a new plan. Says which views are of hosts that are not the cluster's any more.
    pub(super) fn replan(&mut self, hosts: usize) -> Vec<Rc<HostView>> {
        self.places.clear();
        self.places.resize(hosts, None);
        let (made, gone) = std::mem::take(&mut self.made).into_iter().partition(|view| view.is_member());
        self.made = made;
        // For the look-ups to come.
        self.made.sort_unstable_by_key(|view| Arc::as_ptr(view.shared()));
        gone
    }

    /// The view of the host at this place of the plan.
    pub(super) fn at(&mut self, place: usize, hosts: &[Arc<Host>]) -> Option<Rc<HostView>> {
        if let Some(view) = self.places.get(place)? {
            return Some(view.clone());
        }
        let host = hosts.get(place)?;
        let view = match self.made.binary_search_by_key(&Arc::as_ptr(host), |view| Arc::as_ptr(view.shared())) {
            Ok(at) => self.made[at].clone(),
            Err(at) => {
                let view = Rc::new(HostView::new(host.clone()));
                self.made.insert(at, view.clone());
                view
            }
        };
        self.places[place] = Some(view.clone());
        Some(view)
    }

    pub(super) fn all(&self) -> &[Rc<HostView>] {
        &self.made
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Identity;

    fn hosts(count: u8) -> Vec<Arc<Host>> {
        let host = |at: u8| Arc::new(Host::new(Identity::of(format!("192.0.2.{at}:80").parse().unwrap()), 1));
        (0..count).map(host).collect()
    }

    #[test]
    fn a_host_keeps_its_view_over_plans_until_it_is_removed() {
        let (hosts, mut views) = (hosts(3), HostViews::default());
        views.replan(3);
        let [first, last] = [0, 2].map(|place| views.at(place, &hosts).unwrap());
        assert!(Rc::ptr_eq(&first, &views.at(0, &hosts).unwrap()));
        assert_eq!(views.all().len(), 2, "made when picked");
        hosts[0].set(Flag::Removed, true);
        let left = [hosts[2].clone(), hosts[1].clone()];
        let gone = views.replan(2);
        assert!(gone.len() == 1 && Rc::ptr_eq(&gone[0], &first));
        assert!(Rc::ptr_eq(&last, &views.at(0, &left).unwrap()), "another place, the same view");
        assert!(views.at(2, &left).is_none());
    }
}
