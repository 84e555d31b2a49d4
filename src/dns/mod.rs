//! Names to addresses, on the control thread: `/etc/hosts`, then DNS servers by the rules of `/etc/resolv.conf` or those that
//! the configuration names. What to send and what to believe is `nuncio_dns`'s; how often to ask is `cluster::discovery`'s.
//! Nothing is kept here but the two files.

mod exchange;
mod files;
mod hosts;
mod resolv_conf;
#[cfg(test)]
#[allow(dead_code, reason = "whole-proxy tests use the rest")]
mod testing;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use nuncio_dns::{Name, Outcome, Question, RecordType, Records};

use self::files::{Files, Sources};
use crate::config::HostName;
use crate::runtime::control::{self, Semaphore};
use crate::stats::{DnsStats, Handle};

/// Queries in flight; others wait.
const MAX_QUERIES: usize = 64;

/// The control thread's way to DNS. A copy is the same one.
#[derive(Clone)]
pub struct Resolver(Rc<Shared>);

struct Shared {
    sources: Sources,
    files: RefCell<Option<Files>>,
    permits: Semaphore,
    stats: Handle<DnsStats>,
}

/// Which addresses to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Families {
    V4,
    V6,
    Both,
}

/// What a name has, by family; `None`: that was not asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    pub v4: Option<Outcome>,
    pub v6: Option<Outcome>,
}

impl Addresses {
    fn outcomes(&self) -> impl Iterator<Item = &Outcome> {
        self.v4.iter().chain(&self.v6)
    }

    /// There is no reason to try another name: something was found, or could not be.
    fn is_final(&self) -> bool {
        self.outcomes().any(is_final)
    }
}

fn is_final(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Answer { .. } | Outcome::Failed(_))
}

impl Resolver {
    /// One that goes by the files of the system.
    pub fn new(stats: Handle<DnsStats>) -> Resolver {
        Resolver::with(Sources::system(), stats)
    }

    fn with(sources: Sources, stats: Handle<DnsStats>) -> Resolver {
        let permits = Semaphore::new(MAX_QUERIES);
        Resolver(Rc::new(Shared { sources, files: RefCell::default(), permits, stats }))
    }

    /// The addresses of a host. `servers`, if there are any, are asked in place of the system's, and then nothing is
    /// looked for in search domains.
    pub async fn addresses(&self, host: &HostName, families: Families, servers: &[SocketAddr]) -> Addresses {
        let files = self.files().await;
        if let Some(known) = files.hosts.get(&host.name) {
            return listed(known, families);
        }
        let mut nothing = None;
        for name in files.candidates(host, servers) {
            let ask = |kind, wanted| {
                let (files, name) = (&files, name.clone());
                async move { if wanted { Some(self.ask(Question { name, kind }, files, servers).await) } else { None } }
            };
            let v4 = ask(RecordType::A, families != Families::V6);
            let v6 = ask(RecordType::Aaaa, families != Families::V4);
            let (v4, v6) = control::both(v4, v6).await;
            let found = Addresses { v4, v6 };
            if found.is_final() {
                return found;
            }
            nothing.get_or_insert(found);
        }
        nothing.unwrap_or_else(|| listed(&[], families))
    }

    /// The hosts of a service.
    pub async fn services(&self, service: &HostName, servers: &[SocketAddr]) -> Outcome {
        let files = self.files().await;
        let mut nothing = None;
        for name in files.candidates(service, servers) {
            let found = self.ask(Question { name, kind: RecordType::Srv }, &files, servers).await;
            if is_final(&found) {
                return found;
            }
            nothing.get_or_insert(found);
        }
        nothing.unwrap_or(Outcome::NoData { ttl: None })
    }

    async fn files(&self) -> Files {
        let before = self.0.files.borrow().clone();
        let now = control::now();
        if let Some(files) = before.as_ref().filter(|files| files.are_fresh(now)) {
            return files.clone();
        }
        if let Some(files) = &mut *self.0.files.borrow_mut() {
            // Whoever else asks meanwhile goes by what is there.
            files.looked(now);
        }
        let sources = self.0.sources.clone();
        let files = control::unblock(move || sources.look(before, now)).await;
        *self.0.files.borrow_mut() = Some(files.clone());
        files
    }

    async fn ask(&self, question: Question, files: &Files, servers: &[SocketAddr]) -> Outcome {
        let system = files.resolv_conf.servers();
        let (servers, policy) = match servers {
            [] => (&system[..], files.resolv_conf.policy()),
            servers => (servers, nuncio_dns::Policy::default()),
        };
        let stats = &self.0.stats;
        stats.pending_resolutions.inc();
        // Counted down also if nobody waits for it any more.
        let _pending = Pending(stats);
        let _permit = self.0.permits.acquire().await;
        let (outcome, counts) = exchange::ask(question, servers, policy).await;
        stats.count(&outcome, counts);
        outcome
    }
}

struct Pending<'s>(&'s Handle<DnsStats>);

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.0.pending_resolutions.dec();
    }
}

/// As if DNS had said what a file says. It is looked at so often that it needs no TTL.
fn listed(known: &[IpAddr], families: Families) -> Addresses {
    let of = |v4: bool| {
        let addresses: Vec<IpAddr> = known.iter().copied().filter(|ip| ip.is_ipv4() == v4).collect();
        match addresses.is_empty() {
            true => Outcome::NoData { ttl: None },
            false => Outcome::Answer { records: Records::Addresses(addresses), ttl: std::time::Duration::ZERO },
        }
    };
    Addresses { v4: (families != Families::V6).then(|| of(true)), v6: (families != Families::V4).then(|| of(false)) }
}

impl Files {
    /// The names to ask for, one after the other (resolv.conf: `search`, `ndots`).
    fn candidates(&self, host: &HostName, servers: &[SocketAddr]) -> Vec<Name> {
        let conf = &self.resolv_conf;
        if host.absolute || !servers.is_empty() {
            return vec![host.name.clone()];
        }
        let dots = host.name.labels().count().saturating_sub(1);
        let itself = std::iter::once(host.name.clone());
        let within = conf.search.iter().filter_map(|domain| host.name.within(domain).ok());
        if dots >= conf.ndots { itself.chain(within).collect() } else { within.chain(itself).collect() }
    }
}
