//! `outlier_detection` of a cluster: hosts that serve badly are left out for a while.

use serde_json::{Value, json};

use crate::harness::{LogFile, Proxy, Server, Upstream, closed_port, eventually};

const STATS: &str = "cluster.app.outlier_detection";

/// A host that answers every request with 500.
fn failing() -> Proxy {
    Proxy::start(json!({ "listeners": [{ "routes": [{ "respond": { "status": 500 } }] }] }))
}

fn proxy(endpoints: Value, outlier_detection: Value) -> Proxy {
    Proxy::start(json!({
        "listeners": [{ "routes": [{ "cluster": "app" }] }],
        "clusters": { "app": { "endpoints": endpoints, "outlier_detection": outlier_detection } },
    }))
}

/// Asks until the counter has this value, at least.
fn ask_until(proxy: &Proxy, stat: &str, value: u64) {
    eventually(stat, || {
        proxy.get("/");
        (proxy.stat(&format!("{STATS}.{stat}")) >= value).then_some(())
    });
}

#[test]
fn a_failing_host_is_left_out_until_its_time_is_over() {
    let (bad, good) = (failing(), Server::answering("good"));
    let endpoints = json!([bad.listener(0).to_string(), good.address()]);
    let proxy = proxy(endpoints, json!({ "consecutive_5xx": 3, "base_ejection_time": "1h" }));
    ask_until(&proxy, "ejections_active", 1);
    let failed = proxy.stat("cluster.app.upstream_rq_500");
    assert!(failed >= 3);
    for _ in 0..20 {
        assert_eq!(proxy.get("/").text(), "good");
    }
    assert_eq!(proxy.stat("cluster.app.upstream_rq_500"), failed);
    for (stat, value) in [
        ("outlier_detection.ejections_enforced_total", 1),
        ("outlier_detection.ejections_enforced_consecutive_5xx", 1),
        ("outlier_detection.ejections_detected_consecutive_5xx", 1),
        ("outlier_detection.ejections_overflow", 0),
    ] {
        assert_eq!(proxy.stat(&format!("cluster.app.{stat}")), value, "{stat}");
    }
}

#[test]
fn it_returns_and_is_judged_again() {
    let (bad, good) = (failing(), Server::answering("good"));
    let log = LogFile::new("outliers");
    let proxy = proxy(
        json!([bad.listener(0).to_string(), good.address()]),
        json!({ "base_ejection_time": "20ms", "log": { "path": &log.0 } }),
    );
    ask_until(&proxy, "ejections_enforced_total", 2);
    let events: Vec<Value> = log.lines(3).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let actions: Vec<_> = events.iter().map(|event| event["action"].as_str().unwrap()).collect();
    assert_eq!(actions[..3], ["EJECT", "UNEJECT", "EJECT"]);
    assert_eq!(events[0]["upstream_url"], bad.listener(0).to_string());
    assert_eq!(events[0]["type"], "CONSECUTIVE_5XX");
    assert_eq!(events[2]["num_ejections"], 2);
}

#[test]
fn the_last_host_stays() {
    let hosts = [failing(), failing()];
    let endpoints = json!(hosts.each_ref().map(|host| host.listener(0).to_string()));
    let proxy = proxy(endpoints, json!({ "max_ejection_percent": 100, "base_ejection_time": "1h" }));
    ask_until(&proxy, "ejections_overflow", 3);
    assert_eq!(proxy.stat(&format!("{STATS}.ejections_active")), 1);
    assert_eq!(proxy.get("/").status(), 500, "of the host");
}

#[test]
fn an_answer_that_breaks_off_is_none() {
    let hosts = [Upstream::start(), Upstream::start()];
    let endpoints = json!(hosts.each_ref().map(Upstream::address));
    let proxy = proxy(endpoints, json!({ "consecutive_5xx": 3, "base_ejection_time": "1h" }));
    // At the latest the fifth is the third of one of them.
    for _ in 0..5 {
        let mut client = proxy.client();
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        let mut server = Upstream::accept_of(hosts.each_ref());
        server.head();
        server.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
        drop(server);
        client.rest();
    }
    proxy.await_stat(&format!("{STATS}.ejections_active"), 1);
}

#[test]
fn a_host_that_refuses_proxied_connections_is_left_out() {
    let (closed, good) = (closed_port(), Server::answering("good"));
    let proxy = Proxy::start(json!({
        "listeners": [{ "protocol": "tcp", "routes": [{ "cluster": "app" }], "tcp": { "max_connect_attempts": 2 } }],
        "clusters": { "app": {
            "endpoints": [closed, good.address()],
            "outlier_detection": {
                "split_external_local_origin_errors": true,
                "consecutive_local_origin_failure": 2,
                "base_ejection_time": "1h",
            },
        } },
    }));
    ask_until(&proxy, "ejections_enforced_consecutive_local_origin_failure", 1);
    let failed = proxy.stat("cluster.app.upstream_cx_connect_fail");
    for _ in 0..10 {
        assert_eq!(proxy.get("/").text(), "good");
    }
    assert_eq!(proxy.stat("cluster.app.upstream_cx_connect_fail"), failed);
    assert!(failed >= 2);
}
