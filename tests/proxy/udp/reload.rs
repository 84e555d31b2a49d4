//! Sessions over a reload.

use std::path::PathBuf;

use serde_json::json;

use super::{Peer, config};
use crate::harness::Proxy;

/// A file of our own, gone at the end.
struct File(PathBuf);

impl File {
    fn new(name: &str) -> File {
        File(std::env::temp_dir().join(format!("nuncio-{}-{name}.json", std::process::id())))
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn sessions_stay_where_their_cluster_stays() {
    let (file, host, other) = (File::new("udp-kept"), Peer::host(), Peer::host());
    let before = config(json!({}), &[&host]);
    let proxy = Proxy::watching(&file.0, before.clone());
    let client = Peer::client(&proxy);
    client.send(b"before");
    let session = host.echo(b"before");
    client.expect(b"before");

    // Another route for new sessions, and a cluster that moves the slots.
    let mut after = before;
    after["clusters"]["a-first"] = json!({ "endpoints": [other.address()] });
    after["listeners"][0]["routes"] = json!([{ "cluster": "a-first" }]);
    proxy.rewrite(&file.0, after.clone());
    client.send(b"after");
    assert_eq!(host.echo(b"after"), session, "the same session");
    client.expect(b"after");
    let late = Peer::client(&proxy);
    late.send(b"late");
    other.echo(b"late");
    late.expect(b"late");

    // Its cluster goes: the next datagram opens a session at another.
    after["clusters"].as_object_mut().unwrap().remove("app");
    proxy.rewrite(&file.0, after);
    client.send(b"moved");
    other.echo(b"moved");
    client.expect(b"moved");
    assert_eq!(proxy.stat("udp.listener-0.downstream_sess_active"), 2);
    assert_eq!(proxy.stat("udp.listener-0.downstream_sess_total"), 3);
}

#[test]
fn each_datagram_goes_by_the_newest_routes() {
    let (file, host, other) = (File::new("udp-per-packet"), Peer::host(), Peer::host());
    let before = config(json!({ "per_packet": true }), &[&host]);
    let proxy = Proxy::watching(&file.0, before.clone());
    let client = Peer::client(&proxy);
    client.send(b"before");
    host.expect(b"before");
    // The slot of the old cluster is now another's.
    let mut after = before;
    after["clusters"]["a-first"] = json!({ "endpoints": [other.address()] });
    after["listeners"][0]["routes"] = json!([{ "cluster": "a-first" }]);
    proxy.rewrite(&file.0, after);
    client.send(b"after");
    other.expect(b"after");
}

#[test]
fn a_removed_listener_lets_its_port_go_after_drain_time() {
    let (file, host) = (File::new("udp-removed"), Peer::host());
    let mut before = config(json!({}), &[&host]);
    before["drain_time"] = json!("50ms");
    let http = json!({ "routes": [{ "respond": { "status": 200 } }] });
    before["listeners"].as_array_mut().unwrap().push(http);
    let proxy = Proxy::watching(&file.0, before.clone());
    // Addresses are told in two groups: connections, then datagrams.
    let address = proxy.listener(1);
    let client = Peer::client_at("127.0.0.1", address);
    client.send(b"x");
    host.expect(b"x");
    let mut after = before;
    after["listeners"].as_array_mut().unwrap().remove(0);
    proxy.rewrite(&file.0, after);
    crate::harness::eventually("the port is free", || std::net::UdpSocket::bind(address).ok());
    assert_eq!(proxy.stat("server.total_connections"), 0);
}
