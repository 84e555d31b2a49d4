//! A reader that does not read stops the sender on the other side, within bounded memory.

use std::time::Duration;

use crate::harness::{Proxy, Upstream};

/// Far more than all buffers on the way: the kernel's of four sockets, 256 KiB of ours.
const MUCH: usize = 64 << 20;
const QUIET: Duration = Duration::from_millis(500);

#[test]
fn a_client_that_does_not_read_stops_the_upstream() {
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut server = upstream.accept();
    server.head();
    server.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {MUCH}\r\n\r\n"));
    let stuck = server.send_until_stuck(MUCH, QUIET);
    assert!(stuck < MUCH, "the proxy took all");
    let inside = proxy
        .stat("cluster.app.upstream_cx_rx_bytes_total")
        .abs_diff(proxy.stat("http.listener-0.downstream_cx_tx_bytes_total"));
    assert!((0..1 << 20).contains(&inside), "bytes that the proxy holds: {inside}");
    assert!(resident_is_bounded(stuck));
    // Reading sets it going again.
    client.head();
    client.take(stuck / 2);
    let more = server.send_until_stuck(stuck / 4, QUIET);
    assert!(more > 0, "reading does not set it going");
}

#[test]
fn an_upstream_that_does_not_read_stops_the_client() {
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.client();
    client.send(format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {MUCH}\r\n\r\n"));
    let mut server = upstream.accept();
    server.head();
    let stuck = client.send_until_stuck(MUCH, QUIET);
    assert!(stuck < MUCH, "the proxy took all");
    server.take(stuck / 2);
    assert!(client.send_until_stuck(stuck / 4, QUIET) > 0, "reading does not set it going");
}

/// One direction that is stuck does not hold the other.
#[test]
fn a_stuck_request_does_not_stop_its_response() {
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.client();
    client.send(format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {MUCH}\r\n\r\n"));
    let mut server = upstream.accept();
    server.head();
    client.send_until_stuck(MUCH, QUIET);
    server.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    assert_eq!(client.head().status(), 200);
    for _ in 0..3 {
        server.send("2\r\nhi\r\n");
        client.expect("2\r\nhi\r\n");
    }
}

/// What is neither in the kernel's buffers nor read is in ours. Socket buffers on loopback grow to a few MiB each.
fn resident_is_bounded(stuck: usize) -> bool {
    stuck < 32 << 20
}
