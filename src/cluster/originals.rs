//! Hosts that nobody has listed: each is where a client meant to go before it was redirected here (Envoy's `ORIGINAL_DST`).
//!
//! Each destination has a view of the cluster with one host. It is made when a client comes, and goes when it has served nobody for
//! a while. Limits and counters are the cluster's.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Cluster, ClusterView, Host, Identity, Plan};
use crate::config::Balancing;
use crate::runtime::{Published, Rt};

/// A host that is not used for so long is forgotten (Envoy's `cleanup_interval`).
const CLEANUP: Duration = Duration::from_secs(5);

/// By destination, on one worker.
#[derive(Default)]
pub(super) struct Originals {
    views: RefCell<HashMap<SocketAddr, Original>>,
}

struct Original {
    view: Rc<ClusterView>,
    used: Cell<Instant>,
}

impl Original {
    /// A stream or a connection has it, or one waits in its pool.
    fn is_in_use(&self) -> bool {
        Rc::strong_count(&self.view) > 1 || !self.view.is_unused()
    }
}

impl Originals {
    /// The view whose host is `destination`.
    pub(super) fn view(&self, shared: &Arc<Cluster>, destination: SocketAddr, rt: &Rt) -> Rc<ClusterView> {
        let mut views = self.views.borrow_mut();
        let original = views.entry(destination).or_insert_with(|| {
            let host = Arc::new(Host::new(Identity::of(destination.into()), 1));
            let plan = Arc::new(Published::new(Plan::build(vec![host], &Balancing::default(), "", None, rt.now())));
            let view = ClusterView::with_plan(shared.clone(), &plan, None, rt);
            Original { view, used: Cell::new(rt.now()) }
        });
        original.used.set(rt.now());
        original.view.clone()
    }

    /// Closes idle connections in time, and forgets what was not used for a while.
    pub(super) fn sweep(&self, now: Instant) {
        for view in self.all() {
            view.sweep();
        }
        // Out of the cell first: a destructor must find it unborrowed.
        let (kept, forgotten): (HashMap<_, _>, HashMap<_, _>) =
            self.views.take().into_iter().partition(|(_, original)| {
                if original.is_in_use() {
                    original.used.set(now);
                }
                now.saturating_duration_since(original.used.get()) < CLEANUP
            });
        *self.views.borrow_mut() = kept;
        drop(forgotten);
    }

    pub(super) fn is_short(&self) -> bool {
        self.views.borrow().values().any(|original| original.view.is_short())
    }

    pub(super) fn is_unused(&self) -> bool {
        self.views.borrow().values().all(|original| original.view.is_unused())
    }

    pub(super) fn retire(&self) {
        self.all().iter().for_each(|view| view.retire());
    }

    fn all(&self) -> Vec<Rc<ClusterView>> {
        self.views.borrow().values().map(|original| original.view.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::runtime::run_worker;
    use crate::stats::Registry;

    #[test]
    fn a_host_is_forgotten_when_nobody_has_used_it_for_a_while() {
        let tested = run_worker(0, |rt| async move {
            let config =
                config::Cluster { discovery: config::Discovery::OriginalDst, ..config::Cluster::new(Vec::new()) };
            let cluster = Arc::new(
                Cluster::new("any", &Arc::new(config), &[], &mut Registry::new(), 1, &Arc::default()).unwrap(),
            );
            let originals = Originals::default();
            let destinations = ["192.0.2.1:80", "192.0.2.1:81"].map(|it| it.parse().unwrap());
            let [kept, _] = destinations.map(|it| originals.view(&cluster, it, &rt));
            assert_eq!(kept.pick().unwrap().address, destinations[0].into());
            assert!(Rc::ptr_eq(&kept, &originals.view(&cluster, destinations[0], &rt)), "one view a destination");
            let count = |originals: &Originals| originals.views.borrow().len();
            let (now, second) = (rt.now(), Duration::from_secs(1));
            originals.sweep(now + CLEANUP - second);
            assert_eq!(count(&originals), 2);
            originals.sweep(now + CLEANUP);
            assert_eq!(count(&originals), 1, "the other one is in use");
            drop(kept);
            originals.sweep(now + 2 * CLEANUP - second);
            assert_eq!(count(&originals), 1, "from when it was last used");
            originals.sweep(now + 2 * CLEANUP);
            assert_eq!(count(&originals), 0);
        });
        tested.unwrap();
    }
}
