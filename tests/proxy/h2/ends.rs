//! A stream that breaks off on one side is broken off on the other, and no other stream suffers (rows 1 and 2 of the faults).

use serde_json::json;

use super::{both, h2_cluster};
use crate::harness::h2::{CANCEL, INTERNAL_ERROR, OK, PROTOCOL_ERROR, with};
use crate::harness::{End, Proxy, Upstream, Wire};

/// Row 2: a cut is never END_STREAM.
#[test]
fn a_response_cut_by_an_h1_upstream_is_reset() {
    for response in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n01234",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n01234\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\na\r\n01234",
    ] {
        for die in [drop::<Wire>, Wire::reset] {
            let upstream = Upstream::start();
            let proxy = Proxy::to(&upstream);
            let mut client = proxy.h2();
            client.get(1, "/");
            let mut server = upstream.accept();
            server.head();
            client.get(3, "/other");
            let mut other = upstream.accept();
            other.head();
            server.send(response);
            client.expect_headers(1);
            client.expect_data(1, "01234", false);
            die(server);
            assert_eq!(client.expect_reset(1), INTERNAL_ERROR, "{response:?}");
            other.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
            assert_eq!(client.response(3).1, "ok");
        }
    }
}

#[test]
fn a_response_cut_by_an_h2_upstream_is_reset() {
    type Cut = fn(crate::harness::h2::H2);
    let cuts: [(&str, Cut); 3] = [
        ("reset", |mut server| {
            server.reset(1, CANCEL);
            server.sync();
        }),
        // The rest of the declared length is missing.
        ("short", |mut server| {
            server.data(1, "", true);
            assert_eq!(server.expect_reset(1), PROTOCOL_ERROR);
        }),
        ("closed", drop),
    ];
    for (name, cut) in cuts {
        let upstream = Upstream::start();
        let (_proxy, mut client) = both(&upstream);
        client.get(1, "/");
        let mut server = upstream.accept_h2();
        server.expect_request();
        server.headers(1, &with(OK, &[("content-length", "10")]), false);
        server.data(1, "01234", false);
        client.expect_headers(1);
        client.expect_data(1, "01234", false);
        cut(server);
        assert_eq!(client.expect_reset(1), INTERNAL_ERROR, "{name}");
        client.sync();
    }
}

#[test]
fn an_h1_client_of_an_h2_upstream_that_cuts_gets_no_end() {
    for (head, shown) in [("content-length", "01234"), ("x-none", "5\r\n01234\r\n")] {
        let upstream = Upstream::start();
        let proxy = Proxy::between(&upstream, json!({}), h2_cluster());
        let mut client = proxy.client();
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        let mut server = upstream.accept_h2();
        server.expect_request();
        server.headers(1, &with(OK, &[(head, "10")]), false);
        server.data(1, "01234", false);
        client.head();
        client.expect(shown);
        server.reset(1, INTERNAL_ERROR);
        let (rest, end) = client.rest();
        assert!(rest.is_empty() && matches!(end, End::Closed | End::Reset), "{:?}", rest.escape_ascii().to_string());
    }
}

#[test]
fn an_h2_upstream_that_resets_before_a_response_is_a_503() {
    let upstream = Upstream::start();
    let (proxy, mut client) = both(&upstream);
    client.get(1, "/");
    let mut server = upstream.accept_h2();
    server.expect_request();
    server.reset(1, INTERNAL_ERROR);
    assert_eq!(client.response(1).0.status(), 503);
    assert_eq!(proxy.stat("cluster.app.upstream_rq_retry"), 0, "it may have acted on it");
    client.get(3, "/");
    let (stream, _) = server.expect_request();
    server.headers(stream, OK, true);
    assert_eq!(client.expect_headers(3).status(), 200);
}

#[test]
fn a_malformed_response_is_a_502_and_its_stream_alone_is_reset() {
    let rows: [&[(&str, &str)]; 4] =
        [&[(":status", "200"), ("Upper", "1")], &[(":status", "2000")], &[("x", "1")], &with_connection()];
    let upstream = Upstream::start();
    let (proxy, mut client) = both(&upstream);
    let mut server = None;
    for (at, fields) in rows.into_iter().enumerate() {
        let id = 2 * at as u32 + 1;
        client.get(id, "/");
        let server = server.get_or_insert_with(|| upstream.accept_h2());
        let (stream, _) = server.expect_request();
        server.headers(stream, fields, true);
        assert_eq!(client.response(id).0.status(), 502, "{fields:?}");
        assert_eq!(server.expect_reset(stream), PROTOCOL_ERROR, "{fields:?}");
    }
    assert_eq!(proxy.stat("cluster.app.http2.rx_messaging_error"), 4);
    assert_eq!(proxy.stat("cluster.app.upstream_cx_total"), 1);
}

fn with_connection() -> [(&'static str, &'static str); 2] {
    [(":status", "200"), ("connection", "close")]
}

#[test]
fn a_client_that_resets_ends_its_request_and_no_other() {
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.h2();
    client.post(1, "/");
    client.data(1, "01234", false);
    let mut first = upstream.accept();
    first.head();
    first.expect("5\r\n01234\r\n");
    client.get(3, "/");
    let mut second = upstream.accept();
    second.head();
    client.reset(1, CANCEL);
    // No last chunk: what came is not the whole.
    first.expect_gone();
    second.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    assert_eq!(client.response(3).1, "ok");
    assert_eq!(proxy.stat("http.listener-0.downstream_rq_rx_reset"), 1);
    assert_eq!(proxy.stat("http.listener-0.http2.rx_reset"), 1);
}

#[test]
fn a_client_that_resets_cancels_the_stream_of_an_h2_upstream() {
    for answered in [false, true] {
        let upstream = Upstream::start();
        let (proxy, mut client) = both(&upstream);
        client.post(1, "/");
        client.data(1, "01234", false);
        let mut server = upstream.accept_h2();
        server.expect_request();
        server.expect_data(1, "01234", false);
        if answered {
            server.headers(1, OK, false);
            server.data(1, "abc", false);
            client.expect_headers(1);
            client.expect_data(1, "abc", false);
        }
        client.reset(1, CANCEL);
        assert_eq!(server.expect_reset(1), CANCEL);
        client.get(3, "/");
        let (stream, _) = server.expect_request();
        server.headers(stream, OK, true);
        assert_eq!(client.expect_headers(3).status(), 200);
        assert_eq!(proxy.stat("cluster.app.upstream_cx_total"), 1);
    }
}

#[test]
fn a_client_that_goes_cancels_all_its_streams() {
    let upstream = Upstream::start();
    let (proxy, mut client) = both(&upstream);
    client.get(1, "/1");
    let mut server = upstream.accept_h2();
    server.expect_request();
    client.get(3, "/3");
    server.expect_request();
    drop(client);
    for stream in [1, 3] {
        assert_eq!(server.expect_reset(stream), CANCEL);
    }
    proxy.await_stat("cluster.app.upstream_rq_active", 0);
    proxy.await_stat("http.listener-0.downstream_cx_http2_active", 0);
    server.sync();
}
