//! Which routes no request can reach, because an earlier route takes all that they match. Says so only where it is
//! certain; costs a few look-ups a route.

use std::collections::{BTreeSet, HashMap};

use super::{HostPattern, Match, PathPattern};

/// The routes of a listener so far.
#[derive(Debug, Default)]
pub(super) struct Reach {
    /// Routes by all that they match.
    same: HashMap<String, usize>,
    /// Routes that ask for nothing but host and path: by host pattern (`*` for any) and path.
    broad: HashMap<(String, Path), usize>,
    /// Lengths of the prefixes among `broad`: only these are looked up.
    lengths: BTreeSet<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Path {
    Any,
    Exact(String),
    Prefix(String),
    Separated(String),
}

impl Reach {
    /// The route, if there is one, that takes every request that `matches` does.
    pub(super) fn covered_by(&self, matches: &Match) -> Option<usize> {
        if let Some(route) = self.same.get(&key(matches)) {
            return Some(*route);
        }
        let any = [HostPattern::Any];
        let hosts = if matches.host.is_empty() { &any[..] } else { &matches.host };
        let paths = self.wider_paths(matches);
        // Each host may be taken by another route; the last of them is named.
        let covering = hosts.iter().map(|host| self.covering(host, &paths));
        covering.collect::<Option<Vec<usize>>>()?.into_iter().max()
    }

    /// Records the route at `at`.
    pub(super) fn add(&mut self, at: usize, matches: &Match) {
        self.same.entry(key(matches)).or_insert(at);
        let fields = matches.headers.is_empty() && matches.query.is_empty() && matches.tls.is_none();
        if !(fields && matches.method.is_empty() && matches.grpc.is_none() && matches.runtime.is_none()) {
            return;
        }
        let path = match &matches.path {
            None => Path::Any,
            Some(path) if path.ignore_case => return,
            Some(path) => match &path.pattern {
                PathPattern::Prefix(prefix) => Path::Prefix(prefix.clone()),
                PathPattern::PathSeparatedPrefix(prefix) => Path::Separated(prefix.clone()),
                PathPattern::Exact(exact) => Path::Exact(exact.clone()),
                PathPattern::Regex(_) => return,
            },
        };
        if let Path::Prefix(prefix) | Path::Separated(prefix) = &path {
            self.lengths.insert(prefix.len());
        }
        let any = [HostPattern::Any];
        let hosts = if matches.host.is_empty() { &any[..] } else { &matches.host };
        for host in hosts {
            self.broad.entry((host.to_string(), path.clone())).or_insert(at);
        }
    }

    fn covering(&self, host: &HostPattern, paths: &[Path]) -> Option<usize> {
        let mut hosts = vec!["*".to_owned(), host.to_string()];
        if let HostPattern::Exact(name) | HostPattern::Suffix(name) = host {
            // The suffix itself begins with a dot and stands in the list already.
            let dots = name.match_indices('.').map(|(at, _)| at).filter(|at| *at > 0);
            hosts.extend(dots.map(|at| format!("*{}", &name[at..])));
        }
        let pairs = hosts.iter().flat_map(|host| paths.iter().map(move |path| (host.clone(), path.clone())));
        pairs.filter_map(|pair| self.broad.get(&pair).copied()).min()
    }

    /// Patterns that match every path that this one does.
    fn wider_paths(&self, matches: &Match) -> Vec<Path> {
        let mut wider = vec![Path::Any];
        let Some(path) = matches.path.as_ref().filter(|path| !path.ignore_case) else { return wider };
        let (text, whole) = match &path.pattern {
            PathPattern::Exact(text) => (text, true),
            PathPattern::Prefix(text) => (text, false),
            PathPattern::PathSeparatedPrefix(text) => (text, true),
            PathPattern::Regex(_) => return wider,
        };
        if matches!(path.pattern, PathPattern::Exact(_)) {
            wider.push(Path::Exact(text.clone()));
        }
        for prefix in self.lengths.iter().map_while(|&len| text.get(..len)) {
            wider.push(Path::Prefix(prefix.to_owned()));
            // `/a` takes `/a/b`; of the prefix `/a` it takes only some.
            let ends = text[prefix.len()..].starts_with('/') || (whole && text.len() == prefix.len());
            if ends {
                wider.push(Path::Separated(prefix.to_owned()));
            }
        }
        wider
    }
}

/// Equal for equal matches.
fn key(matches: &Match) -> String {
    format!("{matches:?}")
}
