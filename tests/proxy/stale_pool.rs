//! A pooled connection that the upstream has closed (RFC 9112 section 9.3.1): tried once more where that is safe.

use std::time::Duration;

use crate::harness::{Proxy, Upstream, Wire};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
/// No connection comes for so long: none is coming.
const QUIET: Duration = Duration::from_millis(100);

/// A proxy with one pooled connection, both of whose ends are in our hands.
fn pooled(upstream: &Upstream) -> (Proxy, Wire, Wire) {
    let proxy = Proxy::to(upstream);
    let mut client = proxy.client();
    client.send("GET /first HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut server = upstream.accept();
    server.head();
    server.send(OK);
    assert_eq!(client.message().text(), "ok");
    (proxy, client, server)
}

/// The upstream reads the request and closes without an answer: the request goes to a new connection, whole.
#[test]
fn replayable_requests_are_sent_again() {
    for request in [
        "GET /a HTTP/1.1\r\nhost: a\r\n\r\n",
        "DELETE /a HTTP/1.1\r\nhost: a\r\n\r\n",
        "PUT /a HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody",
        "PUT /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    ] {
        for die in [drop::<Wire>, Wire::reset] {
            let upstream = Upstream::start();
            let (proxy, mut client, mut server) = pooled(&upstream);
            client.send(request);
            let first = server.message();
            die(server);
            let mut server = upstream.accept();
            let second = server.message();
            assert_eq!((&first.head, &first.body), (&second.head, &second.body));
            server.send(OK);
            assert_eq!(client.message().text(), "ok", "{request:?}");
            assert_eq!(proxy.stat("cluster.app.upstream_rq_retry"), 1);
        }
    }
}

#[test]
fn a_connection_that_closed_while_idle_is_not_used() {
    let upstream = Upstream::start();
    let (proxy, mut client, server) = pooled(&upstream);
    drop(server);
    client.send("POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody");
    let mut server = upstream.accept();
    assert_eq!(server.message().text(), "body");
    server.send(OK);
    assert_eq!(client.message().text(), "ok");
    drop(proxy);
}

#[test]
fn a_post_that_was_sent_is_not_sent_again() {
    for die in [drop::<Wire>, Wire::reset] {
        let upstream = Upstream::start();
        let (proxy, mut client, mut server) = pooled(&upstream);
        client.send("POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody");
        server.message();
        die(server);
        assert_eq!(client.message().status(), 503);
        upstream.expect_nobody(QUIET);
        assert_eq!(proxy.stat("cluster.app.upstream_rq_retry"), 0);
    }
}

#[test]
fn only_once_and_never_on_a_fresh_connection() {
    let upstream = Upstream::start();
    let (proxy, mut client, mut server) = pooled(&upstream);
    client.send("GET /a HTTP/1.1\r\nhost: a\r\n\r\n");
    server.head();
    drop(server);
    upstream.accept().head();
    assert_eq!(client.message().status(), 503);
    upstream.expect_nobody(QUIET);
    assert_eq!(proxy.stat("cluster.app.upstream_rq_retry"), 1);

    client.send("GET /b HTTP/1.1\r\nhost: a\r\n\r\n");
    upstream.accept().head();
    assert_eq!(client.message().status(), 503);
    upstream.expect_nobody(QUIET);
    assert_eq!(proxy.stat("cluster.app.upstream_rq_retry"), 1);
}

#[test]
fn not_when_a_byte_of_the_response_has_come() {
    let upstream = Upstream::start();
    let (_proxy, mut client, mut server) = pooled(&upstream);
    client.send("GET /a HTTP/1.1\r\nhost: a\r\n\r\n");
    server.head();
    server.send("H");
    drop(server);
    assert_eq!(client.message().status(), 503);
    upstream.expect_nobody(QUIET);
}

#[test]
fn a_body_too_large_to_keep_is_not_sent_again() {
    let upstream = Upstream::start();
    let (_proxy, mut client, mut server) = pooled(&upstream);
    let body = "x".repeat(100_000);
    client.send(format!("PUT /a HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
    server.message();
    drop(server);
    assert_eq!(client.message().status(), 503);
    upstream.expect_nobody(QUIET);
}

/// Row S-22: what comes behind a response would be the answer to somebody else's request.
#[test]
fn a_connection_with_surplus_bytes_is_not_kept() {
    for response in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison",
        "HTTP/1.1 204 No Content\r\n\r\nx",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n\r\n",
    ] {
        let upstream = Upstream::start();
        let proxy = Proxy::to(&upstream);
        let mut client = proxy.client();
        client.send("GET /1 HTTP/1.1\r\nhost: a\r\n\r\n");
        let mut server = upstream.accept();
        server.head();
        server.send(response);
        assert!(client.message().status() < 300);
        server.expect_gone();
        client.send("GET /2 HTTP/1.1\r\nhost: a\r\n\r\n");
        let mut server = upstream.accept();
        assert_eq!(server.head().start, "GET /2 HTTP/1.1");
        server.send(OK);
        assert_eq!(client.message().text(), "ok");
    }
}

#[test]
fn bytes_that_come_to_an_idle_connection_are_nobodys_response() {
    let upstream = Upstream::start();
    let (_proxy, mut client, mut server) = pooled(&upstream);
    server.send("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison");
    client.send("GET /2 HTTP/1.1\r\nhost: a\r\n\r\n");
    // The bytes came first, or raced with the request onto the same connection: then it is dropped all the same.
    let mut server = upstream.accept();
    assert_eq!(server.head().start, "GET /2 HTTP/1.1");
    server.send(OK);
    assert_eq!(client.message().text(), "ok");
}
