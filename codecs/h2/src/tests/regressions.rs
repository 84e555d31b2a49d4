//! Faults that another HTTP/2 implementation had and mended, one test each, under the numbers of the list in the threat
//! reference, section 1.9. Items 13 (a write of nothing) and 20 (a missing close_notify) are about sockets: the driver's.

use bytes::Bytes;
use nuncio_http::{BodyLength, HeaderId, HeaderList, Method};

use super::pair::{Pair, get, pattern, post, response};
use super::raw::{
    DATA, END, GET, HEADERS, PADDED, POST, WHOLE, at_every_cut, block, client, frame, frames, goaway, headers, literal,
    rst, server, settings, window_update, with,
};
use crate::{EncodeError, ErrorKind, Limits, Reason};

fn edge() -> Limits {
    Limits::default()
}

#[test]
fn item_1_end_stream_on_headers_with_a_content_length_is_malformed() {
    let sample = headers(1, END, &with(POST, &[("content-length", "1")]));
    let made = at_every_cut(&|| server(edge()), &sample);
    assert_eq!((made.events.len(), made.fault), (0, Some("http2.body_too_short")));
    let sample = headers(1, END, &[(":status", "200"), ("content-length", "1")]);
    let made = at_every_cut(&|| client(edge(), Method::Get).0, &sample);
    assert_eq!(made.events, ["1 reset PROTOCOL_ERROR by us http2.body_too_short"]);
}

#[test]
fn item_2_an_oversized_head_is_answered_or_a_protocol_error_and_never_refused() {
    let small = Limits { head_bytes: 300, ..edge() };
    let long = "v".repeat(200);
    let request = headers(1, END, &with(GET, &[("x", &long)]));
    let made = at_every_cut(&|| server(small.clone()), &request);
    assert_eq!((made.events, made.frames), (vec!["1 refused 431 http2.head_too_large".into()], vec![]));
    let response = headers(1, END, &[(":status", "200"), ("x", &long), ("y", &long)]);
    let made = at_every_cut(&|| client(small.clone(), Method::Get).0, &response);
    // REFUSED_STREAM would say that it may be sent again.
    assert_eq!(made.events, ["1 reset PROTOCOL_ERROR by us http2.head_too_large"]);
}

#[test]
fn item_3_a_head_far_over_the_limit_ends_the_connection() {
    let small = Limits { head_bytes: 300, ..edge() };
    let long = "v".repeat(1200);
    for sample in [headers(1, END, &with(GET, &[("x", &long)])), headers(1, END, &[(":status", "200"), ("x", &long)])] {
        for mut end in [server(small.clone()), client(small.clone(), Method::Get).0] {
            end.events(&sample);
            assert_eq!(end.error.unwrap().kind, ErrorKind::HeaderFlood);
        }
    }
    // A block that nobody wants, too.
    let mut end = server(Limits { max_concurrent_streams: 0, ..small });
    end.events(&headers(1, END, &with(GET, &[("x", &long)])));
    assert_eq!(end.error.unwrap().kind, ErrorKind::HeaderFlood);
}

#[test]
fn item_4_the_longest_padding() {
    let mut end = server(edge());
    let padded = |front: &[u8]| [&[255], front, &[0; 255]].concat();
    end.events(&frame(HEADERS, WHOLE | PADDED, 1, &padded(&block(POST))));
    end.events(&frame(DATA, PADDED | END, 1, &padded(b"x")));
    assert_eq!((end.bodies, end.error), (vec![(1, b"x".to_vec())], None));
}

#[test]
fn item_5_padding_is_given_back_to_both_windows_at_once() {
    let limits = Limits { initial_stream_window: 1000, initial_connection_window: 65_535, ..edge() };
    let mut end = server(limits);
    end.releases = false;
    end.events(&headers(1, 0, POST));
    let mut seen = Vec::new();
    // One byte of data and 256 of padding: without the credit the stream's window is used up after three of them.
    for _ in 0..300 {
        seen.extend(end.answer(&frame(DATA, PADDED, 1, &[&[255, b'x'][..], &[0; 255]].concat())));
    }
    assert_eq!(end.error, None);
    assert_eq!(end.bodies[0].1.len(), 300);
    let padding = 300 * 256;
    let credited = |stream: &str| -> usize {
        let updates = seen.iter().filter(|text| text.starts_with(stream));
        updates.map(|text| text.split(' ').next_back().unwrap().parse::<usize>().unwrap()).sum()
    };
    assert!((padding - 500..=padding).contains(&credited("1 WINDOW_UPDATE")));
    assert!((padding - 32_768..=padding).contains(&credited("0 WINDOW_UPDATE")));
}

#[test]
fn item_6_data_after_goaway_still_credits_the_connection() {
    let mut end = server(edge());
    let now = end.now;
    end.connection.shutdown(now);
    end.connection.handle_timeout(now + std::time::Duration::from_secs(1)).unwrap();
    end.output();
    end.events(&headers(1, 0, POST));
    let mut credited = 0;
    for _ in 0..200 {
        let answer = end.answer(&frame(DATA, 0, 1, &[0; 16_384]));
        credited += answer.iter().filter(|text| text.starts_with("0 WINDOW_UPDATE")).count();
    }
    assert_eq!((end.error, credited), (None, 6), "3.2 MB went through a window of 1 MiB");
}

#[test]
fn item_7_a_cancelled_stream_returns_what_it_had_queued() {
    let mut end = server(edge());
    end.events(&[headers(1, END, GET), headers(3, END, GET)].concat());
    let (first, second) = (end.met[0], end.met[1]);
    for stream in [first, second] {
        end.connection.send_response(stream, &response(200, BodyLength::Unknown), false).unwrap();
    }
    end.connection.send_data(first, pattern(1_000_000), false).unwrap();
    assert_eq!(end.connection.window(second), 0);
    end.connection.reset(first, Reason::CANCEL);
    assert_eq!(end.connection.window(second), 65_535);
    assert_eq!(end.connection.queued_total(), 0);
    // And by the peer.
    end.connection.send_data(second, pattern(1_000_000), false).unwrap();
    end.events(&rst(3, Reason::CANCEL));
    assert_eq!(end.connection.queued_total(), 0);
    assert!(!end.connection.wants_fill());
}

#[test]
fn item_8_a_reset_of_ours_is_told_to_who_sends() {
    let mut end = server(edge());
    end.events(&headers(1, 0, POST));
    let stream = end.met[0];
    end.connection.send_response(stream, &response(200, BodyLength::Unknown), false).unwrap();
    end.connection.send_data(stream, pattern(1_000_000), false).unwrap();
    assert_eq!(end.events(&window_update(1, 0)), ["1 reset PROTOCOL_ERROR by us http2.empty_window_update"]);
    assert_eq!(end.connection.send_data(stream, pattern(1), true), Err(EncodeError::Closed));
    assert_eq!(end.connection.send_trailers(stream, &HeaderList::new()), Err(EncodeError::Closed));
    assert_eq!(end.connection.queued(stream), 0);
}

#[test]
fn item_9_no_headers_after_our_reset() {
    let mut end = server(edge());
    end.events(&headers(1, 0, POST));
    let stream = end.met[0];
    end.connection.reset(stream, Reason::CANCEL);
    assert_eq!(end.connection.send_response(stream, &response(200, BodyLength::Empty), true), Err(EncodeError::Closed));
    assert_eq!(end.connection.send_interim(stream, &response(103, BodyLength::Empty)), Err(EncodeError::Closed));
    assert!(!end.connection.send_continue(stream));
    assert_eq!(frames(&end.output()), ["1 RST_STREAM CANCEL"]);
}

#[test]
fn item_10_a_goaway_leaves_the_streams_of_its_sender_alone() {
    let mut end = server(edge());
    end.events(&headers(1, 0, POST));
    let stream = end.met[0];
    // The last stream of ours that it acts on: there are none.
    assert_eq!(end.events(&goaway(0, Reason::NO_ERROR)), ["goaway NO_ERROR"]);
    assert_eq!(end.events(&frame(DATA, END, 1, b"abc")), ["1 data ."]);
    end.connection.send_response(stream, &response(200, BodyLength::Empty), true).unwrap();
    assert_eq!(frames(&end.output()), ["1 HEADERS ."]);
}

#[test]
fn item_11_a_reset_behind_the_end_does_not_take_back_what_came() {
    let mut end = server(edge());
    let now = end.now;
    let sample =
        [headers(1, 0, POST), frame(DATA, 0, 1, b"abc"), frame(DATA, END, 1, b"def"), rst(1, Reason::NO_ERROR)];
    end.feed(&sample.concat(), now);
    assert_eq!(end.bodies, [(1, b"abcdef".to_vec())]);
    let log = end.take_log();
    assert_eq!(log[1..], ["1 data .", "1 reset NO_ERROR by peer http2.remote_reset"]);
    // Where both directions are done it is nothing at all.
    let (mut end, _) = client(edge(), Method::Get);
    let sample = [headers(1, 0, &[(":status", "200")]), frame(DATA, END, 1, b"abc"), rst(1, Reason::NO_ERROR)].concat();
    assert_eq!(end.events(&sample)[1..], ["1 data ."]);
    assert_eq!(end.bodies, [(1, b"abc".to_vec())]);
}

#[test]
fn item_12_frames_on_streams_whose_headers_were_not_sent_are_rejected() {
    for bytes in
        [headers(3, END, &[(":status", "200")]), frame(DATA, 0, 3, b"x"), rst(3, Reason::CANCEL), window_update(3, 1)]
    {
        let (mut end, _) = client(edge(), Method::Get);
        end.events(&bytes);
        assert_eq!(end.error.unwrap().reason, Reason::PROTOCOL_ERROR);
    }
}

#[test]
fn item_14_trailers_behind_a_shut_window_are_not_lost() {
    let mut end = server(edge());
    end.events(&[settings(&[(4, 0)]), headers(1, END, GET)].concat());
    let stream = end.met[0];
    end.connection.send_response(stream, &response(200, BodyLength::Unknown), false).unwrap();
    end.connection.send_data(stream, pattern(5), false).unwrap();
    let mut trailers = HeaderList::new();
    trailers.push(HeaderId::GrpcStatus, b"0");
    end.connection.send_trailers(stream, &trailers).unwrap();
    assert_eq!(end.connection.queued(stream), 6);
    assert_eq!(frames(&end.output()), ["SETTINGS ACK", "1 HEADERS"]);
    assert!(!end.connection.wants_fill());
    end.events(&window_update(1, 5));
    assert!(end.connection.wants_fill());
    assert_eq!(frames(&end.output()), ["1 DATA 5", "1 HEADERS ."]);
    assert_eq!(end.connection.queued_total(), 0);
}

#[test]
fn item_15_who_forgets_a_stream_frees_its_part_of_the_window() {
    let mut end = server(edge());
    end.releases = false;
    let mut credited = 0;
    for nth in 0..200 {
        let id = nth * 2 + 1;
        let sample =
            [headers(id, 0, POST), frame(DATA, 0, id, &[0; 16_384]), frame(DATA, 0, id, &[0; 16_384])].concat();
        end.events(&sample);
        let stream = end.met.pop().unwrap();
        match nth % 3 {
            // In the middle of a frame.
            0 => drop(end.events(&frame(DATA, 0, id, &[0; 100])[..50])),
            1 => drop(end.events(&rst(id, Reason::CANCEL))),
            _ => {}
        }
        end.connection.forget(stream);
        if nth % 3 == 0 {
            end.events(&frame(DATA, 0, id, &[0; 100])[50..]);
        }
        credited += frames(&end.output()).iter().filter(|text| text.starts_with("0 WINDOW_UPDATE")).count();
    }
    assert_eq!((end.error, credited), (None, 12), "6.5 MB went through a window of 1 MiB");
}

#[test]
fn item_16_the_encoders_table_does_not_follow_the_peer() {
    let mut pair = Pair::with(Limits { header_table_size: 1 << 30, ..edge() }, edge());
    let mut head = response(200, BodyLength::Empty);
    for nth in 0..50 {
        let value = format!("{nth:0>100}");
        head.headers.push_raw(format!("x-{nth}").as_bytes(), value.as_bytes());
    }
    // The client's decoder would take more than 4 KiB, but nothing that it inserted is used beyond that: all fields of the
    // second response that did not fit are literals again.
    let mut sizes = Vec::new();
    for _ in 0..2 {
        let (_, server) = pair.open(&get(), true);
        pair.server.connection.send_response(server, &head, true).unwrap();
        let bytes = pair.server.output();
        sizes.push(bytes.len());
        pair.client.feed(&bytes, pair.now);
    }
    assert!(sizes[1] > sizes[0] / 4, "{sizes:?}");
    assert_eq!(pair.client.responses[1].1.headers.len(), 51);
    // Down to nothing it does follow.
    let mut end = server(edge());
    end.events(&settings(&[(1, 0)]));
    end.output();
    let mut first = Vec::new();
    for id in [1, 3] {
        end.events(&headers(id, END, GET));
        let stream = end.met.pop().unwrap();
        end.connection.send_response(stream, &response(200, BodyLength::Empty), true).unwrap();
        let bytes = end.output()[9..].to_vec();
        match id {
            1 => first = bytes.strip_prefix(b"\x20").expect("a size update to 0").to_vec(),
            _ => assert_eq!(bytes, first, "nothing was inserted"),
        }
    }
}

#[test]
fn item_17_absurd_numbers_of_fields() {
    // One byte each, of the static table: :method GET, then 16 thousand accept-encoding.
    let mut head = block(GET);
    head.resize(16_000, 0x90);
    for (fields, expected) in [(100, "1 refused 431 http2.head_too_large"), (usize::MAX, "")] {
        let mut end = server(Limits { fields, head_bytes: 1 << 20, ..edge() });
        let log = end.events(&frame(HEADERS, END | WHOLE, 1, &head));
        if expected.is_empty() {
            assert!(end.requests[0].1.head.headers.len() > 15_000);
        } else {
            assert_eq!(log, [expected]);
        }
    }
    let mut end = server(edge());
    end.events(&frame(HEADERS, END | WHOLE, 1, &head));
    assert_eq!(end.error.unwrap().kind, ErrorKind::HeaderFlood, "16 thousand fields are 900 kB");
    let mut crumbs = block(GET);
    (0..1000).for_each(|_| literal(&mut crumbs, b"cookie", b""));
    let mut end = server(edge());
    assert_eq!(end.events(&frame(HEADERS, END | WHOLE, 1, &crumbs)), ["1 refused 431 http2.head_too_large"]);
}

#[test]
fn item_18_empty_data_with_an_end_is_no_empty_frame() {
    let mut end = server(edge());
    // More than `empty_frames` of them.
    for id in (1..401).step_by(2) {
        end.events(&[headers(id, 0, POST), frame(DATA, END, id, b"")].concat());
        let stream = end.met.pop().unwrap();
        end.connection.send_response(stream, &response(200, BodyLength::Empty), true).unwrap();
        end.connection.forget(stream);
        end.output();
    }
    assert_eq!(end.error, None);
}

#[test]
fn item_19_windows_of_streams_that_sent_their_end_do_not_matter() {
    let mut end = server(edge());
    end.events(&headers(1, 0, POST));
    let stream = end.met[0];
    end.connection.send_response(stream, &response(200, BodyLength::Unknown), false).unwrap();
    end.connection.send_data(stream, pattern(100), true).unwrap();
    end.output();
    // Neither overflows: there is no window any more.
    end.events(&window_update(1, u32::MAX >> 1));
    end.events(&settings(&[(4, u32::MAX >> 1)]));
    end.events(&settings(&[(4, 0)]));
    assert_eq!(end.error, None);
    assert_eq!(end.events(&frame(DATA, END, 1, b"x")), ["1 data ."]);
    // An open stream's does.
    let mut end = server(edge());
    end.events(&[headers(1, 0, POST), window_update(1, 1000), settings(&[(4, u32::MAX >> 1)])].concat());
    assert_eq!(end.error.unwrap().reason, Reason::FLOW_CONTROL_ERROR);
}

#[test]
fn item_21_a_window_below_zero() {
    let mut pair = Pair::new();
    let (client, server) = pair.open(&post(BodyLength::Unknown), false);
    pair.server.releases = false;
    pair.client.connection.send_data(client, pattern(100_000), true).unwrap();
    pair.run();
    let had = pair.server.body(server).len();
    assert_eq!(had, 65_536);
    // From 64 KiB down to 1000: 64,536 bytes below.
    let answer = pair.client.answer(&settings(&[(4, 1000)]));
    assert_eq!(answer, ["SETTINGS ACK"]);
    assert_eq!(
        pair.client.answer(&[window_update(1, 64_536), window_update(0, 1 << 20)].concat()),
        Vec::<String>::new()
    );
    assert!(!pair.client.connection.wants_fill());
    assert_eq!(pair.client.answer(&window_update(1, 5)), ["1 DATA 5"]);
    assert_eq!(pair.client.answer(&settings(&[(4, 1010)])), ["SETTINGS ACK", "1 DATA 10"]);
    pair.client.connection.send_data(client, Bytes::new(), true).unwrap();
}
