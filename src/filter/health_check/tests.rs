use std::collections::BTreeMap;

use nuncio_http::{BodyLength, Method};

use super::*;
use crate::cluster::{Flag, Host, Identity};
use crate::filter::testing::{Setup, on_worker, request, response};
use crate::filter::{Around, Dir, Offer};

fn config() -> config::HealthCheckFilter {
    config::HealthCheckFilter {
        path: Some(config::Matcher::exact("/healthz")),
        headers: Vec::new(),
        pass_through: false,
        cache_time: None,
        cluster_min_healthy_percentages: BTreeMap::new(),
    }
}

fn get(target: &str) -> RequestHead {
    let mut head = request(Method::Get, BodyLength::Empty, &[]);
    head.set_target(target.as_bytes());
    head
}

/// Status, whether degraded, and what else the answer says; `None`: the request goes on.
fn asked(setup: &Setup, target: &str) -> Option<(u16, bool, Option<String>)> {
    let mut stream = setup.stream(get(target));
    let reply = match stream.offer_head(Dir::Request)? {
        Offer::Respond(reply) => reply,
        _ => return None,
    };
    let mut head = response(reply.status, &[]);
    head.headers = reply.headers.clone();
    let headers = stream.respond(head);
    let name = headers.get(HeaderId::XEnvoyUpstreamHealthcheckedCluster);
    let name = name.map(|name| String::from_utf8_lossy(name).into_owned());
    Some((reply.status, headers.contains(HeaderId::XEnvoyDegraded), name))
}

fn around() -> Around {
    Around { node_cluster: "edge".to_owned(), ..Around::default() }
}

#[test]
fn it_answers_for_the_proxy_and_other_responses_say_when_it_fails() {
    on_worker(|rt| async move {
        let around = around();
        let failing = around.failing.clone();
        let mut setup = Setup::within(&rt, &[config::Filter::HealthCheck(config())], around);
        let edge = Some("edge".to_owned());
        assert_eq!(asked(&setup, "/healthz?x"), Some((200, false, edge.clone())));
        assert_eq!(asked(&setup, "/healthzz"), None);
        let other = |setup: &Setup| {
            let mut stream = setup.stream(get("/"));
            assert!(matches!(stream.offer_head(Dir::Request), Some(Offer::Head)));
            stream.respond(response(200, &[])).get(HeaderId::XEnvoyImmediateHealthCheckFail).map(<[u8]>::to_vec)
        };
        assert_eq!(other(&setup), None);
        failing.set(true);
        assert_eq!(asked(&setup, "/healthz"), Some((503, false, edge)));
        assert_eq!(other(&setup).as_deref(), Some(&b"true"[..]));
        assert_eq!(setup.stat("health_check.request_total"), 2);
        assert_eq!((setup.stat("health_check.ok"), setup.stat("health_check.failed")), (1, 1));
    });
}

#[test]
fn clusters_need_their_share_of_healthy_hosts() {
    on_worker(|rt| async move {
        let mut around = around();
        let membership = Arc::new(Membership::default());
        around.memberships = BTreeMap::from([("app".to_owned(), membership.clone())]);
        let cluster_min_healthy_percentages = BTreeMap::from([("app".to_owned(), 50.0)]);
        let filter = config::HealthCheckFilter { cluster_min_healthy_percentages, ..config() };
        let mut setup = Setup::within(&rt, &[config::Filter::HealthCheck(filter)], around);
        let host = |at| Host::new(Identity::of(format!("192.0.2.{at}:80").parse().unwrap()), 1);
        let hosts: Vec<Host> = (1..=4).map(host).collect();
        let ask = || {
            membership.count(hosts.iter());
            asked(&setup, "/healthz").map(|(status, degraded, _)| (status, degraded))
        };
        assert_eq!(ask(), Some((200, false)));
        hosts[0].set(Flag::FailedActive, true);
        hosts[1].set(Flag::Ejected, true);
        assert_eq!(ask(), Some((200, false)), "half of them");
        hosts[2].set(Flag::Degraded, true);
        assert_eq!(ask(), Some((200, true)), "only with the degraded one");
        hosts[2].set(Flag::Unchecked, true);
        assert_eq!(ask(), Some((503, false)));
        membership.count([].into_iter());
        assert_eq!(asked(&setup, "/healthz").map(|(status, ..)| status), Some(503));
        assert_eq!(setup.stat("health_check.failed_cluster_unhealthy"), 1);
        assert_eq!((setup.stat("health_check.failed_cluster_empty"), setup.stat("health_check.degraded")), (1, 1));
    });
}

#[test]
fn what_upstreams_say_is_passed_through_and_kept() {
    on_worker(|rt| async move {
        let around = around();
        let failing = around.failing.clone();
        let cache_time = Some(Duration::from_secs(3600));
        let filter = config::HealthCheckFilter { pass_through: true, cache_time, ..config() };
        let mut setup = Setup::within(&rt, &[config::Filter::HealthCheck(filter)], around);
        assert_eq!(asked(&setup, "/healthz"), None);
        let mut stream = setup.stream(get("/healthz"));
        assert!(matches!(stream.offer_head(Dir::Request), Some(Offer::Head)));
        let headers = stream.respond(response(429, &[("x-envoy-degraded", "")]));
        assert_eq!(headers.get(HeaderId::XEnvoyUpstreamHealthcheckedCluster), Some(&b"edge"[..]));
        let edge = Some("edge".to_owned());
        assert_eq!(asked(&setup, "/healthz"), Some((429, true, edge.clone())));
        failing.set(true);
        assert_eq!(asked(&setup, "/healthz"), Some((503, false, edge)), "whatever they said");
        assert_eq!(setup.stat("health_check.cached_response"), 1);
    });
}

#[test]
fn the_cache_holds_for_its_time() {
    let cache = Cache { time: Duration::from_millis(100), start: OnceLock::new(), kept: AtomicU64::new(0) };
    let now = crate::runtime::control::now();
    let after = |millis| now + Duration::from_millis(millis);
    assert_eq!(cache.get(now), None);
    cache.put(204, true, now);
    assert_eq!((cache.get(after(99)), cache.get(after(100))), (Some((204, true)), None));
    cache.put(503, false, after(1000));
    assert_eq!((cache.get(after(1099)), cache.get(after(1100))), (Some((503, false)), None));
}
