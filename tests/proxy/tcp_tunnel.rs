//! Connections that are carried through a proxy behind this one: a CONNECT first, then bytes.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Proxy, Upstream, Wire, closed_port};

const QUIET: Duration = Duration::from_millis(100);

fn tunnelling(upstream: &Upstream, cluster: Value) -> Proxy {
    let tcp = json!({ "tunnel": { "host": "target.example:443" } });
    Proxy::between(upstream, json!({ "protocol": "tcp", "tcp": tcp }), cluster)
}

/// The other proxy's end, the CONNECT being read.
fn asked(upstream: &Upstream) -> Wire {
    let mut server = upstream.accept();
    let head = server.head();
    assert_eq!(head.start, "CONNECT target.example:443 HTTP/1.1");
    assert_eq!(head.get("host"), Some("target.example:443"));
    server
}

#[test]
fn bytes_flow_behind_a_2xx() {
    let upstream = Upstream::start();
    let proxy = tunnelling(&upstream, json!({}));
    for answer in
        ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 299 Fine\r\ncontent-length: 9\r\n\r\n"]
    {
        let mut client = proxy.client();
        client.send("early");
        let mut server = asked(&upstream);
        server.expect_silence(QUIET);
        // What stands behind the head is the tunnel's.
        server.send(format!("{answer}220 ready\r\n"));
        client.expect("220 ready\r\n");
        server.expect("early");
        client.send("more");
        server.expect("more");
        client.finish();
        server.expect_closed();
        server.send("last");
        client.expect("last");
        server.finish();
        client.expect_closed();
    }
    proxy.await_stat("tcp.listener-0.downstream_cx_active", 0);
    assert_eq!(proxy.stat("tcp.listener-0.downstream_cx_tx_bytes_total"), 2 * "220 ready\r\nlast".len() as u64);
    assert_eq!(proxy.stat("cluster.app.upstream_cx_connect_fail"), 0);
}

#[test]
fn a_head_may_come_in_pieces() {
    let upstream = Upstream::start();
    let proxy = tunnelling(&upstream, json!({}));
    let mut client = proxy.client();
    let mut server = asked(&upstream);
    for byte in b"HTTP/1.1 200 OK\r\na: b\r\n\r\n" {
        server.send([*byte]);
        std::thread::yield_now();
    }
    client.expect_silence(QUIET);
    server.send("x");
    client.expect("x");
}

#[test]
fn any_other_answer_closes_and_asks_nobody_else() {
    let upstream = Upstream::start();
    let proxy = tunnelling(&upstream, json!({}));
    let answers = [
        "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 302 Found\r\nlocation: /\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        "SSH-2.0-x\r\n",
        "",
    ];
    for (at, answer) in answers.iter().enumerate() {
        let mut client = proxy.client();
        client.send("early");
        let mut server = asked(&upstream);
        server.send(answer);
        server.finish();
        client.expect_gone();
        server.expect_gone();
        assert_eq!(proxy.stat("cluster.app.upstream_cx_connect_fail"), at as u64 + 1);
    }
    upstream.expect_nobody(QUIET);
}

#[test]
fn a_head_has_a_limit() {
    let upstream = Upstream::start();
    let proxy = tunnelling(&upstream, json!({}));
    let mut client = proxy.client();
    let mut server = asked(&upstream);
    let _ = server.try_send(format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "x".repeat(70_000)));
    client.expect_gone();
}

#[test]
fn bytes_that_nobody_asked_for_are_no_answer() {
    let upstream = Upstream::start();
    let proxy = tunnelling(&upstream, json!({}));
    let mut client = proxy.client();
    let mut server = upstream.accept();
    server.send("220 ready\r\n");
    client.expect_gone();
}

#[test]
fn an_answer_that_does_not_come_is_not_waited_for() {
    let upstream = Upstream::start();
    let proxy = tunnelling(&upstream, json!({ "connect_timeout": "200ms" }));
    let mut client = proxy.client();
    let mut server = asked(&upstream);
    server.send("HTTP/1.1 200 ");
    client.expect_gone();
    server.expect_gone();
    assert_eq!(proxy.stat("cluster.app.upstream_cx_connect_timeout"), 1);
    upstream.expect_nobody(QUIET);

    // Nor is the client waited for that goes meanwhile.
    let proxy = tunnelling(&upstream, json!({}));
    let client = proxy.client();
    let mut server = asked(&upstream);
    client.reset();
    server.expect_gone();
    proxy.await_stat("tcp.listener-0.downstream_cx_active", 0);
}

#[test]
fn another_proxy_is_asked_when_one_cannot_be_reached() {
    let upstream = Upstream::start();
    let listener = json!({ "protocol": "tcp", "routes": [{ "cluster": "app" }], "tcp": { "tunnel": { "host": "target.example:443" } } });
    let clusters = json!({ "app": { "endpoints": [closed_port(), upstream.address()] } });
    let proxy = Proxy::start(json!({ "listeners": [listener], "clusters": clusters }));
    let mut client = proxy.client();
    asked(&upstream).send("HTTP/1.1 200 OK\r\n\r\nx");
    client.expect("x");
}

/// One proxy asks, and one ends what it is asked for: the bytes come out as they went in.
#[test]
fn two_proxies_make_a_tunnel() {
    let upstream = Upstream::start();
    let far = Proxy::between(
        &upstream,
        json!({ "routes": [{ "match": { "host": "target.example" }, "cluster": "app", "upgrades": "connect", "connect": "terminate" }] }),
        json!({}),
    );
    let tcp = json!({ "protocol": "tcp", "routes": [{ "cluster": "far" }], "tcp": { "tunnel": { "host": "target.example:443" } } });
    let clusters = json!({ "far": { "endpoints": [far.listener(0).to_string()] } });
    let near = Proxy::start(json!({ "listeners": [tcp], "clusters": clusters }));
    let mut client = near.client();
    client.send("question");
    let mut server = upstream.accept();
    server.expect("question");
    client.finish();
    server.expect_closed();
    server.send("answer");
    server.finish();
    assert_eq!(client.rest().0, b"answer");
}
