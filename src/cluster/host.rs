//! One endpoint of a cluster, shared by all workers: who it is, whether it may be picked, and what it is doing.
//!
//! Who it is never changes: an endpoint with another address, zone or metadata is another host. Its health is a set of
//! flags, each written by one subsystem; what a balancer makes of them is [`Health`].

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::balance::xx_hash;
use super::health::{Failure, Outcome};
use super::outlier;
use crate::runtime::net::Addr;
use crate::runtime::{Published, Reader};
use crate::stats::HostStats;

/// An endpoint and what all workers know of it.
#[derive(Debug)]
pub struct Host {
    pub address: Addr,
    /// The name that it was found by, where it was: what health checks and hashes may call it.
    pub name: Option<Arc<str>>,
    /// 0 is taken first, as long as enough of its hosts are healthy. 0 to 127.
    pub priority: u32,
    /// Its locality; empty: it has none.
    pub zone: Arc<str>,
    /// What subsets are made by.
    pub metadata: Metadata,
    /// Where new connections go, if that may change while it is the same host: then `address` is where it was first found.
    pub alternatives: Option<Alternatives>,
    /// 1 to 128.
    weight: AtomicU32,
    flags: AtomicU32,
    /// Requests in flight, over all workers.
    active_requests: AtomicU32,
    /// Only the control thread looks at it.
    healthy_since: Mutex<Option<Instant>>,
    /// Connections, with those that are being opened; counted where there is a limit.
    connections: AtomicU32,
    pub stats: HostStats,
    /// What came of requests to it, where outliers are detected.
    pub outlier: outlier::Counters,
    pub last_check: LastCheck,
}

/// What the last active check found, for operators.
#[derive(Debug, Default)]
pub struct LastCheck {
    /// Milliseconds since 1970; 0: there was none.
    at: AtomicU64,
    /// By its place in `RESULTS`.
    result: AtomicU32,
}

/// Why a host is not taken like any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    /// Its active checks fail.
    FailedActive = 1 << 0,
    /// It has not been checked yet.
    Unchecked = 1 << 1,
    /// Ejected by outlier detection.
    Ejected = 1 << 2,
    /// It asks to be spared: its checks say `x-envoy-degraded`.
    Degraded = 1 << 3,
    /// Discovery does not name it any more; it is kept because it is healthy.
    Unlisted = 1 << 4,
    /// It is not one of the cluster's hosts any more.
    Removed = 1 << 5,
}

impl Flag {
    /// Each flag with Envoy's word for it on `/clusters`.
    pub const ALL: &[(Flag, &str)] = &[
        (Flag::FailedActive, "failed_active_hc"),
        (Flag::Unchecked, "pending_active_hc"),
        (Flag::Ejected, "failed_outlier_check"),
        (Flag::Degraded, "degraded_active_hc"),
        (Flag::Unlisted, "pending_dynamic_removal"),
        (Flag::Removed, "removed"),
    ];
}

/// What a balancer goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    Unhealthy,
    /// Taken when the healthy ones do not suffice.
    Degraded,
    Healthy,
}

/// Keys and values that subsets are made by. Most hosts have none, which takes no memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata(Option<Arc<BTreeMap<String, String>>>);

impl From<BTreeMap<String, String>> for Metadata {
    fn from(pairs: BTreeMap<String, String>) -> Metadata {
        Metadata((!pairs.is_empty()).then(|| Arc::new(pairs)))
    }
}

impl Deref for Metadata {
    type Target = BTreeMap<String, String>;

    fn deref(&self) -> &BTreeMap<String, String> {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        self.0.as_deref().unwrap_or(&NONE)
    }
}

/// Who a host is: all that discovery says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub address: Addr,
    pub name: Option<Arc<str>>,
    pub priority: u32,
    pub zone: Arc<str>,
    pub metadata: Metadata,
    pub alternatives: Option<Alternatives>,
}

/// The addresses of a host that is a name, in the order in which a connect tries them. Replaced by the control thread
/// whenever the name leads elsewhere.
#[derive(Debug, Clone)]
pub struct Alternatives {
    addresses: Arc<Published<Vec<Addr>>>,
    /// A hash of the address that was connected to last; 0: none was.
    connected: Arc<AtomicU64>,
}

impl Alternatives {
    pub fn new(addresses: Vec<Addr>) -> Alternatives {
        Alternatives { addresses: Arc::new(Published::new(addresses)), connected: Arc::default() }
    }

    /// As they are now. It takes a lock: workers have a reader.
    pub fn get(&self) -> Arc<Vec<Addr>> {
        self.addresses.get()
    }

    /// The one that was connected to last, if it is still one of them; else the first.
    fn in_use(&self) -> Option<Addr> {
        let (addresses, connected) = (self.get(), self.connected.load(Relaxed));
        addresses.iter().find(|address| hash_of(address) == connected).or(addresses.first()).cloned()
    }

    pub fn set(&self, addresses: Vec<Addr>) {
        if *self.get() != addresses {
            self.addresses.set(addresses);
        }
    }

    pub fn reader(&self) -> Reader<Vec<Addr>> {
        self.addresses.reader()
    }
}

/// An atomic holds it, as it could not hold an address.
fn hash_of(address: &Addr) -> u64 {
    xx_hash(address.to_string().as_bytes(), 0)
}

/// The same ones, wherever they lead.
impl PartialEq for Alternatives {
    fn eq(&self, other: &Alternatives) -> bool {
        Arc::ptr_eq(&self.addresses, &other.addresses)
    }
}

impl Eq for Alternatives {}

impl Identity {
    /// A host of which nothing but its address is known.
    pub fn of(address: Addr) -> Identity {
        Identity {
            address,
            name: None,
            priority: 0,
            zone: Arc::default(),
            metadata: Metadata::default(),
            alternatives: None,
        }
    }
}

impl Host {
    pub fn new(identity: Identity, weight: u32) -> Host {
        let Identity { address, name, priority, zone, metadata, alternatives } = identity;
        Host {
            address,
            name,
            priority,
            zone,
            metadata,
            alternatives,
            weight: AtomicU32::new(weight.max(1)),
            flags: AtomicU32::new(0),
            active_requests: AtomicU32::new(0),
            healthy_since: Mutex::new(None),
            connections: AtomicU32::new(0),
            stats: HostStats::default(),
            outlier: outlier::Counters::default(),
            last_check: LastCheck::default(),
        }
    }

    /// It is the host that `identity` describes.
    pub fn is(&self, identity: &Identity) -> bool {
        self.address == identity.address
            && self.priority == identity.priority
            && self.name == identity.name
            && self.zone == identity.zone
            && self.metadata == identity.metadata
            && self.alternatives == identity.alternatives
    }

    /// All that discovery says of it.
    pub fn identity(&self) -> Identity {
        Identity {
            address: self.address.clone(),
            name: self.name.clone(),
            priority: self.priority,
            zone: self.zone.clone(),
            metadata: self.metadata.clone(),
            alternatives: self.alternatives.clone(),
        }
    }

    /// Where it is connected to at the moment. Not for workers: see [`HostView::address`](super::HostView::address).
    pub fn current_address(&self) -> Addr {
        let current = self.alternatives.as_ref().and_then(|it| it.get().first().cloned());
        current.unwrap_or_else(|| self.address.clone())
    }

    /// A connection to `address` has come about, which is one of its `alternatives`.
    pub fn note_connected(&self, address: &Addr) {
        if let Some(alternatives) = &self.alternatives {
            alternatives.connected.store(hash_of(address), Relaxed);
        }
    }

    /// Its address as operators see it: where it was connected to last. Not for workers.
    pub fn shown_address(&self) -> Addr {
        let in_use = self.alternatives.as_ref().and_then(Alternatives::in_use);
        in_use.unwrap_or_else(|| self.address.clone())
    }

    /// Its share, against those of the others. 1 to 128.
    pub fn weight(&self) -> u32 {
        self.weight.load(Relaxed)
    }

    /// Discovery has another weight for it. Says whether that is news.
    pub fn set_weight(&self, weight: u32) -> bool {
        self.weight.swap(weight.max(1), Relaxed) != weight.max(1)
    }

    /// Sets or clears a flag. Says whether that is news.
    pub fn set(&self, flag: Flag, on: bool) -> bool {
        let bit = flag as u32;
        let before = if on { self.flags.fetch_or(bit, Relaxed) } else { self.flags.fetch_and(!bit, Relaxed) };
        (before & bit != 0) != on
    }

    /// All flags: for whoever asks whether anything has changed.
    pub(super) fn flags(&self) -> u32 {
        self.flags.load(Relaxed)
    }

    pub fn has(&self, flag: Flag) -> bool {
        self.flags.load(Relaxed) & flag as u32 != 0
    }

    pub fn health(&self) -> Health {
        const BAD: u32 =
            Flag::FailedActive as u32 | Flag::Unchecked as u32 | Flag::Ejected as u32 | Flag::Removed as u32;
        match self.flags.load(Relaxed) {
            flags if flags & BAD != 0 => Health::Unhealthy,
            flags if flags & Flag::Degraded as u32 != 0 => Health::Degraded,
            _ => Health::Healthy,
        }
    }

    /// Notes whether it may be picked: slow start counts from when it first may. To be told now and then.
    pub fn look(&self, now: Instant) {
        let usable = self.health() != Health::Unhealthy;
        let mut since = self.healthy_since.lock().unwrap_or_else(PoisonError::into_inner);
        *since = since.or(Some(now)).filter(|_| usable);
    }

    /// When it was first seen so, since it last was not. `None`: it was never looked at.
    pub fn healthy_since(&self) -> Option<Instant> {
        *self.healthy_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those that a limit of connections has counted.
    pub fn connections(&self) -> u32 {
        self.connections.load(Relaxed)
    }

    /// One more connection, if there are fewer than `most`.
    pub(super) fn try_connect(&self, most: u32) -> bool {
        // Add first, look after: see `Breaker`.
        let may = self.connections.fetch_add(1, Relaxed) < most;
        if !may {
            self.disconnect();
        }
        may
    }

    pub(super) fn disconnect(&self) {
        self.connections.fetch_sub(1, Relaxed);
    }

    pub fn active_requests(&self) -> u32 {
        self.active_requests.load(Relaxed)
    }

    pub(crate) fn request_started(&self) {
        self.active_requests.fetch_add(1, Relaxed);
    }

    pub(crate) fn request_ended(&self) {
        self.active_requests.fetch_sub(1, Relaxed);
    }
}

impl LastCheck {
    const RESULTS: [(Outcome, &str); 7] = [
        (Outcome::Healthy { degraded: false }, "healthy"),
        (Outcome::Healthy { degraded: true }, "degraded"),
        (Outcome::Failed(Failure::Active), "unhealthy"),
        (Outcome::Failed(Failure::Retriable), "retriable"),
        (Outcome::Failed(Failure::Passive), "passive"),
        (Outcome::Failed(Failure::Network), "network"),
        (Outcome::Failed(Failure::Timeout), "timeout"),
    ];

    pub fn set(&self, outcome: Outcome, now: SystemTime) {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let at = Self::RESULTS.iter().position(|(result, _)| *result == outcome).unwrap_or_default();
        self.result.store(u32::try_from(at).unwrap_or_default(), Relaxed);
        self.at.store(u64::try_from(since.as_millis()).unwrap_or(u64::MAX).max(1), Relaxed);
    }

    /// When it ended, and what it found in a word. `None`: there was none.
    pub fn get(&self) -> Option<(SystemTime, &'static str)> {
        let at = self.at.load(Relaxed);
        let (_, word) = Self::RESULTS.get(self.result.load(Relaxed) as usize)?;
        (at > 0).then(|| (SystemTime::UNIX_EPOCH + Duration::from_millis(at), *word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Host {
        Host::new(Identity::of("192.0.2.1:80".parse().unwrap()), 1)
    }

    #[test]
    fn any_reason_makes_it_unhealthy_and_all_must_go() {
        let host = host();
        assert_eq!(host.health(), Health::Healthy);
        assert!(host.set(Flag::Degraded, true));
        assert_eq!(host.health(), Health::Degraded);
        for flag in [Flag::FailedActive, Flag::Unchecked, Flag::Ejected] {
            assert!(host.set(flag, true));
            assert!(!host.set(flag, true), "no news");
            assert_eq!(host.health(), Health::Unhealthy);
        }
        host.set(Flag::FailedActive, false);
        host.set(Flag::Unchecked, false);
        assert_eq!(host.health(), Health::Unhealthy, "still ejected");
        assert!(host.set(Flag::Ejected, false));
        assert_eq!(host.health(), Health::Degraded);
    }

    #[test]
    fn a_host_with_other_metadata_is_another_host() {
        let (host, same) = (host(), Identity::of("192.0.2.1:80".parse().unwrap()));
        assert!(host.is(&same));
        let stage = BTreeMap::from([("stage".to_owned(), "canary".to_owned())]);
        assert!(!host.is(&Identity { metadata: stage.into(), ..same.clone() }));
        assert!(!host.is(&Identity { priority: 1, ..same }));
    }
}
