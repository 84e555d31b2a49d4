//! The request's way as far as it comes: into a chain, through the routes, to the clusters.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::net::IpAddr;

use nuncio_http::{Method, RequestHead};

use super::answer::{Asked, Because, ClusterAnswer, Entry, Explanation, Outcome, Seen, Tried};
use super::clusters::Wish;
use super::entry::{self, Entered};
use super::filters::{self, Coming};
use super::question::Certificate;
use super::{Question, Scene, clusters, l4, timeouts};
use crate::config::{self, Filter, HttpService, Protocol};
use crate::route::{self, Action, Canonical, PathOptions, Predicate, Route, RouteTable, Step, Subject, Verdict};
use crate::tls::Peer;

pub(super) fn explain(scene: &mut Scene<'_>, question: &Question) -> Explanation {
    if question.is_udp {
        let mut told = told(scene, question, Vec::new(), Vec::new());
        l4::udp(scene, question, &mut told);
        return told;
    }
    let Entered { listeners, chains, taken } = entry::enter(scene, question);
    let mut told = told(scene, question, listeners, chains);
    let config = scene.config;
    let chain = taken.and_then(|(listener, chain)| config.listeners.get(listener)?.chains.get(chain));
    match chain.map(|chain| (&chain.service.protocol, &chain.service.filters)) {
        None => told.stopped = Some("no listener takes it".to_owned()),
        Some((Protocol::Http(service), filters)) => http(scene, question, service, filters, &mut told),
        Some((Protocol::Tcp(service), filters)) => {
            let bound = taken.and_then(|(listener, _)| scene.addresses.get(listener)?.inet());
            // The socket's port; a UNIX socket has none.
            l4::tcp(scene, question, bound.map_or(0, |address| address.port()), service, filters, &mut told);
        }
    }
    told
}

/// As far as nothing is known but where it comes in.
fn told(scene: &Scene<'_>, question: &Question, listeners: Vec<Entry>, chains: Vec<Entry>) -> Explanation {
    let method = if question.is_udp { String::new() } else { question.method.as_str().to_owned() };
    let asked = Asked { method, url: question.url.clone(), from: question.from.to_string() };
    Explanation {
        request: asked,
        live: scene.clusters.is_some(),
        listeners,
        chains,
        seen: None,
        stopped: None,
        routes: Vec::new(),
        routes_not_tried: 0,
        outcomes: Vec::new(),
    }
}

fn http(scene: &mut Scene<'_>, question: &Question, service: &HttpService, filters: &[Filter], told: &mut Explanation) {
    let mut head = question.head();
    let client = match prepare(&mut head, question, &service.http) {
        Ok(client) => client,
        Err(stopped) => {
            told.stopped = Some(stopped);
            return;
        }
    };
    let coming = Coming { head: Some(&head), client, sni: None };
    told.seen = Some(seen(&head));
    let places = |name: &str| scene.config.clusters.keys().position(|known| known == name).unwrap_or_default();
    let table = match RouteTable::build(&service.routes, &service.http, scene.values, places) {
        Ok(table) => table,
        // The reader has refused all of these.
        Err((at, error)) => {
            told.stopped = Some(format!("routes[{at}]: {error}"));
            return;
        }
    };
    let peer = match question.certificate {
        Certificate::None => None,
        shown => Peer::new(&[vec![0].into()], shown == Certificate::Validated),
    };
    let subject = Subject::new(&head, peer.as_ref(), 0.0);
    let steps = table.walk(&subject);
    told.routes = steps.iter().map(|step| tried(step, &subject)).collect();
    told.routes_not_tried = table.routes().len() - steps.len();
    let mut left = 100.0;
    for step in &steps {
        let Verdict::Takes(from, to) = step.verdict else { continue };
        left = 100.0 - to;
        if let Some(config) = service.routes.get(step.route.index) {
            let outcome = outcome(scene, to - from, step.route, config, &service.http, &head);
            let filters = filters::in_force(scene, filters, Some(config), coming);
            told.outcomes.push(Outcome { filters, ..outcome });
        }
    }
    if left > 0.0 {
        let status = if head.method == Method::Connect { 405 } else { 404 };
        let flag = (status == 404).then_some("NR");
        let filters = filters::in_force(scene, filters, None, coming);
        told.outcomes.push(Outcome {
            status: Some(status),
            response_flag: flag,
            filters,
            ..Outcome::new(left, "none")
        });
    }
}

/// What the proxy makes of a head before it looks for a route: the client's address. The error says what is answered instead.
fn prepare(head: &mut RequestHead, question: &Question, http: &config::Http) -> Result<Option<IpAddr>, String> {
    if head.method != Method::Connect {
        match route::canonicalise(head.target(), PathOptions::from(http)) {
            Canonical::Target(Cow::Borrowed(_)) => {}
            Canonical::Target(Cow::Owned(target)) => head.set_target(&target),
            Canonical::Redirect(location) => {
                return Err(format!("307: the canonical path is {}", String::from_utf8_lossy(&location)));
            }
            Canonical::Reject(detail) => return Err(format!("400: {detail}")),
        }
    }
    let forwarded = route::apply_forwarded(head, Some(question.from), question.scheme, http);
    route::apply_client_cert(&mut head.headers, http, None, &OnceCell::new());
    route::apply_request_id(head, forwarded.trusted, http);
    Ok(forwarded.client)
}

fn seen(head: &RequestHead) -> Seen {
    Seen {
        host: String::from_utf8_lossy(head.authority()).into_owned(),
        path: String::from_utf8_lossy(head.target()).into_owned(),
    }
}

fn tried(step: &Step<'_>, subject: &Subject<'_>) -> Tried {
    let because = |predicate: &Predicate| Because {
        predicate: predicate.key(),
        asks: predicate.asks(),
        has: predicate.has(subject),
    };
    let (takes_percent, because) = match step.verdict {
        Verdict::Failed(predicate) | Verdict::NoneLeft(predicate) => (0.0, Some(because(predicate))),
        Verdict::Takes(from, to) => {
            let share = step.route.share().map(|share| Because {
                predicate: format!("runtime {}", share.key().unwrap_or_default()),
                asks: format!("{} % of the requests", share.get()),
                has: format!("{from} % are taken already"),
            });
            (to - from, share)
        }
    };
    Tried { index: step.route.index, name: step.route.name.to_string(), takes_percent, because }
}

impl Outcome {
    pub(super) fn new(percent: f64, action: &'static str) -> Outcome {
        Outcome {
            percent,
            route: None,
            name: String::new(),
            action,
            status: None,
            response_flag: None,
            location: None,
            filters: Vec::new(),
            forwarded: None,
            clusters: Vec::new(),
            timeouts: Vec::new(),
            policies: serde_json::Map::new(),
        }
    }
}

fn outcome(
    scene: &Scene<'_>,
    percent: f64,
    route: &Route,
    config: &config::Route,
    http: &config::Http,
    head: &RequestHead,
) -> Outcome {
    let base = Outcome { route: Some(route.index), name: route.name.to_string(), ..Outcome::new(percent, "forward") };
    let bad_request = Outcome { action: "respond", status: Some(400), response_flag: Some("DPE"), ..base.clone() };
    let wish = Wish { priority: config.priority, subset: route.subset.as_ref() };
    let clusters: Vec<ClusterAnswer> = match &route.action {
        Action::Respond(respond) => return Outcome { action: "respond", status: Some(respond.status), ..base },
        Action::Redirect(redirect) => {
            return match redirect.location(head, route.matched_len(head)) {
                Ok(location) => Outcome {
                    action: "redirect",
                    status: Some(redirect.status),
                    location: Some(String::from_utf8_lossy(&location).into_owned()),
                    ..base
                },
                Err(_) => bad_request,
            };
        }
        Action::Cluster(cluster) => vec![clusters::answer(scene, wish, cluster, 100.0)],
        Action::Clusters(clusters) => {
            clusters.shares().map(|share| clusters::answer_share(scene, wish, share)).collect()
        }
    };
    let mut head = head.clone();
    if let Some(rewrite) = &route.rewrite {
        let matched = route.matched_len(&head);
        if rewrite.apply(&mut head, matched).is_err() {
            return bad_request;
        }
    }
    let policies = clusters::section(config, &["retry", "race", "shadow", "priority", "hash", "subset"]);
    Outcome { forwarded: Some(seen(&head)), clusters, timeouts: timeouts::of_route(config, http), policies, ..base }
}
