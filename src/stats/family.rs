//! Scopes whose names come up while the proxy runs, such as the methods of a gRPC service: a table that only grows, read
//! by every thread without a lock.
//!
//! A member is found by its owner (a cluster) and its key (what came from the network), and is a [`Scope`] like any other:
//! each worker counts on an instance of its own. The table is a fixed row of buckets, each a chain of members that are
//! written once ([`OnceLock`]) and never moved or removed. So a look-up is a hash, a walk along a short chain and no write
//! to what others read; two threads that add the same member meet at the end of its chain, and one of them wins. Names from
//! the network are limited in number ([`Origin`]): a client that makes them up fills the table, no more.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::scope::{AnyScope, Values};
use super::{Scope, ScopeStats};
use crate::order;

/// As many as there are members at most, or so.
const BUCKETS: usize = 1024;

/// Where a member's key comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// There are so many as somebody wrote down.
    Config,
    /// There may be as many as a client likes.
    Network,
}

/// Members of type `T`. Lives as long as somebody holds it; the registry lists its values meanwhile.
pub struct Family<T> {
    workers: usize,
    /// Most members that come from the network.
    limit: usize,
    limited: AtomicUsize,
    hasher: RandomState,
    buckets: Box<[Link<T>]>,
}

type Link<T> = OnceLock<Box<Member<T>>>;

struct Member<T> {
    /// Stands in the prefix of its values, behind the family's.
    owner: Box<str>,
    key: Box<[u8]>,
    /// Stands before the names of its values, without a dot at its end.
    name: Box<str>,
    scope: Scope<T>,
    next: Link<T>,
}

impl<T: ScopeStats> Family<T> {
    pub(super) fn new(workers: usize, limit: usize) -> Family<T> {
        Family {
            workers,
            limit,
            limited: AtomicUsize::new(0),
            hasher: RandomState::new(),
            buckets: (0..BUCKETS).map(|_| OnceLock::new()).collect(),
        }
    }

    /// The member of this owner and key, if it is there.
    pub fn get(&self, owner: &str, key: &[u8]) -> Option<&Scope<T>> {
        chain(self.bucket(owner, key)).find(|member| member.is(owner, key)).map(|member| &member.scope)
    }

    /// The member of this owner and key, added if it is not there. `name` makes its name. `None`: there is no room for one
    /// more from the network.
    pub fn get_or_add(
        &self,
        owner: &str,
        key: &[u8],
        origin: Origin,
        name: impl FnOnce() -> String,
    ) -> Option<&Scope<T>> {
        if let Some(scope) = self.get(owner, key) {
            return Some(scope);
        }
        if origin == Origin::Config {
            return self.insert(owner, key, name()).map(|(scope, _)| scope);
        }
        let more = |count: usize| (count < self.limit).then_some(count + 1);
        self.limited.fetch_update(Relaxed, Relaxed, more).ok()?;
        let (scope, is_new) = self.insert(owner, key, name())?;
        if !is_new {
            self.limited.fetch_sub(1, Relaxed);
        }
        Some(scope)
    }

    /// Adds a member, unless another thread just did; says which. Always has one.
    fn insert(&self, owner: &str, key: &[u8], name: String) -> Option<(&Scope<T>, bool)> {
        let mut new = Box::new(Member {
            owner: owner.into(),
            key: key.into(),
            name: name.into(),
            scope: Scope::new(self.workers),
            next: OnceLock::new(),
        });
        let mut link = self.bucket(owner, key);
        loop {
            match link.get() {
                Some(member) if member.is(owner, key) => return Some((&member.scope, false)),
                Some(member) => link = &member.next,
                // Where another thread was first, the next turn looks at what it put there.
                None => match link.set(new) {
                    Ok(()) => return link.get().map(|member| (&member.scope, true)),
                    Err(refused) => new = refused,
                },
            }
        }
    }

    fn bucket(&self, owner: &str, key: &[u8]) -> &Link<T> {
        let hash = self.hasher.hash_one((owner, key));
        // The remainder is below the number of buckets.
        &self.buckets[(hash % BUCKETS as u64) as usize]
    }

    fn members(&self) -> impl Iterator<Item = &Member<T>> {
        self.buckets.iter().flat_map(chain)
    }
}

/// The members of a bucket.
fn chain<T>(bucket: &Link<T>) -> impl Iterator<Item = &Member<T>> {
    std::iter::successors(bucket.get(), |member| member.next.get()).map(|member| &**member)
}

impl<T> Member<T> {
    fn is(&self, owner: &str, key: &[u8]) -> bool {
        *self.key == *key && *self.owner == *owner
    }
}

impl<T: ScopeStats> AnyScope for Family<T> {
    fn workers(&self) -> usize {
        self.workers
    }

    fn is_used(&self) -> bool {
        self.members().any(|member| member.scope.is_used())
    }

    fn collect(&self, each: &mut dyn FnMut(Option<&str>, Values)) {
        let mut groups: BTreeMap<(&str, &str), Vec<&Scope<T>>> = BTreeMap::new();
        for member in self.members() {
            groups.entry((&member.owner, &member.name)).or_default().push(&member.scope);
        }
        for ((owner, name), scopes) in groups {
            // Two keys may have one name.
            let values = Scope::sum(scopes);
            let named = values.into_iter().map(|(value, sum)| (Cow::Owned(format!("{name}.{value}")), sum));
            each(Some(owner), order::map(named));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::stats::{CorsStats, Value};

    fn member<'f>(family: &'f Family<CorsStats>, key: &str) -> Option<&'f Scope<CorsStats>> {
        family.get_or_add("app", key.as_bytes(), Origin::Network, || key.to_uppercase())
    }

    /// `owner name: value` of all values that are not zero.
    fn values(family: &Family<CorsStats>) -> BTreeSet<String> {
        let mut lines = BTreeSet::new();
        family.collect(&mut |owner, values| {
            for (name, value) in values {
                if value != Value::Counter(0) {
                    lines.insert(format!("{} {name}: {value:?}", owner.unwrap()));
                }
            }
        });
        lines
    }

    #[test]
    fn a_member_is_made_once_and_counts_by_worker() {
        let family = Family::new(2, 10);
        member(&family, "a").unwrap().worker(0).origin_valid.add(2);
        member(&family, "a").unwrap().worker(1).origin_valid.add(3);
        // One name, another key.
        let same = family.get_or_add("app", b"b", Origin::Config, || "A".into()).unwrap();
        same.worker(0).origin_valid.inc();
        let other = family.get_or_add("api", b"a", Origin::Config, || "A".into()).unwrap();
        other.worker(0).origin_invalid.inc();
        assert!(family.get("app", b"c").is_none());
        let expected = ["api A.cors.origin_invalid: Counter(1)", "app A.cors.origin_valid: Counter(6)"];
        assert_eq!(values(&family), expected.map(str::to_owned).into());
    }

    #[test]
    fn the_network_adds_so_many_and_no_more() {
        let family = Family::new(1, 2);
        for key in ["a", "b", "a"] {
            assert!(member(&family, key).is_some());
        }
        assert!(member(&family, "c").is_none());
        assert!(member(&family, "b").is_some(), "what is there stays");
        assert!(family.get_or_add("app", b"d", Origin::Config, || "D".into()).is_some());
    }

    #[test]
    fn it_is_used_while_a_thread_counts() {
        let family = Family::new(1, 2);
        let handle = member(&family, "a").unwrap().worker(0);
        assert!(family.is_used());
        drop(handle);
        assert!(!family.is_used());
    }

    #[test]
    fn threads_that_add_the_same_meet() {
        const KEYS: usize = 5000;
        let family = Family::new(4, 3000);
        std::thread::scope(|scope| {
            for worker in 0..4 {
                let family = &family;
                scope.spawn(move || {
                    let mut rng = fastrand::Rng::with_seed(worker);
                    let mut keys: Vec<usize> = (0..KEYS).collect();
                    rng.shuffle(&mut keys);
                    for key in keys {
                        if let Some(member) = member(family, &key.to_string()) {
                            member.worker(worker as usize).origin_valid.inc();
                        }
                    }
                });
            }
        });
        assert_eq!(family.limited.load(Relaxed), 3000);
        assert_eq!(family.members().count(), 3000);
        let keys: BTreeSet<_> = family.members().map(|member| &member.key).collect();
        assert_eq!(keys.len(), 3000, "each once");
        for member in family.members() {
            // Whoever came before there was no more room.
            assert!((1..=4).contains(&(0..4).map(|at| member.scope.worker(at).origin_valid.get()).sum::<u64>()));
        }
    }
}
