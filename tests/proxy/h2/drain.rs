//! The end of a connection in good order: GOAWAY in two steps, streams finish (RFC 9113 section 6.8).

use std::time::Duration;

use serde_json::json;

use super::h2_cluster;
use crate::harness::h2::{NO_ERROR, OK};
use crate::harness::{Proxy, Upstream};

/// The GOAWAY that lets in what is on its way.
const ANNOUNCED: (u32, u32) = ((1 << 31) - 1, NO_ERROR);

#[test]
fn streams_in_flight_finish_and_idle_connections_close() {
    let upstream = Upstream::start();
    let mut config = json!({ "listeners": [{ "routes": [{ "cluster": "app" }] }], "drain_time": "20s" });
    config["clusters"] = json!({ "app": { "endpoints": [upstream.address()], "protocol": "h2" } });
    let proxy = Proxy::start(config);
    let mut idle = proxy.h2();
    let mut busy = proxy.h2();
    busy.post(1, "/");
    busy.data(1, "bo", false);
    let mut server = upstream.accept_h2();
    server.expect_request();
    server.expect_data(1, "bo", false);
    idle.sync();

    proxy.quit();
    assert_eq!(idle.expect_goaway(), ANNOUNCED);
    assert_eq!(idle.expect_goaway(), (0, NO_ERROR));
    idle.expect_gone();
    assert_eq!(busy.expect_goaway(), ANNOUNCED);
    assert_eq!(busy.expect_goaway(), (1, NO_ERROR));
    busy.data(1, "dy", true);
    server.expect_data(1, "dy", true);
    server.headers(1, OK, false);
    server.data(1, "whole", true);
    assert_eq!(busy.response(1).1, "whole");
    busy.expect_gone();
    proxy.join();
}

/// Between the two steps a request is taken, behind the second it is not.
#[test]
fn the_last_request_is_taken_and_the_next_is_not() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, json!({ "http": { "max_requests_per_connection": 2 } }), h2_cluster());
    let mut client = proxy.h2();
    client.get(1, "/");
    let mut server = upstream.accept_h2();
    server.expect_request();
    server.sync();
    client.sync();
    client.get(3, "/");
    server.expect_request();
    assert_eq!(client.expect_goaway(), ANNOUNCED);
    assert_eq!(client.expect_goaway(), (3, NO_ERROR));
    client.get(5, "/");
    client.sync();
    for stream in [1, 3] {
        server.headers(stream, OK, true);
        assert_eq!(client.expect_headers(stream).status(), 200);
    }
    server.expect_silence(Duration::from_millis(50));
    client.expect_gone();
    assert_eq!(proxy.stat("http.listener-0.downstream_cx_max_requests_reached"), 1);
    assert_eq!(proxy.stat("http.listener-0.downstream_rq_total"), 2);
}

#[test]
fn drain_time_ends_what_does_not_end_itself() {
    let upstream = Upstream::start();
    let mut config = json!({ "listeners": [{ "routes": [{ "cluster": "app" }] }], "drain_time": "300ms" });
    config["clusters"] = json!({ "app": { "endpoints": [upstream.address()], "protocol": "h2" } });
    let proxy = Proxy::start(config);
    let mut client = proxy.h2();
    client.get(1, "/");
    let mut server = upstream.accept_h2();
    server.expect_request();
    proxy.quit();
    proxy.join();
    client.wire.rest();
    server.wire.rest();
}
