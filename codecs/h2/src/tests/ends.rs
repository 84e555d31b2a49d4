//! How connections and streams end before their time: resets, GOAWAY both ways, and what must happen in time.

use std::time::Duration;

use nuncio_http::{BodyLength, Method};

use super::pair::{End, Pair, epoch, get, pattern, post, response};
use super::raw::{
    DATA, END, GET, HEADERS, PING, POST, PREFACE, client, frame, frames, goaway, headers, hello, rst, server, settings,
};
use crate::{EncodeError, ErrorKind, Limits, Reason, Side};

#[test]
fn resets_both_ways() {
    let mut pair = Pair::new();
    let (client, server) = pair.open(&post(BodyLength::Unknown), false);
    pair.client.connection.send_data(client, pattern(100_000), false).unwrap();
    pair.client.connection.reset(client, Reason::CANCEL);
    pair.client.connection.reset(client, Reason::CANCEL);
    assert_eq!(pair.client.connection.queued_total(), 0);
    pair.server.take_log();
    pair.run();
    assert_eq!(pair.server.take_log(), ["1 reset CANCEL by peer http2.remote_reset"]);
    assert_eq!(pair.client.take_log(), Vec::<String>::new(), "what the caller does is no news to it");
    assert_eq!(pair.client.connection.send_data(client, pattern(1), true), Err(EncodeError::Closed));
    let head = response(200, BodyLength::Empty);
    assert_eq!(pair.server.connection.send_response(server, &head, true), Err(EncodeError::Closed));
    assert_eq!((pair.client.connection.streams(), pair.server.connection.streams()), (1, 1), "until forgotten");

    let (_, server) = pair.open(&post(BodyLength::Unknown), false);
    pair.server.connection.reset(server, Reason::REFUSED_STREAM);
    pair.run();
    let expected = "3 reset REFUSED_STREAM by peer http2.remote_reset unprocessed";
    assert_eq!(pair.client.take_log(), [expected]);
    assert_eq!((pair.client.connection.take_counts().rx_reset, pair.server.connection.take_counts().tx_reset), (1, 1));
}

#[test]
fn forget_resets_what_is_open() {
    for (answered, whole_request, expected) in [
        (false, false, "1 RST_STREAM CANCEL"),
        (false, true, "1 RST_STREAM CANCEL"),
        (true, false, "1 RST_STREAM NO_ERROR"),
        (true, true, ""),
    ] {
        let mut server = server(Limits::default());
        server.events(&headers(1, if whole_request { END } else { 0 }, POST));
        let stream = server.met[0];
        if answered {
            server.connection.send_response(stream, &response(200, BodyLength::Empty), true).unwrap();
            server.output();
        }
        server.connection.forget(stream);
        assert_eq!(frames(&server.output()).join(""), expected);
        assert_eq!(server.connection.streams(), 0);
    }
    let (mut client, stream) = client(Limits::default(), Method::Get);
    client.connection.forget(stream);
    assert_eq!(frames(&client.output()), ["1 RST_STREAM CANCEL"]);
}

#[test]
fn a_goaway_ends_the_streams_that_were_not_processed_one_event_each() {
    let mut pair = Pair::new();
    for _ in 0..4 {
        pair.client.connection.open(&get(), None, true).unwrap();
    }
    pair.run();
    pair.client.take_log();
    assert_eq!(pair.client.connection.capacity(), 96);
    let expected = [
        "5 reset NO_ERROR by peer http2.goaway unprocessed",
        "7 reset NO_ERROR by peer http2.goaway unprocessed",
        "goaway NO_ERROR",
    ];
    assert_eq!(pair.client.events(&goaway(3, Reason::NO_ERROR)), expected);
    assert_eq!(pair.client.connection.capacity(), 0);
    assert_eq!(pair.client.connection.open(&get(), None, true), Err(EncodeError::Refused));
    // The others go on.
    let (stream, _) = pair.server.requests[0];
    pair.server.connection.send_response(stream, &response(200, BodyLength::Empty), true).unwrap();
    pair.run();
    assert_eq!(pair.client.take_log(), ["1 response HTTP/2 200 Empty [server: nuncio] ."]);
    // A second one may only name fewer.
    let expected = ["3 reset INTERNAL_ERROR by peer http2.goaway unprocessed", "goaway INTERNAL_ERROR"];
    assert_eq!(pair.client.events(&goaway(1, Reason::INTERNAL_ERROR)), expected);
    assert_eq!(pair.client.events(&goaway(u32::MAX, Reason::NO_ERROR)), ["goaway NO_ERROR"]);
}

#[test]
fn a_graceful_shutdown_of_a_server_takes_a_round_trip() {
    let mut pair = Pair::new();
    let (client, server) = pair.open(&get(), true);
    pair.server.connection.shutdown(pair.now);
    pair.server.connection.shutdown(pair.now);
    let first = pair.server.output();
    assert_eq!(frames(&first), ["GOAWAY 2147483647 NO_ERROR", "PING"]);
    // This request was on its way.
    let late = pair.client.connection.open(&get(), None, true).unwrap();
    let up = pair.client.output();
    pair.server.feed(&up, pair.now);
    let (late_server, _) = *pair.server.requests.last().unwrap();
    assert_eq!(late_server.id, late.id);
    pair.client.feed(&first, pair.now);
    assert_eq!(pair.client.take_log(), ["goaway NO_ERROR"]);
    assert_eq!(pair.client.connection.capacity(), 0);
    let ack = pair.client.output();
    pair.server.feed(&ack, pair.now);
    assert_eq!(frames(&pair.server.output()), ["GOAWAY 3 NO_ERROR"]);
    assert!(!pair.server.connection.is_drained());
    for stream in [server, late_server] {
        pair.server.connection.send_response(stream, &response(200, BodyLength::Empty), true).unwrap();
        pair.server.connection.forget(stream);
    }
    assert!(pair.server.connection.is_drained());
    assert_eq!(pair.server.connection.deadline(), None);
    pair.run();
    assert_eq!(pair.client.responses.len(), 2);
    assert_eq!(client.id, 1);
    assert_eq!(pair.server.connection.take_counts().goaway_sent, 2);
}

#[test]
fn a_graceful_shutdown_does_not_wait_for_ever() {
    let mut server = server(Limits::default());
    let now = server.now;
    server.connection.shutdown(now);
    server.output();
    let until = server.connection.deadline().unwrap();
    assert_eq!(until, now + Duration::from_secs(1));
    server.connection.handle_timeout(until - Duration::from_millis(1)).unwrap();
    assert!(!server.connection.is_drained());
    server.connection.handle_timeout(until).unwrap();
    assert!(server.connection.is_drained());
    assert_eq!(frames(&server.output()), ["GOAWAY 0 NO_ERROR"]);

    // What comes after that is none of ours, whatever it is; the table of names stays in step, the window open.
    let mut head = vec![0x82, 0x86, 0x84, 0x41, 1, b'a'];
    super::raw::literal(&mut head, b"x", b"y");
    assert_eq!(server.events(&frame(HEADERS, 4, 1, &head)), Vec::<String>::new());
    for _ in 0..40 {
        server.events(&frame(DATA, 0, 1, &[0; 16_384]));
    }
    server.events(&rst(1, Reason::CANCEL));
    assert_eq!(frames(&server.output()), ["0 WINDOW_UPDATE 524288"]);
    assert_eq!((server.error, server.connection.streams()), (None, 0));
    // The last stream that is named never grows.
    server.connection.close(Reason::INTERNAL_ERROR);
    assert_eq!(frames(&server.output()), ["GOAWAY 0 INTERNAL_ERROR"]);
}

#[test]
fn a_client_shuts_down_at_once() {
    let mut pair = Pair::new();
    let (client, server) = pair.open(&get(), true);
    pair.server.take_log();
    pair.client.connection.shutdown(pair.now);
    assert_eq!(pair.client.connection.capacity(), 0);
    pair.run();
    assert_eq!(pair.server.take_log(), ["goaway NO_ERROR"], "and the request goes on");
    pair.server.connection.send_response(server, &response(200, BodyLength::Empty), true).unwrap();
    pair.run();
    assert!(!pair.client.connection.is_drained());
    pair.client.connection.forget(client);
    assert!(pair.client.connection.is_drained());
}

#[test]
fn close_is_the_end_for_both() {
    let mut pair = Pair::new();
    let (_, server) = pair.open(&get(), true);
    pair.server.connection.close(Reason::ENHANCE_YOUR_CALM);
    pair.server.connection.close(Reason::NO_ERROR);
    assert!(!pair.server.connection.wants_fill());
    let head = response(200, BodyLength::Empty);
    assert_eq!(pair.server.connection.send_response(server, &head, true), Err(EncodeError::Closed));
    let bytes = pair.server.output();
    assert_eq!(frames(&bytes), ["GOAWAY 1 ENHANCE_YOUR_CALM"]);
    assert_eq!(pair.client.events(&bytes), ["goaway ENHANCE_YOUR_CALM"]);
    pair.server.events(b"");
    assert_eq!(pair.server.error.unwrap().kind, ErrorKind::Closed);
}

#[test]
fn a_preface_comes_in_time() {
    let timeout = Limits::default().block_timeout;
    for (side, bytes) in [(Side::Server, &PREFACE[..20]), (Side::Server, b""), (Side::Client, b"")] {
        let mut end = End::new(side, Limits::default(), epoch());
        end.events(bytes);
        let until = end.connection.deadline().unwrap();
        assert_eq!(until, end.now + timeout);
        assert_eq!(end.connection.handle_timeout(until - Duration::from_millis(1)), Ok(()));
        let error = end.connection.handle_timeout(until).unwrap_err();
        assert_eq!((error.kind, error.reason), (ErrorKind::PrefaceTimeout, Reason::SETTINGS_TIMEOUT));
    }
    let mut end = End::new(Side::Server, Limits::default(), epoch());
    end.events(&hello());
    assert_eq!(end.connection.deadline(), None);
}

#[test]
fn a_slow_reader_is_not_a_slow_writer() {
    // While no more is read because replies wait for the socket, nothing can become whole.
    let limits = Limits { outbound_control_frames: 10, ..Limits::default() };
    let mut server = server(limits);
    let pings = frame(PING, 0, 0, &[0; 8]).repeat(5);
    server.events(&[&pings[..], &headers(1, END, GET)[..10]].concat());
    assert!(server.connection.is_congested());
    let until = server.connection.deadline().unwrap();
    assert_eq!(server.connection.handle_timeout(until), Ok(()));
    assert!(server.connection.deadline().unwrap() > until);
    server.output();
    let again = server.connection.deadline().unwrap();
    assert_eq!(server.connection.handle_timeout(again).unwrap_err().kind, ErrorKind::HeaderTimeout);
}

#[test]
fn a_client_assumes_a_hundred_streams_until_it_is_told() {
    let mut client = End::new(Side::Client, Limits { max_concurrent_streams: 1000, ..Limits::default() }, epoch());
    assert_eq!(client.connection.capacity(), 100);
    client.events(&settings(&[]));
    assert_eq!(client.connection.capacity(), 1000);
    client.events(&settings(&[(3, 7)]));
    assert_eq!(client.connection.capacity(), 7);
    client.events(&settings(&[(3, 0)]));
    assert_eq!(client.connection.capacity(), 0);
}
