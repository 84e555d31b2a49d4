//! One endpoint of a cluster that is found by DNS: what is known of it, and the hosts that it stands for.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use super::NamedHost;
use super::name::NameSource;
use super::service::ServiceSource;
use crate::cluster::Identity;
use crate::config::{Dns, Endpoint, HostName, Target};
use crate::runtime::net::Addr;

/// The last priority that hosts may have.
const MAX_PRIORITY: usize = 127;

/// One endpoint, and what is known of it.
pub(super) struct Source {
    /// What its hosts have in common.
    identity: Identity,
    weight: u32,
    pub(super) kind: Kind,
    /// The address that a logical host has now.
    logical: Cell<Option<SocketAddr>>,
}

/// What it is, and what was heard of it.
pub(super) enum Kind {
    Fixed(Addr),
    Name(HostName, u16, NameSource),
    Service(HostName, ServiceSource),
}

impl Source {
    pub(super) fn new(endpoint: &Endpoint) -> Source {
        // Replaced by what is found.
        let nowhere = Addr::Inet(SocketAddr::from(([0, 0, 0, 0], 0)));
        let kind = match &endpoint.address {
            Target::Address(address) => Kind::Fixed(address.clone()),
            Target::Name(host, port) => Kind::Name(host.clone(), *port, NameSource::default()),
            Target::Service(service) => Kind::Service(service.clone(), ServiceSource::default()),
        };
        let mut identity = endpoint.identity_at(nowhere);
        if let Target::Name(host, _) = &endpoint.address {
            identity.name = Some(host.name.to_string().into());
        }
        Source { identity, weight: endpoint.weight, kind, logical: Cell::new(None) }
    }

    pub(super) fn is_fixed(&self) -> bool {
        matches!(self.kind, Kind::Fixed(_))
    }

    /// What DNS is asked for; and whether it is a service.
    pub(super) fn name(&self) -> Option<(HostName, bool)> {
        match &self.kind {
            Kind::Fixed(_) => None,
            Kind::Name(host, ..) => Some((host.clone(), false)),
            Kind::Service(service, _) => Some((service.clone(), true)),
        }
    }

    /// For logs.
    pub(super) fn shown(&self) -> String {
        self.name().map_or_else(String::new, |(name, _)| name.to_string())
    }

    pub(super) fn is_known(&self, dns: &Dns) -> bool {
        match &self.kind {
            Kind::Fixed(_) => true,
            Kind::Name(_, _, source) => source.is_known(dns.family),
            Kind::Service(_, source) => source.is_known(dns.family),
        }
    }

    pub(super) fn held_until(&self, dns: &Dns) -> Option<Instant> {
        match &self.kind {
            Kind::Fixed(_) => None,
            Kind::Name(_, _, source) => source.held_until(dns),
            Kind::Service(_, source) => source.held_until(dns),
        }
    }

    /// The priorities that its hosts have in DNS.
    pub(super) fn ranks(&self, ranks: &mut BTreeSet<u16>) {
        if let Kind::Service(_, source) = &self.kind {
            ranks.extend(source.hosts().iter().map(|host| host.priority));
        }
    }

    /// Adds its hosts. `ranks`: the priorities of all services of the cluster, which become 0, 1, 2, ...
    pub(super) fn hosts(
        &self,
        dns: &Dns,
        logical: bool,
        ranks: &[u16],
        has_route: fn(IpAddr) -> bool,
        hosts: &mut Vec<NamedHost>,
    ) {
        let at = |address: Addr| Identity { address, ..self.identity.clone() };
        match &self.kind {
            Kind::Fixed(address) => hosts.push((at(address.clone()), self.weight)),
            Kind::Name(_, port, source) => {
                let addresses = source.addresses(dns.family, has_route);
                let all: Vec<SocketAddr> = addresses.into_iter().map(|ip| SocketAddr::new(ip, *port)).collect();
                if logical {
                    hosts.extend(self.logical(&all).map(|identity| (identity, self.weight)));
                } else {
                    hosts.extend(all.into_iter().map(|address| (at(address.into()), self.weight)));
                }
            }
            Kind::Service(_, source) => {
                for host in source.hosts() {
                    let rank = ranks.binary_search(&host.priority).unwrap_or(MAX_PRIORITY).min(MAX_PRIORITY);
                    let name = Some(host.target.to_string().into());
                    let identity = Identity { name, priority: rank as u32, ..at(host.address.into()) };
                    hosts.push((identity, host.weight));
                }
            }
        }
    }

    /// The one host that a name is. It keeps its address as long as the name has it: what order a server gives them in is chance.
    fn logical(&self, all: &[SocketAddr]) -> Option<Identity> {
        let kept = self.logical.get().filter(|address| all.contains(address));
        let address = kept.or_else(|| all.first().copied())?;
        self.logical.set(Some(address));
        Some(Identity { address: address.into(), ..self.identity.clone() })
    }
}
