//! An upstream that dies in the middle of a response never looks like a clean end to the client (row 2 of the faults).

use crate::harness::{End, Proxy, Upstream, Wire};

/// How the upstream frames its body, and what it sends before it dies.
const LENGTH: &str = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n01234";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n01234\r\n";
const CHUNK_CUT: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\na\r\n01234";
const UNTIL_CLOSE: &str = "HTTP/1.1 200 OK\r\n\r\n01234";

/// What the client has after the head, and how its connection ended.
fn cut(version: &str, response: &str, die: fn(Wire)) -> (Vec<u8>, End) {
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.client();
    client.send(format!("GET / HTTP/{version}\r\nhost: a\r\n\r\n"));
    let mut server = upstream.accept();
    server.head();
    server.send(response);
    // All that was sent is with the client before the upstream dies.
    assert_eq!(client.head().status(), 200);
    let body = if version == "1.1" && !response.contains("content-length") { "5\r\n01234\r\n" } else { "01234" };
    client.expect(body);
    die(server);
    client.rest()
}

#[test]
fn a_11_client_gets_no_last_chunk_and_no_full_length() {
    for response in [LENGTH, CHUNKED, CHUNK_CUT] {
        for die in [drop::<Wire>, Wire::reset] {
            let (rest, _) = cut("1.1", response, die);
            assert_eq!(rest, b"", "after {response:?}");
        }
    }
    assert_eq!(cut("1.1", UNTIL_CLOSE, Wire::reset).0, b"");
}

#[test]
fn a_10_client_whose_body_ends_with_the_connection_gets_a_reset() {
    for response in [CHUNKED, CHUNK_CUT] {
        for die in [drop::<Wire>, Wire::reset] {
            assert_eq!(cut("1.0", response, die), (vec![], End::Reset), "after {response:?}");
        }
    }
    assert_eq!(cut("1.0", UNTIL_CLOSE, Wire::reset), (vec![], End::Reset));
    assert_eq!(cut("1.0", UNTIL_CLOSE, drop), (vec![], End::Closed));
    // Its length tells a 1.0 client as well.
    assert_eq!(cut("1.0", LENGTH, drop).0, b"");
}

/// What came before the end reaches the client, also when both come at once.
#[test]
fn what_came_is_passed_on() {
    // The missing last chunk tells a 1.1 client; only a reset tells a 1.0 client.
    for (version, body, end) in [("1.1", "5\r\n01234\r\n", End::Closed), ("1.0", "01234", End::Reset)] {
        let upstream = Upstream::start();
        let proxy = Proxy::to(&upstream);
        let mut client = proxy.client();
        client.send(format!("GET / HTTP/{version}\r\nhost: a\r\n\r\n"));
        let mut server = upstream.accept();
        server.head();
        server.send(CHUNKED);
        drop(server);
        assert_eq!(client.head().status(), 200);
        assert_eq!(client.rest(), (body.into(), end));
    }
}

/// Closing is the end of such a body, and only then.
#[test]
fn a_body_that_ends_with_the_upstream_connection_ends_clean() {
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.client();
    for body in ["01234", ""] {
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        let mut server = upstream.accept();
        server.head();
        server.send(format!("HTTP/1.1 200 OK\r\n\r\n{body}"));
        drop(server);
        assert_eq!(client.message().text(), body);
    }
}

#[test]
fn before_a_response_it_is_a_503() {
    for (sent, status) in [
        ("", 503),
        ("HTTP/1.1 200 OK\r\ncontent-le", 503),
        ("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", 502),
        ("SSH-2.0\r\n", 502),
    ] {
        for die in [drop::<Wire>, Wire::reset] {
            let upstream = Upstream::start();
            let proxy = Proxy::to(&upstream);
            let mut client = proxy.client();
            client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
            let mut server = upstream.accept();
            server.head();
            server.send(sent);
            if status == 503 {
                die(server);
            }
            assert_eq!(client.message().status(), status, "after {sent:?}");
            // The client's connection has not suffered.
            client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
            upstream.accept().head();
        }
    }
}
