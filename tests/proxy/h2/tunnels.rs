//! Tunnels over streams: WebSocket by extended CONNECT (RFC 8441), and plain CONNECT (RFC 9113 section 8.5, row S-16).

use std::time::Duration;

use serde_json::{Value, json};

use super::h2_cluster;
use crate::harness::h2::{CANCEL, ENABLE_CONNECT_PROTOCOL, H2, NO_ERROR, OK, PROTOCOL_ERROR};
use crate::harness::{End, Proxy, Upstream};

/// RFC 6455 section 1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const QUIET: Duration = Duration::from_millis(100);

const EXTENDED: &[(&str, &str)] = &[
    (":method", "CONNECT"),
    (":protocol", "websocket"),
    (":scheme", "http"),
    (":path", "/chat"),
    (":authority", "a"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-protocol", "chat"),
];
const CONNECT: &[(&str, &str)] = &[(":method", "CONNECT"), (":authority", "db.example:5432")];

fn websocket() -> Value {
    json!({ "routes": [{ "cluster": "app", "upgrades": ["websocket"] }] })
}

fn connect() -> Value {
    json!({ "routes": [{ "cluster": "app", "upgrades": ["connect"] }] })
}

/// RFC 9220 section 3. Where no route takes a protocol, `:protocol` itself is not known: that is a malformed request.
#[test]
fn a_protocol_that_is_not_known_is_answered_501() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, websocket(), json!({}));
    let mut client = proxy.h2();
    let protocols = ["connect-udp", "connect-ip", "h2c", "a-protocol-with-a-long-name"];
    for (stream, protocol) in (1..).step_by(2).zip(protocols) {
        let mut fields = EXTENDED.to_vec();
        fields[1].1 = protocol;
        client.headers(stream, &fields, false);
        assert_eq!(client.response(stream).0.status(), 501, "{protocol}");
        // The rest of the request is not waited for.
        assert_eq!(client.expect_reset(stream), NO_ERROR, "{protocol}");
    }
    let count = protocols.len() as u64;
    for name in ["downstream_rq_http2_total", "downstream_rq_completed", "downstream_rq_5xx"] {
        proxy.await_stat(&format!("http.listener-0.{name}"), count);
    }
    assert_eq!(proxy.stat("http.listener-0.downstream_cx_upgrades_total"), 0);
    assert_eq!(proxy.stat("cluster.app.upstream_cx_total"), 0);

    let proxy = Proxy::to(&upstream);
    let mut client = proxy.h2();
    client.headers(1, EXTENDED, false);
    assert_eq!(client.expect_reset(1), PROTOCOL_ERROR);
}

/// The proof of a key, by the one test vector that is at hand: a server that knows its key only at run time needs SHA-1.
fn accept_of(key: &str) -> String {
    let mut input = key.as_bytes().to_vec();
    input.extend_from_slice(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &input);
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    // 20 bytes: six groups of three, and one of two.
    let mut padded = digest.as_ref().to_vec();
    padded.push(0);
    let mut text = String::new();
    for group in padded.chunks(3) {
        let bits = u32::from(group[0]) << 16 | u32::from(group[1]) << 8 | u32::from(group[2]);
        text.extend([18, 12, 6, 0].map(|shift| char::from(alphabet[(bits >> shift & 63) as usize])));
    }
    text.pop();
    text + "="
}

#[test]
fn the_proof_of_the_test_itself() {
    assert_eq!(accept_of(KEY), ACCEPT);
}

#[test]
fn extended_connect_is_announced_where_a_route_takes_it() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, websocket(), json!({}));
    assert_eq!(proxy.h2().settings.get(&ENABLE_CONNECT_PROTOCOL), Some(&1));
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.h2();
    assert!(client.settings.get(&ENABLE_CONNECT_PROTOCOL).is_none_or(|value| *value == 0));
    // RFC 8441 section 3: whoever was not told of it must not use it.
    client.headers(1, EXTENDED, false);
    assert_eq!(client.expect_reset(1), PROTOCOL_ERROR);
}

#[test]
fn a_websocket_from_h2_to_h1() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, websocket(), json!({}));
    let mut client = proxy.h2();
    client.headers(1, EXTENDED, false);
    client.data(1, "early", false);
    let mut server = upstream.accept();
    let head = server.head();
    assert_eq!(head.start, "GET /chat HTTP/1.1");
    assert_eq!((head.get("connection"), head.get("upgrade")), (Some("upgrade"), Some("websocket")));
    assert_eq!((head.get("sec-websocket-protocol"), head.get("content-length")), (Some("chat"), None));
    let key = head.get("sec-websocket-key").expect("a key of the proxy's").to_owned();
    assert_eq!(key.len(), 24);
    // What comes before the switch is held.
    server.expect_silence(QUIET);
    server.send(format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {}\r\n\
         sec-websocket-protocol: chat\r\n\r\nhello",
        accept_of(&key)
    ));
    let head = client.expect_headers(1);
    assert_eq!((head.status(), head.end, head.get("sec-websocket-protocol")), (200, false, Some("chat")));
    for name in ["sec-websocket-accept", "connection", "upgrade", "content-length"] {
        assert_eq!(head.get(name), None, "{head:?}");
    }
    client.expect_data(1, "hello", false);
    server.expect("early");
    client.data(1, "more", false);
    server.expect("more");
    // Each way ends alone.
    client.data(1, "", true);
    server.expect_closed();
    server.send("still here");
    client.expect_data(1, "still here", false);
    server.finish();
    client.expect_data(1, "", true);
    proxy.await_stat("http.listener-0.downstream_cx_upgrades_active", 0);
    client.sync();
}

/// RFC 6455 section 4.1, item 4: a server that cannot prove that it understood is none.
#[test]
fn a_wrong_proof_is_a_502() {
    for accept in ["sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", ""] {
        let upstream = Upstream::start();
        let proxy = Proxy::between(&upstream, websocket(), json!({}));
        let mut client = proxy.h2();
        client.headers(1, EXTENDED, false);
        let mut server = upstream.accept();
        server.head();
        server.send(format!(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n{accept}\r\n"
        ));
        assert_eq!(client.response(1).0.status(), 502, "{accept:?}");
        server.expect_gone();
    }
}

fn h1_client(proxy: &Proxy) -> crate::harness::Wire {
    let mut client = proxy.client();
    client.send(format!(
        "GET /chat HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: {KEY}\r\n\r\n"
    ));
    client
}

fn extended_server(upstream: &Upstream) -> H2 {
    upstream.accept_h2_with(&[(ENABLE_CONNECT_PROTOCOL, 1)])
}

#[test]
fn a_websocket_from_h1_to_h2() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, websocket(), h2_cluster());
    let mut client = h1_client(&proxy);
    client.send("early");
    let mut server = extended_server(&upstream);
    let (stream, head) = server.expect_request();
    assert!(!head.end);
    assert_eq!(
        head.without(&["x-request-id", "x-forwarded-for", "x-forwarded-proto"]),
        ":method: CONNECT\n:scheme: http\n:authority: a\n:path: /chat\n:protocol: websocket\nsec-websocket-version: 13"
    );
    server.expect_silence(QUIET);
    server.headers(stream, OK, false);
    let head = client.head();
    assert_eq!((head.status(), head.get("upgrade"), head.get("connection")), (101, Some("websocket"), Some("upgrade")));
    assert_eq!(head.get("sec-websocket-accept"), Some(ACCEPT));
    server.expect_data(stream, "early", false);
    server.data(stream, "hello", false);
    client.expect("hello");
    client.send("more");
    server.expect_data(stream, "more", false);
    server.data(stream, "", true);
    client.expect_closed();
    client.send("still here");
    server.expect_data(stream, "still here", false);
    client.finish();
    server.expect_data(stream, "", true);
    proxy.await_stat("http.listener-0.downstream_cx_upgrades_active", 0);
}

#[test]
fn a_websocket_from_h2_to_h2() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, websocket(), h2_cluster());
    let mut client = proxy.h2();
    client.headers(1, EXTENDED, false);
    client.data(1, "early", false);
    let mut server = extended_server(&upstream);
    let (stream, head) = server.expect_request();
    assert_eq!((head.get(":protocol"), head.get("sec-websocket-key")), (Some("websocket"), None));
    server.expect_silence(QUIET);
    server.headers(stream, OK, false);
    assert_eq!(client.expect_headers(1).status(), 200);
    server.expect_data(stream, "early", false);
    server.data(stream, "hello", false);
    client.expect_data(1, "hello", false);
    // An end that dies takes the tunnel with it.
    client.reset(1, CANCEL);
    assert_eq!(server.expect_reset(stream), CANCEL);

    // Another answer is an answer.
    client.headers(3, EXTENDED, false);
    let (stream, _) = server.expect_request();
    server.headers(stream, &[(":status", "426")], true);
    assert_eq!(client.expect_headers(3).status(), 426);
}

#[test]
fn a_host_that_takes_no_extended_connect_is_not_asked() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, websocket(), h2_cluster());
    let mut client = h1_client(&proxy);
    let mut server = upstream.accept_h2();
    assert_eq!(client.message().status(), 502);
    server.expect_silence(QUIET);
}

#[test]
fn a_route_that_allows_no_websocket_says_403() {
    let upstream = Upstream::start();
    let routes = json!([
        { "match": { "path": "/chat" }, "cluster": "app" },
        { "cluster": "app", "upgrades": ["websocket"] },
    ]);
    let proxy = Proxy::between(&upstream, json!({ "routes": routes }), json!({}));
    let mut client = proxy.h2();
    client.headers(1, EXTENDED, false);
    assert_eq!(client.response(1).0.status(), 403);
    upstream.expect_nobody(Duration::from_millis(50));
}

#[test]
fn connect_is_refused_where_no_route_allows_it() {
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.h2();
    client.headers(1, CONNECT, false);
    client.data(1, "bytes for a tunnel", false);
    let (head, _) = client.response(1);
    assert_eq!(head.status(), 405);
    assert!(head.get("allow").is_some());
    upstream.expect_nobody(Duration::from_millis(50));
    client.get(3, "/");
    upstream.accept().head();
}

#[test]
fn a_connect_becomes_a_tunnel_with_2xx_only() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, connect(), json!({}));
    let mut client = proxy.h2();
    client.headers(1, CONNECT, false);
    client.data(1, "early", false);
    let mut server = upstream.accept();
    let head = server.head();
    assert_eq!((head.start.as_str(), head.get("host")), ("CONNECT db.example:5432 HTTP/1.1", Some("db.example:5432")));
    server.expect_silence(QUIET);
    server.send("HTTP/1.1 200 OK\r\n\r\n");
    let head = client.expect_headers(1);
    assert_eq!((head.status(), head.end, head.get("content-length")), (200, false, None));
    server.expect("early");
    server.send("late");
    client.expect_data(1, "late", false);
    client.data(1, "", true);
    server.expect_closed();
    server.finish();
    client.expect_data(1, "", true);

    client.headers(3, CONNECT, false);
    client.data(3, "early", false);
    let mut server = upstream.accept();
    server.head();
    server.send("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno");
    let (head, body) = client.response(3);
    assert_eq!((head.status(), &*body), (403, "no"));
    server.expect_gone();
}

#[test]
fn a_connect_from_h2_to_h2() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, connect(), h2_cluster());
    let mut client = proxy.h2();
    client.headers(1, CONNECT, false);
    client.data(1, "early", false);
    let mut server = upstream.accept_h2();
    let (stream, head) = server.expect_request();
    assert_eq!(
        (head.get(":method"), head.get(":authority"), head.end),
        (Some("CONNECT"), Some("db.example:5432"), false)
    );
    assert_eq!((head.get(":scheme"), head.get(":path")), (None, None));
    server.expect_silence(QUIET);
    server.headers(stream, OK, false);
    client.expect_headers(1);
    server.expect_data(stream, "early", false);
    server.data(stream, "late", true);
    client.expect_data(1, "late", true);
    client.data(1, "more", true);
    server.expect_data(stream, "more", true);
    client.sync();
}

/// Over HTTP/2, whatever the hosts of the cluster speak.
#[test]
fn a_connect_that_ends_here_carries_bytes_to_a_host() {
    let upstream = Upstream::start();
    let listener = json!({ "routes": [{ "cluster": "app", "upgrades": ["connect"], "connect": "terminate" }] });
    let proxy = Proxy::between(&upstream, listener, h2_cluster());
    let mut client = proxy.h2();
    for (stream, client_first) in [(1, true), (3, false)] {
        client.headers(stream, CONNECT, false);
        client.data(stream, "early", false);
        let mut server = upstream.accept();
        let head = client.expect_headers(stream);
        assert_eq!((head.status(), head.end, head.get("content-length")), (200, false, None));
        server.expect("early");
        server.send("late");
        client.expect_data(stream, "late", false);
        if client_first {
            client.data(stream, "", true);
            server.expect_closed();
            server.send("last");
            server.finish();
            client.expect_data(stream, "last", true);
        } else {
            server.finish();
            client.expect_data(stream, "", true);
            client.data(stream, "last", true);
            server.expect("last");
            server.expect_closed();
        }
    }
    client.headers(5, CONNECT, false);
    let mut server = upstream.accept();
    client.expect_headers(5);
    client.reset(5, CANCEL);
    assert!(server.rest().1 == End::Reset);
    client.headers(7, CONNECT, false);
    let server = upstream.accept();
    client.expect_headers(7);
    server.reset();
    client.expect_reset(7);
    // An end that comes with the head is one behind no byte.
    client.headers(9, CONNECT, true);
    let mut server = upstream.accept();
    client.expect_headers(9);
    server.expect_closed();
    server.send("all");
    server.finish();
    client.expect_data(9, "all", true);
}
