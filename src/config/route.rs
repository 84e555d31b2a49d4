//! `routes`: which requests go where. First match in file order.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::rewrite::{self, Rewrite};
use super::text::{Complaint, Cx, Node, Object, read, write};
use super::{
    Action, Filter, FilterOverride, HeaderEdits, Http, Match, PathPattern, Priority, Race, Retry, RouteHash, Shadow,
    Upgrade,
};
use super::{action, filter, header_edits, http, race, reach, retry, route_hash, route_match, route_subset, shadow};

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Route {
    /// For logs and stats. Default: empty.
    pub name: String,
    #[serde(rename = "match")]
    pub matches: Match,
    #[serde(flatten)]
    pub action: Action,
    /// From the end of the request to the end of the response. Default 15 s; `None` is "off".
    #[serde(serialize_with = "write::duration_or_off")]
    pub timeout: Option<Duration>,
    /// In place of the listener's `stream_idle_timeout`, where given; `Some(None)` is "off".
    #[serde(serialize_with = "write::own_duration_or_off", skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<Option<Duration>>,
    /// In place of the listener's `max_stream_duration`, where given; `Some(None)` is "off".
    #[serde(serialize_with = "write::own_duration_or_off", skip_serializing_if = "Option::is_none")]
    pub max_stream_duration: Option<Option<Duration>>,
    /// Most that a `grpc-timeout` may ask for. Default off.
    #[serde(serialize_with = "write::duration_or_off")]
    pub grpc_timeout_max: Option<Duration>,
    /// Default default.
    #[serde(skip_serializing_if = "Priority::is_default")]
    pub priority: Priority,
    /// `None`: only what cannot do harm is sent again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// `None`: one host is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub race: Option<Race>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shadow: Vec<Shadow>,
    /// What its host is chosen by. Default: nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hash: Vec<RouteHash>,
    /// The metadata that its host must have, where the cluster has such `subsets`. Default: any.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub subset: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rewrite: Option<Rewrite>,
    pub request_headers: HeaderEdits,
    pub response_headers: HeaderEdits,
    /// `None`: the listener's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upgrades: Option<Vec<Upgrade>>,
    /// Default forward.
    #[serde(skip_serializing_if = "Connect::is_forward")]
    pub connect: Connect,
    /// By filter type.
    pub filters: BTreeMap<String, FilterOverride>,
}

/// What becomes of a CONNECT that takes the route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Connect {
    /// It goes on to a host, which is a proxy itself.
    #[default]
    Forward,
    /// It ends here: a host gets the bytes of the tunnel, and nothing else.
    Terminate,
}

impl Connect {
    fn is_forward(&self) -> bool {
        *self == Connect::Forward
    }
}

impl Route {
    /// A route for every request, all else by default.
    pub fn new(action: Action) -> Route {
        Route {
            name: String::new(),
            matches: Match::default(),
            action,
            timeout: Some(Duration::from_secs(15)),
            idle_timeout: None,
            max_stream_duration: None,
            grpc_timeout_max: None,
            priority: Priority::default(),
            retry: None,
            race: None,
            shadow: Vec::new(),
            hash: Vec::new(),
            subset: BTreeMap::new(),
            rewrite: None,
            request_headers: HeaderEdits::default(),
            response_headers: HeaderEdits::default(),
            upgrades: None,
            connect: Connect::default(),
            filters: BTreeMap::new(),
        }
    }
}

/// What a route refers to in its listener.
pub(super) struct RouteCx<'l> {
    pub(super) http: &'l Http,
    pub(super) filters: &'l [Filter],
}

const CONNECT: &[(&str, Connect)] = &[("forward", Connect::Forward), ("terminate", Connect::Terminate)];

/// Keys of features to come.
const LATER: &[&str] = &[
    "tracing",
    "rate_limits",
    "cors",
    "per_try_timeout",
    "grpc_timeout_offset",
    "metadata",
    "early_data",
    "internal_redirect",
];

/// Every route; warns of those that no request can reach.
pub(super) fn read_all(cx: &Cx, node: &Node, listener: &RouteCx) -> Option<Vec<Route>> {
    let mut routes = Vec::new();
    let mut reach = reach::Reach::default();
    for (at, node) in cx.elements(node, "a list of routes")?.iter().enumerate() {
        let Some(route) = read(cx, node, listener) else { continue };
        if let Some(earlier) = reach.covered_by(&route.matches) {
            cx.warn(node, format!("is never reached: routes[{earlier}] takes every request that it matches"));
        }
        reach.add(at, &route.matches);
        routes.push(route);
    }
    Some(routes)
}

fn read(cx: &Cx, node: &Node, listener: &RouteCx) -> Option<Route> {
    let mut o = cx.object(node)?;
    o.later(LATER);
    let default = Route::new(Action::Cluster(String::new()));
    let name = o.optional("name", default.name, read::name_or_empty);
    let matches = o.optional("match", default.matches, |cx, node| route_match::read(cx, node, listener.http));
    let action = action::read(cx, node, &mut o);
    let names = action.as_ref().map(Action::clusters).unwrap_or_default();
    let rewrite = o.maybe("rewrite", rewrite::read);
    check_prefix(cx, node, &matches, &action, &rewrite);
    let route = Route {
        name,
        matches,
        action: default.action,
        timeout: o.optional("timeout", default.timeout, read::or_off(read::timeout)),
        idle_timeout: o.maybe("idle_timeout", read::or_off(read::timeout)),
        max_stream_duration: o.maybe("max_stream_duration", read::or_off(read::timeout)),
        grpc_timeout_max: o.optional("grpc_timeout_max", default.grpc_timeout_max, read::or_off(read::timeout)),
        priority: o.optional("priority", default.priority, read::one_of(Priority::NAMES)),
        retry: o.maybe("retry", retry::read),
        race: o.maybe("race", race::read),
        shadow: o.optional("shadow", default.shadow, read::one_or_list(shadow::read)),
        hash: o.optional("hash", default.hash, route_hash::read_all),
        subset: o.optional("subset", default.subset, |cx, node| route_subset::read(cx, node, &names)),
        rewrite,
        request_headers: o.optional("request_headers", default.request_headers, header_edits::read),
        response_headers: o.optional("response_headers", default.response_headers, header_edits::read),
        upgrades: o.maybe("upgrades", http::read_upgrades),
        connect: o.optional("connect", default.connect, read::one_of(CONNECT)),
        filters: read_filters(&mut o, listener),
    };
    o.finish();
    let action = action?;
    let route = Route { action, ..route };
    warn_of_idle_keys(cx, node, &route);
    if route.subset.is_empty() {
        route_subset::warn_of_none(cx, node, &route.action.clusters());
    }
    check_connect(cx, node, &route, listener);
    Some(route)
}

/// What is about forwarding has no effect where nothing is forwarded, and one limit none behind a shorter one.
fn warn_of_idle_keys(cx: &Cx, node: &Node, route: &Route) {
    if !matches!(route.action, Action::Cluster(_) | Action::Clusters(_)) {
        let keys = [
            ("rewrite", route.rewrite.is_some()),
            ("priority", !route.priority.is_default()),
            ("retry", route.retry.is_some()),
            ("race", route.race.is_some()),
            ("shadow", !route.shadow.is_empty()),
            ("hash", !route.hash.is_empty()),
            ("subset", !route.subset.is_empty()),
        ];
        for (key, _) in keys.iter().filter(|(_, given)| *given) {
            cx.warn(node, format!("\"{key}\" has no effect: nothing is forwarded"));
        }
    }
    if let (Some(timeout), Some(retry)) = (route.timeout, &route.retry)
        && retry.per_try_timeout.is_some_and(|per_try| per_try >= timeout)
    {
        cx.warn(node, "\"retry.per_try_timeout\" has no effect: it is not shorter than \"timeout\"");
    }
}

/// A route ends only a CONNECT that it takes, and that goes to a cluster.
fn check_connect(cx: &Cx, node: &Node, route: &Route, listener: &RouteCx) {
    if route.connect == Connect::Forward {
        return;
    }
    let upgrades = route.upgrades.as_ref().unwrap_or(&listener.http.upgrades);
    let lacks = if !upgrades.contains(&Upgrade::Connect) {
        Complaint::new("has \"connect\": \"terminate\", but takes no CONNECT").expected("\"connect\" in \"upgrades\"")
    } else if !matches!(route.action, Action::Cluster(_) | Action::Clusters(_)) {
        Complaint::new("has \"connect\": \"terminate\", but nowhere to connect to")
            .expected("\"cluster\" or \"clusters\"")
    } else if route.matches.path.is_some() {
        Complaint::new("has \"connect\": \"terminate\", but matches a path, which a CONNECT does not have")
    } else {
        return;
    };
    cx.refuse::<()>(node, lacks);
}

fn read_filters(o: &mut Object, listener: &RouteCx) -> BTreeMap<String, FilterOverride> {
    o.optional("filters", BTreeMap::new(), |cx, node| filter::read_overrides(cx, node, listener.filters))
}

/// A matched prefix can only be replaced where a prefix was matched.
fn check_prefix(cx: &Cx, node: &Node, matches: &Match, action: &Option<Action>, rewrite: &Option<Rewrite>) {
    let key = match (action, rewrite) {
        (_, Some(Rewrite { prefix: Some(_), .. })) => "rewrite.prefix",
        (Some(Action::Redirect(redirect)), _) if redirect.prefix.is_some() => "redirect.prefix",
        _ => return,
    };
    if matches.path.as_ref().is_none_or(|path| matches!(path.pattern, PathPattern::Regex(_))) {
        let complaint = Complaint::new(format!("\"{key}\" replaces the matched prefix, but \"match\" has none"));
        cx.refuse::<()>(node, complaint.expected("a \"prefix\", \"path_separated_prefix\" or \"exact\" path"));
    }
}
