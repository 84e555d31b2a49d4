//! What may be picked of a cluster, and with what share: made by the control thread whenever hosts, their weights or their
//! health change, shared by all workers, never changed. A worker's `Picker` draws from it.
//!
//! A *selection* is all of a cluster or one subset of it. Its requests are parted into *shares*: by priority and health
//! (`priorities`), and within these by locality (`localities`). A share is a *group* of hosts and why it is taken.

mod group;
mod localities;
mod priorities;
mod selection;
mod slow_start;
mod subsets;
mod table;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

pub use group::Group;
pub use localities::LocalZones;
pub use selection::{Selection, Share, Why};
pub use subsets::SubsetKey;
pub(super) use table::{Table, Walk};

use self::selection::Build;
use self::subsets::SubsetTable;
use super::balance::sticky_id;
use super::{Health, Host};
use crate::config::Balancing;
use crate::order;

/// See the module.
#[derive(Debug)]
pub struct Plan {
    /// All members of the cluster, whatever their health.
    hosts: Box<[Arc<Host>]>,
    all: Selection,
    subsets: Option<SubsetTable>,
    /// Hosts by what their clients' cookies say, sorted; empty where sessions are not sticky.
    sticky: Box<[(u64, u32)]>,
    /// Shares number their groups below this.
    groups: usize,
    /// When it is to be made anew although nothing has happened: a slow start goes on.
    pub next_change: Option<Instant>,
    /// No other plan of this process has it.
    pub(super) id: u64,
}

/// Which hosts a request may go to, by its route.
pub(super) enum Selected<'a> {
    /// The cluster has no subsets, or the request asks for none that matters.
    All(&'a Selection),
    Subset(&'a Selection),
    /// There is no such subset, or none was asked for; the fallback, if there is one.
    Fallback(Option<&'a Selection>),
}

impl Plan {
    /// `zone`: this proxy's own (`node.zone`). `local`: where the proxies like this one are, if the cluster of
    /// `zone_aware.local_cluster` is known.
    pub fn build(
        hosts: Vec<Arc<Host>>,
        settings: &Balancing,
        zone: &str,
        local: Option<&LocalZones>,
        now: Instant,
    ) -> Plan {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let mut build = Build::new(&hosts, settings, zone, local, now);
        let all = build.selection((0..hosts.len() as u32).collect());
        let subsets = settings.subsets.as_ref().map(|subsets| SubsetTable::new(&mut build, subsets));
        let (groups, next_change) = (build.groups(), build.next_change());
        let mut sticky: Vec<(u64, u32)> = Vec::new();
        if let Some(settings) = &settings.sticky {
            sticky = (0..).zip(&hosts).map(|(at, host)| (sticky_id(settings, &host.address), at)).collect();
            order::sort(&mut sticky);
        }
        Plan {
            all,
            subsets,
            sticky: sticky.into(),
            groups,
            next_change,
            id: NEXT_ID.fetch_add(1, Relaxed),
            hosts: hosts.into(),
        }
    }

    /// All members of the cluster, in the order that they were given.
    pub fn hosts(&self) -> &[Arc<Host>] {
        &self.hosts
    }

    /// What a request gets that asks for no subset, of a cluster that has none: for those who show it.
    pub fn all(&self) -> &Selection {
        &self.all
    }

    /// How many groups there are to keep state for.
    pub(super) fn groups(&self) -> usize {
        self.groups
    }

    /// What requests that ask for this subset get, for those who show it; `None`: no host at all.
    pub fn selection(&self, subset: Option<&SubsetKey>) -> Option<&Selection> {
        match self.select(subset) {
            Selected::All(selection) | Selected::Subset(selection) => Some(selection),
            Selected::Fallback(selection) => selection,
        }
    }

    pub(super) fn select(&self, subset: Option<&SubsetKey>) -> Selected<'_> {
        match &self.subsets {
            None => Selected::All(&self.all),
            Some(subsets) => match subset.and_then(|key| subsets.find(key)) {
                Some(selection) => Selected::Subset(selection),
                None => Selected::Fallback(subsets.fallback(&self.all)),
            },
        }
    }

    /// The host that a cookie names, unless it is unhealthy, or none of the subset that the request asks for: a cookie may
    /// come from another route, or be made up.
    pub(super) fn sticky(&self, id: u64, subset: Option<&SubsetKey>) -> Option<usize> {
        let first = self.sticky.partition_point(|&(known, _)| known < id);
        // One address may be several hosts.
        let mut same = self.sticky[first..].iter().take_while(|&&(known, _)| known == id).map(|&(_, at)| at as usize);
        same.find(|&at| {
            let host = &self.hosts[at];
            let allowed = self.subsets.as_ref().is_none_or(|subsets| subsets.allows(subset, &host.metadata));
            allowed && host.health() != Health::Unhealthy
        })
    }
}
