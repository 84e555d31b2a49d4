//! Sorting, and maps in order, where there is little to sort or it is done seldom: once a file, once a change of hosts.
//! The sorts of the standard library are several KiB of code for each type, and collecting into a `BTreeMap` has one.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// Sorts, and keeps the order of equal ones. `compare` is called with two of `items`.
pub(crate) fn sort_by<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    let order = sorted(items.len(), &|one, other| compare(&items[one], &items[other]));
    // Each swap brings one to its place for good.
    let mut places = vec![0; order.len()];
    for (place, at) in order.into_iter().enumerate() {
        places[at] = place;
    }
    for at in 0..places.len() {
        while places[at] != at {
            let place = places[at];
            items.swap(at, place);
            places.swap(at, place);
        }
    }
}

/// The same by a key.
pub(crate) fn sort_by_key<T, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K) {
    sort_by(items, |one, other| key(one).cmp(&key(other)));
}

pub(crate) fn sort<T: Ord>(items: &mut [T]) {
    sort_by(items, T::cmp);
}

/// The numbers below `len` in order.
fn sorted(len: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    order.sort_by(|&one, &other| compare(one, other));
    order
}

/// A map of these; of two with one key the later.
pub(crate) fn map<K: Ord, V>(pairs: impl IntoIterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    map.extend(pairs);
    map
}

/// A set of these.
pub(crate) fn set<T: Ord>(items: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    let mut set = BTreeSet::new();
    set.extend(items);
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_as_the_standard_library_does() {
        let seed = fastrand::u64(..);
        let mut rng = fastrand::Rng::with_seed(seed);
        for len in (0..40).chain([1000]) {
            // Few different ones, so that the order of equal ones is seen.
            let mut ours: Vec<(u8, usize)> = (0..len).map(|at| (rng.u8(..9), at)).collect();
            let mut theirs = ours.clone();
            sort_by_key(&mut ours, |pair| pair.0);
            theirs.sort_by_key(|pair| pair.0);
            assert_eq!(ours, theirs, "seed {seed}");
        }
    }

    #[test]
    fn maps_and_sets_are_those_of_collect() {
        let pairs = [(3, 'a'), (1, 'b'), (3, 'c')];
        assert_eq!(map(pairs), pairs.into_iter().collect());
        assert_eq!(set([3, 1, 3]), BTreeSet::from([1, 3]));
    }
}
