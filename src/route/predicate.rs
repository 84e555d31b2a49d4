//! What a route asks of a request, one predicate a question, so that each can be answered and explained alone.

use std::borrow::Cow;

use nuncio_http::{Method, RequestHead};
use regex_lite::Regex;

use super::host::normalise_host;
use super::matcher::{HeaderMatcher, QueryMatcher};
use crate::config::full_regex;
use crate::config::{HostPattern, PathMatch, PathPattern, TlsMatch};
use crate::grpc::is_grpc;
use crate::runtime_values::RuntimePercent;
use crate::tls::Peer;

/// A request as predicates see it.
#[derive(Debug)]
pub struct Subject<'a> {
    pub head: &'a RequestHead,
    /// Normalised.
    pub host: Cow<'a, [u8]>,
    /// Canonical, without its query.
    pub path: &'a [u8],
    /// The client's certificate.
    pub peer: Option<&'a Peer>,
    /// Uniform over 0 up to but not including 100; the same for all routes.
    pub point: f64,
}

impl<'a> Subject<'a> {
    pub fn new(head: &'a RequestHead, peer: Option<&'a Peer>, point: f64) -> Subject<'a> {
        Subject { head, host: normalise_host(head.authority()), path: head.path(), peer, point }
    }
}

/// One predicate of a route.
#[derive(Debug, Clone)]
pub enum Predicate {
    /// The route takes no CONNECT: it allows none, or asks for a path, which CONNECT has not.
    NotConnect,
    /// Any of these.
    Host(Vec<HostPattern>),
    Path(PathPredicate),
    /// Any of these.
    Method(Vec<Method>),
    /// Whether it is gRPC, by its content type; gRPC-Web is not.
    Grpc(bool),
    Tls(TlsMatch),
    Header(HeaderMatcher),
    Query(QueryMatcher),
    /// A share of the requests.
    Runtime(RuntimePercent),
}

impl Predicate {
    pub fn holds(&self, subject: &Subject<'_>) -> bool {
        match self {
            Predicate::NotConnect => subject.head.method != Method::Connect,
            Predicate::Host(patterns) => patterns.iter().any(|pattern| host_matches(pattern, &subject.host)),
            Predicate::Path(path) => path.matches(subject.path),
            Predicate::Method(methods) => methods.contains(&subject.head.method),
            Predicate::Grpc(grpc) => is_grpc(&subject.head.headers) == *grpc,
            Predicate::Tls(tls) => {
                let validated = subject.peer.is_some_and(|peer| peer.validated);
                tls.presented.is_none_or(|presented| presented == subject.peer.is_some())
                    && tls.validated.is_none_or(|asked| asked == validated)
            }
            Predicate::Header(header) => header.matches(subject.head),
            Predicate::Query(query) => query.matches(subject.head),
            Predicate::Runtime(percent) => percent.takes(subject.point),
        }
    }

    /// Whether the route index answers this predicate, so that a candidate need not be asked again.
    pub(super) fn is_indexed(&self) -> bool {
        match self {
            Predicate::NotConnect | Predicate::Host(_) => true,
            Predicate::Path(path) => path.kind != PathKind::Regex,
            Predicate::Method(_)
            | Predicate::Grpc(_)
            | Predicate::Tls(_)
            | Predicate::Header(_)
            | Predicate::Query(_)
            | Predicate::Runtime(_) => false,
        }
    }
}

/// A pattern as the index and the predicate read it: lower case, without a trailing dot.
pub(super) fn normalise_pattern(pattern: &HostPattern) -> HostPattern {
    let text = |text: &String| text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    match pattern {
        HostPattern::Any => HostPattern::Any,
        HostPattern::Exact(host) => HostPattern::Exact(text(host)),
        HostPattern::Suffix(suffix) => HostPattern::Suffix(text(suffix)),
        HostPattern::Prefix(prefix) => HostPattern::Prefix(prefix.to_ascii_lowercase()),
    }
}

/// A wildcard stands for one byte or more.
fn host_matches(pattern: &HostPattern, host: &[u8]) -> bool {
    match pattern {
        HostPattern::Any => true,
        HostPattern::Exact(exact) => host == exact.as_bytes(),
        HostPattern::Suffix(suffix) => host.len() > suffix.len() && host.ends_with(suffix.as_bytes()),
        HostPattern::Prefix(prefix) => host.len() > prefix.len() && host.starts_with(prefix.as_bytes()),
    }
}

/// A compiled [`PathMatch`].
#[derive(Debug, Clone)]
pub struct PathPredicate {
    pub(super) kind: PathKind,
    /// Lower case where case is ignored; empty for a regex.
    pub(super) text: Box<[u8]>,
    pub(super) ignore_case: bool,
    pub(super) regex: Option<Regex>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PathKind {
    Exact,
    Prefix,
    SeparatedPrefix,
    Regex,
}

impl PathKind {
    /// Whether a pattern of this kind and of `len` bytes, which is known to begin `path`, matches it. The `*` of
    /// OPTIONS is no path: only an exact pattern names it.
    pub(super) fn holds(self, len: usize, path: &[u8]) -> bool {
        match self {
            PathKind::Exact => path.len() == len,
            PathKind::Prefix => path.first() == Some(&b'/'),
            PathKind::SeparatedPrefix => path.first() == Some(&b'/') && matches!(path.get(len), None | Some(b'/')),
            PathKind::Regex => false,
        }
    }
}

impl PathPredicate {
    pub fn new(path: &PathMatch) -> Result<PathPredicate, regex_lite::Error> {
        let (kind, text) = match &path.pattern {
            PathPattern::Exact(text) => (PathKind::Exact, text),
            PathPattern::Prefix(text) => (PathKind::Prefix, text),
            PathPattern::PathSeparatedPrefix(text) => (PathKind::SeparatedPrefix, text),
            PathPattern::Regex(pattern) => {
                let regex = Some(full_regex(pattern, path.ignore_case)?);
                let (text, ignore_case) = (Box::default(), path.ignore_case);
                return Ok(PathPredicate { kind: PathKind::Regex, text, ignore_case, regex });
            }
        };
        let mut text: Box<[u8]> = text.as_bytes().into();
        if path.ignore_case {
            text.make_ascii_lowercase();
        }
        Ok(PathPredicate { kind, text, ignore_case: path.ignore_case, regex: None })
    }

    /// `path` is canonical and without its query; empty for CONNECT, which matches nothing.
    pub fn matches(&self, path: &[u8]) -> bool {
        match &self.regex {
            Some(regex) => {
                path.first() == Some(&b'/') && std::str::from_utf8(path).is_ok_and(|path| regex.is_match(path))
            }
            None => self.begins(path) && self.kind.holds(self.text.len(), path),
        }
    }

    /// How much of a matching path the pattern stands for: what a prefix rewrite replaces. A regex stands for all.
    pub fn matched_len(&self, path: &[u8]) -> usize {
        match self.kind {
            PathKind::Exact | PathKind::Regex => path.len(),
            PathKind::Prefix | PathKind::SeparatedPrefix => self.text.len().min(path.len()),
        }
    }

    fn begins(&self, path: &[u8]) -> bool {
        let same =
            |start: &[u8]| if self.ignore_case { start.eq_ignore_ascii_case(&self.text) } else { *start == *self.text };
        path.get(..self.text.len()).is_some_and(same)
    }
}
