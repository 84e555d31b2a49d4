//! Hosts that are found: by DNS, as a small server of ours has it, and in files.

use std::net::{IpAddr, TcpListener, UdpSocket};
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::harness::dns::{self, A, AAAA, SRV, Says, addresses};
use crate::harness::{DEADLINE, LogFile, Proxy, Server, blackhole, eventually};

/// How often names are asked for.
const OFTEN: &str = "20ms";

/// One port on two addresses of this host, each with a server that says its name.
fn twins() -> (u16, [Server; 2]) {
    loop {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        if let Ok(second) = TcpListener::bind(("127.0.0.2", port)) {
            return (port, [Server::on(first, "one"), Server::on(second, "two")]);
        }
    }
}

/// How the names of a cluster are asked for.
fn settings(server: &dns::Server) -> Value {
    json!({ "resolvers": server.address.to_string(), "min_ttl": OFTEN, "max_ttl": OFTEN, "refresh": OFTEN,
        "max_negative_ttl": OFTEN, "failure_refresh": OFTEN, "hold": "100ms" })
}

fn cluster(discovery: &str, endpoint: &str, server: &dns::Server) -> Value {
    json!({ "discovery": discovery, "endpoints": [endpoint], "dns": settings(server) })
}

fn config(cluster: Value) -> Value {
    json!({ "listeners": [{ "routes": [{ "cluster": "app" }] }], "clusters": { "app": cluster } })
}

/// Asks until the answer comes from this server; `""` is nobody.
fn await_answer(proxy: &Proxy, from: &str) {
    eventually(&format!("{from:?} answers"), || {
        let answer = proxy.get("/");
        let status = if from.is_empty() { 503 } else { 200 };
        (answer.status() == status && (from.is_empty() || answer.text() == from)).then_some(())
    });
}

/// So many more questions have been answered like this.
fn await_more(proxy: &Proxy, stat: &str) {
    let name = format!("cluster.app.{stat}");
    let before = proxy.stat(&name);
    eventually(&format!("{name} moves"), || (proxy.stat(&name) > before + 5).then_some(()));
}

#[test]
fn hosts_follow_the_addresses_of_their_name() {
    let (server, (port, _twins)) = (dns::Server::start(), twins());
    for record in [A, AAAA] {
        server.says("app.test", record, Says::Silence);
    }
    let proxy = Proxy::start(config(cluster("strict_dns", &format!("app.test:{port}"), &server)));
    assert_eq!(proxy.get("/").status(), 503, "nobody waits for DNS");

    server.says("app.test", A, addresses(0, &["127.0.0.1"]));
    server.says("app.test", AAAA, Says::Code(0));
    await_answer(&proxy, "one");
    server.says("app.test", A, addresses(0, &["127.0.0.2"]));
    await_answer(&proxy, "two");
    assert_eq!(proxy.stat("cluster.app.membership_total"), 1);

    // SERVFAIL, half of it, nothing at all: no change.
    server.says("app.test", A, Says::Code(2));
    await_more(&proxy, "update_failure");
    server.says("app.test", A, Says::Code(0));
    server.says("app.test", AAAA, Says::Code(5));
    await_more(&proxy, "update_failure");
    assert_eq!(proxy.get("/").text(), "two");

    // Both say that there is no such name, for as long as hosts are held.
    server.says("app.test", A, Says::Code(3));
    server.says("app.test", AAAA, Says::Code(3));
    await_answer(&proxy, "");
    assert_eq!(proxy.stat("cluster.app.membership_total"), 0);
    server.says("app.test", A, addresses(0, &["127.0.0.1", "127.0.0.2"]));
    server.says("app.test", AAAA, Says::Code(0));
    await_answer(&proxy, "one");
    await_answer(&proxy, "two");
}

#[test]
fn srv_records_say_port_and_weight() {
    let (server, (port, _twins)) = (dns::Server::start(), twins());
    for (name, ip) in [("one.test", "127.0.0.1"), ("two.test", "127.0.0.2")] {
        server.says(name, A, addresses(0, &[ip]));
        server.says(name, AAAA, Says::Code(0));
    }
    let records = [(7, 300, port, "one.test".to_owned()), (7, 100, port, "two.test".to_owned())];
    server.says("_app._tcp.test", SRV, Says::Services(0, records.to_vec()));
    let proxy = Proxy::start(config(cluster("srv", "_app._tcp.test", &server)));
    proxy.await_stat("cluster.app.membership_total", 2);
    await_answer(&proxy, "one");
    let ones = (0..40).filter(|_| proxy.get("/").text() == "one").count();
    assert_eq!(ones, 30, "three to one");
    let clusters = proxy.admin("GET", "/clusters");
    assert!(clusters.text().contains(&format!("app::127.0.0.1:{port}::weight::3")), "{}", clusters.text());
}

#[test]
fn a_logical_host_is_reached_at_whichever_address_answers() {
    let server = dns::Server::start();
    // The first address takes no connection, and refuses none.
    let (_hole, second, port) = loop {
        let (address, hole) = blackhole();
        let port: u16 = address.rsplit_once(':').unwrap().1.parse().unwrap();
        if let Ok(listener) = TcpListener::bind(("127.0.0.2", port)) {
            break (hole, Server::on(listener, "two"), port);
        }
    };
    server.says("app.test", A, addresses(0, &["127.0.0.1", "127.0.0.2"]));
    server.says("app.test", AAAA, Says::Code(0));
    let mut cluster = cluster("logical_dns", &format!("app.test:{port}"), &server);
    // Longer than the test may take.
    cluster["connect_timeout"] = json!("1m");
    let log = LogFile::new("logical");
    let mut config = config(cluster);
    config["access_log"] =
        json!([{ "path": log.0, "format": "%RESPONSE_CODE% %UPSTREAM_HOST% %UPSTREAM_REMOTE_PORT%\n" }]);
    let proxy = Proxy::start(config);
    await_answer(&proxy, "two");
    let used = format!("200 127.0.0.2:{port} {port}");
    eventually("the address that was used is logged", || log.lines(1).contains(&used).then_some(()));
    let clusters = proxy.admin("GET", "/clusters");
    assert!(clusters.text().contains(&format!("app::127.0.0.2:{port}::weight::1")), "{}", clusters.text());
    assert_eq!(proxy.stat("cluster.app.membership_total"), 1, "one host");
    assert_eq!(proxy.stat("cluster.app.upstream_cx_connect_fail"), 0);

    // It is the same host wherever its name leads; its connection stays.
    let changes = proxy.stat("cluster.app.membership_change");
    let connections = second.connections();
    server.says("app.test", A, addresses(0, &["127.0.0.3"]));
    await_more(&proxy, "update_success");
    assert_eq!(proxy.get("/").text(), "two");
    assert_eq!((proxy.stat("cluster.app.membership_change"), second.connections()), (changes, connections));
}

/// A directory of our own, gone at the end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Directory {
        let path = std::env::temp_dir().join(format!("nuncio-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let (path, new) = (self.0.join(name), self.0.join("new"));
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, &path).unwrap();
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn hosts_follow_a_file_unless_it_is_wrong() {
    let (directory, servers) = (Directory::new("endpoints"), ["one", "two"].map(Server::answering));
    let endpoints = |server: &Server| json!({ "endpoints": [server.address()] }).to_string();
    let path = directory.0.join("endpoints.json");
    let proxy = Proxy::start(config(json!({ "discovery": "file", "file": path })));
    await_answer(&proxy, "");
    proxy.await_stat("cluster.app.update_failure", 1);
    directory.write("endpoints.json", &endpoints(&servers[0]));
    await_answer(&proxy, "one");
    directory.write("endpoints.json", r#"{ "endpoints": ["nowhere"] }"#);
    proxy.await_stat("cluster.app.update_failure", 2);
    assert_eq!(proxy.get("/").text(), "one");
    directory.write("endpoints.json", &endpoints(&servers[1]));
    await_answer(&proxy, "two");
    directory.write("endpoints.json", r#"{ "endpoints": [] }"#);
    await_answer(&proxy, "");
}

#[test]
fn a_reload_without_dns_keeps_the_hosts() {
    let (server, (port, _twins), directory) = (dns::Server::start(), twins(), Directory::new("reload"));
    server.says("app.test", A, addresses(0, &["127.0.0.1"]));
    server.says("app.test", AAAA, Says::Code(0));
    let mut config = config(cluster("strict_dns", &format!("app.test:{port}"), &server));
    let file = directory.0.join("nuncio.json");
    let proxy = Proxy::watching(&file, config.clone());
    await_answer(&proxy, "one");
    server.says("app.test", A, Says::Silence);
    server.says("app.test", AAAA, Says::Silence);
    config["clusters"]["app"]["connect_timeout"] = json!("3s");
    proxy.rewrite(&file, config.clone());
    assert_eq!(proxy.get("/").text(), "one");
    // Another name is another matter.
    config["clusters"]["app"]["endpoints"] = json!([format!("other.test:{port}")]);
    proxy.rewrite(&file, config);
    await_answer(&proxy, "");
}

#[test]
fn datagrams_go_to_hosts_that_were_found() {
    let (server, host) = (dns::Server::start(), UdpSocket::bind("127.0.0.1:0").unwrap());
    host.set_read_timeout(Some(DEADLINE)).unwrap();
    let port = host.local_addr().unwrap().port();
    server.says("app.test", A, addresses(0, &["127.0.0.1"]));
    server.says("app.test", AAAA, Says::Code(0));
    for discovery in ["strict_dns", "logical_dns"] {
        let proxy = Proxy::start(json!({
            "listeners": [{ "protocol": "udp", "routes": [{ "cluster": "app" }] }],
            "clusters": { "app": cluster(discovery, &format!("app.test:{port}"), &server) },
        }));
        proxy.await_stat("cluster.app.membership_total", 1);
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.send_to(discovery.as_bytes(), proxy.listener(0)).unwrap();
        let mut buf = [0; 64];
        let (len, from) = host.recv_from(&mut buf).expect("a datagram");
        assert_eq!((&buf[..len], from.ip()), (discovery.as_bytes(), IpAddr::from([127, 0, 0, 1])));
    }
}
