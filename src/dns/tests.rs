//! The resolver against a server on this host: transports, files, search domains.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nuncio_dns::{Failure, Srv};

use super::testing::{A, AAAA, SRV, Says, Server, addresses};
use super::*;
use crate::runtime::control::block_on;

/// Files of its own, that go with it.
struct Sandbox {
    directory: PathBuf,
    resolver: Resolver,
}

impl Sandbox {
    fn new(name: &str, resolv_conf: &str, hosts: &str) -> Sandbox {
        let directory = std::env::temp_dir().join(format!("nuncio-dns-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let sources = Sources { resolv_conf: directory.join("resolv.conf"), hosts: directory.join("hosts") };
        fs::write(&sources.resolv_conf, resolv_conf).unwrap();
        fs::write(&sources.hosts, hosts).unwrap();
        Sandbox { directory, resolver: Resolver::with(sources, Handle::detached(), Duration::from_millis(300)) }
    }

    fn addresses(&self, name: &str, families: Families, servers: &[SocketAddr]) -> Addresses {
        block_on(self.resolver.addresses(&host(name), families, servers, async |_| {}))
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn host(text: &str) -> HostName {
    HostName { name: text.parse().unwrap(), absolute: text.ends_with('.') }
}

fn found(ttl: u64, all: &[&str]) -> Option<Outcome> {
    let records = Records::Addresses(all.iter().map(|it| it.parse().unwrap()).collect());
    Some(Outcome::Answer { records, ttl: Duration::from_secs(ttl) })
}

#[test]
fn both_families_at_once() {
    let server = Server::start();
    server.says("api.internal", A, addresses(60, &["192.0.2.1", "192.0.2.2"]));
    server.says("api.internal", AAAA, addresses(30, &["2001:db8::1"]));
    let sandbox = Sandbox::new("both", "", "");
    let all = sandbox.addresses("API.internal", Families::Both, &[server.address]);
    assert_eq!(all, Addresses { v4: found(60, &["192.0.2.1", "192.0.2.2"]), v6: found(30, &["2001:db8::1"]) });
    let v4 = sandbox.addresses("api.internal", Families::V4, &[server.address]);
    assert_eq!(v4, Addresses { v6: None, ..all });
    assert_eq!(sandbox.resolver.0.stats.resolve_total.get(), 3);
    assert_eq!(sandbox.resolver.0.stats.pending_resolutions.get(), 0);
}

/// A resolver of 16 servers that are all the same one: it is a minute until silence is a failure.
fn patient(server: &Server) -> Vec<SocketAddr> {
    vec![server.address; 16]
}

#[test]
fn a_family_that_is_late_does_not_hold_up_the_other() {
    let server = Server::start();
    let found = [(A, AAAA, addresses(60, &["192.0.2.1"])), (AAAA, A, addresses(60, &["2001:db8::1"]))];
    for (kind, silent, says) in found {
        server.says("api.internal", kind, says);
        server.says("api.internal", silent, Says::Silence);
        let sandbox = Sandbox::new("late", "", "");
        let (tell, told) = control::channel(2);
        let early = async |said| tell.send(said).await.unwrap();
        let (name, servers) = (host("api.internal"), patient(&server));
        let whole = async { Err(sandbox.resolver.addresses(&name, Families::Both, &servers, early).await) };
        let first = block_on(control::race(async { Ok(told.recv().await.unwrap()) }, whole));
        let v4 = (kind == A).then(|| self::found(60, &["192.0.2.1"])).flatten();
        let v6 = (kind == AAAA).then(|| self::found(60, &["2001:db8::1"])).flatten();
        assert_eq!(first, Ok(Addresses { v4, v6 }));
    }
}

#[test]
fn a_late_family_is_not_waited_for_without_end() {
    let server = Server::start();
    server.says("api.internal", A, addresses(60, &["192.0.2.1"]));
    server.says("api.internal", AAAA, Says::Silence);
    let sandbox = Sandbox::new("end", "", "");
    let all = sandbox.addresses("api.internal", Families::Both, &patient(&server));
    assert_eq!(all, Addresses { v4: found(60, &["192.0.2.1"]), v6: Some(Outcome::Failed(Failure::Timeout)) });
    let stats = &sandbox.resolver.0.stats;
    assert_eq!((stats.resolve_failure.get(), stats.pending_resolutions.get()), (1, 0));
}

#[test]
fn a_server_that_is_silent_for_one_family_does_not_end_the_search() {
    let server = Server::start();
    // No server of resolv.conf has a port: the name is asked for with both domains here.
    for name in ["api.a.internal", "api.b.internal", "api"] {
        server.says(name, AAAA, Says::Silence);
    }
    server.says("api.b.internal", A, addresses(60, &["192.0.2.1"]));
    let sandbox = Sandbox::new("search", "search a.internal b.internal\n", "");
    let mut files = block_on(sandbox.resolver.files());
    let conf = (*files.resolv_conf).clone().on(&patient(&server));
    files.resolv_conf = Arc::new(conf);
    *sandbox.resolver.0.files.borrow_mut() = Some(files);
    let (tell, told) = control::channel(2);
    let early = async |said| tell.send(said).await.unwrap();
    let name = host("api");
    let whole = async { Err(sandbox.resolver.addresses(&name, Families::Both, &[], early).await) };
    let first = block_on(control::race(async { Ok(told.recv().await.unwrap()) }, whole));
    assert_eq!(first, Ok(Addresses { v4: found(60, &["192.0.2.1"]), v6: None }));
}

#[test]
fn what_is_truncated_comes_over_tcp() {
    let server = Server::start();
    let many: Vec<String> = (0..100).map(|at| format!("192.0.2.{at}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    server.says("api.internal", A, Says::Truncated(addresses(60, &many).into()));
    let sandbox = Sandbox::new("tcp", "", "");
    let all = sandbox.addresses("api.internal", Families::V4, &[server.address]);
    assert_eq!(all.v4, found(60, &many));
    let stats = &sandbox.resolver.0.stats;
    assert_eq!((stats.truncated.get(), stats.udp_queries.get(), stats.tcp_queries.get()), (1, 1, 1));
}

#[test]
fn a_server_that_is_not_there_is_passed_over() {
    let server = Server::start();
    server.says("api.internal", A, addresses(60, &["192.0.2.1"]));
    let gone = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let sandbox = Sandbox::new("gone", "", "");
    let all = sandbox.addresses("api.internal", Families::V4, &[gone, server.address]);
    assert_eq!(all.v4, found(60, &["192.0.2.1"]));
    let nobody = sandbox.addresses("api.internal", Families::V4, &[gone]);
    assert_eq!(nobody.v4, Some(Outcome::Failed(Failure::Unreachable)));
    assert_eq!(sandbox.resolver.0.stats.resolve_failure.get(), 1);
}

#[test]
fn services_have_their_numbers() {
    let server = Server::start();
    server.says("_x._tcp.internal", SRV, Says::Services(9, vec![(1, 2, 80, "a.internal".to_owned())]));
    let sandbox = Sandbox::new("srv", "", "");
    let ask = |name: &str| block_on(sandbox.resolver.services(&host(name), &[server.address]));
    let srv = Srv { priority: 1, weight: 2, port: 80, target: "a.internal".parse().unwrap() };
    let ttl = Duration::from_secs(9);
    assert_eq!(ask("_x._tcp.internal"), Outcome::Answer { records: Records::Srv(vec![srv]), ttl });
    assert_eq!(ask("_y._tcp.internal"), Outcome::NxDomain { ttl: None });
}

#[test]
fn the_hosts_file_comes_first() {
    let server = Server::start();
    server.says("api.internal", A, addresses(60, &["192.0.2.1"]));
    let sandbox = Sandbox::new("hosts", "", "192.0.2.7 api.internal\n");
    let all = sandbox.addresses("api.internal", Families::Both, &[server.address]);
    assert_eq!(all, Addresses { v4: found(0, &["192.0.2.7"]), v6: Some(Outcome::NoData { ttl: None }) });
    assert_eq!(server.asked(), []);
}

#[test]
fn candidates_by_dots() {
    let sandbox = Sandbox::new("dots", "search b.internal c.internal\noptions ndots:2\n", "");
    let files = block_on(sandbox.resolver.files());
    let server: SocketAddr = "192.0.2.53:53".parse().unwrap();
    for (name, servers, expected) in [
        ("a", &[][..], &["a.b.internal", "a.c.internal", "a"][..]),
        ("a.x", &[], &["a.x.b.internal", "a.x.c.internal", "a.x"]),
        ("a.x.y", &[], &["a.x.y", "a.x.y.b.internal", "a.x.y.c.internal"]),
        ("a.", &[], &["a"]),
        ("a", &[server], &["a"]),
    ] {
        let names: Vec<String> = files.candidates(&host(name), servers).iter().map(Name::to_string).collect();
        assert_eq!(names, expected, "{name}");
    }
}

#[test]
fn a_failure_ends_the_search() {
    // Where the first candidate fails, an answer to the second would be another host's.
    let failed = Addresses { v4: Some(Outcome::Failed(Failure::Code(2))), v6: Some(Outcome::NoData { ttl: None }) };
    assert!(failed.is_final());
    let nothing = Addresses { v4: Some(Outcome::NxDomain { ttl: None }), v6: None };
    assert!(!nothing.is_final());
    // There is no such name, and so it has no IPv6; but only that it has no IPv4 would say nothing of IPv6.
    let (v4, v6) = (Some(Outcome::NxDomain { ttl: None }), Some(Outcome::Failed(Failure::Timeout)));
    assert!(!Addresses { v4, v6: v6.clone() }.is_final());
    assert!(Addresses { v4: Some(Outcome::NoData { ttl: None }), v6 }.is_final());
}

#[test]
fn files_are_read_again_when_they_change() {
    let sandbox = Sandbox::new("again", "nameserver 192.0.2.1\n", "");
    let sources = sandbox.resolver.0.sources.clone();
    let begun = control::now();
    let first = sources.look(None, begun);
    assert!(first.are_fresh(begun + Duration::from_secs(4)) && !first.are_fresh(begun + Duration::from_secs(5)));
    let same = sources.look(Some(first.clone()), begun);
    assert!(Arc::ptr_eq(&first.hosts, &same.hosts), "not read again");
    fs::write(&sources.hosts, "192.0.2.7 api.internal\n").unwrap();
    fs::remove_file(&sources.resolv_conf).unwrap();
    let changed = sources.look(Some(first), begun);
    assert!(changed.hosts.get(&"api.internal".parse().unwrap()).is_some());
    assert_eq!(changed.resolv_conf.servers(), ["127.0.0.1:53".parse().unwrap()], "the file is gone");
}
