//! Which host a session gets: routes, balancing, hashes.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Peer, config, proxy};
use crate::harness::Proxy;

/// The hosts that have a datagram waiting, by their place; takes it.
fn takers(hosts: &[&Peer], expected: usize) -> Vec<usize> {
    let mut taken = Vec::new();
    for (at, host) in hosts.iter().enumerate() {
        host.0.set_nonblocking(true).unwrap();
        let mut buf = [0; 100];
        crate::harness::eventually("datagrams arrive", || {
            while host.0.recv_from(&mut buf).is_ok() {
                taken.push(at);
            }
            (taken.len() >= expected || at + 1 < hosts.len()).then_some(())
        });
        host.0.set_nonblocking(false).unwrap();
    }
    taken
}

fn counts(taken: Vec<usize>) -> BTreeMap<usize, usize> {
    let mut counts = BTreeMap::new();
    taken.into_iter().for_each(|at| *counts.entry(at).or_default() += 1);
    counts
}

#[test]
fn a_session_keeps_its_host() {
    let hosts = [Peer::host(), Peer::host(), Peer::host()];
    let hosts = hosts.each_ref();
    let proxy = proxy(json!({}), &hosts);
    for _ in 0..3 {
        let client = Peer::client(&proxy);
        (0..7).for_each(|_| client.send(b"x"));
        proxy.await_stat("udp.listener-0.downstream_sess_rx_datagrams", 7);
        let taken = counts(takers(&hosts, 7));
        assert_eq!(taken.values().collect::<Vec<_>>(), [&7], "{taken:?}");
        assert_eq!(proxy.admin("POST", "/reset_counters").status(), 200);
    }
    assert_eq!(proxy.stat("udp.listener-0.downstream_sess_active"), 3);
}

#[test]
fn sessions_are_balanced() {
    let hosts = [Peer::host(), Peer::host(), Peer::host()];
    let hosts = hosts.each_ref();
    let proxy = proxy(json!({}), &hosts);
    let clients: Vec<Peer> = (0..9).map(|_| Peer::client(&proxy)).collect();
    clients.iter().for_each(|client| client.send(b"x"));
    proxy.await_stat("udp.listener-0.downstream_sess_rx_datagrams", 9);
    assert_eq!(counts(takers(&hosts, 9)), [(0, 3), (1, 3), (2, 3)].into());
}

#[test]
fn each_datagram_may_go_elsewhere() {
    let hosts = [Peer::host(), Peer::host(), Peer::host()];
    let hosts = hosts.each_ref();
    let proxy = proxy(json!({ "per_packet": true }), &hosts);
    let client = Peer::client(&proxy);
    (0..12).for_each(|_| client.send(b"x"));
    proxy.await_stat("udp.listener-0.downstream_sess_rx_datagrams", 12);
    assert_eq!(counts(takers(&hosts, 12)), [(0, 4), (1, 4), (2, 4)].into());
    assert_eq!(proxy.stat("udp.listener-0.downstream_sess_total"), 3, "one for each host");
    // Each host's answers find the client.
    client.send(b"y");
    client.send(b"y");
    client.send(b"y");
    for host in hosts {
        host.echo(b"y");
        client.expect(b"y");
    }
}

#[test]
fn one_source_one_host() {
    let hosts = [Peer::host(), Peer::host(), Peer::host(), Peer::host()];
    let hosts = hosts.each_ref();
    let by_listener = config(json!({ "hash_policy": ["source_ip"] }), &hosts);
    let mut by_route = config(json!({}), &hosts);
    by_route["listeners"][0]["routes"][0]["hash"] = json!([{ "source_address": true }]);
    for config in [by_listener, by_route] {
        let proxy = Proxy::start(config);
        let mut used = BTreeMap::new();
        for last in 1..=12 {
            let ip = format!("127.0.0.{last}");
            for _ in 0..3 {
                Peer::client_at(&ip, proxy.listener(0)).send(b"x");
            }
            proxy.await_stat("udp.listener-0.downstream_sess_rx_datagrams", 3);
            proxy.admin("POST", "/reset_counters");
            let taken = counts(takers(&hosts, 3));
            assert_eq!(taken.values().collect::<Vec<_>>(), [&3], "{ip}: {taken:?}");
            *used.entry(taken.into_keys().next()).or_insert(0) += 1;
        }
        assert!(used.len() > 1, "not all to the same: {used:?}");
    }
}

#[test]
fn routes_by_source_and_port() {
    let hosts = [Peer::host(), Peer::host(), Peer::host()];
    let [lan, other, port] = hosts.each_ref();
    let routes = |at: &str| {
        json!([
            { "match": { "destination_port": 9 }, "cluster": "never" },
            { "match": { "source": ["127.0.0.2", "127.1.0.0/16"] }, "cluster": "lan" },
            { "match": { "source": "127.0.0.0/29" }, "clusters": [{ "name": "never", "weight": 0 }, { "name": at, "weight": 1 }] },
        ])
    };
    let proxy = Proxy::start(json!({
        "listeners": [{ "protocol": "udp", "address": "0.0.0.0:0", "routes": routes("other") }],
        "clusters": {
            "lan": { "endpoints": [lan.address()] },
            "other": { "endpoints": [other.address()] },
            "never": { "endpoints": [port.address()] },
        },
    }));
    let to = ([127, 0, 0, 1], proxy.listener(0).port()).into();
    for (ip, host) in [("127.0.0.2", lan), ("127.1.2.3", lan), ("127.0.0.3", other), ("127.0.0.1", other)] {
        Peer::client_at(ip, to).send(ip.as_bytes());
        host.expect(ip.as_bytes());
    }
    Peer::client_at("127.0.0.9", to).send(b"nowhere");
    proxy.await_stat("udp.listener-0.downstream_sess_no_route", 1);
    assert_eq!(proxy.stat("udp.listener-0.downstream_sess_rx_datagrams"), 4, "those of sessions");
}

/// Sessions count as requests in flight.
#[test]
fn least_request_sees_sessions() {
    let hosts = [Peer::host(), Peer::host()];
    let hosts = hosts.each_ref();
    let mut config = config(json!({}), &hosts);
    config["clusters"]["app"]["load_balancing"] = json!("least_request");
    let proxy = Proxy::start(config);
    let clients: Vec<Peer> = (0..60).map(|_| Peer::client(&proxy)).collect();
    clients.iter().for_each(|client| client.send(b"x"));
    proxy.await_stat("udp.listener-0.downstream_sess_rx_datagrams", 60);
    let taken = counts(takers(&hosts, 60));
    assert!(taken[&0].abs_diff(30) <= 5, "{taken:?}");
}
