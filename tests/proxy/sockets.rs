//! UNIX sockets on both sides, more workers than one, and the limit of connections.

use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Proxy, Server, Upstream, Wire, eventually, write_config};

/// A directory of our own, gone at the end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Directory {
        let path = std::env::temp_dir().join(format!("nuncio-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// As an address in a configuration.
    fn address(&self, name: &str) -> String {
        format!("unix:{}", self.file(name).display())
    }

    /// A host whose connections the test plays itself.
    fn host(&self, name: &str) -> UnixListener {
        let listener = UnixListener::bind(self.file(name)).unwrap();
        listener.set_nonblocking(true).unwrap();
        listener
    }
}

fn accept(listener: &UnixListener) -> Wire {
    let socket = eventually("somebody connects", || listener.accept().ok());
    Wire::unix(socket.0, "upstream")
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_unix_listener_in_front_of_a_unix_endpoint() {
    let directory = Directory::new("unix");
    let server = Server::on_path(&directory.0.join("app.sock"), "by path");
    let proxy = Proxy::start(json!({
        "listeners": [{ "address": format!("unix:{}", directory.0.join("web.sock").display()), "routes": [{ "cluster": "app" }] }],
        "clusters": { "app": { "endpoints": [server.address()] } },
    }));
    let mut client = proxy.client();
    for _ in 0..3 {
        client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody");
        assert_eq!(client.message().text(), "by path");
    }
    assert_eq!(server.connections(), 1);
    drop(client);
    proxy.await_stat("http.listener-0.downstream_cx_active", 0);
}

#[test]
fn two_workers_serve_together() {
    let server = Server::answering("ok");
    let proxy = Proxy::start(json!({
        "workers": 2,
        "listeners": [{ "routes": [{ "cluster": "app" }] }],
        "clusters": { "app": { "endpoints": [server.address()] } },
    }));
    let mut clients: Vec<_> = (0..40).map(|_| proxy.client()).collect();
    for _ in 0..3 {
        clients.iter_mut().for_each(|client| client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n"));
        clients.iter_mut().for_each(|client| assert_eq!(client.message().text(), "ok"));
    }
    assert_eq!(proxy.stat("http.listener-0.downstream_rq_total"), 120);
    assert_eq!(proxy.stat("http.listener-0.downstream_rq_2xx"), 120);
    assert_eq!(proxy.stat("http.listener-0.downstream_cx_active"), 40);
}

/// A breaker's limits hold over all workers, and a place that comes free on one is found by the other.
#[test]
fn a_breaker_is_one_for_all_workers() {
    let upstream = Upstream::start();
    let proxy = Proxy::start(json!({
        "workers": 2,
        "listeners": [{ "routes": [{ "cluster": "app" }] }],
        "clusters": { "app": { "endpoints": [upstream.address()], "circuit_breaker": { "max_connections": 1 } } },
    }));
    let mut clients: Vec<_> = (0..8).map(|_| proxy.client()).collect();
    clients.iter_mut().for_each(|client| client.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"));
    for _ in 0..8 {
        let mut server = upstream.accept();
        server.head();
        server.send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok");
        assert!(proxy.stat("cluster.app.upstream_cx_active") <= 1);
    }
    clients.iter_mut().for_each(|client| assert_eq!(client.message().text(), "ok"));
}

#[test]
fn a_listener_has_a_most_of_connections() {
    let server = Server::answering("ok");
    let proxy = Proxy::start(json!({
        "listeners": [{ "routes": [{ "cluster": "app" }], "max_connections": 2 }],
        "clusters": { "app": { "endpoints": [server.address()] } },
    }));
    let mut clients = [proxy.client(), proxy.client()];
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        assert_eq!(client.message().text(), "ok");
    }
    proxy.client().expect_gone();
    drop(clients);
    proxy.await_stat("http.listener-0.downstream_cx_active", 0);
    assert_eq!(proxy.get("/").text(), "ok");
}

#[test]
fn bytes_between_unix_sockets() {
    let directory = Directory::new("bytes");
    let host = directory.host("app.sock");
    let proxy = Proxy::start(json!({
        "listeners": [{ "address": directory.address("db.sock"), "protocol": "tcp", "routes": [{ "cluster": "app" }] }],
        "clusters": { "app": { "endpoints": [directory.address("app.sock")] } },
    }));
    for client_first in [true, false] {
        let (client, server) = (proxy.client(), accept(&host));
        let (mut first, mut second) = if client_first { (client, server) } else { (server, client) };
        first.send("question");
        first.finish();
        assert_eq!(second.rest().0, b"question");
        second.send("answer");
        second.finish();
        assert_eq!(first.rest().0, b"answer");
    }
    proxy.await_stat("tcp.listener-0.downstream_cx_active", 0);
}

/// A path says nothing of a client: what a header says holds, and a header without addresses changes nothing.
#[test]
fn the_proxy_protocol_over_unix_sockets() {
    const V2_LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    const V1: &[u8] = b"PROXY TCP4 192.0.2.7 203.0.113.1 4711 443\r\n";
    const UNKNOWN: &[u8] = b"PROXY UNKNOWN\r\n";
    let directory = Directory::new("proxy-protocol");
    let host = directory.host("app.sock");
    let listener = |name: &str, protocol: &str| {
        json!({ "address": directory.address(name), "protocol": protocol, "routes": [{ "cluster": protocol }],
                "proxy_protocol": { "from": "127.0.0.0/8" } })
    };
    let cluster = |told: Value| json!({ "endpoints": [directory.address("app.sock")], "proxy_protocol": told });
    let proxy = Proxy::start(json!({
        "listeners": [listener("tcp.sock", "tcp"), listener("http.sock", "http")],
        "clusters": { "tcp": cluster(json!("v1")), "http": { "endpoints": [directory.address("app.sock")] } },
    }));
    for (sent, told) in [(UNKNOWN, UNKNOWN), (V2_LOCAL, UNKNOWN), (V1, V1)] {
        let mut client = proxy.client();
        client.send([sent, b"bytes"].concat());
        let mut server = accept(&host);
        server.expect([told, b"bytes"].concat());
    }
    for (sent, forwarded) in [(UNKNOWN, None), (V2_LOCAL, None), (V1, Some("192.0.2.7"))] {
        let mut client = proxy.client_of(1);
        client.send([sent, b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"].concat());
        let mut server = accept(&host);
        assert_eq!(server.head().get("x-forwarded-for"), forwarded);
        server.send("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
        assert_eq!(client.head().status(), 204);
    }
    let mut client = proxy.client();
    client.send("no header");
    client.expect_gone();

    let proxy = Proxy::start(json!({
        "listeners": [{ "address": directory.address("v2.sock"), "protocol": "tcp", "routes": [{ "cluster": "app" }] }],
        "clusters": { "app": cluster(json!("v2")) },
    }));
    let mut client = proxy.client();
    client.send("bytes");
    accept(&host).expect([V2_LOCAL, b"bytes"].concat());
}

/// One chain speaks TLS with the other: both ends of it are on UNIX sockets.
#[test]
fn tls_over_unix_sockets() {
    let directory = Directory::new("tls");
    let host = directory.host("app.sock");
    let file = |name: &str| format!("{}/testdata/tls/{name}", env!("CARGO_MANIFEST_DIR"));
    let certificates = json!([{ "chain": file("site.pem"), "key": file("site.key") }]);
    let proxy = Proxy::start(json!({
        "listeners": [
            { "address": directory.address("plain.sock"), "protocol": "tcp", "routes": [{ "cluster": "tls" }] },
            { "address": directory.address("tls.sock"), "protocol": "tcp", "routes": [{ "cluster": "app" }],
              "tls": { "certificates": certificates } },
        ],
        "clusters": {
            "tls": { "endpoints": [directory.address("tls.sock")], "tls": { "ca": file("ca.pem"), "sni": "site.example.com" } },
            "app": { "endpoints": [directory.address("app.sock")] },
        },
    }));
    let mut client = proxy.client();
    client.send("question");
    let mut server = accept(&host);
    server.expect("question");
    server.send("answer");
    client.expect("answer");
    client.finish();
    server.expect_closed();
    server.finish();
    client.expect_closed();
    assert_eq!(proxy.stat("cluster.tls.ssl.handshake"), 1);
}

#[test]
fn a_socket_file_goes_with_its_listener() {
    let directory = Directory::new("files");
    let listener = |name: &str| json!({ "name": name, "address": directory.address(name), "routes": [{ "respond": { "status": 204 } }] });
    let config = |names: &[&str]| json!({ "listeners": names.iter().map(|name| listener(name)).collect::<Value>() });
    let path = directory.file("nuncio.json");
    let proxy = Proxy::from_file(&path, config(&["kept", "removed", "taken"]));
    let is_there = |name: &str| directory.file(name).exists();
    assert!(is_there("kept") && is_there("removed") && is_there("taken"));
    std::fs::remove_file(directory.file("taken")).unwrap();
    let other = directory.host("taken");

    // A change before the first look at the file is none: it is made again until it is seen.
    let seen = |_| {
        write_config(&path, config(&["kept", "new"]));
        (0..80).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            is_there("new")
        })
    };
    assert!((0..5).any(seen), "the reload");
    eventually("the file to go", || (!is_there("removed")).then_some(()));
    assert!(is_there("kept"));
    UnixStream::connect(directory.file("kept")).unwrap();
    UnixStream::connect(directory.file("taken")).unwrap();
    accept(&other);

    proxy.quit();
    proxy.join();
    assert!(!is_there("kept") && !is_there("new") && is_there("taken"));
}
