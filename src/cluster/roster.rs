//! Who is a host of a cluster: what discovery says, against what there was. Sans-IO; the control thread's.
//!
//! ```text
//!   named ------------> listed: it takes traffic (with active checks: after its first good one)
//!   no longer named:    without active checks, or unhealthy --> removed
//!                       with active checks, and healthy     --> unlisted: kept until a check fails, or it is named again
//! ```
//! A host that is named again as it was is the same host: it keeps its health, its counters and its connections.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Flag, Health, Host, Identity};
use crate::order;
use crate::runtime::net::Addr;

/// The hosts of a cluster.
#[derive(Debug)]
pub(super) struct Roster {
    hosts: Vec<Arc<Host>>,
    /// Hosts have active checks.
    checked: bool,
}

/// What a change came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// Hosts that are new, or back.
    pub(super) added: usize,
    /// Hosts that are gone.
    pub(super) removed: usize,
    /// Another weight.
    pub(super) reweighted: usize,
}

impl Roster {
    /// `checked`: hosts have active checks, and take nothing before their first good one.
    pub(super) fn new(hosts: Vec<Arc<Host>>, checked: bool) -> Roster {
        Roster { hosts, checked }
    }

    pub(super) fn hosts(&self) -> &[Arc<Host>] {
        &self.hosts
    }

    /// Discovery names these hosts, with their weights; the first of two that are the same counts.
    pub(super) fn name(&mut self, named: &[(Identity, u32)]) -> Change {
        let mut change = Change::default();
        let mut before: HashMap<Addr, Vec<Arc<Host>>> = HashMap::with_capacity(self.hosts.len());
        for host in self.hosts.drain(..) {
            before.entry(host.address.clone()).or_default().push(host);
        }
        let mut seen: HashMap<&Addr, Vec<&Identity>> = HashMap::with_capacity(named.len());
        for (identity, weight) in named {
            let same = seen.entry(&identity.address).or_default();
            if same.contains(&identity) {
                continue;
            }
            same.push(identity);
            let had = before.get_mut(&identity.address);
            let known = had.and_then(|had| Some(had.swap_remove(had.iter().position(|host| host.is(identity))?)));
            let host = known.unwrap_or_else(|| {
                change.added += 1;
                let host = Host::new(identity.clone(), *weight);
                host.set(Flag::Unchecked, self.checked);
                Arc::new(host)
            });
            change.added += usize::from(host.set(Flag::Unlisted, false));
            change.reweighted += usize::from(host.set_weight(*weight));
            self.hosts.push(host);
        }
        // Those that are not named any more, in a certain order.
        let mut left: Vec<Arc<Host>> = before.into_values().flatten().collect();
        order::sort_by(&mut left, |one, other| one.address.cmp(&other.address));
        for host in left {
            change.removed += usize::from(!host.has(Flag::Unlisted));
            if self.checked && host.health() != Health::Unhealthy {
                host.set(Flag::Unlisted, true);
                self.hosts.push(host);
            } else {
                host.set(Flag::Removed, true);
            }
        }
        change
    }

    /// Lets go of hosts that nobody names and that are not healthy any more. Says how many.
    pub(super) fn release(&mut self) -> usize {
        let before = self.hosts.len();
        self.hosts.retain(|host| {
            let gone = host.has(Flag::Unlisted) && host.health() == Health::Unhealthy;
            if gone {
                host.set(Flag::Removed, true);
            }
            !gone
        });
        before - self.hosts.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(hosts: &[(&str, u32)]) -> Vec<(Identity, u32)> {
        hosts.iter().map(|(host, weight)| (Identity::of(host.parse().unwrap()), *weight)).collect()
    }

    fn addresses(roster: &Roster) -> Vec<String> {
        roster.hosts().iter().map(|host| host.address.to_string()).collect()
    }

    const A: &str = "192.0.2.1:80";
    const B: &str = "192.0.2.2:80";

    #[test]
    fn hosts_stay_the_same_over_changes() {
        let mut roster = Roster::new(Vec::new(), false);
        assert_eq!(roster.name(&named(&[(A, 1), (B, 1), (A, 1)])), Change { added: 2, ..Change::default() });
        let first = roster.hosts()[0].clone();
        assert_eq!(first.health(), Health::Healthy);
        assert_eq!(roster.name(&named(&[(A, 1), (B, 1)])), Change::default());
        assert_eq!(roster.name(&named(&[(A, 3)])), Change { removed: 1, reweighted: 1, ..Change::default() });
        assert!(Arc::ptr_eq(&first, &roster.hosts()[0]) && first.weight() == 3);
        assert_eq!(addresses(&roster), [A]);
    }

    #[test]
    fn one_address_in_two_zones_is_two_hosts() {
        let mut roster = Roster::new(Vec::new(), false);
        let mut hosts = named(&[(A, 1), (A, 1)]);
        hosts[1].0.zone = Arc::from("b");
        assert_eq!(roster.name(&hosts).added, 2);
        assert_eq!(roster.name(&hosts[1..]).removed, 1);
        assert_eq!(&*roster.hosts()[0].zone, "b");
    }

    #[test]
    fn a_healthy_host_that_is_not_named_stays_until_its_check_fails() {
        let mut roster = Roster::new(Vec::new(), true);
        roster.name(&named(&[(A, 1), (B, 1)]));
        assert!(roster.hosts().iter().all(|host| host.health() == Health::Unhealthy), "not before a check");
        let first = roster.hosts()[0].clone();
        first.set(Flag::Unchecked, false);
        assert_eq!(roster.name(&[]).removed, 2);
        assert_eq!(addresses(&roster), [A], "the other was not healthy");
        assert_eq!(roster.name(&[]), Change::default());
        assert_eq!(roster.release(), 0);
        assert_eq!(roster.name(&named(&[(A, 1)])), Change { added: 1, ..Change::default() });
        roster.name(&[]);
        first.set(Flag::FailedActive, true);
        assert_eq!((roster.release(), roster.hosts().len()), (1, 0));
        assert!(first.has(Flag::Removed));
    }
}
