//! How many streams a connection carries, on either side (RFC 9113 section 5.1.2, row H2-1).

use std::time::Duration;

use serde_json::json;

use super::both_with;
use crate::harness::h2::{
    CANCEL, END_HEADERS, END_STREAM, H2, HEADERS, MAX_CONCURRENT_STREAMS, NO_ERROR, OK, REFUSED_STREAM, RST_STREAM,
    bytes_of, request,
};
use crate::harness::{Proxy, Upstream};

fn answer(server: &mut H2, client: &mut H2, at: u32, stream: u32) {
    server.headers(at, OK, true);
    assert_eq!(client.expect_headers(stream).status(), 200);
}

#[test]
fn streams_share_a_connection_and_finish_in_any_order() {
    let upstream = Upstream::start();
    let (proxy, mut client) = both_with(&upstream, json!({}));
    for stream in [1, 3, 5] {
        client.get(stream, "/");
    }
    let mut server = upstream.accept_h2();
    for _ in 0..3 {
        server.expect_request();
    }
    for stream in [5, 1, 3] {
        server.headers(stream, OK, false);
        server.data(stream, format!("{stream}"), true);
    }
    // Streams open in the order in which they came.
    for stream in [1, 3, 5] {
        assert_eq!(client.response(stream).1, format!("{stream}"));
    }
    assert_eq!(proxy.stat("cluster.app.upstream_cx_total"), 1);
}

#[test]
fn a_host_that_takes_one_stream_gets_more_connections() {
    let upstream = Upstream::start();
    let (proxy, mut client) = both_with(&upstream, json!({}));
    let mut servers = Vec::new();
    for stream in [1, 3, 5] {
        client.get(stream, "/");
        let mut server = upstream.accept_h2_with(&[(MAX_CONCURRENT_STREAMS, 1)]);
        assert_eq!(server.expect_request().0, 1);
        server.sync();
        servers.push(server);
    }
    for (server, stream) in servers.iter_mut().zip([1, 3, 5]) {
        answer(server, &mut client, 1, stream);
        server.sync();
    }
    // They are used again, one after the other.
    client.get(7, "/");
    assert_eq!(servers[0].expect_request().0, 3);
    answer(&mut servers[0], &mut client, 3, 7);
    assert_eq!(proxy.stat("cluster.app.upstream_cx_total"), 3);
}

/// Who waits for a place gets it when it comes free, where no further connection may be opened.
#[test]
fn requests_wait_for_a_place_when_there_may_be_no_further_connection() {
    let upstream = Upstream::start();
    let cluster = json!({ "protocol": "h2", "circuit_breaker": { "max_connections": 1 } });
    let proxy = Proxy::between(&upstream, json!({}), cluster);
    let mut client = proxy.h2();
    client.get(1, "/");
    let mut server = upstream.accept_h2_with(&[(MAX_CONCURRENT_STREAMS, 1)]);
    server.expect_request();
    server.sync();
    client.get(3, "/");
    proxy.await_stat("cluster.app.upstream_rq_pending_active", 1);
    server.expect_silence(Duration::from_millis(50));
    answer(&mut server, &mut client, 1, 1);
    assert_eq!(server.expect_request().0, 3);
    answer(&mut server, &mut client, 3, 3);
    assert_eq!(proxy.stat("cluster.app.upstream_cx_total"), 1);
}

/// Each stream that ends leaves a place for one that waits, also when several end at once.
#[test]
fn each_place_that_comes_free_goes_to_one_that_waits() {
    let upstream = Upstream::start();
    let cluster = json!({ "protocol": "h2", "circuit_breaker": { "max_connections": 1 } });
    let proxy = Proxy::between(&upstream, json!({}), cluster);
    let mut client = proxy.h2();
    client.get(1, "/");
    let mut server = upstream.accept_h2_with(&[(MAX_CONCURRENT_STREAMS, 3)]);
    server.expect_request();
    server.sync();
    for stream in [3, 5, 7, 9, 11] {
        client.get(stream, "/");
    }
    server.expect_request();
    server.expect_request();
    proxy.await_stat("cluster.app.upstream_rq_pending_active", 3);
    let answers = [1, 3, 5].map(|stream| bytes_of(HEADERS, END_HEADERS | END_STREAM, stream, &server.block(OK)));
    server.wire.send(answers.concat());
    for at in [7, 9, 11] {
        assert_eq!(server.expect_request().0, at);
        server.headers(at, OK, true);
    }
    for stream in [1, 3, 5, 7, 9, 11] {
        assert_eq!(client.expect_headers(stream).status(), 200);
    }
    assert_eq!(proxy.stat("cluster.app.upstream_cx_total"), 1);
}

/// RFC 9113 section 6.5.2: it "can be 0", and then the connection is of no use.
#[test]
fn a_host_that_takes_no_streams_any_more_gets_another_connection() {
    let cluster = || json!({ "protocol": "h2", "circuit_breaker": { "max_connections": 1 } });
    // While a request is on it, and while none is.
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, json!({}), cluster());
    let mut client = proxy.h2();
    client.get(1, "/");
    let mut server = upstream.accept_h2_with(&[(MAX_CONCURRENT_STREAMS, 0)]);
    server.expect_request();
    server.sync();
    client.get(3, "/");
    proxy.await_stat("cluster.app.upstream_rq_pending_active", 1);
    answer(&mut server, &mut client, 1, 1);
    assert_eq!(server.expect_goaway().1, NO_ERROR);
    server.expect_gone();
    let mut server = upstream.accept_h2();
    server.expect_request();
    answer(&mut server, &mut client, 1, 3);

    server.send_settings(&[(MAX_CONCURRENT_STREAMS, 0)]);
    assert_eq!(server.expect_goaway().1, NO_ERROR);
    server.expect_gone();
    client.get(5, "/");
    let mut server = upstream.accept_h2();
    server.expect_request();
    answer(&mut server, &mut client, 1, 5);
}

#[test]
fn a_connection_carries_no_more_requests_than_it_may() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, json!({}), json!({ "protocol": "h2", "max_requests_per_connection": 2 }));
    let mut client = proxy.h2();
    client.get(1, "/");
    let mut first = upstream.accept_h2();
    first.expect_request();
    first.sync();
    client.get(3, "/");
    first.expect_request();
    client.get(5, "/");
    let mut second = upstream.accept_h2();
    second.expect_request();
    answer(&mut second, &mut client, 1, 5);
    answer(&mut first, &mut client, 1, 1);
    answer(&mut first, &mut client, 3, 3);
    first.expect_goaway();
    first.expect_gone();
}

#[test]
fn a_client_with_too_many_streams_is_refused_the_last() {
    let upstream = Upstream::start();
    let listener = json!({ "http": { "max_concurrent_streams": 2 } });
    let (proxy, mut client) = both_with(&upstream, listener);
    assert_eq!(client.settings.get(&MAX_CONCURRENT_STREAMS), Some(&2));
    for stream in [1, 3, 5] {
        client.get(stream, "/");
    }
    assert_eq!(client.expect_reset(5), REFUSED_STREAM);
    let mut server = upstream.accept_h2();
    server.expect_request();
    server.expect_request();
    server.expect_silence(Duration::from_millis(50));
    assert_eq!(proxy.stat("http.listener-0.http2.stream_refused_errors"), 1);
    answer(&mut server, &mut client, 1, 1);
    client.sync();
    client.get(7, "/");
    server.expect_request();
}

/// Row H2-1: a reset frees a place when what was done for it is over, which the upstream can see.
#[test]
fn a_reset_stream_holds_its_place_until_its_work_is_gone() {
    let upstream = Upstream::start();
    let listener = json!({ "http": { "max_concurrent_streams": 1 } });
    let proxy = Proxy::between(&upstream, listener, json!({}));
    let mut client = proxy.h2();
    let mut stream = 1;
    for _ in 0..20 {
        let mut bytes = Vec::new();
        for id in [stream, stream + 2] {
            let block = client.block(&request("GET", "/"));
            bytes.extend(bytes_of(HEADERS, END_HEADERS | END_STREAM, id, &block));
            bytes.extend(bytes_of(RST_STREAM, 0, id, &CANCEL.to_be_bytes()));
        }
        // At once, so that the first is not over when the second comes.
        client.wire.send(bytes);
        stream += 4;
    }
    client.sync();
    proxy.await_stat("cluster.app.upstream_rq_active", 0);
    proxy.await_stat("http.listener-0.downstream_rq_active", 0);
    // Whatever came while a place was held was refused, and the second of the first pair did.
    let started = proxy.stat("http.listener-0.downstream_rq_total");
    let refused = proxy.stat("http.listener-0.http2.stream_refused_errors");
    assert!(refused > 0 && started + refused == 40, "{started} {refused}");
    client.get(stream, "/");
    proxy.await_stat("http.listener-0.downstream_rq_active", 1);
}
