//! Who the hosts of a cluster are by what DNS says, and what it is asked next. Sans-IO: questions come out, answers go in.
//!
//! ```text
//!   strict_dns   names ----------------------------> their addresses: all are hosts
//!   logical_dns  one name -------------------------> its addresses: one host, connected to at any of them
//!   srv          services --> targets, as names ---> their addresses: all are hosts
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use nuncio_dns::{Outcome, Records, Srv};

use super::addresses::Addresses;
use super::question::{Last, Question, Said};
use super::srv::{self, Served};
use crate::cluster::host::{Alternatives, Host, Identity};
use crate::config::{Cluster, Discovery, Dns, Endpoint, HostName, Target};
use crate::order;
use crate::runtime::net::Addr;

/// Hosts of a cluster; what is found beyond that is left out.
pub(super) const MOST_HOSTS: usize = 16_384;

/// A question for DNS.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Ask {
    /// For the addresses of a name.
    Addresses(HostName),
    /// For the SRV records of a service.
    Services(HostName),
}

impl Ask {
    pub(super) fn name(&self) -> &HostName {
        match self {
            Ask::Addresses(name) | Ask::Services(name) => name,
        }
    }
}

/// IPv4 and IPv6.
pub(super) type Families = (Option<Outcome>, Option<Outcome>);

/// What an answer came to, for whoever counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answered {
    Success,
    /// The name has no address at all.
    Empty,
    Failure,
    /// All that was found is on the list of addresses that no answer may lead to.
    Denied,
}

#[derive(Debug)]
pub(super) struct Finder {
    discovery: Discovery,
    endpoints: Vec<Endpoint>,
    dns: Dns,
    names: BTreeMap<HostName, Addresses>,
    services: BTreeMap<HostName, Service>,
    /// The one host of `logical_dns`, from when it is first found.
    logical: Option<Identity>,
    /// What [`Finder::hosts`] has said last.
    said: Option<Vec<(Identity, u32)>>,
}

#[derive(Debug)]
struct Service {
    question: Question<Srv>,
    /// The records that hosts are made of: the newest ones whose targets have been found.
    taken: Vec<Srv>,
}

impl Finder {
    /// `known`: hosts that were found before.
    pub(super) fn new(config: &Cluster, known: &[Arc<Host>], now: Instant) -> Finder {
        let dns = config.dns.clone().unwrap_or_default();
        let (mut names, mut services) = (BTreeMap::new(), BTreeMap::new());
        for endpoint in &config.endpoints {
            match &endpoint.address {
                Target::Address(_) => {}
                Target::Name(name, _) => {
                    let text = name.name.to_string();
                    let before = known.iter().filter(|host| host.name.as_deref() == Some(&text));
                    let before: BTreeSet<IpAddr> = order::set(before.flat_map(|host| ips(host)));
                    let before: Vec<IpAddr> = before.into_iter().collect();
                    names.entry(name.clone()).or_insert_with(|| Addresses::new(dns.family, &before, now));
                }
                Target::Service(name) => {
                    let service = Service { question: Question::new(Vec::new(), now), taken: Vec::new() };
                    services.entry(name.clone()).or_insert(service);
                }
            }
        }
        let logical = known.iter().find(|host| host.alternatives.is_some()).map(|host| host.identity());
        let endpoints = config.endpoints.clone();
        Finder { discovery: config.discovery, endpoints, dns: *dns, names, services, logical, said: None }
    }

    /// A question that is due. It is being asked from now on.
    pub(super) fn poll_ask(&mut self, now: Instant) -> Option<Ask> {
        let due = self.services.iter_mut().find(|(_, service)| service.question.is_due(now));
        if let Some((name, service)) = due {
            service.question.begin();
            return Some(Ask::Services(name.clone()));
        }
        let ask =
            |(name, addresses): (&HostName, &mut Addresses)| addresses.begin(now).then(|| Ask::Addresses(name.clone()));
        self.names.iter_mut().find_map(ask)
    }

    /// When there is something to ask.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let services = self.services.values().filter_map(|service| service.question.due());
        self.names.values().filter_map(Addresses::due).chain(services).min()
    }

    /// The SRV records of a service.
    pub(super) fn handle_services(
        &mut self,
        name: &HostName,
        outcome: Outcome,
        now: Instant,
        rng: &mut fastrand::Rng,
    ) -> Answered {
        let Some(service) = self.services.get_mut(name) else { return Answered::Success };
        let (said, answered) = match outcome {
            Outcome::Answer { records: Records::Srv(records), ttl } => match srv::usable(records) {
                none if none.is_empty() => (Said::Nothing(Some(ttl)), Answered::Empty),
                usable => (Said::Records(usable, ttl), Answered::Success),
            },
            Outcome::NoData { ttl } | Outcome::NxDomain { ttl } => (Said::Nothing(ttl), Answered::Empty),
            Outcome::Answer { .. } | Outcome::Failed(_) => (Said::Failed, Answered::Failure),
        };
        service.question.handle(said, true, &self.dns, now, rng);
        self.take_services(now);
        answered
    }

    /// The addresses that a name has of one family, while the other one is still waited for.
    pub(super) fn handle_early(&mut self, name: &HostName, found: Families, now: Instant, rng: &mut fastrand::Rng) {
        let (v4, v6) = found;
        for (is_v4, outcome) in [(true, v4), (false, v6)] {
            let said = outcome.map(|outcome| self.said(outcome).0);
            if let (Some(said), Some(addresses)) = (said, self.names.get_mut(name)) {
                addresses.handle_early(is_v4, said, &self.dns, now, rng);
            }
        }
        self.take_services(now);
    }

    /// The addresses of a name, by family; one that was not asked for is left out.
    pub(super) fn handle_addresses(
        &mut self,
        name: &HostName,
        (v4, v6): Families,
        now: Instant,
        rng: &mut fastrand::Rng,
    ) -> Answered {
        let (v4, v6) = (v4.map(|it| self.said(it)), v6.map(|it| self.said(it)));
        let denied = [&v4, &v6].into_iter().flatten().any(|(_, denied)| *denied);
        let (v4, v6) = (v4.map(|(said, _)| said), v6.map(|(said, _)| said));
        let answered = match (&v4, &v6) {
            _ if denied => Answered::Denied,
            (Some(Said::Failed), _) | (_, Some(Said::Failed)) => Answered::Failure,
            (None | Some(Said::Nothing(_)), None | Some(Said::Nothing(_))) => Answered::Empty,
            _ => Answered::Success,
        };
        // A target that no record names any more is gone.
        if let Some(addresses) = self.names.get_mut(name) {
            addresses.handle(v4, v6, &self.dns, now, rng);
        }
        self.take_services(now);
        answered
    }

    /// What is said of one family, and whether all of it is denied.
    fn said(&self, outcome: Outcome) -> (Said<IpAddr>, bool) {
        match outcome {
            Outcome::Answer { records: Records::Addresses(found), ttl } => match self.allowed(found) {
                none if none.is_empty() => (Said::Failed, true),
                allowed => (Said::Records(allowed, ttl), false),
            },
            Outcome::NoData { ttl } | Outcome::NxDomain { ttl } => (Said::Nothing(ttl), false),
            Outcome::Answer { .. } | Outcome::Failed(_) => (Said::Failed, false),
        }
    }

    /// What an answer may lead to, each once.
    fn allowed(&self, found: Vec<IpAddr>) -> Vec<IpAddr> {
        let mut seen = BTreeSet::new();
        let allowed = |ip: &IpAddr| !self.dns.deny.iter().any(|range| range.contains(*ip));
        found.into_iter().filter(allowed).filter(|ip| seen.insert(*ip)).collect()
    }

    /// New records of a service are taken when each of their targets has been tried, and one of them has been found: the
    /// hosts of before serve until then.
    fn take_services(&mut self, now: Instant) {
        let family = self.dns.family;
        for service in self.services.values_mut() {
            let records = service.question.records();
            for record in records {
                self.names.entry(target(record)).or_insert_with(|| Addresses::new(family, &[], now));
            }
            let tried = records.iter().all(|it| self.names.get(&target(it)).is_some_and(Addresses::is_tried));
            let found = |it: &Srv| self.names.get(&target(it)).is_some_and(|it| !it.tried().is_empty());
            if service.taken != records && tried && (records.is_empty() || records.iter().any(found)) {
                service.taken = records.to_vec();
            }
        }
        if self.discovery == Discovery::Srv {
            let services = self.services.values();
            let named = services.flat_map(|service| service.question.records().iter().chain(&service.taken));
            let named: BTreeSet<HostName> = order::set(named.map(target));
            self.names.retain(|name, _| named.contains(name));
        }
    }

    /// The hosts, if they are others than the last time. `None` as well as long as nothing has been found out: those that
    /// are known from before stay. `reaches`: this host has a way there.
    pub(super) fn hosts(&mut self, reaches: impl Fn(IpAddr) -> bool) -> Option<Vec<(Identity, u32)>> {
        let answered = match self.discovery {
            Discovery::Srv => {
                self.services.values().any(|it| !it.taken.is_empty() || it.question.last() == Last::Nothing)
            }
            // Plain addresses are known without asking, and so are the addresses of names from before.
            Discovery::StrictDns if self.endpoints.iter().any(|it| matches!(it.address, Target::Address(_))) => true,
            _ => self.names.is_empty() || self.names.values().any(Addresses::is_answered),
        };
        if !answered {
            return None;
        }
        let mut hosts = match self.discovery {
            Discovery::LogicalDns => self.logical_host(),
            Discovery::Srv => self.served_hosts(reaches),
            _ => self.all_hosts(reaches),
        };
        hosts.truncate(MOST_HOSTS);
        if self.said.as_ref() == Some(&hosts) {
            return None;
        }
        self.said = Some(hosts.clone());
        Some(hosts)
    }

    /// Every address of every endpoint.
    fn all_hosts(&self, reaches: impl Fn(IpAddr) -> bool) -> Vec<(Identity, u32)> {
        let mut hosts = Vec::new();
        for endpoint in &self.endpoints {
            match &endpoint.address {
                Target::Address(address) => hosts.push((endpoint.identity_at(address.clone()), endpoint.weight)),
                Target::Name(name, port) => {
                    let found = self.names.get(name).map(|it| it.hosts(&reaches)).unwrap_or_default();
                    hosts.extend(found.iter().map(|ip| (named(endpoint, name, *ip, *port), endpoint.weight)));
                }
                Target::Service(_) => {}
            }
        }
        hosts
    }

    /// One host; where it is connected to is told to those who have it already.
    fn logical_host(&mut self) -> Vec<(Identity, u32)> {
        let Some(endpoint) = self.endpoints.first() else { return Vec::new() };
        let (name, port) = match &endpoint.address {
            Target::Address(address) => return vec![(endpoint.identity_at(address.clone()), endpoint.weight)],
            Target::Name(name, port) => (name, *port),
            Target::Service(_) => return Vec::new(),
        };
        let tried = self.names.get(name).map(Addresses::tried).unwrap_or_default();
        let tried: Vec<Addr> = tried.into_iter().map(|ip| SocketAddr::new(ip, port).into()).collect();
        let Some(first) = tried.first() else { return Vec::new() };
        let mut identity = named(endpoint, name, IpAddr::from([0; 4]), port);
        let same = |known: &&Identity| {
            known.name == identity.name && known.address.inet().is_some_and(|address| address.port() == port)
        };
        match self.logical.as_ref().filter(same) {
            Some(known) => {
                identity.address = known.address.clone();
                identity.alternatives = known.alternatives.clone();
            }
            None => {
                identity.address = first.clone();
                identity.alternatives = Some(Alternatives::new(tried.clone()));
            }
        }
        if let Some(alternatives) = &identity.alternatives {
            alternatives.set(tried);
        }
        self.logical = Some(identity.clone());
        vec![(identity, endpoint.weight)]
    }

    /// Every address of every target of every service.
    fn served_hosts(&self, reaches: impl Fn(IpAddr) -> bool) -> Vec<(Identity, u32)> {
        let (mut served, mut endpoints) = (Vec::new(), Vec::new());
        for endpoint in &self.endpoints {
            let Target::Service(name) = &endpoint.address else { continue };
            for record in self.services.get(name).map(|it| &*it.taken).unwrap_or_default() {
                let addresses = self.names.get(&target(record)).map(|it| it.hosts(&reaches)).unwrap_or_default();
                served.push(Served { record: record.clone(), addresses });
                endpoints.push(endpoint);
            }
        }
        let shares = srv::shares(&served);
        let mut hosts = Vec::new();
        for ((served, endpoint), shares) in served.iter().zip(endpoints).zip(shares) {
            for share in shares {
                let identity = named(endpoint, &target(&served.record), share.ip, served.record.port);
                hosts.push((Identity { priority: share.priority, ..identity }, share.weight));
            }
        }
        hosts
    }
}

fn named(endpoint: &Endpoint, name: &HostName, ip: IpAddr, port: u16) -> Identity {
    let name = Some(Arc::from(name.name.to_string()));
    Identity { name, ..endpoint.identity_at(SocketAddr::new(ip, port).into()) }
}

/// No search domain has anything to do with it.
fn target(record: &Srv) -> HostName {
    HostName { name: record.target.clone(), absolute: true }
}

/// Where a host was last.
fn ips(host: &Host) -> Vec<IpAddr> {
    let addresses = host.alternatives.as_ref().map_or_else(|| vec![host.address.clone()], |it| it.get().to_vec());
    addresses.iter().filter_map(|address| Some(address.inet()?.ip())).collect()
}

#[cfg(test)]
mod tests;
