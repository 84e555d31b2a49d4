//! The way of what is carried as bytes: a connection through its chain's routes, or a datagram through those of a UDP
//! listener.

use std::net::{IpAddr, SocketAddr};

use super::answer::{Because, Entry, Explanation, Limit, Outcome, Tried};
use super::clusters::{self, Wish};
use super::filters::{self, Coming};
use super::{Question, Scene, timeouts};
use crate::config::{self, Filter, TcpService};
use crate::route::{self, ClusterRef, L4Action, L4Info, L4Table};

/// What all outcomes have in common.
struct Common {
    filters: Vec<super::answer::FilterAnswer>,
    timeouts: Vec<Limit>,
    /// What the listener says of how hosts are chosen.
    policies: serde_json::Map<String, serde_json::Value>,
}

pub(super) fn tcp(
    scene: &mut Scene<'_>,
    question: &Question,
    port: u16,
    service: &TcpService,
    filters: &[Filter],
    told: &mut Explanation,
) {
    let sni = Some(question.host.as_str()).filter(|name| question.is_tls() && name.parse::<IpAddr>().is_err());
    let coming = Coming { head: None, client: Some(question.from), sni };
    let common = Common {
        filters: filters::in_force(scene, filters, None, coming),
        timeouts: timeouts::of_tcp(&service.tcp),
        policies: serde_json::Map::new(),
    };
    if let Some(outcome) = by_filter(scene, filters, sni) {
        told.routes_not_tried = service.routes.len();
        told.outcomes.push(Outcome { filters: common.filters, timeouts: common.timeouts, ..outcome });
        return;
    }
    let info = L4Info { source: Some(question.from), destination_port: port, sni };
    walk(scene, &info, &service.routes, common, told);
    if told.outcomes.is_empty() && told.stopped.is_none() {
        told.stopped = Some("the connection is closed: no route takes it".to_owned());
    }
}

/// The last filter that says where a connection goes decides, in place of the routes.
fn by_filter(scene: &Scene<'_>, filters: &[Filter], sni: Option<&str>) -> Option<Outcome> {
    let target = filters.iter().rev().find(|it| match it {
        Filter::Echo(_) => true,
        Filter::SniCluster(_) => sni.is_some(),
        _ => false,
    })?;
    if matches!(target, Filter::Echo(_)) {
        return Some(Outcome::new(100.0, "echo"));
    }
    let name = sni.filter(|name| scene.config.clusters.contains_key(*name))?;
    let cluster = ClusterRef { name: name.into(), slot: 0 };
    let clusters = vec![clusters::answer(scene, Wish::default(), &cluster, 100.0)];
    Some(Outcome { clusters, ..Outcome::new(100.0, "forward") })
}

/// A datagram: its listener, then the routes.
pub(super) fn udp(scene: &mut Scene<'_>, question: &Question, told: &mut Explanation) {
    let config = scene.config;
    let taken = enter(scene, question, told);
    let Some((listener, bound)) = taken.and_then(|at| config.listeners.udp.get(at).zip(scene.udp_addresses.get(at)))
    else {
        told.stopped = Some("no listener takes it".to_owned());
        return;
    };
    let info = L4Info { source: Some(question.from), destination_port: bound.port(), sni: None };
    // Where there is none it says nothing.
    let keys: &[&str] = if listener.udp.hash_policy.is_empty() { &[] } else { &["hash_policy"] };
    let policies = clusters::section(&listener.udp, keys);
    let common = Common { filters: Vec::new(), timeouts: timeouts::of_udp(&listener.udp), policies };
    walk(scene, &info, &listener.routes, common, told);
    if told.outcomes.is_empty() && told.stopped.is_none() {
        told.stopped = Some("the datagram is dropped: no route takes it".to_owned());
    }
}

/// The place of the listener among those of datagrams.
fn enter(scene: &Scene<'_>, question: &Question, told: &mut Explanation) -> Option<usize> {
    let listeners = || scene.config.listeners.udp.iter().zip(&scene.udp_addresses);
    let why_not = |name: &str, bound: &SocketAddr| elsewhere(question, name, bound);
    let ip: Option<IpAddr> = question.host.parse().ok();
    // The kernel prefers the socket that is bound to the very address.
    let exact = listeners().position(|(it, bound)| why_not(&it.name, bound).is_none() && ip == Some(bound.ip()));
    let taken = exact.or_else(|| listeners().position(|(it, bound)| why_not(&it.name, bound).is_none()));
    told.listeners = listeners()
        .enumerate()
        .map(|(at, (listener, bound))| Entry {
            name: listener.name.clone(),
            address: Some(bound.to_string()),
            taken: taken == Some(at),
            why: match why_not(&listener.name, bound) {
                Some(why) => why,
                None if taken == Some(at) => "takes it".to_owned(),
                None => "could take it too".to_owned(),
            },
        })
        .collect();
    taken
}

/// Why the datagram does not come to this listener.
fn elsewhere(question: &Question, name: &str, bound: &SocketAddr) -> Option<String> {
    match &question.listener {
        Some(asked) if *asked != name => return Some("is not the one that was asked for".to_owned()),
        Some(_) => return None,
        None => {}
    }
    let other_ip = |ip: IpAddr| !bound.ip().is_unspecified() && bound.ip() != ip;
    if question.host.parse().is_ok_and(other_ip) {
        Some(format!("listens on {}", bound.ip()))
    } else if bound.port() != question.destination_port() {
        Some(format!("listens on port {}", bound.port()))
    } else {
        None
    }
}

/// Every route up to the one that is taken, and what comes of it.
fn walk(scene: &mut Scene<'_>, info: &L4Info<'_>, routes: &[config::L4Route], common: Common, told: &mut Explanation) {
    let places = |name: &str| scene.config.clusters.keys().position(|known| known == name).unwrap_or_default();
    let table = match L4Table::build(routes, scene.values, places) {
        Ok(table) => table,
        Err((at, error)) => {
            told.stopped = Some(format!("routes[{at}]: {error}"));
            return;
        }
    };
    for (route, config) in table.routes().iter().zip(routes) {
        let failed = route.failed(info);
        let because = failed.map(|key| Because {
            predicate: key.to_owned(),
            asks: route.asks(key),
            has: match key {
                "sni" => info.sni.map_or_else(|| "none".to_owned(), |name| route::quote(name.as_bytes())),
                "source" => info.source.map_or_else(|| "none".to_owned(), |source| source.to_string()),
                _ => info.destination_port.to_string(),
            },
        });
        let takes_percent = if failed.is_some() { 0.0 } else { 100.0 };
        told.routes.push(Tried { index: route.index, name: route.name.to_string(), takes_percent, because });
        if failed.is_some() {
            continue;
        }
        let wish = Wish { subset: route.subset.as_deref(), ..Wish::default() };
        let mut policies = common.policies;
        policies.append(&mut clusters::section(config, &["hash", "subset"]));
        let clusters = match &route.action {
            L4Action::Cluster(cluster) => vec![clusters::answer(scene, wish, cluster, 100.0)],
            L4Action::Clusters(clusters) => {
                clusters.shares().map(|share| clusters::answer_share(scene, wish, share)).collect()
            }
        };
        told.outcomes.push(Outcome {
            route: Some(route.index),
            name: route.name.to_string(),
            filters: common.filters,
            clusters,
            timeouts: common.timeouts,
            policies,
            ..Outcome::new(100.0, "forward")
        });
        break;
    }
    told.routes_not_tried = table.routes().len() - told.routes.len();
}
