//! A worker's own part of a host: its connections on this worker. Made when the host is first picked; it ends when the host
//! is no longer one of the cluster's.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use super::balance::mix;
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
    /// By the address of the host in memory, which lives as long as its view.
    made: RefCell<HashMap<*const Host, Rc<HostView>, BuildHasherDefault<AddressHasher>>>,
    /// Somebody is looking through them.
    tidying: Cell<bool>,
    /// Hosts have been removed since that began.
    again: Cell<bool>,
}

/// Views that are looked at in one go: few enough that closing their connections is hardly felt by the requests of the worker.
const SLICE: usize = 32;

impl HostViews {
    /// The view of a host.
    pub(super) fn of(&self, host: &Arc<Host>) -> Rc<HostView> {
        let mut made = self.made.borrow_mut();
        made.entry(Arc::as_ptr(host)).or_insert_with(|| Rc::new(HostView::new(host.clone()))).clone()
    }

    pub(super) fn all(&self) -> Vec<Rc<HostView>> {
        self.made.borrow().values().cloned().collect()
    }

    /// Each view is as asked.
    pub(super) fn are_all(&self, is: impl Fn(&HostView) -> bool) -> bool {
        self.made.borrow().values().all(|view| is(view))
    }

    /// Lets go of the views of hosts that were removed, in a task of its own: nobody picks them any more, so there is no hurry,
    /// and to look through thousands of hosts and close hundreds of connections is more than a request should wait for.
    pub(super) fn tidy(self: &Rc<Self>, rt: &Rt) {
        if self.made.borrow().is_empty() {
            return;
        }
        self.again.set(true);
        if !self.tidying.replace(true) {
            let (views, rt_of_task) = (self.clone(), rt.clone());
            rt.spawn(async move {
                // Whoever is told of more while it goes on finds the rest in the next round.
                while views.again.replace(false) {
                    views.look_through(&rt_of_task).await;
                }
                views.tidying.set(false);
            });
        }
    }

    async fn look_through(&self, rt: &Rt) {
        let hosts: Vec<*const Host> = self.made.borrow().keys().copied().collect();
        for slice in hosts.chunks(SLICE) {
            // Out of the cell first: a destructor must find it unborrowed.
            let gone: Vec<Rc<HostView>> = slice.iter().filter_map(|host| self.take_removed(*host)).collect();
            gone.iter().for_each(|view| view.retire(rt));
            drop(gone);
            let mut yielded = false;
            poll_fn(|cx| {
                if std::mem::replace(&mut yielded, true) {
                    return Poll::Ready(());
                }
                rt.yield_to_io(cx);
                Poll::Pending
            })
            .await;
        }
    }

    /// The view, if its host was removed: it is here no longer.
    fn take_removed(&self, host: *const Host) -> Option<Rc<HostView>> {
        let mut made = self.made.borrow_mut();
        let is_removed = made.get(&host).is_some_and(|view| !view.is_member());
        if is_removed { made.remove(&host) } else { None }
    }
}

/// Of addresses, which nobody chooses: it need not be hard to guess.
#[derive(Default)]
struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_usize(usize::from(*byte)));
    }

    fn write_usize(&mut self, address: usize) {
        self.0 = mix(self.0 ^ address as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Identity;
    use crate::runtime::run_worker;

    fn hosts(count: u8) -> Vec<Arc<Host>> {
        let host = |at: u8| Arc::new(Host::new(Identity::of(format!("192.0.2.{at}:80").parse().unwrap()), 1));
        (0..count).map(host).collect()
    }

    #[test]
    fn a_host_keeps_its_view_until_it_is_removed() {
        let tested = run_worker(0, |rt| async move {
            let (hosts, views) = (hosts(200), Rc::<HostViews>::default());
            let made: Vec<Rc<HostView>> = hosts.iter().skip(1).map(|host| views.of(host)).collect();
            assert_eq!(views.all().len(), 199, "made when asked for");
            hosts.iter().step_by(2).for_each(|host| _ = host.set(Flag::Removed, true));
            views.tidy(&rt);
            let made_now = || views.all().len();
            while made_now() == 199 {
                futures_lite::future::yield_now().await;
            }
            // Told while it goes on, of hosts that it has looked at already and of others.
            assert!(views.tidying.get());
            hosts.iter().skip(4).for_each(|host| _ = host.set(Flag::Removed, true));
            views.tidy(&rt);
            while views.tidying.get() {
                futures_lite::future::yield_now().await;
            }
            assert_eq!(made_now(), 2);
            assert!(Rc::ptr_eq(&made[2], &views.of(&hosts[3])), "the same view");
            assert!(views.are_all(HostView::is_member));
        });
        tested.unwrap();
    }
}
