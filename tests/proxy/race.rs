//! `race` of a route: a slow host does not keep a client waiting while another one is idle.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Proxy, Upstream, Wire};

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

fn proxy(hosts: &[&Upstream], race: Value) -> Proxy {
    let endpoints: Vec<String> = hosts.iter().map(|host| host.address()).collect();
    Proxy::start(json!({
        "listeners": [{ "routes": [{ "cluster": "app", "race": race, "timeout": "off" }] }],
        "clusters": { "app": { "endpoints": endpoints } },
    }))
}

/// A request that has just gone to the second host too: its client, and its connections to both.
fn raced(proxy: &Proxy, one: &Upstream, other: &Upstream) -> (Wire, Wire, Wire) {
    let mut client = proxy.client();
    client.send(GET);
    let (mut first, mut second) = (one.accept(), other.accept());
    first.head();
    second.head();
    (client, first, second)
}

fn answer(text: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len())
}

#[test]
fn the_first_answer_wins_and_the_other_host_is_told_to_stop() {
    let (one, other) = (Upstream::start(), Upstream::start());
    for slow_is_first in [true, false] {
        let proxy = proxy(&[&one, &other], json!({ "after": "20ms", "budget_percent": 100 }));
        let (mut client, mut first, mut second) = raced(&proxy, &one, &other);
        let (winner, loser) = if slow_is_first { (&mut second, first) } else { (&mut first, second) };
        winner.send(answer("fast"));
        assert_eq!(client.message().text(), "fast");
        let mut loser = loser;
        loser.expect_gone();
        assert_eq!(proxy.stat("cluster.app.upstream_rq_race_started"), 1);
        let ended = proxy.stat("cluster.app.upstream_rq_race_won_by_other")
            + proxy.stat("cluster.app.upstream_rq_race_cancelled");
        assert_eq!(ended, 1);
        proxy.await_stat("cluster.app.upstream_rq_active", 0);
    }
}

#[test]
fn a_race_that_is_over_is_one_request() {
    let (one, other) = (Upstream::start(), Upstream::start());
    let proxy = proxy(&[&one, &other], json!({ "after": "20ms", "budget_percent": 100 }));
    let (mut client, _first, mut second) = raced(&proxy, &one, &other);
    let left = "cluster.app.circuit_breakers.default.remaining_rq";
    assert_eq!(proxy.stat(left), 1022);
    second.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no");
    client.head();
    assert_eq!(proxy.stat(left), 1023, "its answer may take long");
    second.send("k");
    client.expect("ok");
    proxy.await_stat(left, 1024);
}

#[test]
fn a_host_that_fails_is_replaced_by_its_rival() {
    let (one, other) = (Upstream::start(), Upstream::start());
    let proxy = proxy(&[&one, &other], json!({ "after": "20ms", "budget_percent": 100 }));
    let (mut client, first, mut second) = raced(&proxy, &one, &other);
    first.reset();
    second.send(answer("ok"));
    assert_eq!(client.message().text(), "ok");
    assert_eq!(proxy.stat("cluster.app.upstream_rq_retry"), 0, "nothing was spent");
}

#[test]
fn what_may_not_be_sent_twice_does_not_race_and_a_budget_holds() {
    let (one, other) = (Upstream::start(), Upstream::start());
    for (request, budget) in [("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n", 100), (GET, 0)] {
        let proxy = proxy(&[&one, &other], json!({ "after": "1ms", "budget_percent": budget }));
        let mut client = proxy.client();
        client.send(request);
        let quiet = Duration::from_millis(100);
        // Whichever was picked: nobody else is asked.
        let mut server = Upstream::accept_of([&one, &other]);
        server.head();
        one.expect_nobody(quiet);
        other.expect_nobody(quiet);
        server.send(answer("ok"));
        assert_eq!(client.message().text(), "ok");
        assert_eq!(proxy.stat("cluster.app.upstream_rq_race_started"), 0);
    }
}
