//! The index of a route table: which routes can match a host and a path, without asking each. It only ever leaves
//! out routes whose host or path predicate fails; the table asks the rest in file order.

use std::collections::HashMap;
use std::ops::Range;

use super::predicate::{PathKind, PathPredicate};
use crate::config::HostPattern;
use crate::order;

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
        if texts.nodes.is_empty() {
            return;
        }
        let path = self.path;
        texts.walk(path, |len, routes| {
            for &(kind, index) in routes {
                if index >= self.best {
                    break;
                }
                if kind.holds(len, path) && (self.accept)(index) {
                    self.best = index;
                }
            }
        });
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

/// The texts of exact and prefix patterns, as a radix tree: one walk along a path meets all that begin it.
#[derive(Debug, Default)]
struct TextIndex {
    ignore_case: bool,
    /// The root first; the children of a node stand together.
    nodes: Vec<Node>,
    /// The first byte of each node's label, in the order of `nodes`.
    first_bytes: Vec<u8>,
    labels: Vec<u8>,
    routes: Vec<(PathKind, u32)>,
    /// Empty once the index is finished.
    building: HashMap<Box<[u8]>, Vec<(PathKind, u32)>>,
}

/// Ranges of the vectors of a [`TextIndex`]. A file of 4 MiB fills none of them to 2^32.
#[derive(Debug, Default)]
struct Node {
    /// What follows the labels above.
    label: Range<u32>,
    children: Range<u32>,
    /// Those of the text that ends here, in file order.
    routes: Range<u32>,
}

impl TextIndex {
    fn finish(&mut self) {
        let mut sorted: Vec<_> = std::mem::take(&mut self.building).into_iter().collect();
        order::sort_by(&mut sorted, |(a, _), (b, _)| a.cmp(b));
        let mut open = Vec::new();
        if !sorted.is_empty() {
            self.open_node(0);
            open.push((0, &sorted[..], 0));
        }
        // Each entry: a node, the texts below it, and how much of them the labels above hold.
        while let Some((at, mut texts, above)) = open.pop() {
            let (Some((first, routes)), Some((last, _))) = (texts.first(), texts.last()) else { continue };
            // What the first and the last of a sorted list share, all share.
            let depth = first.iter().zip(last).take_while(|(a, b)| a == b).count();
            self.nodes[at].label = append(&mut self.labels, &first[above..depth]);
            if first.len() == depth {
                self.nodes[at].routes = append(&mut self.routes, routes);
                texts = &texts[1..];
            }
            let children = self.nodes.len();
            for texts in texts.chunk_by(|(a, _), (b, _)| a[depth] == b[depth]) {
                open.push((self.nodes.len(), texts, depth));
                self.open_node(texts[0].0[depth]);
            }
            self.nodes[at].children = children as u32..self.nodes.len() as u32;
        }
    }

    fn open_node(&mut self, first_byte: u8) {
        self.nodes.push(Node::default());
        self.first_bytes.push(first_byte);
    }

    /// Calls `visit` for each text that begins `path`, shortest first, with its length and its routes.
    fn walk(&self, path: &[u8], mut visit: impl FnMut(usize, &[(PathKind, u32)])) {
        let mut next = self.nodes.first();
        let mut rest = path;
        while let Some(node) = next {
            let label = &self.labels[range(&node.label)];
            let Some((start, tail)) = rest.split_at_checked(label.len()) else { return };
            if !(start == label || (self.ignore_case && start.eq_ignore_ascii_case(label))) {
                return;
            }
            rest = tail;
            if !node.routes.is_empty() {
                visit(path.len() - rest.len(), &self.routes[range(&node.routes)]);
            }
            let Some(&byte) = rest.first() else { return };
            let byte = if self.ignore_case { byte.to_ascii_lowercase() } else { byte };
            let children = range(&node.children);
            let child = self.first_bytes[children.clone()].iter().position(|&first| first == byte);
            next = child.map(|child| &self.nodes[children.start + child]);
        }
    }
}

/// Appends `part` and says where it stands.
fn append<T: Clone>(whole: &mut Vec<T>, part: &[T]) -> Range<u32> {
    let start = whole.len() as u32;
    whole.extend_from_slice(part);
    start..whole.len() as u32
}

fn range(range: &Range<u32>) -> Range<usize> {
    range.start as usize..range.end as usize
}
