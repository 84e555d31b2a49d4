//! Several chains on one listener: the TLS hello and the addresses decide, and nothing of what was looked at is lost.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::harness::{Proxy, Upstream};

/// A hello of a real client, which asks for `name`.
fn hello(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/tls_hello").join(name)).expect("a hello")
}

#[test]
fn tls_is_passed_through_by_its_name() {
    let bytes = hello("openssl_tls13.bin");
    let nuncio_tls_hello::Peeked::Hello(parsed) = nuncio_tls_hello::peek(&bytes).expect("a hello") else {
        panic!("no hello")
    };
    let name = parsed.server_name.expect("a name");
    let (one, other) = (Upstream::start(), Upstream::start());
    let listener = json!({ "protocol": "tcp", "routes": [
        { "match": { "sni": "no.such.name" }, "cluster": "other" },
        { "match": { "sni": name }, "cluster": "one" },
        { "cluster": "other" },
    ]});
    let clusters = json!({ "one": { "endpoints": [one.address()] }, "other": { "endpoints": [other.address()] } });
    let proxy = Proxy::start(json!({ "listeners": [listener], "clusters": clusters }));
    for cut in [1, 5, 6, 40, bytes.len() - 1, bytes.len()] {
        let mut client = proxy.client();
        client.send(&bytes[..cut]);
        if cut < bytes.len() {
            one.expect_nobody(Duration::from_millis(20));
            client.send(&bytes[cut..]);
        }
        let mut server = one.accept();
        server.expect(&bytes);
        server.send("answer");
        client.expect("answer");
    }
    let mut client = proxy.client();
    client.send("no hello at all");
    other.accept().expect("no hello at all");
}

#[test]
fn chains_differ_in_all_they_do() {
    let upstream = Upstream::start();
    let listener = json!({ "name": "mixed", "chains": [
        { "name": "bytes", "match": { "transport": "tls" }, "protocol": "tcp", "routes": [{ "cluster": "app" }] },
        { "match": { "source": "127.0.0.0/8" }, "routes": [{ "respond": { "status": 200, "body": "plain" } }] },
    ]});
    let clusters = json!({ "app": { "endpoints": [upstream.address()] } });
    let proxy = Proxy::start(json!({ "listeners": [listener], "clusters": clusters }));
    assert_eq!(proxy.get("/").text(), "plain");
    let bytes = hello("openssl_tls13.bin");
    let mut client = proxy.client();
    client.send(&bytes);
    upstream.accept().expect(&bytes);
    assert_eq!(proxy.stat("tcp.bytes.downstream_cx_total"), 1);
    assert_eq!(proxy.stat("http.mixed/1.downstream_rq_total"), 1);
    assert_eq!(proxy.stat("listener.127.0.0.1_0.downstream_cx_total"), 2);
}

#[test]
fn what_no_chain_takes_is_closed() {
    let routes = json!([{ "respond": { "status": 200 } }]);
    let listener = json!({ "chains": [{ "match": { "sni": "a.example" }, "routes": routes }] });
    let proxy = Proxy::start(json!({ "listeners": [listener] }));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nhost: a.example\r\n\r\n");
    client.expect_gone();
    assert_eq!(proxy.stat("listener.127.0.0.1_0.no_filter_chain_match"), 1);
}
