//! `routes`: which requests go where. First match in file order.

use std::collections::BTreeMap;
use std::time::Duration;

use nuncio_http::{HeaderName, Method};

use super::{FilterOverride, HeaderEdits, Matcher, Upgrade};

#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// For logs and stats. Default: empty.
    pub name: String,
    pub matches: Match,
    pub action: Action,
    /// From the end of the request to the end of the response. Default 15 s; `None` is "off".
    pub timeout: Option<Duration>,
    /// In place of the listener's `stream_idle_timeout`, where given; `Some(None)` is "off".
    pub idle_timeout: Option<Option<Duration>>,
    pub rewrite: Option<Rewrite>,
    pub request_headers: HeaderEdits,
    pub response_headers: HeaderEdits,
    /// `None`: the listener's.
    pub upgrades: Option<Vec<Upgrade>>,
    /// By filter type.
    pub filters: BTreeMap<String, FilterOverride>,
}

/// All of these hold; what is not given holds for every request.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Match {
    /// Any of these.
    pub host: Vec<HostPattern>,
    pub path: Option<PathMatch>,
    /// Any of these.
    pub method: Vec<Method>,
    pub headers: Vec<(HeaderName, Matcher)>,
    /// Query parameters, by their first value.
    pub query: Vec<(String, Matcher)>,
}

/// A host without its port, lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// `*`
    Any,
    Exact(String),
    /// `*.example.com`, kept as `.example.com`.
    Suffix(String),
    /// `example.*`, kept as `example.`.
    Prefix(String),
}

#[derive(Debug, Clone, PartialEq)]
pub struct PathMatch {
    pub pattern: PathPattern,
    /// Default false.
    pub ignore_case: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum PathPattern {
    Exact(String),
    Prefix(String),
    /// `/a` matches `/a` and `/a/b`, not `/ab`. Without a `/` at its end.
    PathSeparatedPrefix(String),
    /// Matches the whole path.
    Regex(String),
}

/// What becomes of the request: one of these keys stands in the route.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// `"cluster": NAME`
    Cluster(String),
    /// `"clusters": [{ "name": NAME, "weight": N }]`
    Clusters(Vec<WeightedCluster>),
    Redirect(Redirect),
    Respond(Respond),
}

#[derive(Debug, Clone, PartialEq)]
pub struct WeightedCluster {
    pub name: String,
    /// Its share of the sum of all. At least one weight is above 0.
    pub weight: u32,
}

/// A new path or host before forwarding.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rewrite {
    /// Replaces the matched `prefix`, `path_separated_prefix` or `exact` path.
    pub prefix: Option<String>,
    /// Replaces every match of a regex in the path; `$1` or `${name}` stand for groups.
    pub regex: Option<(String, String)>,
    /// Replaces the authority; the old one goes to `x-forwarded-host`.
    pub host: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308. Default 301.
    pub status: u16,
    /// `"http"` or `"https"`. Default: the request's.
    pub scheme: Option<String>,
    /// Default: the request's.
    pub host: Option<String>,
    pub port: Option<u16>,
    /// Replaces path and query. At most one of `path`, `prefix`.
    pub path: Option<String>,
    /// Replaces the matched prefix.
    pub prefix: Option<String>,
    /// Default false.
    pub strip_query: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Respond {
    /// 200 to 599.
    pub status: u16,
    /// At most 64 KiB.
    pub body: String,
    /// Default `text/plain` for a body.
    pub content_type: Option<String>,
}
