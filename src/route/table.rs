//! The routes of a listener, compiled: the first match in file order, found by an index and not by asking each.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use nuncio_http::{Method, RequestHead};

use super::action::{Action, Shadow};
use super::index::HostIndex;
use super::matcher::{HeaderMatcher, QueryMatcher};
use super::path::PathOptions;
use super::predicate::{PathPredicate, Predicate, Subject, normalise_pattern};
use super::rewrite::Rewrite;
use crate::cluster::{RetryPolicy, SubsetKey};
use crate::config::{
    self, Connect, FilterOverride, HeaderEdits, HostPattern, Http, Priority, Race, RouteHash, Upgrade,
};
use crate::runtime_values::{RuntimePercent, RuntimeValues};
use crate::tls::Peer;

/// Shared by all workers, never changed.
#[derive(Debug, Default)]
pub struct RouteTable {
    routes: Vec<Arc<Route>>,
    index: HostIndex,
}

/// A compiled [`config::Route`].
#[derive(Debug)]
pub struct Route {
    /// Its place in the file, from 0.
    pub index: usize,
    /// For logs and stats; may be empty.
    pub name: Arc<str>,
    pub action: Action,
    /// From the end of the request to the end of the response; `None` is "off".
    pub timeout: Option<Duration>,
    /// In place of the listener's `stream_idle_timeout`, where given; `Some(None)` is "off".
    pub idle_timeout: Option<Option<Duration>>,
    /// In place of the listener's `max_stream_duration`, where given; `Some(None)` is "off".
    pub max_stream_duration: Option<Option<Duration>>,
    /// Most that the client of a gRPC request may ask for; `None` is "off".
    pub grpc_timeout_max: Option<Duration>,
    /// Which of a cluster's circuit breakers counts its requests.
    pub priority: Priority,
    /// When a request is sent again.
    pub retry: RetryPolicy,
    /// When a second host is asked; `None`: never.
    pub race: Option<Race>,
    /// Where copies of its requests go.
    pub shadow: Vec<Shadow>,
    /// What its host is chosen by.
    pub hash: Vec<RouteHash>,
    /// What its host must have, where the cluster has subsets by it.
    pub subset: Option<SubsetKey>,
    pub rewrite: Option<Rewrite>,
    /// The route's own or else the listener's.
    pub upgrades: Vec<Upgrade>,
    /// What becomes of a CONNECT.
    pub connect: Connect,
    /// As configured: who applies them compiles the templates.
    pub request_headers: HeaderEdits,
    pub response_headers: HeaderEdits,
    /// By filter type.
    pub filters: BTreeMap<String, FilterOverride>,
    /// Those that the index answers come first.
    predicates: Vec<Predicate>,
    /// How many of `predicates` the index answers.
    indexed: usize,
    path: Option<PathPredicate>,
}

/// A route that cannot be compiled. The configuration reader refuses all of these first, with their positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildError {
    Regex(String),
    /// The value of this key is not fit for a message.
    Value(&'static str),
    /// Every weight is 0.
    NoWeight,
}

impl RouteTable {
    /// Compiles `routes`. `resolve` gives a cluster's place by its name; every name is known to exist. Shares of requests
    /// follow `values`. The error comes with the index of its route.
    pub fn build(
        routes: &[config::Route],
        http: &Http,
        values: &mut RuntimeValues,
        resolve: impl Fn(&str) -> usize,
    ) -> Result<RouteTable, (usize, BuildError)> {
        let mut table = RouteTable::default();
        for (index, config) in routes.iter().enumerate() {
            let route = Route::new(index, config, http, values, &resolve).map_err(|error| (index, error))?;
            // A file of 4 MiB has no 2^32 routes.
            table.index.insert(route.hosts(), route.indexed_path(), index as u32);
            table.routes.push(Arc::new(route));
        }
        table.index.finish();
        Ok(table)
    }

    /// The first route in file order whose every predicate holds. The target of `head` is canonical; `peer` is the client's
    /// certificate; `point` is thrown for this request, uniform over 0 up to but not including 100.
    pub fn find(&self, head: &RequestHead, peer: Option<&Peer>, point: f64) -> Option<&Arc<Route>> {
        let subject = Subject::new(head, peer, point);
        let connect = head.method == Method::Connect;
        let accept = |index: u32| {
            let route = &self.routes[index as usize];
            (!connect || route.takes_connect()) && route.unindexed_hold(&subject)
        };
        self.index.first(&subject.host, subject.path, accept).map(|index| &self.routes[index as usize])
    }

    /// All routes, in file order.
    pub fn routes(&self) -> &[Arc<Route>] {
        &self.routes
    }
}

impl Route {
    fn new(
        index: usize,
        config: &config::Route,
        http: &Http,
        values: &mut RuntimeValues,
        resolve: &impl Fn(&str) -> usize,
    ) -> Result<Route, BuildError> {
        let options = PathOptions::from(http);
        let upgrades = config.upgrades.as_ref().unwrap_or(&http.upgrades).clone();
        let path = config.matches.path.as_ref().map(PathPredicate::new).transpose()?;
        let predicates = predicates(&config.matches, path.as_ref(), &upgrades, values)?;
        let indexed = predicates.iter().take_while(|predicate| predicate.is_indexed()).count();
        Ok(Route {
            index,
            name: config.name.as_str().into(),
            action: Action::new(&config.action, options, values, resolve)?,
            timeout: config.timeout,
            idle_timeout: config.idle_timeout,
            max_stream_duration: config.max_stream_duration,
            grpc_timeout_max: config.grpc_timeout_max,
            priority: config.priority,
            retry: config.retry.as_ref().map(RetryPolicy::new).transpose()?.unwrap_or_default(),
            race: config.race.clone(),
            shadow: config.shadow.iter().map(|shadow| Shadow::new(shadow, values, resolve)).collect(),
            hash: config.hash.clone(),
            subset: SubsetKey::of(&config.subset),
            rewrite: config.rewrite.as_ref().map(|rewrite| Rewrite::new(rewrite, options)).transpose()?,
            upgrades,
            connect: config.connect,
            request_headers: config.request_headers.clone(),
            response_headers: config.response_headers.clone(),
            filters: config.filters.clone(),
            predicates,
            indexed,
            path,
        })
    }

    /// What the route asks of a request; all of it must hold.
    pub fn predicates(&self) -> &[Predicate] {
        &self.predicates
    }

    /// How many bytes of the path of `head`, which took this route, its pattern stands for: what a prefix rewrite
    /// replaces. A route without a path stands for `/`.
    pub fn matched_len(&self, head: &RequestHead) -> usize {
        match &self.path {
            Some(path) => path.matched_len(head.path()),
            None => head.path().len().min(1),
        }
    }

    /// What takes a share of the requests that all else lets pass.
    pub fn share(&self) -> Option<&RuntimePercent> {
        self.predicates.iter().find_map(|predicate| match predicate {
            Predicate::Runtime(share) => Some(share),
            _ => None,
        })
    }

    fn takes_connect(&self) -> bool {
        !matches!(self.predicates.first(), Some(Predicate::NotConnect))
    }

    fn unindexed_hold(&self, subject: &Subject<'_>) -> bool {
        self.predicates[self.indexed..].iter().all(|predicate| predicate.holds(subject))
    }

    fn hosts(&self) -> &[HostPattern] {
        let hosts = self.predicates[..self.indexed].iter().find_map(|predicate| match predicate {
            Predicate::Host(hosts) => Some(hosts.as_slice()),
            _ => None,
        });
        hosts.unwrap_or_default()
    }

    fn indexed_path(&self) -> Option<&PathPredicate> {
        self.predicates[..self.indexed].iter().find_map(|predicate| match predicate {
            Predicate::Path(path) => Some(path),
            _ => None,
        })
    }
}

/// The predicates of a route: those of the index first, then the cheap before the dear.
fn predicates(
    matches: &config::Match,
    path: Option<&PathPredicate>,
    upgrades: &[Upgrade],
    values: &mut RuntimeValues,
) -> Result<Vec<Predicate>, BuildError> {
    let mut predicates = Vec::new();
    if path.is_some() || !upgrades.contains(&Upgrade::Connect) {
        predicates.push(Predicate::NotConnect);
    }
    if !matches.host.is_empty() {
        let hosts: Vec<_> = matches.host.iter().map(normalise_pattern).collect();
        let at_a_dot = |host: &HostPattern| match host {
            HostPattern::Any | HostPattern::Exact(_) => true,
            HostPattern::Suffix(suffix) => suffix.starts_with('.'),
            HostPattern::Prefix(prefix) => prefix.ends_with('.'),
        };
        if !hosts.iter().all(at_a_dot) {
            return Err(BuildError::Value("host"));
        }
        predicates.push(Predicate::Host(hosts));
    }
    let path = path.map(|path| Predicate::Path(path.clone()));
    let (indexed, regex): (Vec<_>, Vec<_>) = path.into_iter().partition(Predicate::is_indexed);
    predicates.extend(indexed);
    if !matches.method.is_empty() {
        predicates.push(Predicate::Method(matches.method.clone()));
    }
    predicates.extend(matches.grpc.map(Predicate::Grpc));
    predicates.extend(matches.tls.map(Predicate::Tls));
    let share = matches.runtime.as_ref();
    predicates.extend(share.map(|share| Predicate::Runtime(RuntimePercent::new(share, None, values))));
    for (name, matcher) in &matches.headers {
        predicates.push(Predicate::Header(HeaderMatcher::new(name, matcher)?));
    }
    for (name, matcher) in &matches.query {
        predicates.push(Predicate::Query(QueryMatcher::new(name, matcher)?));
    }
    predicates.extend(regex);
    Ok(predicates)
}

impl From<regex_lite::Error> for BuildError {
    fn from(error: regex_lite::Error) -> BuildError {
        BuildError::Regex(error.to_string())
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::Regex(error) => write!(f, "not a valid regex: {error}"),
            BuildError::Value(key) => write!(f, "{key} is not fit for a message"),
            BuildError::NoWeight => f.write_str("all weights are 0"),
        }
    }
}

#[cfg(test)]
mod tests;
