//! Bodies under flow control (RFC 9113 sections 5.2 and 6.9), and whose turn it is (RFC 9218).

use bytes::Bytes;
use nuncio_http::{BodyLength, HeaderList};

use super::pair::{End, Pair, get, pattern, post, response};
use super::raw::{DATA, END, GET, PRIORITY_UPDATE, frame, frames, headers, server, settings, window_update, with};
use crate::frame::{HEADER_LEN, Header};
use crate::{Limits, Reason, StreamRef};

fn windows(stream: u32, connection: u32) -> Limits {
    Limits { initial_stream_window: stream, initial_connection_window: connection, ..Limits::default() }
}

/// Sends `len` bytes on a stream, as the caller of a codec does: no more at a time than there is room for.
fn send_all(pair: &mut Pair, upload: bool, stream: StreamRef, len: usize) {
    let whole = pattern(len);
    let mut at = 0;
    while at < len {
        let end = if upload { &mut pair.client } else { &mut pair.server };
        let room = end.connection.window(stream).min(len - at);
        assert!(room > 0 || end.connection.queued(stream) > 0, "stuck at {at} of {len}");
        end.connection.send_data(stream, whole.slice(at..at + room), at + room == len).unwrap();
        at += room;
        pair.run();
    }
}

#[test]
fn large_bodies_through_small_windows_in_both_directions() {
    for (stream_window, connection_window) in
        [(1, 65_535), (100, 65_535), (16_384, 65_535), (65_536, 1 << 20), (1 << 24, 70_000)]
    {
        let len = if stream_window < 1000 { 3000 } else { 1_000_000 };
        let limits = windows(stream_window, connection_window);
        let mut pair = Pair::with(limits.clone(), limits);
        let (client, server) = pair.open(&post(BodyLength::Exact(len as u64)), false);
        pair.server.connection.send_response(server, &response(200, BodyLength::Unknown), false).unwrap();
        send_all(&mut pair, true, client, len);
        send_all(&mut pair, false, server, len);
        assert_eq!(pair.server.body(server), &pattern(len)[..]);
        assert_eq!(pair.client.body(client), &pattern(len)[..]);
        assert_eq!(
            (pair.client.connection.sent(client), pair.server.connection.sent(server)),
            (len as u64, len as u64)
        );
        assert_eq!((pair.client.error, pair.server.error), (None, None));
    }
}

#[test]
fn both_directions_at_once_on_many_streams() {
    let mut pair = Pair::with(windows(20_000, 65_535), windows(5000, 100_000));
    let streams: Vec<_> = (0..20).map(|_| pair.open(&post(BodyLength::Unknown), false)).collect();
    for &(client, server) in &streams {
        pair.server.connection.send_response(server, &response(200, BodyLength::Unknown), false).unwrap();
        pair.server.connection.send_data(server, pattern(90_000), true).unwrap();
        pair.client.connection.send_data(client, pattern(70_000), true).unwrap();
    }
    pair.run();
    for &(client, server) in &streams {
        assert_eq!((pair.client.body(client).len(), pair.server.body(server).len()), (90_000, 70_000));
        pair.client.connection.forget(client);
        pair.server.connection.forget(server);
    }
    assert_eq!((pair.client.connection.queued_total(), pair.server.connection.queued_total()), (0, 0));
    assert_eq!((pair.client.error, pair.server.error), (None, None));
}

#[test]
fn not_releasing_is_back_pressure() {
    let mut pair = Pair::with(Limits::default(), windows(10_000, 65_535));
    pair.server.releases = false;
    let (client, server) = pair.open(&post(BodyLength::Unknown), false);
    pair.client.connection.send_data(client, pattern(50_000), true).unwrap();
    pair.run();
    assert_eq!(pair.server.body(server).len(), 10_000);
    assert_eq!(pair.client.connection.queued(client), 40_000);
    assert_eq!(pair.client.connection.window(client), 0);
    // Less than half of the window is not worth a frame.
    pair.server.connection.release(server, 4_999);
    assert_eq!(frames(&pair.server.output()), Vec::<String>::new());
    pair.server.connection.release(server, 1);
    assert_eq!(frames(&pair.server.output()), ["1 WINDOW_UPDATE 5000"]);
    // More than it holds is not taken for more.
    pair.server.connection.release(server, usize::MAX);
    assert_eq!(frames(&pair.server.output()), ["1 WINDOW_UPDATE 5000"]);
    pair.server.connection.release(server, 1);
    assert_eq!(frames(&pair.server.output()), Vec::<String>::new());
}

#[test]
fn no_window_update_for_what_is_received_to_its_end() {
    let mut pair = Pair::new();
    pair.server.releases = false;
    let (client, server) = pair.open(&post(BodyLength::Unknown), false);
    pair.client.connection.send_data(client, pattern(60_000), true).unwrap();
    pair.run();
    pair.server.connection.release(server, 60_000);
    assert_eq!(frames(&pair.server.output()), Vec::<String>::new());
}

#[test]
fn the_last_byte_carries_the_end() {
    let mut server = server(Limits::default());
    server.events(&headers(1, END, GET));
    let stream = server.met[0];
    server.connection.send_response(stream, &response(200, BodyLength::Unknown), false).unwrap();
    server.connection.send_data(stream, pattern(20_000), false).unwrap();
    server.connection.send_data(stream, pattern(3), false).unwrap();
    server.connection.send_data(stream, Bytes::new(), true).unwrap();
    assert_eq!(frames(&server.output()), ["1 HEADERS", "1 DATA 16384", "1 DATA 3619 ."]);

    // Only an end that has nothing before it is a frame of its own, and it waits for no window.
    server.events(&headers(3, END, GET));
    let stream = server.met[1];
    server.events(&settings(&[(4, 0)]));
    server.connection.send_response(stream, &response(200, BodyLength::Unknown), false).unwrap();
    server.connection.send_data(stream, Bytes::new(), true).unwrap();
    assert_eq!(frames(&server.output()), ["SETTINGS ACK", "3 HEADERS", "3 DATA 0 ."]);
}

#[test]
fn small_chunks_share_a_frame_and_frames_keep_to_the_peers_size() {
    let mut server = server(Limits::default());
    // A larger frame size of the peer's changes nothing: no stream holds up the others for longer.
    server.events(&settings(&[(5, 1 << 20), (4, 1 << 20)]));
    server.events(&window_update(0, 1 << 20));
    server.events(&headers(1, END, GET));
    let stream = server.met[0];
    server.connection.send_response(stream, &response(200, BodyLength::Unknown), false).unwrap();
    for _ in 0..1000 {
        server.connection.send_data(stream, pattern(100), false).unwrap();
    }
    assert_eq!(server.connection.queued(stream), 100_000);
    server.output();
    server.connection.send_data(stream, pattern(100), true).unwrap();
    assert_eq!(server.connection.queued_total(), 100_100 - server.connection.sent(stream) as usize);
    let mut lens: Vec<usize> = Vec::new();
    let mut end = false;
    while server.connection.wants_fill() {
        for text in frames(&server.output()) {
            end |= text.ends_with('.');
            lens.push(text.split(' ').nth(2).unwrap().parse().unwrap());
        }
    }
    assert!(end && lens.iter().all(|&len| len <= 16_384), "{lens:?}");
}

#[test]
fn fill_stops_at_its_mark() {
    let mut server = server(Limits::default());
    server.events(&[settings(&[(4, 1 << 20)]), window_update(0, 1 << 20), headers(1, END, GET)].concat());
    server.output();
    let stream = server.met[0];
    server.connection.send_response(stream, &response(200, BodyLength::Unknown), false).unwrap();
    server.connection.send_data(stream, pattern(500_000), true).unwrap();
    server.connection.fill(40_000);
    let held = server.connection.output().len();
    assert!((40_000..40_000 + 16_393).contains(&held), "{held}");
    server.connection.fill(40_000);
    assert_eq!(server.connection.output().len(), held);
    assert!(server.connection.wants_fill());
}

/// A server with these requests, each with this much to send, and windows that are no matter.
fn busy(requests: &[(&[(&str, &str)], usize)]) -> End {
    let mut server = server(Limits::default());
    server.events(&[settings(&[(4, 1 << 20)]), window_update(0, 1 << 24)].concat());
    for (nth, (fields, len)) in requests.iter().enumerate() {
        server.events(&headers(nth as u32 * 2 + 1, END, &with(GET, fields)));
        let stream = *server.met.last().unwrap();
        server.connection.send_response(stream, &response(200, BodyLength::Unknown), false).unwrap();
        server.connection.send_data(stream, pattern(*len), true).unwrap();
    }
    server
}

/// The streams of the DATA frames that are sent, in order.
fn turns(server: &mut End) -> Vec<u32> {
    let bytes = loop_fill(server);
    let mut rest = &bytes[..];
    let mut turns = Vec::new();
    while let Some(header) = Header::peek(rest) {
        if header.kind == DATA {
            turns.push(header.stream);
        }
        rest = &rest[HEADER_LEN + header.len..];
    }
    turns
}

fn loop_fill(server: &mut End) -> Vec<u8> {
    let mut all = server.output();
    while server.connection.wants_fill() {
        all.extend(server.output());
    }
    all
}

const FRAME: usize = 16_384;

#[test]
fn equal_streams_take_turns() {
    let mut server = busy(&[(&[], 3 * FRAME), (&[], FRAME), (&[], 3 * FRAME)]);
    assert_eq!(turns(&mut server), [1, 3, 5, 1, 5, 1, 5]);
}

#[test]
fn urgent_streams_go_first_and_streams_of_no_use_in_part_one_by_one() {
    let mut server = busy(&[
        (&[("priority", "u=5")], FRAME),
        (&[("priority", "u=1, i")], 2 * FRAME),
        (&[("priority", "u=1, i")], 2 * FRAME),
        (&[("priority", "u=0")], FRAME),
        (&[("priority", "u=2")], 2 * FRAME),
        (&[("priority", "u=2")], 2 * FRAME),
        (&[], FRAME),
    ]);
    assert_eq!(turns(&mut server), [7, 3, 5, 3, 5, 9, 9, 11, 11, 13, 1]);
}

#[test]
fn a_priority_update_moves_a_stream() {
    let mut server = busy(&[(&[], 2 * FRAME), (&[], 2 * FRAME), (&[], FRAME)]);
    server.events(&frame(PRIORITY_UPDATE, 0, 0, b"\0\0\0\x05u=0"));
    assert_eq!(turns(&mut server), [5, 1, 3, 1, 3]);
    // Before its stream, too; and it overrules the field.
    let mut server = busy(&[(&[], 2 * FRAME)]);
    server.events(&frame(PRIORITY_UPDATE, 0, 0, b"\0\0\0\x03u=0"));
    server.events(&headers(3, END, &with(GET, &[("priority", "u=7")])));
    let stream = server.met[1];
    server.connection.send_response(stream, &response(200, BodyLength::Unknown), false).unwrap();
    server.connection.send_data(stream, pattern(FRAME), true).unwrap();
    assert_eq!(turns(&mut server), [3, 1, 1]);
}

#[test]
fn a_stream_without_a_window_does_not_hold_up_the_others() {
    let mut pair = Pair::with(windows(1000, 65_535), Limits::default());
    pair.client.releases = false;
    let (first, first_server) = pair.open(&get(), true);
    let (second, second_server) = pair.open(&get(), true);
    for stream in [first_server, second_server] {
        pair.server.connection.send_response(stream, &response(200, BodyLength::Unknown), false).unwrap();
        pair.server.connection.send_data(stream, pattern(5000), true).unwrap();
    }
    pair.run();
    assert_eq!((pair.client.body(first).len(), pair.client.body(second).len()), (1000, 1000));
    pair.client.connection.release(second, 1000);
    pair.run();
    assert_eq!((pair.client.body(first).len(), pair.client.body(second).len()), (1000, 2000));
}

#[test]
fn what_needs_no_window_passes_when_there_is_none() {
    let mut pair = Pair::with(windows(100_000, 65_535), Limits::default());
    pair.client.releases = false;
    let (_, hog) = pair.open(&get(), true);
    let (client, server) = pair.open(&get(), true);
    pair.client.take_log();
    pair.server.connection.send_response(hog, &response(200, BodyLength::Unknown), false).unwrap();
    pair.server.connection.send_data(hog, pattern(90_000), true).unwrap();
    pair.run();
    assert!(!pair.server.connection.wants_fill(), "the connection's window is shut");
    pair.server.connection.send_response(server, &response(200, BodyLength::Unknown), false).unwrap();
    let mut trailers = HeaderList::new();
    trailers.push_raw(b"x", b"y");
    pair.server.connection.send_trailers(server, &trailers).unwrap();
    pair.run();
    let log = pair.client.take_log();
    assert_eq!(log[log.len() - 1], format!("{} trailers [x: y]", client.id));
}

#[test]
fn the_caller_hears_of_a_window_that_opens() {
    let mut server = server(Limits::default());
    let now = server.now;
    server.events(&[settings(&[(4, 10)]), headers(1, END, GET)].concat());
    let stream = server.met[0];
    server.connection.send_response(stream, &response(200, BodyLength::Unknown), false).unwrap();
    assert_eq!(server.connection.window(stream), 10);
    server.connection.send_data(stream, pattern(15), false).unwrap();
    server.output();
    assert_eq!((server.connection.window(stream), server.connection.queued(stream)), (0, 5));
    // Enough for what is queued is no news; more than that is.
    for (increment, heard, window) in [(5, false, 0), (1, true, 1), (1, false, 2)] {
        server.buf.extend_from_slice(&window_update(1, increment));
        let event = server.connection.recv(&mut server.buf, now).unwrap();
        assert_eq!(matches!(event, crate::Recv::Settings), heard, "{increment}");
        assert_eq!(server.connection.window(stream), window);
    }
}

#[test]
fn a_peer_that_does_not_know_our_settings_goes_by_the_default() {
    let mut server = End::new(crate::Side::Server, windows(1000, 65_535), super::pair::epoch());
    server.releases = false;
    let sample = [super::raw::PREFACE, &settings(&[]), &headers(1, 0, super::raw::POST)].concat();
    server.events(&sample);
    server.events(&frame(DATA, 0, 1, &[0; 16_000]));
    assert_eq!(server.error, None);
    // From here on it knows.
    server.events(&frame(super::raw::SETTINGS, super::raw::ACK, 0, b""));
    assert_eq!(server.events(&frame(DATA, 0, 1, &[0; 1])), ["1 reset FLOW_CONTROL_ERROR by us http2.window_exceeded"]);
    server.events(&headers(3, 0, super::raw::POST));
    server.events(&frame(DATA, 0, 3, &[0; 1000]));
    assert_eq!(server.events(&frame(DATA, 0, 3, &[0; 1])), ["3 reset FLOW_CONTROL_ERROR by us http2.window_exceeded"]);
}

#[test]
fn data_beyond_the_connections_window_ends_the_connection() {
    let mut server = server(windows(1 << 20, 65_535));
    server.releases = false;
    server.events(&headers(1, 0, super::raw::POST));
    for _ in 0..4 {
        server.events(&frame(DATA, 0, 1, &[0; 16_383]));
    }
    assert_eq!(server.error, None);
    server.events(&frame(DATA, 0, 1, &[0; 4]));
    assert_eq!(server.error.unwrap().reason, Reason::FLOW_CONTROL_ERROR);
}

#[test]
fn chunks_are_parts_of_the_buffer_and_come_as_they_are_read() {
    let mut server = server(Limits::default());
    let now = server.now;
    server.events(&headers(1, 0, super::raw::POST));
    let body = frame(DATA, END, 1, &pattern(10_000));
    let mut seen = Vec::new();
    for piece in body.chunks(3000) {
        server.buf.extend_from_slice(piece);
        while let crate::Recv::Data { chunk, end, .. } = server.connection.recv(&mut server.buf, now).unwrap() {
            seen.push((chunk.len(), end));
        }
    }
    assert_eq!(seen, [(2991, false), (3000, false), (3000, false), (1009, true)]);
}

#[test]
fn a_body_shorter_or_longer_than_its_length_is_caught_at_every_end() {
    let head = |fields: &[(&str, &str)]| headers(1, 0, &with(super::raw::POST, fields));
    let declared = head(&[("content-length", "3")]);
    for (rest, detail) in [
        (frame(DATA, 0, 1, b"abcd"), "body_too_long"),
        (frame(DATA, END, 1, b"ab"), "body_too_short"),
        (frame(DATA, END, 1, b""), "body_too_short"),
        ([frame(DATA, 0, 1, b"abc"), frame(DATA, 0, 1, b"d")].concat(), "body_too_long"),
        ([frame(DATA, 0, 1, b"ab"), headers(1, END, &[("x", "y")])].concat(), "body_too_short"),
    ] {
        let sample = [&declared[..], &rest].concat();
        let made = super::raw::at_every_cut(&|| server(Limits::default()), &sample);
        let expected = format!("1 reset PROTOCOL_ERROR by us http2.{detail}");
        assert_eq!(made.events[1..], [expected], "{}", rest.escape_ascii());
    }
    let mut good = server(Limits::default());
    good.events(&[declared, frame(DATA, 0, 1, b"abc"), frame(DATA, END, 1, b"")].concat());
    assert_eq!(good.connection.last_fault(), None);
}
