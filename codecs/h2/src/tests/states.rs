//! Which frames may come in which state, and what happens to the others (RFC 9113 sections 3.4, 4, 5.1 and 6, row H2-16).

use nuncio_http::{BodyLength, Method};

use super::pair::{End, epoch, pattern, response};
use super::raw::{
    ACK, CONTINUATION, DATA, END, GET, GOAWAY, HEADERS, PADDED, PING, POST, PREFACE, PRIORITY, PRIORITY_UPDATE,
    PUSH_PROMISE, RST_STREAM, SETTINGS, WEIGHTED, WHOLE, WINDOW_UPDATE, at_every_cut, block, client, frame, goaway,
    headers, hello, rst, server, settings, window_update, with,
};
use crate::{Connection, ErrorKind, Limits, Reason, Side, StreamRef};

/// What the server says to this frame, a reset or a GOAWAY; empty: nothing.
fn said(server: &mut End, bytes: &[u8]) -> String {
    let answer = server.answer(bytes);
    answer.into_iter().filter(|text| !text.contains("WINDOW_UPDATE")).collect::<Vec<_>>().join(", ")
}

fn respond(server: &mut End, end: bool) -> StreamRef {
    let stream = *server.met.last().unwrap();
    server.connection.send_response(stream, &response(200, BodyLength::Unknown), end).unwrap();
    server.output();
    stream
}

/// A server whose stream 1 is in this state.
fn in_state(state: &str) -> End {
    let mut server = server(Limits::default());
    let open = |server: &mut End, flags| {
        server.events(&headers(1, flags, POST));
        *server.met.last().unwrap()
    };
    match state {
        "idle" => {}
        "open" => {
            open(&mut server, 0);
        }
        "half-closed (remote)" => {
            open(&mut server, END);
        }
        "half-closed (local)" => {
            open(&mut server, 0);
            respond(&mut server, true);
        }
        "closed" | "closed, forgotten" => {
            open(&mut server, END);
            respond(&mut server, true);
        }
        "reset by the peer" | "reset by the peer, forgotten" => {
            open(&mut server, 0);
            server.events(&rst(1, Reason::CANCEL));
        }
        "reset by us" | "reset by us, forgotten" => {
            let stream = open(&mut server, 0);
            server.connection.reset(stream, Reason::CANCEL);
        }
        "malformed" => {
            server.events(&headers(1, END, &GET[1..]));
        }
        "skipped" => {
            server.events(&headers(3, 0, POST));
        }
        other => panic!("{other}"),
    }
    if state.ends_with("forgotten") {
        let stream = server.met[0];
        server.connection.forget(stream);
    }
    server.take_log();
    server.output();
    assert_eq!(server.error, None, "{state}");
    server
}

#[test]
fn every_frame_in_every_state() {
    let data = frame(DATA, 0, 1, b"x");
    let ended = frame(DATA, END, 1, b"x");
    let head = headers(1, END, &[("x", "y")]);
    let reset = rst(1, Reason::CANCEL);
    let window = window_update(1, 1);
    let overflow = window_update(1, u32::MAX >> 1);
    let nothing = window_update(1, 0);
    let priority = frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 1]);
    let frames = [data, ended, head, reset, window, overflow, nothing, priority];

    const OK: &str = "";
    const CLOSED: &str = "1 RST_STREAM STREAM_CLOSED";
    const BROKEN: &str = "1 RST_STREAM PROTOCOL_ERROR";
    const OVERFLOW: &str = "1 RST_STREAM FLOW_CONTROL_ERROR";
    const GONE: &str = "GOAWAY 1 STREAM_CLOSED";
    const NEVER: &str = "GOAWAY 0 PROTOCOL_ERROR";
    const SKIPPED: &str = "GOAWAY 3 PROTOCOL_ERROR";
    // RST_STREAM cannot be said of a stream that nobody has opened: what would take one ends the connection.
    #[rustfmt::skip]
    let table = [
        //                                DATA     DATA END HEADERS  RST  W_U      W_U max   W_U 0   PRIORITY
        ("idle",                         [NEVER,   NEVER,   NEVER,   NEVER, NEVER, NEVER,    NEVER,  OK]),
        ("open",                         [OK,      OK,      OK,      OK,  OK,      OVERFLOW, BROKEN, OK]),
        ("half-closed (remote)",         [CLOSED,  CLOSED,  CLOSED,  OK,  OK,      OVERFLOW, BROKEN, OK]),
        ("half-closed (local)",          [OK,      OK,      OK,      OK,  OK,      OK,       BROKEN, OK]),
        ("closed",                       [GONE,    GONE,    GONE,    OK,  OK,      OK,       BROKEN, OK]),
        ("closed, forgotten",            [GONE,    GONE,    GONE,    OK,  OK,      OK,       BROKEN, OK]),
        ("reset by the peer",            [CLOSED,  CLOSED,  CLOSED,  OK,  OK,      OK,       BROKEN, OK]),
        ("reset by the peer, forgotten", [CLOSED,  CLOSED,  CLOSED,  OK,  OK,      OK,       BROKEN, OK]),
        ("reset by us",                  [OK,      OK,      OK,      OK,  OK,      OK,       BROKEN, OK]),
        ("reset by us, forgotten",       [OK,      OK,      OK,      OK,  OK,      OK,       BROKEN, OK]),
        ("malformed",                    [OK,      OK,      OK,      OK,  OK,      OK,       BROKEN, OK]),
        ("skipped",                      [SKIPPED, SKIPPED, SKIPPED, OK,  OK,      OK,       BROKEN, OK]),
    ];
    for (state, expected) in table {
        for (frame, expected) in frames.iter().zip(expected) {
            let mut server = in_state(state);
            // A request that is idle is no trailer section.
            let frame = if state == "idle" && frame[3] == HEADERS { headers(2, END, GET) } else { frame.clone() };
            assert_eq!(said(&mut server, &frame), expected, "{state}: {}", frame.escape_ascii());
        }
    }
}

#[test]
fn a_reset_is_an_event_only_of_a_stream_that_is_open() {
    for (state, events) in [
        ("open", &["1 reset CANCEL by peer http2.remote_reset"][..]),
        ("half-closed (remote)", &["1 reset CANCEL by peer http2.remote_reset"]),
        ("half-closed (local)", &["1 reset CANCEL by peer http2.remote_reset"]),
        ("closed", &[]),
        ("reset by the peer", &[]),
        ("reset by us", &[]),
    ] {
        assert_eq!(in_state(state).events(&rst(1, Reason::CANCEL)), events, "{state}");
    }
}

#[test]
fn streams_that_are_long_gone_are_given_the_benefit_of_the_doubt() {
    let mut server = server(Limits::default());
    for id in (1..200).step_by(2) {
        server.events(&headers(id, END, GET));
        let stream = server.met.pop().unwrap();
        server.connection.forget(stream);
    }
    server.output();
    for late in [frame(DATA, 0, 1, b"x"), headers(1, END, &[("x", "y")]), rst(1, Reason::CANCEL), window_update(1, 1)] {
        assert_eq!(said(&mut server, &late), "");
    }
    // It is remembered that stream 199 was reset by us.
    assert_eq!(said(&mut server, &frame(DATA, 0, 199, b"x")), "");
    assert_eq!(server.error, None);
    assert!(server.connection.take_counts().glitches > 0);
}

#[test]
fn identifiers_only_grow_and_are_odd() {
    let mut server = server(Limits::default());
    server.events(&headers(5, END, GET));
    assert_eq!(said(&mut server, &headers(3, END, GET)), "GOAWAY 5 PROTOCOL_ERROR");
    for id in [2, 4, 0x7fff_fffe] {
        let mut server = in_state("idle");
        assert_eq!(said(&mut server, &headers(id, END, GET)), "GOAWAY 0 PROTOCOL_ERROR", "{id}");
    }
    let mut server = in_state("idle");
    assert_eq!(said(&mut server, &headers(0x7fff_ffff, END, GET)), "");
    assert_eq!(server.met[0].id, 0x7fff_ffff);
}

#[test]
fn broken_frames_end_the_connection() {
    let size = |text: &str| format!("GOAWAY 0 FRAME_SIZE_ERROR {text}").trim().to_string();
    let protocol = || "GOAWAY 0 PROTOCOL_ERROR".to_string();
    let large = vec![0; 16_385];
    for (bytes, expected) in [
        // RFC 9113 section 4.2.
        (frame(DATA, 0, 1, &large), size("")),
        (frame(PING, 0, 0, &large), size("")),
        (frame(99, 0, 1, &large), size("")),
        // Fixed lengths.
        (frame(PING, 0, 0, &[0; 7]), size("")),
        (frame(PING, 0, 0, &[0; 9]), size("")),
        (frame(RST_STREAM, 0, 1, &[0; 3]), size("")),
        (frame(WINDOW_UPDATE, 0, 0, &[0; 5]), size("")),
        (frame(GOAWAY, 0, 0, &[0; 7]), size("")),
        (frame(SETTINGS, 0, 0, &[0; 5]), size("")),
        (frame(SETTINGS, ACK, 0, &[0; 6]), size("")),
        (frame(HEADERS, WHOLE | WEIGHTED, 1, &[0; 4]), size("")),
        (frame(HEADERS, WHOLE | PADDED, 1, b""), size("")),
        (frame(DATA, PADDED, 1, b""), size("")),
        (frame(PRIORITY_UPDATE, 0, 0, &[0; 3]), size("")),
        // The wrong place.
        (frame(DATA, 0, 0, b"x"), protocol()),
        (frame(HEADERS, WHOLE, 0, &block(GET)), protocol()),
        (frame(PRIORITY, 0, 0, &[0; 5]), protocol()),
        (frame(RST_STREAM, 0, 0, &[0; 4]), protocol()),
        (frame(SETTINGS, 0, 1, b""), protocol()),
        (frame(PING, 0, 1, &[0; 8]), protocol()),
        (frame(GOAWAY, 0, 1, &[0; 8]), protocol()),
        (frame(PRIORITY_UPDATE, 0, 1, &[0, 0, 0, 1]), protocol()),
        (frame(PRIORITY_UPDATE, 0, 0, &[0, 0, 0, 0]), protocol()),
        (frame(CONTINUATION, WHOLE, 1, b""), protocol()),
        (frame(PUSH_PROMISE, WHOLE, 1, &[0; 8]), protocol()),
        // Padding (RFC 9113 section 6.1).
        (frame(HEADERS, WHOLE | PADDED, 1, &[5, 0, 0]), protocol()),
        // Values.
        (window_update(0, 0), protocol()),
        (settings(&[(2, 2)]), protocol()),
        (settings(&[(4, 1 << 31)]), "GOAWAY 0 FLOW_CONTROL_ERROR".into()),
        (settings(&[(5, 16_383)]), protocol()),
        (settings(&[(5, 1 << 24)]), protocol()),
        (settings(&[(8, 2)]), protocol()),
        (settings(&[(9, 2)]), protocol()),
        (window_update(0, u32::MAX >> 1), "GOAWAY 0 FLOW_CONTROL_ERROR".into()),
        // A block that others interrupt.
        ([frame(HEADERS, END, 1, b"\x82"), frame(PING, 0, 0, &[0; 8])].concat(), protocol()),
        ([frame(HEADERS, END, 1, b"\x82"), frame(CONTINUATION, WHOLE, 3, b"")].concat(), protocol()),
        ([frame(HEADERS, END, 1, b"\x82"), headers(3, END, GET)].concat(), protocol()),
        ([frame(HEADERS, END, 1, b"\x82"), frame(99, 0, 0, b"")].concat(), protocol()),
    ] {
        let mut server = in_state("idle");
        assert_eq!(said(&mut server, &bytes), expected, "{}", bytes[..bytes.len().min(40)].escape_ascii());
        let error = server.error.unwrap();
        let now = server.now;
        assert_eq!(server.connection.recv(&mut server.buf, now).unwrap_err(), error, "the same error comes again");
        assert_eq!(server.connection.deadline(), None);
    }
    let mut server = in_state("open");
    assert_eq!(said(&mut server, &frame(DATA, PADDED, 1, &[3, 0, 0])), "GOAWAY 1 PROTOCOL_ERROR");
}

#[test]
fn broken_streams_leave_the_connection_alone() {
    for (bytes, expected) in [
        (frame(PRIORITY, 0, 1, &[0; 4]), "1 RST_STREAM FRAME_SIZE_ERROR"),
        (frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 0]), "1 RST_STREAM PROTOCOL_ERROR"),
        (headers(1, 0, &[("x", "y")]), "1 RST_STREAM PROTOCOL_ERROR"),
        (window_update(1, 0), "1 RST_STREAM PROTOCOL_ERROR"),
        (
            frame(HEADERS, END | WHOLE | WEIGHTED, 3, &[&[0, 0, 0, 3, 9], &block(GET)[..]].concat()),
            "3 RST_STREAM PROTOCOL_ERROR",
        ),
    ] {
        let mut server = in_state("open");
        assert_eq!(said(&mut server, &bytes), expected);
        let log = server.take_log().join("");
        assert_eq!(log.contains("by us"), expected.starts_with('1'), "{log}");
        // The table of names is still in step, and the connection serves on.
        assert_eq!(server.events(&headers(5, END, GET)), ["5 request GET / HTTP/2 host=a Empty [] ."]);
    }
}

#[test]
fn what_is_ignored() {
    for bytes in [
        frame(99, 0xff, 77, b"unknown types"),
        settings(&[(99, 1), (3, 0), (6, 0)]),
        frame(PING, ACK, 0, &[7; 8]),
        frame(SETTINGS, ACK, 0, b""),
        frame(PRIORITY, 0, 77, &[0, 0, 0, 3, 1]),
        frame(PRIORITY_UPDATE, 0, 0, b"\0\0\0\x4du=9, ;;"),
        goaway(0, Reason(99)),
    ] {
        let mut server = in_state("idle");
        let answer = said(&mut server, &bytes);
        let expected = if bytes[3] == SETTINGS && bytes[4] == 0 { "SETTINGS ACK" } else { "" };
        assert_eq!(answer, expected, "{}", bytes.escape_ascii());
        assert_eq!(server.events(&headers(1, END, GET)).last().unwrap(), "1 request GET / HTTP/2 host=a Empty [] .");
    }
}

#[test]
fn padding_is_no_part_of_anything() {
    let padded_head = [&[200], &block(POST)[..], &[0; 200]].concat();
    let weighted = [&[2, 0x80, 0, 0, 3, 255], &block(POST)[..], &[0; 2]].concat();
    for (flags, head) in [(PADDED, padded_head), (PADDED | WEIGHTED, weighted)] {
        let sample = [
            frame(HEADERS, WHOLE | flags, 1, &head),
            frame(DATA, PADDED, 1, &[&[255], &b"abc"[..], &[0; 255]].concat()),
            frame(DATA, PADDED, 1, b"\0d"),
            frame(DATA, END | PADDED, 1, b"\x02ef\0\0"),
        ]
        .concat();
        let made = at_every_cut(&|| server(Limits::default()), &sample);
        assert_eq!(made.events, ["1 request POST / HTTP/2 host=a Unknown []", "1 data ."]);
        let mut end = server(Limits::default());
        end.events(&sample);
        assert_eq!(end.bodies, [(1, b"abcdef".to_vec())]);
    }
}

#[test]
fn the_preface_and_the_first_settings() {
    let new = || End::new(Side::Server, Limits::default(), epoch());
    assert_eq!(at_every_cut(&new, &hello()).frames, ["SETTINGS", "0 WINDOW_UPDATE 983041", "SETTINGS ACK"]);
    for (bytes, kind) in [
        (b"GET / HTTP/1.1\r\n".to_vec(), ErrorKind::BadPreface),
        (PREFACE.to_ascii_lowercase(), ErrorKind::BadPreface),
        ([PREFACE, &frame(PING, 0, 0, &[0; 8])].concat(), ErrorKind::Protocol("first frame is not SETTINGS")),
        ([PREFACE, &frame(SETTINGS, ACK, 0, b"")].concat(), ErrorKind::Protocol("first frame is not SETTINGS")),
        ([PREFACE, &headers(1, END, GET)].concat(), ErrorKind::Protocol("first frame is not SETTINGS")),
    ] {
        let mut server = new();
        server.events(&bytes);
        let error = server.error.unwrap();
        assert_eq!((error.kind, error.reason), (kind, Reason::PROTOCOL_ERROR));
        let made = at_every_cut(&new, &bytes);
        assert!(made.frames.last().unwrap().starts_with("GOAWAY 0 PROTOCOL_ERROR"));
    }
    let mut client = End::new(Side::Client, Limits::default(), epoch());
    let said = client.output();
    assert!(said.starts_with(PREFACE));
    client.events(&headers(1, END, &[(":status", "200")]));
    assert_eq!(client.error.unwrap().kind, ErrorKind::Protocol("first frame is not SETTINGS"));
}

#[test]
fn our_settings_say_what_we_go_by() {
    let now = epoch();
    let limits = Limits {
        initial_stream_window: 1000,
        max_frame_size: 20_000,
        header_table_size: 100,
        connect_protocol: true,
        ..Limits::default()
    };
    let says = |side: Side, limits: &Limits| {
        let mut connection = Connection::new(side, limits.clone().into(), now);
        let bytes = super::pair::take(connection.output());
        let bytes = bytes.strip_prefix(PREFACE).unwrap_or(&bytes).to_vec();
        let header = crate::frame::Header::peek(&bytes).unwrap();
        let entries = &bytes[9..9 + header.len];
        let entry = |entry: &[u8]| {
            let value = u32::from_be_bytes(entry[2..].try_into().unwrap());
            (u16::from_be_bytes([entry[0], entry[1]]), value)
        };
        entries.chunks(6).map(entry).collect::<Vec<_>>()
    };
    assert_eq!(says(Side::Server, &Limits::default()), [(4, 65_536), (6, 61_440), (3, 100), (9, 1)]);
    assert_eq!(says(Side::Client, &Limits::default()), [(4, 65_536), (6, 61_440), (2, 0)]);
    let all = [(1, 100), (4, 1000), (5, 20_000), (6, 61_440), (3, 100), (8, 1), (9, 1)];
    assert_eq!(says(Side::Server, &limits), all);
}

#[test]
fn a_client_takes_nothing_from_streams_it_did_not_open() {
    let status = [(":status", "200")];
    for bytes in [
        headers(2, END, &status),
        headers(3, END, &status),
        frame(DATA, END, 3, b""),
        window_update(3, 1),
        rst(3, Reason::CANCEL),
        rst(2, Reason::CANCEL),
        frame(PUSH_PROMISE, WHOLE, 1, &[&[0, 0, 0, 2], &block(GET)[..]].concat()),
        settings(&[(2, 1)]),
        frame(PRIORITY_UPDATE, 0, 0, &[0, 0, 0, 1]),
    ] {
        let (mut client, _) = client(Limits::default(), Method::Get);
        assert_eq!(said(&mut client, &bytes), "GOAWAY 0 PROTOCOL_ERROR", "{}", bytes.escape_ascii());
    }
    // A body before its head.
    let (mut client, _) = client(Limits::default(), Method::Get);
    assert_eq!(client.events(&frame(DATA, 0, 1, b"x")), ["1 reset PROTOCOL_ERROR by us http2.data_before_head"]);
}

#[test]
fn settings_are_taken_back_only_where_they_may() {
    let (mut client, _) = client(Limits::default(), Method::Get);
    assert_eq!(said(&mut client, &settings(&[(8, 1)])), "SETTINGS ACK");
    assert!(client.connection.peer_connect_protocol());
    assert_eq!(said(&mut client, &settings(&[(8, 0)])), "GOAWAY 0 PROTOCOL_ERROR");
}

#[test]
fn commands_for_streams_that_are_gone_do_nothing() {
    let mut server = in_state("open");
    let stream = server.met[0];
    server.connection.forget(stream);
    server.connection.forget(stream);
    assert_eq!(super::raw::frames(&server.output()), ["1 RST_STREAM CANCEL"]);
    let nobody = StreamRef { id: 0, slot: 0 };
    let stranger = StreamRef { id: 1, slot: 77 };
    server.events(&headers(3, 0, &with(POST, &[])));
    assert_eq!(server.met[1].slot, stream.slot, "the slot is used again, the old reference is not");
    for gone in [stream, nobody, stranger] {
        let connection = &mut server.connection;
        assert!(connection.send_response(gone, &response(200, BodyLength::Empty), true).is_err());
        assert!(connection.send_data(gone, pattern(1), true).is_err());
        assert!(!connection.send_continue(gone));
        connection.release(gone, 100);
        connection.reset(gone, Reason::CANCEL);
        connection.forget(gone);
        assert_eq!((connection.queued(gone), connection.window(gone), connection.sent(gone)), (0, 0, 0));
        assert_eq!(connection.body_remaining(gone), None);
        assert!(connection.recv_done(gone));
    }
    assert_eq!((server.output(), server.connection.streams()), (vec![], 1));
}
