//! Bytes that are not exactly one request are refused, and nothing of them reaches an upstream (rows S-1 to S-13, T-4, T-5 and
//! L-8, end to end; the codec's own tests have them all).

use serde_json::json;

use crate::harness::{Proxy, Upstream};

/// What stands behind each: it must not be taken for a request.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";

#[test]
fn they_are_answered_and_the_connection_closes() {
    let long = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "x".repeat(70_000));
    let many = format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: 1\r\n".repeat(101));
    let target = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "x".repeat(9000));
    let rows = [
        ("S-1", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("S-2", "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
        ("S-2", "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
        ("S-2", "POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("S-3", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +4\r\n\r\nbody", 400),
        ("S-3", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ncontent-length: 4\r\n\r\nbody", 400),
        ("S-7", "GET / HTTP/1.1\nhost: a\n\n", 400),
        ("S-7", "GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\n folded\r\n\r\n", 400),
        ("S-8", "GET / HTTP/1.1\r\nhost: a\r\nx: a\0b\r\n\r\n", 400),
        ("S-9", "GET / HTTP/1.1\r\nhost: a\r\ncontent-length : 4\r\n\r\nbody", 400),
        ("S-11", "GET  / HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        ("S-11", "GET / HTTP/1.2\r\nhost: a\r\n\r\n", 505),
        ("S-12", "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
        ("S-12", "GET / HTTP/1.1\r\n\r\n", 400),
        ("S-12", "GET http://b/ HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        ("T-4", "GET / HTTP/1.1\r\nhost: a\r\nx_forwarded_for: 1\r\n\r\n", 400),
        ("L-8", &long, 431),
        ("L-8", &many, 431),
        ("L-8", &target, 414),
    ];
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    for (row, request, status) in rows {
        let mut client = proxy.client();
        let _ = client.try_send(format!("{request}{SMUGGLED}"));
        let response = client.message();
        let shown = &request[..request.len().min(100)];
        assert_eq!((response.status(), response.head.get("connection")), (status, Some("close")), "{row}: {shown:?}");
        client.expect_gone();
    }
    assert_eq!(proxy.stat("cluster.app.upstream_cx_total"), 0);
}

#[test]
fn a_bad_body_ends_the_request_half_way() {
    for body in ["5\r\nabc\r\n0\r\n\r\n", "0x3\r\nabc\r\n0\r\n\r\n", "3\nabc\r\n0\r\n\r\n", "3 \r\nabc\r\n0\r\n\r\n"] {
        let upstream = Upstream::start();
        let proxy = Proxy::to(&upstream);
        let mut client = proxy.client();
        client.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
        let mut server = upstream.accept();
        server.head();
        client.send(format!("{body}{SMUGGLED}"));
        let response = client.message();
        assert_eq!((response.status(), response.head.get("connection")), (400, Some("close")), "{body:?}");
        let (sent, _) = server.rest();
        assert!(!sent.ends_with(b"0\r\n\r\n"), "{body:?}");
        assert_eq!(proxy.stat("cluster.app.upstream_rq_total"), 1);
    }
}

/// Row T-5: routed, logged and forwarded are the same bytes.
#[test]
fn paths_are_made_canonical_or_refused() {
    let upstream = Upstream::start();
    let routes = json!([
        { "match": { "path": { "prefix": "/admin" } }, "respond": { "status": 403 } },
        { "cluster": "app" },
    ]);
    let proxy = Proxy::between(&upstream, json!({ "routes": routes }), json!({}));
    for (path, status) in [
        ("/x/../admin", 403),
        ("//admin", 403),
        ("/./admin", 403),
        ("/%61dmin", 403),
        ("/x/..;a=b/admin", 400),
        ("/x%2fadmin", 400),
        ("/x%5cadmin", 400),
        ("/x\\admin", 400),
        ("/%00", 400),
        ("/%zz", 400),
    ] {
        assert_eq!(proxy.get(path).status(), status, "{path}");
    }
    let mut client = proxy.client();
    client.send("GET /a/./b//c/../%7Ed?x=%2f HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(upstream.accept().head().start, "GET /a/b/~d?x=%2f HTTP/1.1");
}
