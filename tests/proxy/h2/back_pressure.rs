//! A window that is not opened stops the sender on the other side, for its stream alone and within bounded memory (rows H2-10
//! and H2-11).

use std::time::Duration;

use serde_json::json;

use super::{both, h2_cluster};
use crate::harness::h2::{H2, INITIAL_WINDOW_SIZE, OK, request, with};
use crate::harness::{Proxy, Upstream};

/// Far more than all buffers on the way.
const MUCH: usize = 64 << 20;
const QUIET: Duration = Duration::from_millis(300);
/// What the proxy may hold of one stream: its windows and its queues.
const HELD: usize = 1 << 20;

/// Sends on a stream as far as the peer's window goes: how many bytes. `sent` is what went before on it.
fn send_to_the_end_of_the_window(end: &mut H2, stream: u32, sent: &mut usize) -> usize {
    let before = *sent;
    loop {
        end.sync();
        let initial = end.settings.get(&INITIAL_WINDOW_SIZE).copied().unwrap_or(65_535) as usize;
        let room = |end: &H2| {
            let stream = initial + end.credit(stream) as usize - *sent;
            let connection = 65_535 + end.credit(0) as usize - *sent;
            stream.min(connection)
        };
        let mut left = room(end);
        if left == 0 {
            // Perhaps it is being taken just now.
            end.expect_silence_on(stream, Duration::from_millis(100));
            left = room(end);
        }
        if left == 0 || *sent >= MUCH {
            return *sent - before;
        }
        let chunk = vec![b'x'; left.min(16 * 1024)];
        end.data(stream, &chunk, false);
        *sent += chunk.len();
    }
}

#[test]
fn a_client_that_opens_no_window_stops_an_h1_upstream() {
    for window in [0, 10_000] {
        let upstream = Upstream::start();
        let proxy = Proxy::to(&upstream);
        let mut client = proxy.h2_with(&[(INITIAL_WINDOW_SIZE, window)]);
        client.get(1, "/");
        let mut server = upstream.accept();
        server.head();
        server.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {MUCH}\r\n\r\n"));
        let stuck = server.send_until_stuck(MUCH, QUIET);
        assert!(stuck < MUCH, "the proxy took all");
        let taken = proxy.stat("cluster.app.upstream_cx_rx_bytes_total") as usize;
        assert!(taken < HELD, "{taken}");
        client.expect_headers(1);
        let mut got = 0;
        while got < window as usize {
            got += client.expect_some(1);
        }
        client.expect_silence(QUIET);
        // Other streams have windows of their own.
        client.get(3, "/other");
        let mut other = upstream.accept();
        other.head();
        other.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(client.expect_headers(3).status(), 200);
        // Opening the window sets it going again, by as much.
        client.window_update(1, 5000);
        let mut more = 0;
        while more < 5000 {
            more += client.expect_some(1);
        }
        assert_eq!(more, 5000);
        client.expect_silence_on(1, Duration::from_millis(100));
    }
}

#[test]
fn a_client_that_opens_no_window_stops_an_h2_upstream() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, json!({}), h2_cluster());
    let mut client = proxy.h2_with(&[(INITIAL_WINDOW_SIZE, 0)]);
    client.get(1, "/");
    let mut server = upstream.accept_h2();
    server.expect_request();
    server.headers(1, OK, false);
    client.expect_headers(1);
    let mut sent = 0;
    send_to_the_end_of_the_window(&mut server, 1, &mut sent);
    assert!(sent < HELD, "{sent}");
    // Another stream of the same two connections is not held up.
    client.send_settings(&[(INITIAL_WINDOW_SIZE, 0)]);
    client.get(3, "/other");
    let (stream, _) = server.expect_request();
    server.headers(stream, OK, false);
    server.data(stream, "ok", true);
    client.expect_headers(3);
    client.window_update(3, 2);
    client.expect_data(3, "ok", true);
    // A client that takes bytes makes room for as many.
    client.window_update(1, sent as u32);
    let mut got = 0;
    while got < sent.min(65_535 - 2) {
        got += client.expect_some(1);
    }
    let more = send_to_the_end_of_the_window(&mut server, 1, &mut sent);
    assert!(more > 0, "taking does not set it going");
}

#[test]
fn an_h2_upstream_that_opens_no_window_stops_the_client() {
    let upstream = Upstream::start();
    let (_proxy, mut client) = both(&upstream);
    // The settings of the upstream are known once one request is over.
    client.get(1, "/");
    let mut server = upstream.accept_h2_with(&[(INITIAL_WINDOW_SIZE, 0)]);
    server.expect_request();
    server.sync();
    server.headers(1, OK, true);
    client.expect_headers(1);

    client.post(3, "/");
    server.expect_request();
    let mut sent = 0;
    send_to_the_end_of_the_window(&mut client, 3, &mut sent);
    assert!(sent < HELD, "{sent}");
    server.expect_silence(Duration::from_millis(100));
    // A request without a body needs no window.
    client.get(5, "/");
    let (stream, _) = server.expect_request();
    server.headers(stream, OK, true);
    assert_eq!(client.expect_headers(5).status(), 200);
    // A response may come meanwhile.
    server.headers(3, OK, false);
    server.data(3, "hi", false);
    client.expect_headers(3);
    client.expect_data(3, "hi", false);
    server.window_update(3, sent as u32);
    let mut got = 0;
    while got < sent.min(65_535) {
        got += server.expect_some(3);
    }
    assert!(send_to_the_end_of_the_window(&mut client, 3, &mut sent) > 0, "opening does not set it going");
}

#[test]
fn an_h2_upstream_that_opens_no_window_stops_an_h1_client() {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, json!({}), h2_cluster());
    let mut client = proxy.client();
    client.send(format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {MUCH}\r\n\r\n"));
    let mut server = upstream.accept_h2();
    server.expect_request();
    let stuck = client.send_until_stuck(MUCH, QUIET);
    assert!(stuck < MUCH, "the proxy took all");
    let taken = proxy.stat("http.listener-0.downstream_cx_rx_bytes_total") as usize;
    assert!(taken < HELD, "{taken}");
    let mut got = 0;
    while got < 65_535 {
        got += server.expect_some(1);
    }
    assert_eq!(got, 65_535, "the windows that RFC 9113 section 6.9.2 begins with");
    server.expect_silence(Duration::from_millis(100));
    server.window_update(0, 1000);
    server.expect_silence(Duration::from_millis(100));
    server.window_update(1, 2000);
    assert_eq!(server.expect_some(1), 1000, "the connection's window counts as well");
}

/// What an upstream does not read is not read from the client.
#[test]
fn an_h1_upstream_that_does_not_read_stops_an_h2_client() {
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.h2();
    client.headers(1, &with(&request("POST", "/"), &[("content-length", &MUCH.to_string())]), false);
    let mut server = upstream.accept();
    server.head();
    let mut sent = 0;
    send_to_the_end_of_the_window(&mut client, 1, &mut sent);
    assert!(sent < MUCH, "the proxy took all");
    let passed = proxy.stat("cluster.app.upstream_cx_tx_bytes_total") as usize;
    assert!(sent - passed.min(sent) < HELD, "{sent} {passed}");
    server.take(sent / 2);
    assert!(send_to_the_end_of_the_window(&mut client, 1, &mut sent) > 0, "reading does not set it going");
}
