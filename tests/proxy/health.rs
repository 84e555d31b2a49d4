//! Active health checks of a cluster's hosts, and the filter that answers for the proxy itself.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::harness::{LogFile, Proxy, Upstream, Wire, eventually};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const UNAVAILABLE: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";

fn checked(upstream: &Upstream, listener: &Value, log: Option<&LogFile>) -> Proxy {
    let mut check = json!({
        "type": "http", "path": "/healthz", "timeout": "20s", "interval": "10ms", "no_traffic_interval": "10ms",
        "unhealthy_threshold": 2,
    });
    if let Some(log) = log {
        check["log"] = json!({ "path": log.0 });
    }
    let mut listener = listener.clone();
    listener["routes"] = json!([{ "cluster": "app" }]);
    Proxy::start(json!({
        "node": { "cluster": "edge" },
        "listeners": [listener],
        "clusters": { "app": { "endpoints": [upstream.address()], "health_check": check } },
    }))
}

/// What `/clusters` says of the only host.
fn flags(proxy: &Proxy) -> String {
    let text = proxy.admin("GET", "/clusters").text().to_owned();
    let flags = text.lines().find_map(|line| line.split_once("::health_flags::"));
    flags.unwrap_or_else(|| panic!("{text}")).1.to_owned()
}

fn await_flags(proxy: &Proxy, expected: &str) {
    eventually(&format!("flags are {expected}"), || (flags(proxy) == expected).then_some(()));
}

/// The next check, on a connection that may be the one before.
fn asked(upstream: &Upstream, kept: Option<Wire>) -> Wire {
    let mut wire = kept.unwrap_or_else(|| upstream.accept());
    assert_eq!(wire.message().head.start, "GET /healthz HTTP/1.1");
    wire
}

fn answer(upstream: &Upstream, kept: Option<Wire>, response: &str) -> Wire {
    let mut wire = asked(upstream, kept);
    wire.send(response);
    wire
}

#[test]
fn a_host_is_what_its_checks_say() {
    let (upstream, log) = (Upstream::start(), LogFile::new("health"));
    let proxy = checked(&upstream, &json!({}), Some(&log));
    let first = asked(&upstream, None);
    assert_eq!(flags(&proxy), "/pending_active_hc");
    assert_eq!(proxy.stat("cluster.app.membership_healthy"), 0);
    let mut first = first;
    first.send(OK);
    await_flags(&proxy, "healthy");
    proxy.await_stat("cluster.app.membership_healthy", 1);
    assert_eq!(proxy.stat("cluster.app.health_check.healthy"), 1);

    // A status that is not expected says it all.
    drop(answer(&upstream, Some(first), UNAVAILABLE));
    await_flags(&proxy, "/failed_active_hc");
    proxy.await_stat("cluster.app.membership_healthy", 0);
    assert_eq!(proxy.stat("cluster.app.health_check.healthy"), 0);

    // Two answers bring it back, one does not.
    let kept = answer(&upstream, None, OK);
    let mut kept = asked(&upstream, Some(kept));
    assert_eq!(flags(&proxy), "/failed_active_hc");
    kept.send(OK.replace("\r\n\r\n", "\r\nx-envoy-degraded: \r\n\r\n"));
    await_flags(&proxy, "/degraded_active_hc");
    proxy.await_stat("cluster.app.health_check.degraded", 1);
    let kept = answer(&upstream, Some(kept), OK);
    await_flags(&proxy, "healthy");

    // A connection that is closed as it is used says nothing: the check goes over another. Of failures that may be slips it
    // takes two.
    drop(asked(&upstream, Some(kept)));
    drop(asked(&upstream, None));
    proxy.await_stat("cluster.app.health_check.network_failure", 1);
    assert_eq!(flags(&proxy), "healthy");
    drop(asked(&upstream, None));
    await_flags(&proxy, "/failed_active_hc");
    assert_eq!(proxy.stat("cluster.app.health_check.network_failure"), 2);

    let expected = [
        json!({ "add_healthy_event": { "first_check": true } }),
        json!({ "eject_unhealthy_event": { "failure_type": "ACTIVE" } }),
        json!({ "add_healthy_event": { "first_check": false } }),
        json!({ "degraded_healthy_host": {} }),
        json!({ "no_longer_degraded_host": {} }),
        json!({ "eject_unhealthy_event": { "failure_type": "NETWORK" } }),
    ];
    for (line, mut event) in log.lines(expected.len()).iter().zip(expected) {
        let mut line: Value = serde_json::from_str(line).unwrap();
        assert!(line["timestamp"].take().as_str().unwrap().ends_with('Z'));
        let port: u64 = upstream.address().rsplit_once(':').unwrap().1.parse().unwrap();
        event["cluster_name"] = "app".into();
        event["health_checker_type"] = "HTTP".into();
        event["timestamp"] = Value::Null;
        event["host"] = json!({ "socket_address": { "protocol": "TCP", "address": "127.0.0.1", "port_value": port } });
        assert_eq!(line, event);
    }
}

#[test]
fn a_host_that_refuses_is_unhealthy_from_the_start() {
    let gone = crate::harness::closed_port();
    let proxy = Proxy::start(json!({
        "listeners": [{ "routes": [{ "cluster": "app" }] }],
        "clusters": { "app": { "endpoints": [gone], "health_check": { "type": "tcp" } } },
    }));
    await_flags(&proxy, "/failed_active_hc");
    assert_eq!(proxy.stat("cluster.app.health_check.attempt"), 1);
    assert_eq!(proxy.stat("cluster.app.health_check.network_failure"), 1);
}

#[test]
fn the_filter_answers_for_the_proxy_and_its_clusters() {
    let upstream = Upstream::start();
    let filter = json!({ "type": "health_check", "path": "/ready", "cluster_min_healthy_percentages": { "app": 100 } });
    let proxy = checked(&upstream, &json!({ "filters": [filter] }), None);
    let mut check = asked(&upstream, None);
    let told = |proxy: &Proxy| {
        let response = proxy.get("/ready");
        assert_eq!(response.head.get("x-envoy-upstream-healthchecked-cluster"), Some("edge"));
        let mut text = response.status().to_string();
        if response.head.get("x-envoy-degraded").is_some() {
            write!(text, " degraded").unwrap();
        }
        text
    };
    let await_told = |expected: &str| eventually(expected, || (told(&proxy) == expected).then_some(()));
    assert_eq!(told(&proxy), "503", "no host has been checked");
    check.send(OK);
    await_told("200");
    let check = answer(&upstream, Some(check), &OK.replace("\r\n\r\n", "\r\nx-envoy-degraded: \r\n\r\n"));
    await_told("200 degraded");
    let check = answer(&upstream, Some(check), OK);
    await_told("200");

    assert_eq!(proxy.admin("POST", "/healthcheck/fail").status(), 200);
    assert_eq!(told(&proxy), "503");
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut server = upstream.accept();
    server.message();
    server.send(OK);
    let response = client.message();
    assert_eq!((response.status(), response.head.get("x-envoy-immediate-health-check-fail")), (200, Some("true")));
    assert_eq!(proxy.admin("POST", "/healthcheck/ok").status(), 200);
    assert_eq!(told(&proxy), "200");
    drop(answer(&upstream, Some(check), UNAVAILABLE));
    await_told("503");
}

#[test]
fn a_reload_keeps_what_is_known_of_hosts() {
    let directory = crate::harness::Directory::new("health-reload");
    let file = directory.path("nuncio.json");
    let (one, other) = (Upstream::start(), Upstream::start());
    let config = |endpoints: &[&Upstream], checked: bool| {
        let endpoints: Vec<String> = endpoints.iter().map(|upstream| upstream.address()).collect();
        let mut cluster = json!({ "endpoints": endpoints });
        if checked {
            cluster["health_check"] =
                json!({ "type": "http", "path": "/healthz", "timeout": "20s", "no_traffic_interval": "1h" });
        }
        json!({ "listeners": [{ "routes": [{ "cluster": "app" }] }], "clusters": { "app": cluster } })
    };
    let proxy = Proxy::watching(&file, config(&[&one], true));
    answer(&one, None, UNAVAILABLE);
    await_flags(&proxy, "/failed_active_hc");
    proxy.rewrite(&file, config(&[&one, &other], true));
    // The new host is checked; what was unhealthy stays so until its next check, which is due at once.
    let mut check = asked(&other, None);
    let again = asked(&one, None);
    let text = proxy.admin("GET", "/clusters").text().to_owned();
    assert!(text.contains(&format!("{}::health_flags::/failed_active_hc", one.address())), "{text}");
    assert!(text.contains(&format!("{}::health_flags::/pending_active_hc", other.address())), "{text}");
    check.send(OK);
    proxy.await_stat("cluster.app.health_check.healthy", 1);
    drop(again);
    proxy.rewrite(&file, config(&[&one, &other], false));
    eventually("nobody is checked, and all are taken", || {
        let text = proxy.admin("GET", "/clusters").text().to_owned();
        (text.matches("::health_flags::healthy").count() == 2).then_some(())
    });
}

#[test]
fn a_host_may_say_itself_that_it_is_not_healthy() {
    let upstream = Upstream::start();
    let proxy = checked(&upstream, &json!({}), None);
    let check = answer(&upstream, None, OK);
    await_flags(&proxy, "healthy");
    // The next check waits for its answer meanwhile.
    let mut check = asked(&upstream, Some(check));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut server = upstream.accept();
    server.message();
    server.send(OK.replace("\r\n\r\n", "\r\nx-envoy-immediate-health-check-fail: true\r\n\r\n"));
    assert_eq!(client.message().status(), 200);
    await_flags(&proxy, "/failed_active_hc");
    proxy.await_stat("cluster.app.health_check.passive_failure", 1);
    proxy.await_stat("cluster.app.membership_healthy", 0);
    // It takes as many answers as after any other failure.
    check.send(OK);
    let mut check = asked(&upstream, Some(check));
    assert_eq!(flags(&proxy), "/failed_active_hc");
    check.send(OK);
    await_flags(&proxy, "healthy");
}
