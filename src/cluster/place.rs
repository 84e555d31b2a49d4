//! Where this proxy is, and where others like it are: what zone-aware routing goes by. The control thread's.
//!
//! A cluster with `zone_aware` looks at the hosts of its `local_cluster`, and is told when these move.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::{Cluster, Host, LocalZones};
use crate::config::Balancing;

/// What one cluster knows.
#[derive(Default)]
pub struct Place(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// `node.zone`
    zone: Arc<str>,
    local: Option<Weak<Cluster>>,
    /// Clusters that go by the zones of this one's hosts.
    followers: Vec<Weak<Cluster>>,
    /// What they were told last.
    told: LocalZones,
}

/// Tells all clusters of a configuration where they are. Those for whom that is news make a new plan.
pub fn settle(clusters: &[Arc<Cluster>], zone: &str) {
    let local_of = |cluster: &Arc<Cluster>| {
        let name = cluster.config.balancing.zone_aware.as_ref().map(|zone_aware| &*zone_aware.local_cluster)?;
        clusters.iter().find(|local| &*local.name == name)
    };
    for cluster in clusters {
        let followers = clusters.iter().filter(|it| local_of(it).is_some_and(|local| Arc::ptr_eq(local, cluster)));
        let followers: Vec<Weak<Cluster>> = followers.map(Arc::downgrade).collect();
        let told = if followers.is_empty() { LocalZones::default() } else { cluster.zones(&cluster.hosts()) };
        let mut known = cluster.place.known();
        let local = local_of(cluster).map(Arc::downgrade);
        let same_local = match (&known.local, &local) {
            (Some(had), Some(has)) => had.ptr_eq(has),
            (None, None) => true,
            _ => false,
        };
        if !same_local || *known.zone != *zone {
            cluster.signal.raise();
        }
        *known = Known { zone: zone.into(), local, followers, told };
    }
}

impl Place {
    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing that runs under the lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The own zone, and those of the local cluster, if there is one.
    pub(super) fn get(&self) -> (Arc<str>, Option<LocalZones>) {
        let known = self.known();
        let (zone, local) = (known.zone.clone(), known.local.as_ref().and_then(Weak::upgrade));
        // It may be the same cluster.
        drop(known);
        (zone, local.map(|local| local.zones(&local.hosts())))
    }

    /// The hosts of the cluster have changed, or their health.
    pub(super) fn tell(&self, settings: &Balancing, hosts: &[Arc<Host>]) {
        let mut known = self.known();
        if known.followers.is_empty() {
            return;
        }
        let zones = LocalZones::of(hosts, settings.panic_threshold);
        if zones != known.told {
            known.told = zones;
            known.followers.iter().filter_map(Weak::upgrade).for_each(|cluster| cluster.signal.raise());
        }
    }
}

impl Cluster {
    fn zones(&self, hosts: &[Arc<Host>]) -> LocalZones {
        LocalZones::of(hosts, self.config.balancing.panic_threshold)
    }
}
