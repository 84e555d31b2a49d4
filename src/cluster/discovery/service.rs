//! The hosts of one service (RFC 2782): what its SRV records name, and the addresses of those names.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use nuncio_dns::{Name, Outcome, Records, Srv};

use super::name::NameSource;
use super::pace::Pace;
use super::slot::{Heard, Slot};
use crate::config::{Dns, DnsFamily};
use crate::dns::Addresses;

/// The greatest weight of a host.
const MAX_WEIGHT: u64 = 128;

/// A host of a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ServiceHost {
    /// As DNS has it: the lowest is taken first.
    pub(super) priority: u16,
    pub(super) address: SocketAddr,
    pub(super) target: Name,
    /// 1 to 128, in proportion to the others of its priority.
    pub(super) weight: u32,
}

/// What is known of one service.
#[derive(Debug, Default)]
pub(super) struct ServiceSource {
    records: Slot<Srv>,
    targets: BTreeMap<Name, NameSource>,
    /// What the last round came to.
    hosts: Vec<ServiceHost>,
}

impl ServiceSource {
    /// The SRV records. Names that are not among them any more are forgotten, new ones are to be asked for.
    pub(super) fn hear_services(&mut self, now: Instant, dns: &Dns, outcome: &Outcome, pace: &mut Pace) {
        pace.hear(dns, outcome);
        let heard = match outcome {
            Outcome::Answer { records: Records::Srv(all), .. } => Heard::Records(all.clone()),
            Outcome::NoData { .. } | Outcome::NxDomain { .. } => Heard::Nothing,
            Outcome::Answer { .. } | Outcome::Failed(_) => Heard::Failure,
        };
        self.records.hear(now, dns.hold, heard);
        let mut before = std::mem::take(&mut self.targets);
        for record in self.records.records() {
            let known = before.remove(&record.target);
            self.targets.entry(record.target.clone()).or_insert_with(|| known.unwrap_or_default());
        }
    }

    /// The names whose addresses are wanted.
    pub(super) fn targets(&self) -> Vec<Name> {
        self.targets.keys().cloned().collect()
    }

    pub(super) fn hear_addresses(
        &mut self,
        now: Instant,
        dns: &Dns,
        target: &Name,
        addresses: &Addresses,
        pace: &mut Pace,
    ) {
        if let Some(source) = self.targets.get_mut(target) {
            source.hear(now, dns, addresses, pace);
        }
    }

    /// Ends a round. As long as nobody knows where a new name leads, the hosts that there were stay beside those that are
    /// found.
    pub(super) fn end_round(&mut self, family: DnsFamily, has_route: impl Fn(IpAddr) -> bool) {
        let mut hosts = Vec::new();
        for record in self.records.records() {
            let Some(source) = self.targets.get(&record.target) else { continue };
            let addresses = source.addresses(family, &has_route);
            // A name with several addresses has one share in all.
            let share = Share { weight: record.weight, among: addresses.len().max(1) as u64 };
            hosts.extend(addresses.into_iter().map(|ip| (record, SocketAddr::new(ip, record.port), share)));
        }
        let mut hosts = weighted(&hosts);
        let unknown = self.records.records().iter().any(|it| !self.is_target_known(&it.target, family));
        if unknown {
            let found: Vec<SocketAddr> = hosts.iter().map(|host| host.address).collect();
            hosts.extend(self.hosts.iter().filter(|host| !found.contains(&host.address)).cloned());
        }
        hosts.sort_unstable();
        hosts.dedup_by(|one, other| (one.priority, one.address) == (other.priority, other.address));
        self.hosts = hosts;
    }

    fn is_target_known(&self, target: &Name, family: DnsFamily) -> bool {
        self.targets.get(target).is_some_and(|source| source.is_known(family))
    }

    pub(super) fn hosts(&self) -> &[ServiceHost] {
        &self.hosts
    }

    /// Somebody has said what there is, of all of it.
    pub(super) fn is_known(&self, family: DnsFamily) -> bool {
        self.records.is_known() && self.targets.values().all(|source| source.is_known(family))
    }

    pub(super) fn held_until(&self, dns: &Dns) -> Option<Instant> {
        let targets = self.targets.values().filter_map(|source| source.held_until(dns));
        targets.chain(self.records.held_until(dns.hold)).min()
    }
}

/// A part of a record's weight.
#[derive(Debug, Clone, Copy)]
struct Share {
    weight: u16,
    among: u64,
}

impl Share {
    /// In units so small that a part is not lost.
    fn scaled(self) -> u64 {
        u64::from(self.weight) * 10_000 / self.among
    }
}

/// Weights within 1 to 128, in their proportions within a priority. Weights that fit stay as they are; a weight of 0 is
/// the least that there is (RFC 2782: "a very small chance"), where others have more.
fn weighted(hosts: &[(&Srv, SocketAddr, Share)]) -> Vec<ServiceHost> {
    let mut most: BTreeMap<u16, (u64, bool)> = BTreeMap::new();
    for (record, _, share) in hosts {
        let (most, fits) = most.entry(record.priority).or_insert((0, true));
        *most = share.scaled().max(*most);
        *fits &= share.among == 1 && (1..=MAX_WEIGHT).contains(&u64::from(share.weight));
    }
    let weight = |record: &Srv, share: Share| match most.get(&record.priority) {
        Some((_, true)) => u64::from(share.weight),
        Some((0, _)) | None => 1,
        Some((most, _)) => (share.scaled() * MAX_WEIGHT + most / 2) / most,
    };
    let host = |(record, address, share): &(&Srv, SocketAddr, Share)| ServiceHost {
        priority: record.priority,
        address: *address,
        target: record.target.clone(),
        // At most 128.
        weight: weight(record, *share).clamp(1, MAX_WEIGHT) as u32,
    };
    hosts.iter().map(host).collect()
}
