//! Connections that are carried as bytes: both directions, their ends, hosts that refuse, limits and filters.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Proxy, Upstream, Wire, closed_port};

const QUIET: Duration = Duration::from_millis(100);

fn tcp(upstream: &Upstream, mut listener: Value) -> Proxy {
    listener["protocol"] = json!("tcp");
    Proxy::between(upstream, listener, json!({}))
}

/// Both ends of a connection.
fn open(proxy: &Proxy, upstream: &Upstream) -> (Wire, Wire) {
    let client = proxy.client();
    (client, upstream.accept())
}

#[test]
fn bytes_flow_both_ways_and_either_side_may_speak_first() {
    let upstream = Upstream::start();
    let proxy = tcp(&upstream, json!({}));
    let (mut client, mut server) = open(&proxy, &upstream);
    server.send("220 ready\r\n");
    client.expect("220 ready\r\n");
    client.send("EHLO a\r\n");
    server.expect("EHLO a\r\n");
    assert_eq!(proxy.stat("tcp.listener-0.downstream_cx_active"), 1);
    assert_eq!(proxy.stat("cluster.app.upstream_cx_active"), 1);
    drop((client, server));
    proxy.await_stat("tcp.listener-0.downstream_cx_active", 0);
    proxy.await_stat("cluster.app.upstream_cx_active", 0);
    assert_eq!(proxy.stat("tcp.listener-0.downstream_cx_rx_bytes_total"), 8);
    assert_eq!(proxy.stat("tcp.listener-0.downstream_cx_tx_bytes_total"), 11);
}

#[test]
fn half_close_is_kept_in_both_orders() {
    let upstream = Upstream::start();
    let proxy = tcp(&upstream, json!({}));
    for client_first in [true, false] {
        let (client, server) = open(&proxy, &upstream);
        let (mut first, mut second) = if client_first { (client, server) } else { (server, client) };
        first.send("question");
        first.finish();
        assert_eq!(second.rest().0, b"question");
        second.send("a long answer");
        first.expect("a long answer");
        first.expect_silence(QUIET);
        second.finish();
        first.expect_closed();
    }
    proxy.await_stat("tcp.listener-0.downstream_cx_active", 0);
}

#[test]
fn a_reset_of_one_end_resets_the_other() {
    let upstream = Upstream::start();
    let proxy = tcp(&upstream, json!({}));
    let (mut client, mut server) = open(&proxy, &upstream);
    client.send("a");
    server.expect("a");
    client.reset();
    assert!(server.rest().1 == crate::harness::End::Reset);

    let (mut client, mut server) = open(&proxy, &upstream);
    client.send("a");
    server.expect("a");
    server.reset();
    assert!(client.rest().1 == crate::harness::End::Reset);
    proxy.await_stat("tcp.listener-0.downstream_cx_active", 0);
}

#[test]
fn a_reset_is_none_the_less_one_for_what_waits_to_be_written() {
    let upstream = Upstream::start();
    let proxy = tcp(&upstream, json!({}));
    let (mut client, mut server) = open(&proxy, &upstream);
    client.send_until_stuck(64 << 20, Duration::from_millis(300));
    server.send("partial");
    client.expect("partial");
    server.reset();
    assert!(client.rest().1 == crate::harness::End::Reset);
}

#[test]
fn a_side_that_takes_nothing_stops_the_other() {
    let upstream = Upstream::start();
    let proxy = tcp(&upstream, json!({}));
    let (mut client, mut server) = open(&proxy, &upstream);
    const MOST: usize = 64 << 20;
    let sent = client.send_until_stuck(MOST, Duration::from_millis(300));
    assert!(sent < MOST, "nothing stopped it");
    // The other direction is none of its business.
    server.send("still here");
    client.expect("still here");
    let mut read = 0;
    while read < sent {
        read += server.take((sent - read).min(1 << 20)).len();
    }
    client.finish();
    server.expect_closed();
    assert!(proxy.stat("tcp.listener-0.downstream_flow_control_paused_reading_total") > 0);
}

/// Bytes that tell where they belong.
fn pattern(seed: usize, size: usize) -> Vec<u8> {
    (0..size).map(|at| (at * 7 + at / 251 + at / 65_537 + seed) as u8).collect()
}

/// Much, with stalls, a little now and then, and the rest of one direction after the end of the other.
#[test]
fn bulk_arrives_whole_in_both_directions() {
    let upstream = Upstream::start();
    let proxy = tcp(&upstream, json!({}));
    const SIZES: [usize; 2] = [24_000_001, 17_000_003];
    let (client, server) = open(&proxy, &upstream);
    std::thread::scope(|scope| {
        for (mut wire, mine) in [(client, 0), (server, 1)] {
            let mut writer = wire.sender();
            scope.spawn(move || {
                let bytes = pattern(mine, SIZES[mine]);
                let (much, rest) = bytes.split_at(SIZES[mine] / 2);
                writer.send(much);
                for little in rest[..30_000].chunks(1_000) {
                    writer.send(little);
                }
                std::thread::sleep(QUIET);
                writer.send(&rest[30_000..]);
                writer.finish();
            });
            scope.spawn(move || {
                let theirs = 1 - mine;
                let expected = pattern(theirs, SIZES[theirs]);
                // For a while nobody takes anything: everything on the way is full.
                std::thread::sleep(QUIET);
                let (head, tail) = expected.split_at(SIZES[theirs] / 3);
                assert!(wire.take(head.len()) == head);
                std::thread::sleep(QUIET);
                assert!(wire.rest().0 == tail);
            });
        }
    });
    proxy.await_stat("tcp.listener-0.downstream_cx_active", 0);
    for (stat, count) in [("rx", SIZES[0]), ("tx", SIZES[1])] {
        assert_eq!(proxy.stat(&format!("tcp.listener-0.downstream_cx_{stat}_bytes_total")), count as u64);
    }
    for (stat, count) in [("tx", SIZES[0]), ("rx", SIZES[1])] {
        assert_eq!(proxy.stat(&format!("cluster.app.upstream_cx_{stat}_bytes_total")), count as u64);
    }
}

#[test]
fn another_host_is_tried_when_one_refuses() {
    let upstream = Upstream::start();
    let listener = json!({ "protocol": "tcp", "routes": [{ "cluster": "app" }] });
    let endpoints = json!([closed_port(), closed_port(), upstream.address()]);
    let clusters = json!({ "app": { "endpoints": endpoints } });
    let proxy = Proxy::start(json!({ "listeners": [listener], "clusters": clusters }));
    for _ in 0..3 {
        let (mut client, mut server) = open(&proxy, &upstream);
        client.send("a");
        server.expect("a");
    }
    assert!(proxy.stat("cluster.app.upstream_cx_connect_fail") >= 3);
}

#[test]
fn what_has_nowhere_to_go_is_closed() {
    let listener = |routes: Value| json!({ "protocol": "tcp", "routes": routes });
    let listeners = json!([
        listener(json!([{ "match": { "source": "192.0.2.0/24" }, "cluster": "gone" }])),
        listener(json!([{ "cluster": "gone" }])),
    ]);
    let clusters = json!({ "gone": { "endpoints": [closed_port()] } });
    let proxy = Proxy::start(json!({ "listeners": listeners, "clusters": clusters }));
    proxy.client_of(0).expect_gone();
    assert_eq!(proxy.stat("tcp.listener-0.downstream_cx_no_route"), 1);
    proxy.client_of(1).expect_gone();
    assert_eq!(proxy.stat("cluster.gone.upstream_cx_connect_fail"), 3, "three attempts");
    assert_eq!(proxy.stat("cluster.gone.upstream_cx_connect_attempts_exceeded"), 1);
}

#[test]
fn an_open_breaker_closes_at_once() {
    let upstream = Upstream::start();
    let cluster = json!({ "circuit_breaker": { "max_connections": 1 } });
    let proxy = Proxy::between(&upstream, json!({ "protocol": "tcp" }), cluster);
    let (_client, _server) = open(&proxy, &upstream);
    proxy.client().expect_gone();
    assert_eq!(proxy.stat("cluster.app.upstream_cx_overflow"), 1);
}

#[test]
fn silence_and_age_end_it() {
    let upstream = Upstream::start();
    let proxy = tcp(&upstream, json!({ "tcp": { "idle_timeout": "200ms" } }));
    let (mut client, mut server) = open(&proxy, &upstream);
    client.expect_gone();
    server.expect_gone();
    assert_eq!(proxy.stat("tcp.listener-0.idle_timeout"), 1);

    let proxy = tcp(&upstream, json!({ "tcp": { "max_connection_duration": "200ms" } }));
    let (mut client, mut server) = open(&proxy, &upstream);
    client.expect_gone();
    server.expect_gone();
    assert_eq!(proxy.stat("tcp.listener-0.max_downstream_connection_duration"), 1);

    let proxy = tcp(&upstream, json!({ "tcp": { "half_close_timeout": "200ms" } }));
    let (mut client, mut server) = open(&proxy, &upstream);
    client.expect_silence(Duration::from_millis(300));
    client.finish();
    server.expect_closed();
    client.expect_gone();
}

#[test]
fn a_client_that_goes_while_the_host_is_sought_is_noticed() {
    let (address, _blackhole) = crate::harness::blackhole();
    let listener = json!({ "protocol": "tcp", "routes": [{ "cluster": "app" }] });
    let proxy = Proxy::start(json!({ "listeners": [listener], "clusters": { "app": { "endpoints": [address] } } }));
    let mut client = proxy.client();
    client.send("a");
    proxy.await_stat("tcp.listener-0.downstream_cx_active", 1);
    client.reset();
    proxy.await_stat("tcp.listener-0.downstream_cx_active", 0);
}

#[test]
fn echo_sends_everything_back() {
    let proxy = Proxy::start(json!({ "listeners": [{ "protocol": "tcp", "filters": [{ "type": "echo" }] }] }));
    let mut client = proxy.client();
    for size in [1, 1000, 300_000] {
        let bytes: Vec<u8> = (0..size).map(|at: u32| at as u8).collect();
        client.send(&bytes);
        client.expect(&bytes);
    }
    client.send("last");
    client.finish();
    assert_eq!(client.rest().0, b"last");
}

#[test]
fn filters_let_in_or_keep_out() {
    let upstream = Upstream::start();
    let filtered = |filter: Value| tcp(&upstream, json!({ "filters": [filter] }));

    let proxy = filtered(json!({ "type": "ip_deny", "ranges": "127.0.0.0/8" }));
    proxy.client().expect_gone();
    assert_eq!(proxy.stat("tcp.listener-0.rbac.denied"), 1);
    assert_eq!(proxy.stat("tcp.listener-0.downstream_cx_refused"), 1);

    let proxy = filtered(json!({ "type": "connection_limit", "max_connections": 1 }));
    let both = open(&proxy, &upstream);
    proxy.client().expect_gone();
    assert_eq!(proxy.stat("tcp.listener-0.connection_limit.limited_connections"), 1);
    drop(both);
    proxy.await_stat("tcp.listener-0.connection_limit.active_connections", 0);
    let _ = open(&proxy, &upstream);

    let proxy = filtered(json!({ "type": "local_rate_limit", "requests": 1, "per": "1h" }));
    let _ = open(&proxy, &upstream);
    proxy.client().expect_gone();
    upstream.expect_nobody(QUIET);
}

#[test]
fn a_connection_outlives_its_listener_by_drain_time() {
    let upstream = Upstream::start();
    let file = crate::harness::LogFile::new("tcp-drain.json");
    let config = |tcp: bool| {
        let routes = json!([{ "respond": { "status": 200 } }]);
        let mut listeners = vec![json!({ "name": "kept", "routes": routes })];
        if tcp {
            listeners.push(json!({ "name": "bytes", "protocol": "tcp", "routes": [{ "cluster": "app" }] }));
        }
        let clusters = json!({ "app": { "endpoints": [upstream.address()] } });
        json!({ "listeners": listeners, "clusters": clusters, "drain_time": "1s" })
    };
    let proxy = Proxy::from_file(&file.0, config(true));
    let mut client = proxy.client_of(1);
    let mut server = upstream.accept();
    client.send("a");
    server.expect("a");
    proxy.rewrite(&file.0, config(false));
    client.send("b");
    server.expect("b");
    client.expect_gone();
    server.expect_gone();
}
