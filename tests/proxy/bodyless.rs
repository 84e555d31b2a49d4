//! Responses that have no body whatever their head says, and interim ones (RFC 9112 section 6.3, RFC 9110 section 15.2).

use crate::harness::{Proxy, Upstream};

#[test]
fn head_204_and_304_end_with_their_heads() {
    let rows = [
        ("HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n", 200, Some("1000")),
        ("HEAD", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", 200, None),
        ("HEAD", "HTTP/1.1 200 OK\r\n\r\n", 200, None),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, None),
        ("GET", "HTTP/1.1 304 Not Modified\r\ncontent-length: 1000\r\netag: \"a\"\r\n\r\n", 304, Some("1000")),
        ("GET", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200, Some("0")),
    ];
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut server = upstream.accept();
    server.head();
    server.send("HTTP/1.1 204 No Content\r\n\r\n");
    client.head();
    for (method, response, status, length) in rows {
        client.send(format!("{method} / HTTP/1.1\r\nhost: a\r\n\r\n"));
        assert_eq!(server.head().start, format!("{method} / HTTP/1.1"), "on the same connection");
        server.send(response);
        let head = client.head();
        assert_eq!((head.status(), head.get("content-length")), (status, length), "{response:?}");
        assert_eq!(head.get("connection"), None, "{response:?}");
    }
    assert_eq!(proxy.stat("cluster.app.upstream_cx_total"), 1);
}

#[test]
fn interim_responses_go_to_11_clients_only() {
    for (version, wanted) in [("1.1", &[103, 200][..]), ("1.0", &[200])] {
        let upstream = Upstream::start();
        let proxy = Proxy::to(&upstream);
        let mut client = proxy.client();
        client.send(format!("GET / HTTP/{version}\r\nhost: a\r\n\r\n"));
        let mut server = upstream.accept();
        server.head();
        server.send("HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n");
        for status in wanted {
            if *status == 200 {
                server.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
            }
            let head = client.head();
            assert_eq!(head.status(), *status);
            assert_eq!(head.get("link"), (*status == 103).then_some("</a.css>"));
        }
        client.expect("ok");
    }
}

#[test]
fn interim_responses_without_end_are_an_error() {
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut server = upstream.accept();
    server.head();
    server.send("HTTP/1.1 102 Processing\r\n\r\n".repeat(9));
    let statuses: Vec<u16> = std::iter::from_fn(|| Some(client.head().status())).take(9).collect();
    assert_eq!(statuses, [102, 102, 102, 102, 102, 102, 102, 102, 502]);
    server.expect_gone();
}
