use std::collections::HashMap;
use std::time::Duration;

use nuncio_dns::{Failure, RecordType};

use super::*;
use crate::config;
use crate::runtime::control;

const A: &str = "192.0.2.1";
const B: &str = "192.0.2.2";
const C: &str = "192.0.2.3";
const SIX: &str = "2001:db8::1";
const TTL: Duration = Duration::from_secs(20);

/// How long a server is waited for that does not answer.
const PATIENCE: Duration = Duration::from_secs(4);

/// A finder, its clock, and a server that answers at once or never. What it does not know does not exist.
struct Simulated {
    finder: Finder,
    now: Instant,
    zone: HashMap<(String, RecordType), Outcome>,
    rng: fastrand::Rng,
    /// Names that are waited for, until when, and what is then said of them.
    waiting: Vec<(Instant, HostName, Families)>,
    hosts: Vec<(Identity, u32)>,
    /// Lists that were given.
    changes: usize,
    asked: usize,
}

/// The cluster of such a configuration.
fn cluster(text: &str) -> Cluster {
    let text = format!(r#"{{ "admin": {{ "address": "127.0.0.1:1" }}, "clusters": {{ "c": {text} }} }}"#);
    match config::parse(&text, std::path::Path::new("/"), "test") {
        Ok((mut config, _)) => config.clusters.remove("c").unwrap().as_ref().clone(),
        Err(problems) => panic!("{problems}"),
    }
}

fn answer(addresses: &[&str]) -> Outcome {
    let addresses = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
    Outcome::Answer { records: Records::Addresses(addresses), ttl: TTL }
}

fn records(records: &[(u16, u16, &str, u16)]) -> Outcome {
    let record = |(priority, weight, target, port): &(u16, u16, &str, u16)| Srv {
        priority: *priority,
        weight: *weight,
        port: *port,
        target: target.parse().unwrap(),
    };
    Outcome::Answer { records: Records::Srv(records.iter().map(record).collect()), ttl: TTL }
}

impl Simulated {
    fn new(text: &str) -> Simulated {
        Simulated::replacing(text, &[])
    }

    /// It replaces a cluster that had these hosts.
    fn replacing(text: &str, known: &[Arc<Host>]) -> Simulated {
        let now = control::now();
        Simulated {
            finder: Finder::new(&cluster(text), known, now),
            now,
            zone: HashMap::new(),
            rng: fastrand::Rng::with_seed(3),
            waiting: Vec::new(),
            hosts: Vec::new(),
            changes: 0,
            asked: 0,
        }
    }

    fn set(&mut self, name: &str, record: RecordType, outcome: Outcome) {
        self.zone.insert((name.to_owned(), record), outcome);
    }

    fn set_v4(&mut self, name: &str, addresses: &[&str]) {
        self.set(name, RecordType::A, answer(addresses));
        self.set(name, RecordType::Aaaa, Outcome::NoData { ttl: None });
    }

    fn fail(&mut self, name: &str, record: RecordType) {
        self.set(name, record, Outcome::Failed(Failure::Timeout));
    }

    fn look(&mut self) {
        if let Some(hosts) = self.finder.hosts(|_| true) {
            self.hosts = hosts;
            self.changes += 1;
        }
    }

    /// Time goes on, and what is due is asked and answered.
    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            while let Some(ask) = self.finder.poll_ask(self.now) {
                self.asked += 1;
                self.answer(&ask);
                self.look();
            }
            let waiting = self.waiting.iter().map(|(until, ..)| *until).min();
            match self.finder.poll_timeout().into_iter().chain(waiting).min() {
                Some(at) if at <= end => {
                    assert!(at > self.now, "it does not ask without end");
                    self.now = at;
                }
                _ => break,
            }
            let over: Vec<_> = self.waiting.extract_if(.., |(until, ..)| *until <= self.now).collect();
            for (_, name, said) in over {
                self.finder.handle_addresses(&name, said, self.now, &mut self.rng);
            }
            self.look();
        }
        self.now = end;
    }

    fn answer(&mut self, ask: &Ask) {
        let said = |record: RecordType| {
            let said = self.zone.get(&(ask.name().name.to_string(), record)).cloned();
            said.unwrap_or(Outcome::NxDomain { ttl: None })
        };
        let (v4, v6, services) = (said(RecordType::A), said(RecordType::Aaaa), said(RecordType::Srv));
        match ask {
            Ask::Addresses(name) => {
                let is_silent = |it: &Outcome| *it == Outcome::Failed(Failure::Timeout);
                if is_silent(&v4) || is_silent(&v6) {
                    let found = |it: &Outcome| Some(it).filter(|it| matches!(it, Outcome::Answer { .. })).cloned();
                    self.finder.handle_early(name, (found(&v4), found(&v6)), self.now, &mut self.rng);
                    self.waiting.push((self.now + PATIENCE, name.clone(), (Some(v4), Some(v6))));
                } else {
                    self.finder.handle_addresses(name, (Some(v4), Some(v6)), self.now, &mut self.rng);
                }
            }
            Ask::Services(name) => {
                self.finder.handle_services(name, services, self.now, &mut self.rng);
            }
        }
    }

    fn seconds(&mut self, seconds: u64) {
        self.run(Duration::from_secs(seconds));
    }

    /// Addresses with weight and priority.
    fn found(&self) -> Vec<String> {
        let text = |(identity, weight): &(Identity, u32)| match (weight, identity.priority) {
            (1, 0) => identity.address.to_string(),
            (weight, priority) => format!("{} w{weight} p{priority}", identity.address),
        };
        self.hosts.iter().map(text).collect()
    }

    /// As a cluster keeps them.
    fn kept(&self) -> Vec<Arc<Host>> {
        self.hosts.iter().map(|(identity, weight)| Arc::new(Host::new(identity.clone(), *weight))).collect()
    }
}

#[test]
fn every_address_of_every_name_is_a_host() {
    let mut dns = Simulated::new(
        r#"{ "discovery": "strict_dns", "endpoints": ["one.test:80", "192.0.2.9:1",
            { "address": "two.test:81", "weight": 3, "priority": 1, "zone": "b", "metadata": { "stage": "canary" } }] }"#,
    );
    dns.set_v4("one.test", &[B, A, B]);
    dns.set_v4("two.test", &[A]);
    dns.seconds(1);
    assert_eq!(dns.found(), ["192.0.2.1:80", "192.0.2.2:80", "192.0.2.9:1", "192.0.2.1:81 w3 p1"]);
    let last = &dns.hosts[3].0;
    assert_eq!((last.name.as_deref(), &*last.zone, &*last.metadata["stage"]), (Some("two.test"), "b", "canary"));
    assert_eq!(dns.hosts[2].0.name, None);
    let (changes, asked) = (dns.changes, dns.asked);
    dns.set_v4("one.test", &[A, B]);
    dns.seconds(100);
    assert!(dns.changes == changes && dns.asked > asked, "another order is no change");
    dns.set_v4("one.test", &[C]);
    dns.seconds(23);
    assert_eq!(dns.found()[0], "192.0.2.3:80");
}

#[test]
fn what_fails_changes_nothing_however_long_it_lasts() {
    let mut dns = Simulated::new(r#"{ "discovery": "strict_dns", "endpoints": ["one.test:80", "two.test:80"] }"#);
    dns.seconds(0);
    dns.set_v4("one.test", &[A]);
    dns.set_v4("two.test", &[B]);
    dns.seconds(40);
    let before = (dns.found(), dns.changes);
    assert_eq!(before.0.len(), 2);
    dns.fail("one.test", RecordType::A);
    dns.fail("one.test", RecordType::Aaaa);
    dns.set("two.test", RecordType::A, Outcome::Failed(Failure::Code(2)));
    dns.seconds(7200);
    dns.set("one.test", RecordType::A, Outcome::NoData { ttl: None });
    dns.seconds(7200);
    assert_eq!((dns.found(), dns.changes), before, "half a failure is one");
    dns.set("one.test", RecordType::Aaaa, Outcome::NoData { ttl: None });
    dns.seconds(80);
    assert_eq!(dns.found(), ["192.0.2.2:80"]);
}

#[test]
fn a_server_that_is_silent_for_one_family_holds_nothing_up() {
    let mut dns = Simulated::new(
        r#"{ "discovery": "strict_dns", "endpoints": ["one.test:80"], "dns": { "family": "all", "jitter_percent": 0 } }"#,
    );
    dns.set("one.test", RecordType::A, answer(&[A]));
    dns.fail("one.test", RecordType::Aaaa);
    dns.seconds(0);
    assert_eq!(dns.found(), ["192.0.2.1:80"], "at once");
    dns.set("one.test", RecordType::Aaaa, answer(&[SIX]));
    dns.seconds(21);
    assert_eq!(dns.found(), ["192.0.2.1:80", "[2001:db8::1]:80"]);
    dns.fail("one.test", RecordType::Aaaa);
    for ip in [B, C, A] {
        dns.set("one.test", RecordType::A, answer(&[ip]));
        dns.seconds(21);
        assert_eq!(dns.found(), [format!("{ip}:80"), "[2001:db8::1]:80".to_owned()], "no more than its TTL");
    }
    let asked = dns.asked;
    dns.seconds(1000);
    assert!((50..=150).contains(&(dns.asked - asked)), "neither given up nor asked without end: {}", dns.asked - asked);
}

#[test]
fn a_service_does_not_wait_for_a_late_family_of_its_targets() {
    let mut dns = Simulated::new(r#"{ "discovery": "srv", "endpoints": ["_db._tcp.test"] }"#);
    dns.set("_db._tcp.test", RecordType::Srv, records(&[(0, 0, "one.test", 80), (0, 0, "two.test", 80)]));
    for (name, ip) in [("one.test", A), ("two.test", B)] {
        dns.set(name, RecordType::A, answer(&[ip]));
        dns.fail(name, RecordType::Aaaa);
    }
    dns.seconds(0);
    assert_eq!((dns.found(), dns.changes), (vec!["192.0.2.1:80".to_owned(), "192.0.2.2:80".to_owned()], 1));
}

#[test]
fn a_start_without_dns_finds_hosts_as_soon_as_there_is_an_answer() {
    let mut dns = Simulated::new(r#"{ "discovery": "strict_dns", "endpoints": ["one.test:80"] }"#);
    dns.fail("one.test", RecordType::A);
    dns.fail("one.test", RecordType::Aaaa);
    dns.seconds(600);
    assert_eq!(dns.changes, 0, "nothing was found out");
    dns.set_v4("one.test", &[A]);
    dns.seconds(11);
    assert_eq!(dns.found(), ["192.0.2.1:80"]);
}

#[test]
fn a_name_that_does_not_exist_any_more_is_held_for_a_while() {
    let mut dns =
        Simulated::new(r#"{ "discovery": "strict_dns", "endpoints": ["one.test:80"], "dns": { "hold": "2m" } }"#);
    dns.set_v4("one.test", &[A]);
    dns.seconds(1);
    dns.zone.clear();
    dns.seconds(23);
    dns.seconds(115);
    assert_eq!(dns.found(), ["192.0.2.1:80"]);
    dns.seconds(10);
    assert!(dns.found().is_empty());
    dns.set_v4("one.test", &[A]);
    dns.seconds(6);
    assert_eq!(dns.found(), ["192.0.2.1:80"], "asked again soon");
}

#[test]
fn answers_do_not_lead_to_where_they_must_not() {
    let mut dns = Simulated::new(
        r#"{ "discovery": "strict_dns", "endpoints": ["one.test:80"],
            "dns": { "family": "v4", "deny": ["127.0.0.0/8", "169.254.0.0/16"] } }"#,
    );
    dns.set_v4("one.test", &["127.0.0.1", A]);
    dns.seconds(1);
    assert_eq!(dns.found(), ["192.0.2.1:80"]);
    dns.set_v4("one.test", &["169.254.169.254"]);
    dns.seconds(600);
    assert_eq!(dns.found(), ["192.0.2.1:80"], "as if there had been no answer");
    let name = dns.finder.names.keys().next().unwrap().clone();
    let said = dns.finder.handle_addresses(&name, (Some(answer(&["127.0.0.1"])), None), dns.now, &mut dns.rng);
    assert_eq!(said, Answered::Denied);
}

#[test]
fn srv_records_name_hosts_with_port_weight_and_priority() {
    let mut dns =
        Simulated::new(r#"{ "discovery": "srv", "endpoints": [{ "address": "_db._tcp.test", "zone": "a" }] }"#);
    let found = [(20, 0, "spare.test", 5433), (10, 20, "two.test", 5432), (10, 60, "one.test", 5432)];
    dns.set("_db._tcp.test", RecordType::Srv, records(&found));
    dns.set_v4("one.test", &[A]);
    dns.set_v4("two.test", &[B]);
    dns.set_v4("spare.test", &[C]);
    dns.seconds(1);
    assert_eq!(dns.found(), ["192.0.2.2:5432", "192.0.2.1:5432 w3 p0", "192.0.2.3:5433 w1 p1"]);
    assert_eq!((dns.hosts[1].0.name.as_deref(), &*dns.hosts[1].0.zone), (Some("one.test"), "a"));
    assert_eq!(dns.changes, 1, "said once all targets were tried");
    dns.set("_db._tcp.test", RecordType::Srv, records(&[(10, 0, "one.test", 0)]));
    dns.seconds(40);
    assert_eq!(dns.found().len(), 3, "nobody serves port 0: held");
    dns.seconds(60);
    assert!(dns.found().is_empty());
}

#[test]
fn new_targets_are_taken_when_one_of_them_is_found() {
    let mut dns = Simulated::new(r#"{ "discovery": "srv", "endpoints": ["_db._tcp.test"] }"#);
    dns.set("_db._tcp.test", RecordType::Srv, records(&[(0, 0, "one.test", 80)]));
    dns.set_v4("one.test", &[A]);
    dns.seconds(1);
    dns.set("_db._tcp.test", RecordType::Srv, records(&[(0, 0, "two.test", 80), (0, 0, "three.test", 80)]));
    for name in ["two.test", "three.test"] {
        dns.fail(name, RecordType::A);
        dns.fail(name, RecordType::Aaaa);
    }
    dns.seconds(600);
    assert_eq!(dns.found(), ["192.0.2.1:80"], "better the old ones than none");
    dns.set_v4("two.test", &[B]);
    dns.seconds(11);
    assert_eq!(dns.found(), ["192.0.2.2:80"]);
    assert_eq!(dns.finder.names.len(), 2, "nobody asks for the old target any more");
}

#[test]
fn a_logical_host_stays_the_same_wherever_its_name_leads() {
    let text = r#"{ "discovery": "logical_dns", "endpoints": ["one.test:80"] }"#;
    let mut dns = Simulated::new(text);
    dns.set("one.test", RecordType::A, answer(&[B, A]));
    dns.set("one.test", RecordType::Aaaa, answer(&[SIX]));
    dns.seconds(1);
    let host = dns.kept().remove(0);
    assert_eq!((host.name.as_deref(), dns.hosts.len()), (Some("one.test"), 1));
    let addresses = |host: &Host| -> Vec<String> {
        host.alternatives.as_ref().unwrap().get().iter().map(ToString::to_string).collect()
    };
    assert_eq!(addresses(&host), ["[2001:db8::1]:80", "192.0.2.2:80", "192.0.2.1:80"]);
    assert_eq!(host.shown_address().to_string(), "[2001:db8::1]:80", "the first, while it was never connected to");
    host.note_connected(&"192.0.2.2:80".parse().unwrap());
    assert_eq!(host.shown_address().to_string(), "192.0.2.2:80");
    let changes = dns.changes;
    dns.set("one.test", RecordType::Aaaa, Outcome::NoData { ttl: None });
    dns.set_v4("one.test", &[C]);
    dns.seconds(100);
    assert_eq!(host.shown_address().to_string(), "192.0.2.3:80", "the other is none of its addresses any more");
    assert_eq!((addresses(&host), dns.changes), (vec!["192.0.2.3:80".to_owned()], changes));
    assert_eq!(host.current_address().to_string(), "192.0.2.3:80");

    let mut again = Simulated::replacing(text, std::slice::from_ref(&host));
    again.fail("one.test", RecordType::A);
    again.fail("one.test", RecordType::Aaaa);
    again.seconds(100);
    assert_eq!(again.changes, 0);
    again.set_v4("one.test", &[A]);
    again.seconds(20);
    assert!(host.is(&again.hosts[0].0), "also over a reload");
    assert_eq!(addresses(&host), ["192.0.2.1:80"]);
    dns.zone.clear();
    dns.seconds(100);
    assert!(dns.hosts.is_empty());
}

#[test]
fn a_reload_keeps_the_hosts_of_names_that_fail_now() {
    let both = r#"{ "discovery": "strict_dns", "endpoints": ["one.test:80", "two.test:80"] }"#;
    let mut dns = Simulated::new(both);
    dns.set_v4("one.test", &[A]);
    dns.set_v4("two.test", &[B]);
    dns.seconds(1);
    let mut again = Simulated::replacing(both, &dns.kept());
    again.set_v4("one.test", &[C]);
    again.fail("two.test", RecordType::A);
    again.fail("two.test", RecordType::Aaaa);
    again.seconds(1);
    assert_eq!(again.found(), ["192.0.2.3:80", "192.0.2.2:80"]);
    let mut again = Simulated::replacing(both, &dns.kept());
    again.zone = dns.zone.clone();
    again.seconds(1);
    assert_eq!((again.changes, again.found()), (1, dns.found()), "not even for a moment is there less");
}

#[test]
fn whatever_dns_says_hosts_are_only_lost_when_it_says_so_for_long() {
    let seed = fastrand::u64(..);
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut dns = Simulated::new(r#"{ "discovery": "strict_dns", "endpoints": ["one.test:80"] }"#);
    dns.set_v4("one.test", &[A]);
    dns.seconds(1);
    for _ in 0..500 {
        // Anything but nothing, or nothing for less than the hold.
        match rng.u8(0..4) {
            0 => dns.fail("one.test", RecordType::A),
            1 => dns.fail("one.test", RecordType::Aaaa),
            2 => {
                dns.set_v4("one.test", &[B, A]);
                dns.seconds(30);
            }
            _ => {
                dns.zone.clear();
                dns.seconds(20);
                dns.set_v4("one.test", &[A]);
            }
        }
        dns.seconds(rng.u64(1..50));
        assert!(!dns.found().is_empty(), "seed {seed}");
    }
}
