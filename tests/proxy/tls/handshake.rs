//! Handshakes that come to nothing: what is no TLS, what stops half-way, what takes too long, and a drain in the middle.

use std::time::Duration;

use serde_json::{Value, json};

use super::{NO_CONTENT, SITE, ask, pair, site};
use crate::harness::tls::{VERSIONS, client};
use crate::harness::{Clock, Proxy, Server, Upstream};

/// A hello of a real client.
fn hello() -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/tls_hello/openssl_tls13.bin");
    std::fs::read(path).expect("a hello")
}

fn impatient() -> Value {
    json!({ "tls": { "certificates": pair("site"), "handshake_timeout": "300ms" } })
}

#[test]
fn plain_text_is_closed_without_an_answer() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, json!({ "tls": site() }), json!({}));
    for bytes in
        ["GET / HTTP/1.1\r\nhost: a\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\0", "\x15\x03\x03\0\x02\x01\0"]
    {
        let mut client = proxy.client();
        client.send(bytes);
        client.expect_gone();
    }
    // The beginning of a handshake record, and nothing that fits.
    let mut client = proxy.client();
    client.send(b"\x16\x03\x01\0\x05hello");
    client.rest();
    proxy.await_stat("listener.127.0.0.1_0.ssl.connection_error", 5);
    assert_eq!(proxy.stat("http.listener-0.downstream_cx_total"), 0);
    upstream.expect_nobody(Duration::from_millis(20));
}

#[test]
fn silence_ends_with_the_time() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, impatient(), json!({}));
    let hello = hello();
    let halves = [&hello[..0], &hello[..1], &hello[..5], &hello[..hello.len() / 2], &hello[..hello.len() - 1]];
    let clock = Clock::start();
    let mut clients: Vec<_> = halves
        .iter()
        .map(|half| {
            let mut client = proxy.client();
            client.send(half);
            client
        })
        .collect();
    clients.iter_mut().for_each(|client| client.expect_gone());
    assert!(clock.elapsed() >= Duration::from_millis(290), "{:?}", clock.elapsed());
    // A whole hello and nothing after it: the server has spoken, and then it is over.
    let mut client = proxy.client();
    client.send(&hello);
    assert_eq!(client.rest().0[0], 22, "a handshake record");
    proxy.await_stat("listener.127.0.0.1_0.ssl.handshake_timeout", 6);
    proxy.await_stat("listener.127.0.0.1_0.ssl.handshake_active", 0);
    proxy.await_stat("listener.127.0.0.1_0.downstream_cx_active", 0);
}

#[test]
fn a_client_that_goes_in_the_middle_leaves_nothing() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, json!({ "tls": site() }), json!({}));
    for reset in [false, true] {
        let mut client = proxy.client();
        client.send(&hello()[..100]);
        proxy.await_stat("listener.127.0.0.1_0.ssl.handshake_active", 1);
        if reset {
            client.reset()
        } else {
            drop(client)
        }
        proxy.await_stat("listener.127.0.0.1_0.ssl.handshake_active", 0);
    }
    proxy.await_stat("listener.127.0.0.1_0.ssl.connection_error", 2);
}

#[test]
fn the_hello_may_come_in_pieces() {
    use std::io::{Read, Write};
    let server = Server::answering("ok");
    let mut config = json!({ "listeners": [{ "tls": site(), "routes": [{ "cluster": "app" }] }] });
    config["clusters"] = json!({ "app": { "endpoints": [server.address()] } });
    let proxy = Proxy::start(config);
    // A tunnel that hands on what the client says byte by byte.
    let tunnel = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (near, far) = (tunnel.local_addr().unwrap(), proxy.listener(0));
    let carry = std::thread::spawn(move || {
        let (mut client, _) = tunnel.accept().unwrap();
        let mut proxy = std::net::TcpStream::connect(far).unwrap();
        proxy.set_nodelay(true).unwrap();
        let (mut back, mut answers) = (client.try_clone().unwrap(), proxy.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut answers, &mut back));
        let mut byte = [0];
        while client.read(&mut byte).is_ok_and(|read| read > 0) && proxy.write_all(&byte).is_ok() {}
    });
    let mut client = Proxy::tls_to(near, &client(&VERSIONS, &["http/1.1"], None), SITE).unwrap();
    ask(&mut client, "/");
    assert_eq!(client.message().text(), "ok");
    drop(client);
    carry.join().unwrap();
}

#[test]
fn a_drain_does_not_wait_for_handshakes() {
    let upstream = Upstream::start();
    let mut config = json!({ "listeners": [{ "tls": site(), "routes": [{ "cluster": "app" }] }], "drain_time": "20s" });
    config["clusters"] = json!({ "app": { "endpoints": [upstream.address()] } });
    let proxy = Proxy::start(config);
    let (mut silent, mut half) = (proxy.client(), proxy.client());
    half.send(&hello()[..100]);
    let mut busy = proxy.tls(&client(&VERSIONS, &["http/1.1"], None), SITE);
    ask(&mut busy, "/");
    let mut server = upstream.accept();
    server.head();
    proxy.await_stat("listener.127.0.0.1_0.ssl.handshake_active", 2);
    let clock = Clock::start();
    proxy.quit();
    silent.expect_gone();
    half.expect_gone();
    assert!(clock.elapsed() < Duration::from_secs(9), "before the handshake times out: {:?}", clock.elapsed());
    server.send(NO_CONTENT);
    let head = busy.head();
    assert_eq!((head.status(), head.get("connection")), (204, Some("close")));
    busy.expect_closed();
    proxy.join();
}
