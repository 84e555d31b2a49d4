//! An upstream that cannot be reached: refused, or silent.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Clock, Proxy, Server, blackhole, closed_port};

#[test]
fn refused_is_a_503_and_the_client_may_go_on() {
    let proxy = Proxy::start(json!({
        "listeners": [{ "routes": [{ "cluster": "app" }] }],
        "clusters": { "app": { "endpoints": [closed_port()] } },
    }));
    let mut client = proxy.client();
    for _ in 0..2 {
        client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody");
        let response = client.message();
        assert_eq!((response.status(), response.text()), (503, "upstream connect error\n"));
    }
    assert_eq!(proxy.stat("cluster.app.upstream_cx_connect_fail"), 2);
    assert_eq!(proxy.stat("cluster.app.upstream_cx_active"), 0);
}

#[test]
fn silence_is_a_503_after_the_connect_timeout_and_holds_up_nobody() {
    let (silent, _guard) = blackhole();
    let alive = Server::answering("alive");
    let proxy = Proxy::start(json!({
        "listeners": [{ "routes": [{ "match": { "path": "/alive" }, "cluster": "alive" }, { "cluster": "silent" }] }],
        "clusters": {
            "silent": { "endpoints": [silent], "connect_timeout": "300ms" },
            "alive": { "endpoints": [alive.address()] },
        },
    }));
    let mut client = proxy.client();
    let clock = Clock::start();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(proxy.get("/alive").text(), "alive");
    assert_eq!(client.message().status(), 503);
    assert!(clock.elapsed() >= Duration::from_millis(300), "{:?}", clock.elapsed());
    assert!(clock.elapsed() < Duration::from_secs(4), "{:?}", clock.elapsed());
    assert_eq!(proxy.stat("cluster.silent.upstream_cx_connect_timeout"), 1);
}
