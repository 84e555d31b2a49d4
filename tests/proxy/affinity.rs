//! Requests that are to go to a certain host: by a hash, by a cookie, by metadata, and anywhere but where they failed.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{Message, Proxy, Server, closed_port};

fn proxy(route: Value, cluster: Value) -> Proxy {
    Proxy::start(json!({
        "listeners": [{ "routes": [route], "http": { "max_requests_per_connection": "off" } }],
        "clusters": { "app": cluster },
    }))
}

fn get(proxy: &Proxy, fields: &str) -> Message {
    let mut client = proxy.client();
    client.send(format!("GET / HTTP/1.1\r\nhost: a\r\n{fields}\r\n"));
    client.message()
}

/// The cookie that a response sets, as a request sends it.
fn cookie(response: &Message) -> Option<String> {
    let line = response.head.get("set-cookie")?;
    Some(format!("cookie: {}\r\n", line.split(';').next()?))
}

#[test]
fn the_same_user_has_the_same_host_whatever_the_policy() {
    let servers = ["a", "b", "c"].map(Server::answering);
    let addresses = servers.each_ref().map(Server::address);
    for policy in ["maglev", "ring_hash", "round_robin"] {
        let proxy = proxy(
            json!({ "cluster": "app", "hash": [{ "header": "x-user" }] }),
            json!({ "endpoints": addresses, "load_balancing": policy }),
        );
        let mut hosts = BTreeSet::new();
        for user in 0..30 {
            let user = format!("x-user: {user}\r\n");
            let first = get(&proxy, &user).text().to_owned();
            assert_eq!(get(&proxy, &user).text(), first, "{policy}");
            hosts.insert(first);
        }
        assert_eq!(hosts.len(), 3, "{policy}: users are spread");
    }
}

#[test]
fn a_cookie_is_made_for_those_who_have_none() {
    let servers = ["a", "b", "c"].map(Server::answering);
    let proxy = proxy(
        json!({ "cluster": "app", "hash": [{ "cookie": { "name": "id", "ttl": "1h" } }] }),
        json!({ "endpoints": servers.each_ref().map(Server::address), "load_balancing": "maglev" }),
    );
    for _ in 0..10 {
        let first = get(&proxy, "");
        let cookie = cookie(&first).unwrap();
        assert!(cookie.starts_with("cookie: id="), "{cookie}");
        let again = get(&proxy, &cookie);
        assert_eq!((again.text(), self::cookie(&again)), (first.text(), None));
    }
}

#[test]
fn a_sticky_session_moves_only_when_its_host_fails() {
    let servers = ["a", "b"].map(Server::answering);
    let [a, b] = servers.each_ref().map(Server::address);
    let settings = |endpoints: Value| json!({ "endpoints": endpoints, "sticky": { "cookie": "host" } });
    let two = proxy(json!({ "cluster": "app" }), settings(json!([a, b])));
    let first = get(&two, "");
    let cookie = cookie(&first).unwrap();
    for _ in 0..10 {
        let again = get(&two, &cookie);
        assert_eq!((again.text(), self::cookie(&again)), (first.text(), None));
    }
    // Another proxy, which knows the same cookie and other hosts.
    let other = if first.text() == "a" { b } else { a };
    let gone = proxy(json!({ "cluster": "app" }), settings(json!([other])));
    let moved = get(&gone, &cookie);
    assert_ne!(moved.text(), first.text());
    let cookie = self::cookie(&moved).unwrap();
    assert_eq!(get(&two, &cookie).text(), moved.text(), "the new cookie means the same to the first proxy");
}

#[test]
fn what_failed_is_tried_elsewhere() {
    let server = Server::answering("ok");
    let dead = [closed_port(), closed_port()];
    for (policy, hash) in [("round_robin", json!([])), ("maglev", json!([{ "query": "a" }])), ("random", json!([]))] {
        let mut route = json!({
            "cluster": "app",
            "retry": { "on": ["connect-failure"], "attempts": 2, "back_off": { "base": "1ms" } },
        });
        if hash != json!([]) {
            route["hash"] = hash;
        }
        let endpoints = json!([dead[0], server.address(), dead[1]]);
        let proxy = proxy(route, json!({ "endpoints": endpoints, "load_balancing": policy }));
        for _ in 0..20 {
            assert_eq!(get(&proxy, "").status(), 200, "{policy}");
        }
    }
}

#[test]
fn a_route_without_its_subset_has_no_host() {
    let server = Server::answering("ok");
    for (fallback, status) in [("none", 503), ("any", 200)] {
        let proxy = proxy(
            json!({ "cluster": "app", "subset": { "stage": "canary" } }),
            json!({ "endpoints": [server.address()], "subsets": { "keys": [["stage"]], "fallback": fallback } }),
        );
        assert_eq!(get(&proxy, "").status(), status, "{fallback}");
        assert_eq!(proxy.stat("cluster.app.lb_subsets_fallback"), 1);
    }
}

#[test]
fn connections_go_to_the_hosts_that_their_route_asks_for() {
    let servers = ["canary", "stable"].map(Server::answering);
    let endpoint =
        |server: &Server, stage: &str| json!({ "address": server.address(), "metadata": { "stage": stage } });
    let endpoints = json!([endpoint(&servers[0], "canary"), endpoint(&servers[1], "stable")]);
    let cluster = json!({ "endpoints": endpoints, "subsets": { "keys": [["stage"]], "fallback": "none" } });
    let listener = |stage: &str| {
        let route = json!({ "cluster": "app", "subset": { "stage": stage } });
        json!({ "address": "127.0.0.1:0", "protocol": "tcp", "routes": [route] })
    };
    let listeners = json!([listener("canary"), listener("stable"), listener("gone")]);
    let proxy = Proxy::start(json!({ "listeners": listeners, "clusters": { "app": cluster } }));
    for (at, expected) in ["canary", "stable"].into_iter().enumerate() {
        for _ in 0..4 {
            let mut client = proxy.client_of(at);
            client.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
            assert_eq!(client.message().text(), expected);
        }
    }
    proxy.client_of(2).expect_closed();
    assert_eq!(proxy.stat("cluster.app.upstream_cx_none_healthy"), 1);
}

#[test]
fn the_connections_of_an_address_go_to_the_same_host() {
    let servers = ["a", "b", "c"].map(Server::answering);
    let addresses = servers.each_ref().map(Server::address);
    let hosts = |hash: Value| {
        let route = json!({ "cluster": "app", "hash": hash });
        let listener = json!({ "protocol": "tcp", "proxy_protocol": { "from": "127.0.0.0/8" }, "routes": [route] });
        let proxy = Proxy::start(json!({ "listeners": [listener], "clusters": { "app": { "endpoints": addresses } } }));
        let host = |source: u8, port: u16| {
            let mut client = proxy.client();
            client.send(format!("PROXY TCP4 192.0.2.{source} 203.0.113.1 {port} 443\r\n"));
            client.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
            client.message().text().to_owned()
        };
        // Three from each address: as many as there are hosts to take turns.
        (0..40).map(|source| (0..3).map(|at| host(source, 1000 + at)).collect()).collect::<Vec<BTreeSet<String>>>()
    };
    let by_address = hosts(json!([{ "source_address": true }]));
    assert!(by_address.iter().all(|hosts| hosts.len() == 1), "{by_address:?}");
    assert_eq!(by_address.iter().flatten().collect::<BTreeSet<_>>().len(), 3, "addresses are spread");
    // None of these clients names a server.
    let by_name = hosts(json!([{ "sni": true }]));
    assert!(by_name.iter().all(|hosts| hosts.len() > 1), "{by_name:?}");
}
