//! Datagrams arrive as they were sent, whoever sent them, and their answers go where they belong.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use serde_json::json;

use super::{Peer, config, proxy};
use crate::harness::Proxy;

#[test]
fn each_client_gets_its_own_answers() {
    let host = Peer::host();
    let proxy = proxy(json!({}), &[&host]);
    let clients: Vec<Peer> = (0..5).map(|_| Peer::client(&proxy)).collect();
    for round in 0..3 {
        for (at, client) in clients.iter().enumerate() {
            let datagram = format!("{at} in round {round}");
            client.send(datagram.as_bytes());
            host.echo(datagram.as_bytes());
        }
        for (at, client) in clients.iter().enumerate() {
            client.expect(format!("{at} in round {round}").as_bytes());
        }
    }
    proxy.await_stat("udp.listener-0.downstream_sess_tx_datagrams", 15);
    for (stat, value) in [
        ("udp.listener-0.downstream_sess_total", 5),
        ("udp.listener-0.downstream_sess_active", 5),
        ("udp.listener-0.downstream_sess_rx_datagrams", 15),
        ("udp.listener-0.downstream_sess_rx_bytes", 15 * 12),
        ("udp.listener-0.downstream_sess_tx_bytes", 15 * 12),
        ("cluster.app.udp.sess_tx_datagrams", 15),
        ("cluster.app.udp.sess_rx_datagrams", 15),
        ("cluster.app.upstream_cx_tx_bytes_total", 15 * 12),
        ("cluster.app.upstream_cx_rx_bytes_total", 15 * 12),
    ] {
        assert_eq!(proxy.stat(stat), value, "{stat}");
    }
}

#[test]
fn any_length_from_nothing_to_the_longest() {
    let host = Peer::host();
    let proxy = proxy(json!({}), &[&host]);
    let client = Peer::client(&proxy);
    for len in [0, 1, 1472, 1473, 9000, 65_507, 0] {
        let datagram: Vec<u8> = (0..len).map(|at| (at * 31 % 251) as u8).collect();
        client.send(&datagram);
        host.echo(&datagram);
        client.expect(&datagram);
    }
    assert_eq!(proxy.stat("udp.listener-0.downstream_sess_total"), 1);
}

/// A burst is read as a batch, and equal ones leave as one message: they are cut apart where they were joined.
#[test]
fn bursts_keep_lengths_and_order() {
    let host = Peer::host();
    let proxy = proxy(json!({}), &[&host]);
    let clients = [Peer::client(&proxy), Peer::client(&proxy)];
    let lengths = [100, 100, 100, 7, 100, 0, 0, 100, 200, 200, 199, 200, 20_000, 9000, 9000, 5];
    let datagram = |len: usize, at: usize| {
        let mut bytes = vec![b'.'; len];
        bytes.iter_mut().zip(at.to_string().bytes()).for_each(|(to, from)| *to = from);
        bytes
    };
    for round in 0..20 {
        for (at, &len) in lengths.iter().enumerate() {
            clients.iter().for_each(|client| client.send(&datagram(len, at)));
        }
        let mut next = std::collections::BTreeMap::new();
        for _ in 0..lengths.len() * clients.len() {
            let (received, from) = host.recv_from();
            let at = next.entry(from).or_insert(0);
            assert!(received == datagram(lengths[*at], *at), "{} bytes at {at} in round {round}", received.len());
            *at += 1;
            host.0.send_to(&received, from).unwrap();
        }
        for (at, &len) in lengths.iter().enumerate() {
            for client in &clients {
                client.expect(&datagram(len, at));
            }
        }
    }
}

#[test]
fn answers_come_from_the_address_that_was_asked() {
    let host = Peer::host();
    let mut config = config(json!({}), &[&host]);
    config["listeners"][0]["address"] = json!("0.0.0.0:0");
    let proxy = Proxy::start(config);
    let port = proxy.listener(0).port();
    // The same client socket, to two addresses: two sessions.
    let client = Peer::bind("127.0.0.1");
    let mut sources = Vec::new();
    for last in [2, 3] {
        let to = SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), port));
        client.0.send_to(b"who are you", to).unwrap();
        sources.push(host.echo(b"who are you"));
        assert_eq!(client.expect(b"who are you"), to);
    }
    assert_ne!(sources[0], sources[1]);
}

#[test]
fn ipv6_on_either_side() {
    if UdpSocket::bind("[::1]:0").is_err() {
        return;
    }
    let (host, four) = (Peer::bind("::1"), Peer::host());
    let mut config = config(json!({}), &[&four]);
    config["listeners"] = json!([
        { "protocol": "udp", "address": "[::]:0", "routes": [{ "cluster": "app" }] },
        { "protocol": "udp", "routes": [{ "cluster": "six" }] },
    ]);
    config["clusters"]["six"] = json!({ "endpoints": [host.address()] });
    let proxy = Proxy::start(config);
    let client = Peer::client_at("::1", SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, proxy.listener(0).port())));
    client.send(b"six to four");
    four.echo(b"six to four");
    client.expect(b"six to four");
    let client = Peer::client_at("127.0.0.1", proxy.listener(1));
    client.send(b"four to six");
    host.echo(b"four to six");
    client.expect(b"four to six");
}

#[test]
fn only_the_host_may_answer() {
    let (host, other) = (Peer::host(), Peer::host());
    let proxy = proxy(json!({}), &[&host]);
    let client = Peer::client(&proxy);
    client.send(b"question");
    let session = host.expect(b"question");
    other.0.send_to(b"forged", session).unwrap();
    client.expect_nothing();
    host.0.send_to(b"answer", session).unwrap();
    client.expect(b"answer");
}

#[test]
fn a_port_may_have_a_listener_of_each_kind() {
    let host = Peer::host();
    let mut config = config(json!({}), &[&host]);
    // A port that is free in both spaces, most likely.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    config["listeners"][0]["address"] = json!(format!("127.0.0.1:{port}"));
    let http = json!({ "address": format!("127.0.0.1:{port}"), "routes": [{ "respond": { "status": 200 } }] });
    config["listeners"].as_array_mut().unwrap().insert(0, http);
    let proxy = Proxy::start(config);
    assert_eq!(proxy.get("/").status(), 200);
    let client = Peer::client(&proxy);
    client.send(b"datagram");
    host.echo(b"datagram");
    client.expect(b"datagram");
    let listeners = proxy.admin("GET", "/listeners");
    assert_eq!(listeners.text().lines().count(), 2);
}

#[test]
fn two_workers_share_a_port() {
    let host = Peer::host();
    let mut config = config(json!({}), &[&host]);
    config["workers"] = json!(2);
    let proxy = Proxy::start(config);
    let clients: Vec<Peer> = (0..16).map(|_| Peer::client(&proxy)).collect();
    for _ in 0..3 {
        for client in &clients {
            client.send(b"ping");
            host.echo(b"ping");
            client.expect(b"ping");
        }
    }
    assert_eq!(proxy.stat("udp.listener-0.downstream_sess_total"), 16, "a client stays with its worker");
}
