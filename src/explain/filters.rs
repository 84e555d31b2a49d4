//! What the filters on the way would do, as far as that can be known without traffic: what they go by is the configuration,
//! the runtime values of now, the head and the client's address. What a bucket holds, or a list that is fetched, is not known
//! here.

use std::net::IpAddr;

use nuncio_http::{HeaderId, Method, RequestHead};

use super::Scene;
use super::answer::FilterAnswer;
use crate::config::{self, Filter, FilterOverride, IpRanges, format_duration, format_size};
use crate::route::Matcher;
use crate::runtime_values::{Kind, RuntimeNumber, RuntimePercent};

/// What comes to the filters.
#[derive(Clone, Copy)]
pub(super) struct Coming<'a> {
    /// `None`: a connection that carries bytes.
    pub(super) head: Option<&'a RequestHead>,
    /// The client by the trust rules; `None`: nobody knows its address.
    pub(super) client: Option<IpAddr>,
    /// The name in the hello of TLS.
    pub(super) sni: Option<&'a str>,
}

/// In their order, without those that the route has switched off.
pub(super) fn in_force(
    scene: &mut Scene<'_>,
    filters: &[Filter],
    route: Option<&config::Route>,
    coming: Coming<'_>,
) -> Vec<FilterAnswer> {
    let mut answers = Vec::new();
    for filter in filters {
        let name = filter.type_name();
        let filter = match route.and_then(|route| route.filters.get(name)) {
            Some(FilterOverride::Off) => continue,
            Some(FilterOverride::Settings(own)) => own,
            None => filter,
        };
        answers.push(FilterAnswer { name, does: does(scene, filter, coming) });
    }
    answers
}

fn does(scene: &mut Scene<'_>, filter: &Filter, coming: Coming<'_>) -> String {
    match filter {
        Filter::Buffer(buffer) => {
            let most = buffer.max_request_bytes;
            format!("keeps the body until it is whole; 413 beyond {}", format_size(most).unwrap_or(most.to_string()))
        }
        Filter::Cors(cors) => of_cors(cors, coming),
        Filter::Fault(fault) => of_fault(scene, fault),
        Filter::GrpcStats(_) => "counts, if it is gRPC".to_owned(),
        Filter::GrpcWeb(_) => "translates, if it is gRPC-Web".to_owned(),
        Filter::HeaderMutation(_) => "edits fields".to_owned(),
        Filter::HealthCheck(check) => of_health_check(check, coming),
        Filter::LocalRateLimit(limit) => {
            let (answer, per) = (refusal(coming, limit.status), format_duration(limit.per));
            format!("{answer} beyond {} in {per}, or {} at once", limit.requests, limit.burst)
        }
        Filter::IpAllow(ranges) => of_ranges(ranges, true, coming),
        Filter::IpDeny(ranges) => of_ranges(ranges, false, coming),
        Filter::ConnectionLimit(limit) => format!("closes it beyond {} connections", limit.max_connections),
        Filter::ClientTlsAuth(_) => "lets in whose certificate is on a list, which is not read here".to_owned(),
        Filter::SniCluster(_) => match coming.sni {
            Some(name) if scene.config.clusters.contains_key(name) => {
                format!("sends it to the cluster {name}: no route is asked")
            }
            Some(name) => format!("leaves it to the routes: there is no cluster {name}"),
            None => "leaves it to the routes: it names no server".to_owned(),
        },
        Filter::Echo(_) => "sends everything back: no route is asked".to_owned(),
    }
}

/// What becomes of whom a filter does not let pass.
fn refusal(coming: Coming<'_>, status: u16) -> String {
    if coming.head.is_some() { format!("answers {status}") } else { "closes it".to_owned() }
}

fn of_cors(cors: &config::Cors, coming: Coming<'_>) -> String {
    let head = coming.head;
    let Some(origin) = head.and_then(|head| head.headers.get(HeaderId::Origin)) else {
        return "passes it on: it names no origin".to_owned();
    };
    let allows = |matcher: &config::Matcher| Matcher::new(matcher).is_ok_and(|matcher| matcher.matches(Some(origin)));
    if !cors.allow_origin.iter().any(allows) {
        return "passes it on: its origin is not allowed".to_owned();
    }
    let asks = |head: &RequestHead| {
        head.method == Method::Options && head.headers.contains(HeaderId::AccessControlRequestMethod)
    };
    match head.is_some_and(asks) {
        true => "answers the preflight: its origin is allowed".to_owned(),
        false => "lets its origin see the response".to_owned(),
    }
}

/// By the runtime values of now.
fn of_fault(scene: &mut Scene<'_>, fault: &config::Fault) -> String {
    let values = &mut *scene.values;
    let mut said = Vec::new();
    if let Some(delay) = &fault.delay {
        let share = RuntimePercent::new(&delay.percent, Some("fault.http.delay.fixed_delay_percent"), values).get();
        let millis = u32::try_from(delay.duration.as_millis()).unwrap_or(u32::MAX);
        let key = "fault.http.delay.fixed_duration_ms";
        let millis = RuntimeNumber::new(millis, key, Kind::Millis, values).get();
        let time = format_duration(std::time::Duration::from_millis(millis.into()));
        said.push(format!("delays {share} % by {time}"));
    }
    if let Some(abort) = &fault.abort {
        let share = RuntimePercent::new(&abort.percent, Some("fault.http.abort.abort_percent"), values).get();
        let key = "fault.http.abort.http_status";
        let status = RuntimeNumber::new(abort.status.into(), key, Kind::Status, values).get();
        said.push(format!("answers {status} to {share} %"));
    }
    if said.is_empty() { "does nothing".to_owned() } else { said.join(", ") }
}

fn of_health_check(check: &config::HealthCheckFilter, coming: Coming<'_>) -> String {
    let Some(head) = coming.head else { return "does nothing".to_owned() };
    let path = head.target().split(|byte| *byte == b'?').next().unwrap_or_default();
    let is_path = |matcher: &config::Matcher| Matcher::new(matcher).is_ok_and(|matcher| matcher.matches(Some(path)));
    match (check.path.as_ref().is_none_or(is_path), check.headers.is_empty(), check.pass_through) {
        (false, ..) => "passes it on: its path is not that of a check".to_owned(),
        (true, false, _) => "takes it for a check, if it has the fields of one".to_owned(),
        (true, true, false) => "answers it itself: it is a check".to_owned(),
        (true, true, true) => "passes the check on, and keeps the answer".to_owned(),
    }
}

fn of_ranges(settings: &IpRanges, allow: bool, coming: Coming<'_>) -> String {
    let within = coming.client.is_some_and(|client| settings.ranges.iter().any(|range| range.contains(client)));
    let client = coming.client.map_or_else(|| "a client without an address".to_owned(), |client| client.to_string());
    match (within == allow, settings.san.is_empty()) {
        (false, _) => format!("{}: {client} is kept out", refusal(coming, 403)),
        (true, true) => format!("lets {client} in"),
        (true, false) => format!("lets {client} in, if its certificate has one of the names"),
    }
}
