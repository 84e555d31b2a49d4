//! Subsets: hosts that have the same metadata, for routes that ask for it (Envoy, "Load balancer subsets").

use std::collections::BTreeMap;

use super::selection::{Build, Selection};
use crate::cluster::balance::xx_hash;
use crate::config::{SubsetFallback, Subsets};
use crate::order;

/// What a route asks of its hosts: metadata keys and their values. Made once, when the configuration is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubsetKey {
    hash: u64,
    /// Sorted by key.
    pairs: Box<[(Box<str>, Box<str>)]>,
}

impl SubsetKey {
    pub fn new<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> SubsetKey {
        let mut pairs: Vec<(Box<str>, Box<str>)> =
            pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        order::sort(&mut pairs);
        let parts = pairs.iter().flat_map(|(key, value)| [key, value]);
        // By turns, so that the end of one is not the start of the next.
        let hash = parts.fold(0, |hash, part| xx_hash(part.as_bytes(), hash));
        SubsetKey { hash, pairs: pairs.into() }
    }

    /// What a route asks for; nothing is no subset.
    pub fn of(pairs: &BTreeMap<String, String>) -> Option<SubsetKey> {
        (!pairs.is_empty()).then(|| SubsetKey::new(pairs.iter().map(|(key, value)| (&**key, &**value))))
    }

    /// A host with this metadata is one of the subset.
    fn is_of(&self, metadata: &BTreeMap<String, String>) -> bool {
        self.pairs.iter().all(|(key, value)| metadata.get(&**key).is_some_and(|has| **has == **value))
    }
}

#[derive(Debug)]
pub(super) struct SubsetTable {
    /// Sorted by the hash of their keys.
    subsets: Box<[(SubsetKey, Selection)]>,
    fallback: SubsetFallback,
    default: Option<(SubsetKey, Selection)>,
}

impl SubsetTable {
    pub(super) fn new(build: &mut Build, settings: &Subsets) -> SubsetTable {
        let mut members: BTreeMap<Vec<(&str, &str)>, Vec<u32>> = BTreeMap::new();
        let hosts = build.hosts();
        for keys in &settings.keys {
            for (at, host) in (0..).zip(hosts) {
                // A host without one of the keys is in none of these subsets.
                let pair = |key: &String| host.metadata.get_key_value(key).map(|(key, value)| (&**key, &**value));
                if let Some(pairs) = keys.iter().map(pair).collect() {
                    members.entry(pairs).or_default().push(at);
                }
            }
        }
        let selections = members.into_iter().map(|(pairs, members)| (SubsetKey::new(pairs), build.selection(members)));
        let mut subsets: Vec<(SubsetKey, Selection)> = selections.collect();
        order::sort_by_key(&mut subsets, |(key, _)| key.hash);
        let default = (settings.fallback == SubsetFallback::Default).then(|| {
            let key = SubsetKey::new(settings.default.iter().map(|(key, value)| (&**key, &**value)));
            let has = |at: &u32| key.is_of(&hosts[*at as usize].metadata);
            let members = (0..hosts.len() as u32).filter(has).collect();
            (key, build.selection(members))
        });
        SubsetTable { subsets: subsets.into(), fallback: settings.fallback, default }
    }

    pub(super) fn find(&self, key: &SubsetKey) -> Option<&Selection> {
        let first = self.subsets.partition_point(|(subset, _)| subset.hash < key.hash);
        let same = self.subsets[first..].iter().take_while(|(subset, _)| subset.hash == key.hash);
        same.into_iter().find(|(subset, _)| subset == key).map(|(_, selection)| selection)
    }

    pub(super) fn fallback<'a>(&'a self, all: &'a Selection) -> Option<&'a Selection> {
        match self.fallback {
            SubsetFallback::None => None,
            SubsetFallback::Any => Some(all),
            SubsetFallback::Default => self.default.as_ref().map(|(_, selection)| selection),
        }
    }

    /// Whether a request that asks for this subset may go to a host with this metadata.
    pub(super) fn allows(&self, key: Option<&SubsetKey>, metadata: &BTreeMap<String, String>) -> bool {
        match (key.filter(|key| self.find(key).is_some()), self.fallback) {
            (Some(key), _) => key.is_of(metadata),
            (None, SubsetFallback::None) => false,
            (None, SubsetFallback::Any) => true,
            (None, SubsetFallback::Default) => self.default.as_ref().is_some_and(|(key, _)| key.is_of(metadata)),
        }
    }
}
