//! The index of a route table: which routes can match a host and a path, without asking each. It only ever leaves
//! out routes whose host or path predicate fails; the table asks the rest in file order.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::predicate::{PathKind, PathPredicate};
use crate::config::HostPattern;

/// Routes by host. A route with several hosts stands under each.
#[derive(Debug, Default)]
pub(super) struct HostIndex {
    any: PathIndex,
    exact: HostMap,
    suffix: HostMap,
    prefix: HostMap,
}

/// Hosts, or parts of hosts, and the routes under each.
#[derive(Debug, Default)]
struct HostMap {
    by_text: HashMap<Box<[u8]>, PathIndex>,
    /// Longest key in bytes: longer text is not even hashed, that a host of many KiB costs nothing.
    longest: usize,
}

impl HostIndex {
    /// Adds the route `index`; routes come in file order. `path` is `None` for a predicate that is not indexed.
    pub(super) fn insert(&mut self, hosts: &[HostPattern], path: Option<&PathPredicate>, index: u32) {
        if hosts.is_empty() {
            self.any.insert(path, index);
        }
        for host in hosts {
            let (map, text) = match host {
                HostPattern::Any => {
                    self.any.insert(path, index);
                    continue;
                }
                HostPattern::Exact(text) => (&mut self.exact, text),
                HostPattern::Suffix(text) => (&mut self.suffix, text),
                HostPattern::Prefix(text) => (&mut self.prefix, text),
            };
            map.longest = map.longest.max(text.len());
            map.by_text.entry(text.as_bytes().into()).or_default().insert(path, index);
        }
    }

    /// To be called once all routes are in.
    pub(super) fn finish(&mut self) {
        self.any.finish();
        for map in [&mut self.exact, &mut self.suffix, &mut self.prefix] {
            map.by_text.values_mut().for_each(PathIndex::finish);
        }
    }

    /// The first route in file order for which `accept` holds, of those whose host and indexed path match.
    pub(super) fn first(&self, host: &[u8], path: &[u8], accept: impl Fn(u32) -> bool) -> Option<u32> {
        let mut search = Search { path, best: u32::MAX, accept };
        if let Some(routes) = self.exact.get(host) {
            search.in_paths(routes);
        }
        if self.suffix.longest > 0 || self.prefix.longest > 0 {
            // Wildcards end at dots: `*.example.com` is kept as `.example.com`, `example.*` as `example.`.
            for dot in host.iter().enumerate().filter(|&(_, &byte)| byte == b'.').map(|(at, _)| at) {
                if dot > 0
                    && let Some(routes) = self.suffix.get(&host[dot..])
                {
                    search.in_paths(routes);
                }
                if dot + 1 < host.len()
                    && let Some(routes) = self.prefix.get(&host[..=dot])
                {
                    search.in_paths(routes);
                }
            }
        }
        search.in_paths(&self.any);
        (search.best != u32::MAX).then_some(search.best)
    }
}

impl HostMap {
    fn get(&self, text: &[u8]) -> Option<&PathIndex> {
        if text.len() > self.longest { None } else { self.by_text.get(text) }
    }
}

/// Looks for the least index, so that lists may be visited in any order.
struct Search<'a, A> {
    path: &'a [u8],
    best: u32,
    accept: A,
}

impl<A: Fn(u32) -> bool> Search<'_, A> {
    fn in_paths(&mut self, routes: &PathIndex) {
        self.in_texts(&routes.exact_case);
        self.in_texts(&routes.any_case);
        // Last: these hold the regexes, and a route found above saves asking those behind it.
        for &index in &routes.unindexed {
            if index >= self.best {
                break;
            }
            if (self.accept)(index) {
                self.best = index;
            }
        }
    }

    fn in_texts(&mut self, texts: &TextIndex) {
        for (len, routes) in texts.beginning(self.path) {
            for &(kind, index) in routes {
                if index >= self.best {
                    break;
                }
                if kind.holds(len, self.path) && (self.accept)(index) {
                    self.best = index;
                }
            }
        }
    }
}

/// Routes by path.
#[derive(Debug, Default)]
struct PathIndex {
    exact_case: TextIndex,
    any_case: TextIndex,
    /// Without a path, or with a regex.
    unindexed: Vec<u32>,
}

impl PathIndex {
    fn insert(&mut self, path: Option<&PathPredicate>, index: u32) {
        let Some(path) = path else {
            // The same host may stand twice in a route.
            if self.unindexed.last() != Some(&index) {
                self.unindexed.push(index);
            }
            return;
        };
        let texts = if path.ignore_case { &mut self.any_case } else { &mut self.exact_case };
        texts.ignore_case = path.ignore_case;
        texts.building.entry(path.text.clone()).or_default().push((path.kind, index));
    }

    fn finish(&mut self) {
        self.exact_case.finish();
        self.any_case.finish();
    }
}

/// The texts of exact and prefix patterns, sorted. The longest text that begins a path is the greatest text not
/// above that path, or one of the texts that begin it: so one binary search and a walk along `parent` find all.
#[derive(Debug, Default)]
struct TextIndex {
    ignore_case: bool,
    texts: Vec<Box<[u8]>>,
    /// In the order of `texts`.
    nodes: Vec<Node>,
    /// Empty once the index is finished.
    building: HashMap<Box<[u8]>, Vec<(PathKind, u32)>>,
}

#[derive(Debug)]
struct Node {
    /// The longest other text that begins this one.
    parent: Option<u32>,
    /// In file order.
    routes: Box<[(PathKind, u32)]>,
}

impl TextIndex {
    fn finish(&mut self) {
        let mut sorted: Vec<_> = std::mem::take(&mut self.building).into_iter().collect();
        sorted.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        for (text, routes) in sorted {
            let mut parent = self.texts.len().checked_sub(1);
            while let Some(at) = parent.filter(|&at| !text.starts_with(&self.texts[at])) {
                parent = self.nodes[at].parent.map(|at| at as usize);
            }
            // There are no more texts than routes, and those are counted in u32.
            let parent = parent.map(|at| at as u32);
            self.texts.push(text);
            self.nodes.push(Node { parent, routes: routes.into() });
        }
    }

    /// The texts that begin `path`, by their length, with their routes; longest first.
    fn beginning(&self, path: &[u8]) -> impl Iterator<Item = (usize, &[(PathKind, u32)])> {
        let last = self.texts.partition_point(|text| self.compare(text, path) != Ordering::Greater).checked_sub(1);
        let mut next = last;
        while let Some(at) = next.filter(|&at| !self.begins(&self.texts[at], path)) {
            next = self.parent(at);
        }
        std::iter::successors(next, |&at| self.parent(at)).map(|at| (self.texts[at].len(), &*self.nodes[at].routes))
    }

    fn parent(&self, at: usize) -> Option<usize> {
        self.nodes[at].parent.map(|at| at as usize)
    }

    fn compare(&self, text: &[u8], path: &[u8]) -> Ordering {
        if self.ignore_case {
            text.iter().copied().cmp(path.iter().map(u8::to_ascii_lowercase))
        } else {
            text.cmp(path)
        }
    }

    fn begins(&self, text: &[u8], path: &[u8]) -> bool {
        let Some(start) = path.get(..text.len()) else { return false };
        if self.ignore_case { text.eq_ignore_ascii_case(start) } else { text == start }
    }
}
