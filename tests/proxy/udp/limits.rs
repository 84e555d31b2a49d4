//! What a flood of sessions meets, and errors that ICMP brings.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use serde_json::json;

use super::{Peer, config, proxy};
use crate::harness::{Proxy, eventually};

#[test]
fn sessions_beyond_the_limit_are_dropped_and_counted() {
    let host = Peer::host();
    let proxy = proxy(json!({ "max_sessions": 2 }), &[&host]);
    let [first, second, third] = [(); 3].map(|()| Peer::client(&proxy));
    for client in [&first, &second] {
        client.send(b"in");
        host.echo(b"in");
        client.expect(b"in");
    }
    third.send(b"out");
    third.send(b"out");
    proxy.await_stat("udp.listener-0.downstream_sess_overflow", 2);
    first.send(b"still");
    host.echo(b"still");
    assert_eq!(proxy.stat("udp.listener-0.downstream_sess_active"), 2);
}

#[test]
fn the_circuit_breaker_limits_sessions_of_all_listeners() {
    let host = Peer::host();
    let mut config = config(json!({}), &[&host]);
    let second = config["listeners"][0].clone();
    config["listeners"].as_array_mut().unwrap().push(second);
    config["clusters"]["app"]["circuit_breaker"] = json!({ "max_connections": 1 });
    let proxy = Proxy::start(config);
    let (first, second) = (Peer::client(&proxy), Peer::client_at("127.0.0.1", proxy.listener(1)));
    first.send(b"in");
    host.echo(b"in");
    second.send(b"out");
    proxy.await_stat("cluster.app.upstream_cx_overflow", 1);
    assert_eq!(proxy.stat("cluster.app.circuit_breakers.default.cx_open"), 1);
    first.send(b"in");
    host.echo(b"in");
}

#[test]
fn a_session_counts_as_a_connection_of_the_process() {
    let host = Peer::host();
    let mut config = config(json!({}), &[&host]);
    config["max_connections"] = json!(1);
    let proxy = Proxy::start(config);
    Peer::client(&proxy).send(b"in");
    host.expect(b"in");
    Peer::client(&proxy).send(b"out");
    proxy.await_stat("udp.listener-0.downstream_sess_overflow", 1);
    assert_eq!(proxy.stat("server.total_connections"), 1);
}

/// Nobody listens at the host, and then somebody does: it is the same session.
#[test]
fn refused_datagrams_are_counted_and_end_nothing() {
    let host = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = host.local_addr().unwrap();
    drop(host);
    let proxy = Proxy::start(json!({
        "listeners": [{ "protocol": "udp", "routes": [{ "cluster": "app" }] }],
        "clusters": { "app": { "endpoints": [address.to_string()] } },
    }));
    let client = Peer::client(&proxy);
    let errors = || proxy.stat("cluster.app.udp.sess_rx_errors") + proxy.stat("cluster.app.udp.sess_tx_errors");
    for sent in 1..=3 {
        client.send(b"lost");
        eventually("an error for each", || (errors() == sent).then_some(()));
    }
    let host = Peer(UdpSocket::bind(address).unwrap());
    host.0.set_read_timeout(Some(crate::harness::DEADLINE)).unwrap();
    client.send(b"found");
    host.echo(b"found");
    client.expect(b"found");
    assert_eq!(proxy.stat("udp.listener-0.downstream_sess_total"), 1);
    assert_eq!(proxy.stat("udp.listener-0.downstream_sess_active"), 1);
}

/// HTTP on the worker that a flood of datagrams keeps busy (how long its turns are is tested beside the code).
#[test]
fn a_flood_leaves_others_their_turn() {
    let host = Peer::host();
    let mut config = config(json!({}), &[&host]);
    let http = json!({ "routes": [{ "respond": { "status": 200 } }] });
    config["listeners"].as_array_mut().unwrap().insert(0, http);
    let proxy = Proxy::start(config);
    let flood = Peer::client_at("127.0.0.1", proxy.listener(1));
    let stop = AtomicBool::new(false);
    let datagrams = || proxy.stat("udp.listener-1.downstream_sess_rx_datagrams");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Relaxed) {
                flood.send(b"");
                flood.send(b"x");
            }
        });
        // However this ends, the flood does too.
        let _stop = Stop(&stop);
        eventually("the flood is there", || (datagrams() > 50).then_some(()));
        for _ in 0..50 {
            assert_eq!(proxy.get("/").status(), 200);
        }
        let before = datagrams();
        eventually("the flood goes on", || (datagrams() > before).then_some(()));
    });
}

struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}
