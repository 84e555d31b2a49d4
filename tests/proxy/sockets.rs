//! UNIX sockets on both sides, more workers than one, and the limit of connections.

use std::path::PathBuf;

use serde_json::json;

use crate::harness::{Proxy, Server, Upstream};

/// A directory of our own, gone at the end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Directory {
        let path = std::env::temp_dir().join(format!("nuncio-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Directory(path)
    }
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
