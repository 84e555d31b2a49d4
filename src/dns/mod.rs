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
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::time::Duration;

use nuncio_dns::{Counts, Failure, Name, Outcome, Question, RecordType, Records};

use self::files::{Files, Sources};
use crate::config::HostName;
use crate::runtime::control::{self, Semaphore};
use crate::stats::{DnsStats, Handle};

/// Queries in flight for AAAA, and for all else; others wait. A server that is silent for one type (RFC 4074 section 4.1)
/// must not hold up the others.
const MAX_QUERIES: usize = 32;

/// How long the addresses of one family wait for those of the other (RFC 8305 section 3). That is longer than a connect
/// should wait: hosts of one family that those of the other replace a moment later would have been found for nothing.
const RESOLUTION_DELAY: Duration = Duration::from_millis(250);

/// How long the other family is then still waited for, so that both are asked for again before long.
const PATIENCE: Duration = Duration::from_secs(10);

/// The control thread's way to DNS. A copy is the same one.
#[derive(Clone)]
pub struct Resolver(Rc<Shared>);

struct Shared {
    sources: Sources,
    files: RefCell<Option<Files>>,
    permits: Semaphore,
    permits_v6: Semaphore,
    patience: Duration,
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

    /// There is no reason to try another name: something was found, or could not be. A name without IPv4 that does not exist
    /// has no IPv6 either (RFC 8020), whatever a server makes of the question for it.
    fn is_final(&self) -> bool {
        let none = matches!(self.v4, Some(Outcome::NxDomain { .. })) && matches!(self.v6, Some(Outcome::Failed(_)));
        !none && self.outcomes().any(is_final)
    }
}

fn is_final(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Answer { .. } | Outcome::Failed(_))
}

impl Resolver {
    /// One that goes by the files of the system.
    pub fn new(stats: Handle<DnsStats>) -> Resolver {
        Resolver::with(Sources::system(), stats, PATIENCE)
    }

    fn with(sources: Sources, stats: Handle<DnsStats>, patience: Duration) -> Resolver {
        let (permits, permits_v6) = (Semaphore::new(MAX_QUERIES), Semaphore::new(MAX_QUERIES));
        Resolver(Rc::new(Shared { sources, files: RefCell::default(), permits, permits_v6, patience, stats }))
    }

    /// The addresses of a host. `servers`, if there are any, are asked in place of the system's, and then nothing is
    /// looked for in search domains. `early` is told the addresses of one family when those of the other are late.
    pub async fn addresses(
        &self,
        host: &HostName,
        families: Families,
        servers: &[SocketAddr],
        early: impl AsyncFn(Addresses),
    ) -> Addresses {
        let files = self.files().await;
        if let Some(known) = files.hosts.get(&host.name) {
            return listed(known, families);
        }
        let mut nothing = None;
        let candidates = files.candidates(host, servers);
        let last = candidates.len().saturating_sub(1);
        for (at, name) in candidates.into_iter().enumerate() {
            let ask = |kind| self.ask(Question { name: name.clone(), kind }, &files, servers);
            let found = match families {
                Families::V4 => Addresses { v4: Some(ask(RecordType::A).await), v6: None },
                Families::V6 => Addresses { v4: None, v6: Some(ask(RecordType::Aaaa).await) },
                Families::Both => self.both(ask(RecordType::A), ask(RecordType::Aaaa), at == last, &early).await,
            };
            if found.is_final() {
                return found;
            }
            nothing.get_or_insert(found);
        }
        nothing.unwrap_or_else(|| listed(&[], families))
    }

    /// The addresses of both families. `last`: there is no other name to try.
    async fn both(
        &self,
        v4: impl Future<Output = Outcome>,
        v6: impl Future<Output = Outcome>,
        last: bool,
        early: impl AsyncFn(Addresses),
    ) -> Addresses {
        enum Half {
            V4(Outcome),
            V6(Outcome),
        }
        let (mut v4, mut v6) = (pin!(v4), pin!(v6));
        let first = control::race(async { Half::V4(v4.as_mut().await) }, async { Half::V6(v6.as_mut().await) }).await;
        match first {
            Half::V4(found) => {
                let tell = async || early(Addresses { v4: Some(found.clone()), v6: None }).await;
                let goes_on = matches!(found, Outcome::NxDomain { .. }) && !last;
                let v6 = self.other(&found, v6, goes_on, tell).await;
                Addresses { v4: Some(found), v6: Some(v6) }
            }
            Half::V6(found) => {
                let tell = async || early(Addresses { v4: None, v6: Some(found.clone()) }).await;
                let v4 = self.other(&found, v4, false, tell).await;
                Addresses { v4: Some(v4), v6: Some(found) }
            }
        }
    }

    /// The other family, when one is there. `goes_on`: it says enough to go on to the next name.
    async fn other(
        &self,
        first: &Outcome,
        mut other: Pin<&mut impl Future<Output = Outcome>>,
        goes_on: bool,
        tell: impl AsyncFnOnce(),
    ) -> Outcome {
        let is_found = matches!(first, Outcome::Answer { .. });
        if !is_found && !goes_on {
            return other.await;
        }
        if let Some(found) = control::timeout(RESOLUTION_DELAY, other.as_mut()).await {
            return found;
        }
        if is_found {
            tell().await;
            if let Some(found) = control::timeout(self.0.patience, other).await {
                return found;
            }
        }
        let late = Outcome::Failed(Failure::Timeout);
        self.0.stats.count(&late, Counts::default());
        late
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
        let permits = if question.kind == RecordType::Aaaa { &self.0.permits_v6 } else { &self.0.permits };
        let _permit = permits.acquire().await;
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
            false => Outcome::Answer { records: Records::Addresses(addresses), ttl: Duration::ZERO },
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
