//! Hosts of a cluster get their share.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::{Proxy, Server, Upstream, eventually};

fn shares(policy: &str, endpoints: Value, requests: usize) -> BTreeMap<String, usize> {
    let proxy = Proxy::start(json!({
        "listeners": [{ "routes": [{ "cluster": "app" }], "http": { "max_requests_per_connection": "off" } }],
        "clusters": { "app": { "endpoints": endpoints, "load_balancing": policy } },
    }));
    let mut client = proxy.client();
    let mut hits = BTreeMap::new();
    for _ in 0..requests {
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        *hits.entry(client.message().text().to_owned()).or_default() += 1;
    }
    hits
}

#[test]
fn round_robin_is_exact_by_weight() {
    let servers = ["a", "b", "c"].map(Server::answering);
    let [a, b, c] = servers.each_ref().map(Server::address);
    let hits = shares("round_robin", json!([a, b, c]), 30);
    assert_eq!(hits.into_values().collect::<Vec<_>>(), [10, 10, 10]);
    let hits = shares("round_robin", json!([{ "address": a, "weight": 3 }, { "address": b, "weight": 1 }]), 40);
    assert_eq!(hits.into_values().collect::<Vec<_>>(), [30, 10]);
    assert!(servers[0].connections() <= 2, "one for each proxy, kept");
}

#[test]
fn random_and_least_request_reach_all() {
    let servers = ["a", "b", "c"].map(Server::answering);
    let addresses = servers.each_ref().map(Server::address);
    for policy in ["random", "least_request"] {
        let hits = shares(policy, json!(addresses), 300);
        assert!(hits.len() == 3 && hits.values().all(|&count| count > 30), "{policy}: {hits:?}");
    }
}

/// A host that does not answer holds its requests: of two hosts it is not the one with less to do.
#[test]
fn least_request_avoids_the_slow_one() {
    const REQUESTS: u64 = 200;
    let (slow, fast) = (Upstream::start(), Server::answering("fast"));
    let proxy = Proxy::start(json!({
        "listeners": [{ "routes": [{ "cluster": "app", "timeout": "off" }] }],
        "clusters": { "app": { "endpoints": [slow.address(), fast.address()], "load_balancing": "least_request" } },
    }));
    let mut clients: Vec<_> = (0..REQUESTS).map(|_| proxy.client()).collect();
    let mut held = 0;
    for (client, sent) in clients.iter_mut().zip(1..) {
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        held = eventually("all but those of the slow one are answered", || {
            let active = proxy.stat("cluster.app.upstream_rq_active");
            (proxy.stat("cluster.app.upstream_rq_2xx") + active == sent).then_some(active)
        });
    }
    assert!(held <= 10, "{held} of {REQUESTS}: half of them would be chance");
}
