//! What is sent again: a request that the upstream said it did not act on (RFC 9113 section 8.7), and one whose connection was
//! lost, where that is safe (RFC 9110 section 9.2.2).

use std::time::Duration;

use super::both;
use crate::harness::h2::{H2, NO_ERROR, OK, REFUSED_STREAM};
use crate::harness::{Proxy, Upstream};

/// No connection comes for so long: none is coming.
const QUIET: Duration = Duration::from_millis(100);

fn answer(server: &mut H2, client: &mut H2, stream: u32) {
    let (at, _) = server.expect_request();
    server.headers(at, OK, true);
    assert_eq!(client.expect_headers(stream).status(), 200);
}

/// A connection in the pool that has carried a request.
fn used(upstream: &Upstream) -> (Proxy, H2, H2) {
    let (proxy, mut client) = both(upstream);
    client.get(1, "/first");
    let mut server = upstream.accept_h2();
    answer(&mut server, &mut client, 1);
    (proxy, client, server)
}

#[test]
fn a_refused_stream_is_tried_again_whatever_its_method() {
    for method in ["GET", "POST"] {
        let upstream = Upstream::start();
        let (proxy, mut client) = both(&upstream);
        client.headers(1, &crate::harness::h2::request(method, "/"), false);
        client.data(1, "body", true);
        let mut server = upstream.accept_h2();
        for _ in 0..3 {
            let (stream, _) = server.expect_request();
            server.expect_data(stream, "body", true);
            server.reset(stream, REFUSED_STREAM);
        }
        let (stream, _) = server.expect_request();
        server.expect_data(stream, "body", true);
        server.headers(stream, OK, true);
        assert_eq!(client.expect_headers(1).status(), 200, "{method}");
        assert_eq!(proxy.stat("cluster.app.upstream_rq_retry"), 3);
    }
}

#[test]
fn a_stream_that_is_always_refused_is_a_503() {
    let upstream = Upstream::start();
    let (proxy, mut client) = both(&upstream);
    client.get(1, "/");
    let mut server = upstream.accept_h2();
    for _ in 0..4 {
        let (stream, _) = server.expect_request();
        server.reset(stream, REFUSED_STREAM);
    }
    assert_eq!(client.response(1).0.status(), 503);
    server.expect_silence(QUIET);
    assert_eq!(proxy.stat("cluster.app.upstream_rq_retry"), 3);
}

/// A body that is too large to be kept cannot be sent again.
#[test]
fn a_refused_stream_whose_body_is_gone_is_a_503() {
    let upstream = Upstream::start();
    let (proxy, mut client) = both(&upstream);
    client.post(1, "/");
    let mut server = upstream.accept_h2();
    server.expect_request();
    for _ in 0..5 {
        client.data(1, vec![b'x'; 16_000], false);
        let mut got = 0;
        while got < 16_000 {
            got += server.expect_some(1);
        }
        server.window_update(1, 16_000);
        server.window_update(0, 16_000);
    }
    server.reset(1, REFUSED_STREAM);
    assert_eq!(client.response(1).0.status(), 503);
    assert_eq!(proxy.stat("cluster.app.upstream_rq_retry"), 0);
}

#[test]
fn streams_beyond_the_last_of_a_goaway_are_tried_again_elsewhere() {
    let upstream = Upstream::start();
    let (_proxy, mut client, mut server) = used(&upstream);
    client.get(3, "/kept");
    assert_eq!(server.expect_request().0, 3);
    client.post(5, "/again");
    client.data(5, "body", true);
    assert_eq!(server.expect_request().0, 5);
    server.expect_data(5, "body", true);
    server.goaway(3, NO_ERROR);
    let mut second = upstream.accept_h2();
    let (stream, head) = second.expect_request();
    assert_eq!((stream, head.get(":path")), (1, Some("/again")));
    second.expect_data(1, "body", true);
    second.headers(1, OK, true);
    assert_eq!(client.expect_headers(5).status(), 200);
    // The stream that the GOAWAY names finishes, and with it the connection.
    server.headers(3, OK, true);
    assert_eq!(client.expect_headers(3).status(), 200);
    server.expect_goaway();
    server.expect_gone();
}

#[test]
fn a_graceful_goaway_lets_streams_finish_and_takes_no_more() {
    let upstream = Upstream::start();
    let (proxy, mut client, mut server) = used(&upstream);
    client.get(3, "/kept");
    server.expect_request();
    server.goaway((1 << 31) - 1, NO_ERROR);
    server.sync();
    client.get(5, "/new");
    let mut second = upstream.accept_h2();
    answer(&mut second, &mut client, 5);
    server.headers(3, OK, false);
    server.data(3, "whole", true);
    assert_eq!(client.response(3).1, "whole");
    server.expect_goaway();
    server.expect_gone();
    assert_eq!(proxy.stat("cluster.app.upstream_rq_retry"), 0);
}

#[test]
fn a_lost_connection_is_tried_again_where_that_is_safe() {
    let upstream = Upstream::start();
    let (proxy, mut client, mut server) = used(&upstream);
    client.get(3, "/");
    server.expect_request();
    drop(server);
    let mut server = upstream.accept_h2();
    answer(&mut server, &mut client, 3);
    assert_eq!(proxy.stat("cluster.app.upstream_rq_retry"), 1);

    client.post(5, "/");
    client.data(5, "body", true);
    server.expect_request();
    server.expect_data(3, "body", true);
    drop(server);
    assert_eq!(client.response(5).0.status(), 503);
    upstream.expect_nobody(QUIET);
    assert_eq!(proxy.stat("cluster.app.upstream_rq_retry"), 1);
}

#[test]
fn a_fresh_connection_that_is_lost_is_a_503() {
    let upstream = Upstream::start();
    let (proxy, mut client) = both(&upstream);
    client.get(1, "/");
    let mut server = upstream.accept_h2();
    server.expect_request();
    drop(server);
    assert_eq!(client.response(1).0.status(), 503);
    upstream.expect_nobody(QUIET);
    assert_eq!(proxy.stat("cluster.app.upstream_rq_retry"), 0);
}

#[test]
fn a_connection_that_closed_while_idle_is_not_used() {
    let upstream = Upstream::start();
    let (proxy, mut client, mut server) = used(&upstream);
    server.goaway(1, NO_ERROR);
    drop(server);
    proxy.await_stat("cluster.app.upstream_cx_active", 0);
    client.post(3, "/");
    client.data(3, "body", true);
    let mut server = upstream.accept_h2();
    server.expect_request();
    server.expect_data(1, "body", true);
    server.headers(1, OK, true);
    assert_eq!(client.expect_headers(3).status(), 200);
}
