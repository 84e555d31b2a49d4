//! A final response before the request's body has ended (rows S-13 and S-14): the client gets it, and neither connection is
//! used as if the body had been read.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Proxy, Upstream};

const TOO_LARGE: &str = "HTTP/1.1 413 Payload Too Large\r\ncontent-length: 3\r\n\r\nno\n";

#[test]
fn a_short_rest_is_drained_and_the_client_may_go_on() {
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n01234");
    let mut server = upstream.accept();
    server.head();
    server.expect("01234");
    server.send(TOO_LARGE);
    let answer = client.message();
    assert_eq!((answer.status(), answer.head.get("connection")), (413, None));
    // The upstream connection owes five bytes: it is closed, not pooled.
    server.expect_gone();
    client.send("56789GET /next HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut server = upstream.accept();
    assert_eq!(server.head().start, "GET /next HTTP/1.1");
    server.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(client.head().status(), 204);
}

#[test]
fn a_long_rest_closes_the_connection() {
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n0");
    let mut server = upstream.accept();
    server.head();
    server.expect("0");
    server.send(TOO_LARGE);
    let answer = client.message();
    assert_eq!((answer.text(), answer.head.get("connection")), ("no\n", Some("close")));
    server.expect_gone();
    // More than is worth reading: the response stays readable, and the connection ends.
    let mut body = vec![b'1'; 999_999];
    body.extend(b"GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n");
    let _ = client.try_send(body);
    client.expect_gone();
    upstream.expect_nobody(Duration::from_millis(50));
}

/// RFC 9112 section 9.6: what is certain when the head is written is said in it.
#[test]
fn whether_the_connection_will_close_is_said_with_the_answer() {
    let whole = "5\r\n01234\r\n0\r\n\r\n";
    let empty = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n";
    let endless = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n";
    let rows = [
        // What is sent of a chunked body, the answer, what the client is told.
        ("5\r\n01234\r\n", TOO_LARGE, Some("close")),
        ("", TOO_LARGE, Some("close")),
        ("", empty, Some("close")),
        // It may be one side of a conversation.
        ("5\r\n01234\r\n", endless, None),
        // There is nothing left to read.
        (whole, TOO_LARGE, None),
        (whole, empty, None),
    ];
    for (body, answer, told) in rows {
        let upstream = Upstream::start();
        let proxy = Proxy::to(&upstream);
        let mut client = proxy.client();
        client.send(format!("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{body}"));
        let mut server = upstream.accept();
        server.head();
        server.expect(body);
        server.send(answer);
        assert_eq!(client.message().head.get("connection"), told, "{body:?} {answer:?}");
        match told {
            Some(_) => client.expect_closed(),
            None => {
                // It goes on.
                let rest = if body == whole { "" } else { "0\r\n\r\n" };
                client.send(format!("{rest}GET /next HTTP/1.1\r\nhost: a\r\n\r\n"));
                let mut server = if body == whole { server } else { upstream.accept() };
                assert_eq!(server.head().start, "GET /next HTTP/1.1");
            }
        }
    }
}

#[test]
fn local_replies_do_not_wait_for_the_body() {
    let upstream = Upstream::start();
    let proxy =
        Proxy::between(&upstream, json!({ "routes": [{ "respond": { "status": 403, "body": "no" } }] }), json!({}));
    // Small: read and forgotten.
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n");
    let response = client.message();
    assert_eq!((response.status(), response.head.get("connection")), (403, None));
    client.send("01234GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.message().status(), 403);
    // Large, or of unknown length: said and closed.
    for framing in ["content-length: 100000", "transfer-encoding: chunked"] {
        let mut client = proxy.client();
        client.send(format!("POST / HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n"));
        let response = client.message();
        assert_eq!((response.status(), response.head.get("connection")), (403, Some("close")));
        client.expect_closed();
    }
    assert_eq!(proxy.stat("cluster.app.upstream_cx_total"), 0);
}

/// The upstream answers, closes, and refuses what still comes, while the client sends without reading.
#[test]
fn an_upstream_that_has_closed_is_not_sent_to_for_ever() {
    let upstream = Upstream::start();
    let routes = json!([{ "match": { "path": "/alive" }, "respond": { "status": 204 } }, { "cluster": "app" }]);
    let proxy = Proxy::between(&upstream, json!({ "routes": routes }), json!({}));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000000\r\n\r\n");
    let mut server = upstream.accept();
    server.head();
    // More than fits into the buffers on the way to a client that does not read.
    server.send("HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n");
    let sent = server.send_until_stuck(100_000_000, Duration::from_millis(300));
    assert!(sent < 100_000_000);
    drop(server);
    client.send_until_stuck(20_000_000, Duration::from_millis(300));
    // The worker is not busy with it.
    assert_eq!(proxy.get("/alive").status(), 204);
    client.reset();
}

#[test]
fn an_upload_at_full_speed_does_not_cost_the_client_its_answer() {
    let route = json!({ "respond": { "status": 413, "body": "too large" } });
    let proxy = Proxy::start(json!({ "listeners": [{ "routes": [route] }], "clusters": {} }));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    let chunk = [b"8000\r\n".as_slice(), &[b'x'; 0x8000], b"\r\n"].concat();
    // A reset would break these writes, or take the answer with it.
    for _ in 0..256 {
        client.send(&chunk);
    }
    let answer = client.message();
    assert_eq!((answer.status(), answer.text()), (413, "too large"));
}
