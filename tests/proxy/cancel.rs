//! A client that goes away takes its request with it.

use std::time::Duration;

use crate::harness::{Clock, Proxy, Upstream};

/// The upstream is told within this time that nobody waits any more.
const SOON: Duration = Duration::from_millis(1500);

#[test]
fn a_client_that_says_that_was_all_is_answered() {
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    for request in ["GET / HTTP/1.1\r\nhost: a\r\n\r\n", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx"] {
        let mut client = proxy.client();
        client.send(request);
        client.finish();
        let mut server = upstream.accept();
        server.message();
        server.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
        assert_eq!(client.message().text(), "ok");
        client.expect_closed();
    }
}

#[test]
fn pipelined_requests_before_the_end_are_answered() {
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.client();
    client.send("GET /1 HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\n\r\n");
    client.finish();
    let mut server = upstream.accept();
    for number in 1..=2 {
        assert_eq!(server.head().start, format!("GET /{number} HTTP/1.1"));
        server.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        assert_eq!(client.message().text(), "ok");
    }
    client.expect_closed();
}

#[test]
fn a_client_that_closed_cancels_the_upstream() {
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut server = upstream.accept();
    server.head();
    drop(client);
    let clock = Clock::start();
    server.expect_gone();
    assert!(clock.elapsed() < SOON, "{:?}", clock.elapsed());
    proxy.await_stat("cluster.app.upstream_rq_active", 0);
    proxy.await_stat("cluster.app.upstream_cx_active", 0);
}

#[test]
fn a_client_that_resets_cancels_at_once() {
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let requests = [
        "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n",
    ];
    for request in requests {
        let mut client = proxy.client();
        client.send(request);
        let mut server = upstream.accept();
        server.head();
        client.reset();
        let clock = Clock::start();
        server.expect_gone();
        assert!(clock.elapsed() < SOON, "{:?}", clock.elapsed());
    }
}

#[test]
fn a_client_that_leaves_in_the_middle_of_the_response_ends_it() {
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut server = upstream.accept();
    server.head();
    server.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n01234");
    client.head();
    client.expect("01234");
    drop(client);
    server.expect_gone();
}

#[test]
fn a_half_sent_body_is_no_request() {
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    for request in [
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n0123",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n9\r\n0123",
    ] {
        let mut client = proxy.client();
        client.send(request);
        let mut server = upstream.accept();
        server.head();
        client.finish();
        // No end of the body: the connection just ends.
        let (rest, _) = server.rest();
        assert!(!rest.ends_with(b"0\r\n\r\n"), "{:?}", rest.escape_ascii().to_string());
        assert_eq!(client.rest().0, b"");
    }
}
