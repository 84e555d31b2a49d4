//! Every limit attacked with raw frames: which error, and what is held meanwhile (rows H2-1 to H2-18). Rows H2-10 (the flush
//! timeout) and H2-18 (frames a turn) are kept by the caller; what it needs for that is tested here.

use std::time::Duration;

use nuncio_http::{BodyLength, Method};

use super::pair::{End, pattern, response};
use super::raw::{
    CONTINUATION, DATA, END, GET, HEADERS, PING, POST, PRIORITY, PRIORITY_UPDATE, WHOLE, block, client, frame, frames,
    headers, literal, rst, server, settings, window_update, with,
};
use crate::limits::{QUIET_FRAMES, TINY_DATA_BURST};
use crate::{ErrorKind, Limits, Reason, Recv};

/// What a connection may hold under any attack, in bytes: a block of four times the largest head, and change.
const MOST_MEMORY: usize = 400 * 1024;

/// Sends `attack(n)` for n = 0, 1, 2 ... until the connection ends, with all that it says read at once. Says after how many,
/// and by which error.
fn until_the_end(end: &mut End, most: u32, mut attack: impl FnMut(u32, &mut End) -> Vec<u8>) -> (u32, ErrorKind) {
    for nth in 0..most {
        let bytes = attack(nth, end);
        end.answer(&bytes);
        assert!(end.connection.memory() < MOST_MEMORY, "{}", end.connection.memory());
        if let Some(error) = end.error {
            assert_eq!(error.reason, Reason::ENHANCE_YOUR_CALM);
            return (nth + 1, error.kind);
        }
        end.log.clear();
    }
    panic!("it goes on for ever");
}

fn id(nth: u32) -> u32 {
    nth * 2 + 1
}

/// The caller gives up whatever it has.
fn forget_all(end: &mut End) {
    for stream in std::mem::take(&mut end.met) {
        end.connection.forget(stream);
    }
    end.requests.clear();
    end.bodies.clear();
}

/// A request that is reset at once.
fn rapid_reset(nth: u32, end: &mut End) -> Vec<u8> {
    forget_all(end);
    [headers(id(nth), END, GET), rst(id(nth), Reason::CANCEL)].concat()
}

#[test]
fn h2_1_rapid_reset() {
    let mut end = server(Limits::default());
    assert_eq!(until_the_end(&mut end, 1000, rapid_reset), (201, ErrorKind::ResetFlood));
    // The rate pays back.
    let mut end = server(Limits { reset_before_response: u32::MAX, ..Limits::default() });
    let slowly = |nth, end: &mut End| {
        end.now += Duration::from_millis(31);
        rapid_reset(nth, end)
    };
    assert_eq!(until_the_end(&mut end, 20_000, slowly), (10_001, ErrorKind::ResetTotal));
    let mut end = server(Limits::default());
    assert_eq!(until_the_end(&mut end, 20_000, slowly), (501, ErrorKind::ResetBeforeResponse));
    // A response that has begun counts for less.
    let mut end = server(Limits::default());
    let answered = |nth: u32, end: &mut End| {
        end.now += Duration::from_millis(31);
        forget_all(end);
        end.answer(&headers(id(nth), END, GET));
        let stream = end.met[0];
        end.connection.send_response(stream, &response(200, BodyLength::Unknown), false).unwrap();
        rst(id(nth), Reason::CANCEL)
    };
    assert_eq!(until_the_end(&mut end, 20_000, answered), (10_001, ErrorKind::ResetTotal));
}

#[test]
fn h2_1_a_reset_does_not_free_the_slot() {
    let mut end = server(Limits::default());
    for nth in 0..100 {
        assert_eq!(
            end.answer(&[headers(id(nth), END, GET), rst(id(nth), Reason::CANCEL)].concat()),
            Vec::<String>::new()
        );
    }
    assert_eq!(end.connection.streams(), 100);
    assert_eq!(end.answer(&headers(201, END, GET)), ["201 RST_STREAM REFUSED_STREAM"]);
    let counts = end.connection.take_counts();
    assert_eq!((counts.stream_refused, counts.rx_reset, counts.tx_reset), (1, 100, 1));
    end.connection.forget(end.met[0]);
    assert_eq!(end.answer(&headers(203, END, GET)), Vec::<String>::new());
    // The field that a refused request put in the table is there.
    let mut head = vec![0x82, 0x86, 0x84, 0x41, 1, b'b'];
    end.events(&frame(HEADERS, END | WHOLE, 205, &head));
    head.splice(3.., [0xbe]);
    end.connection.forget(end.met[1]);
    assert_eq!(end.events(&frame(HEADERS, END | WHOLE, 207, &head)), ["207 request GET / HTTP/2 host=b Empty [] ."]);
}

#[test]
fn h2_1_more_streams_than_are_allowed() {
    // All of them open on the wire, so the peer knows what it does.
    let mut end = server(Limits { reset_burst: 20, ..Limits::default() });
    let (count, kind) = until_the_end(&mut end, 1000, |nth, _| headers(id(nth), 0, POST));
    assert_eq!((count, kind), (121, ErrorKind::ResetFlood));
    // A peer that keeps to the number, as the wire has it, may be early; if we are very late it is refused and not charged.
    let mut end = server(Limits { reset_burst: 20, max_concurrent_streams: 2, ..Limits::default() });
    for nth in 0..100 {
        let answer = end.answer(&headers(id(nth), END, GET));
        if nth >= 4 {
            assert_eq!(answer, [format!("{} RST_STREAM REFUSED_STREAM", id(nth))]);
            continue;
        }
        assert_eq!(answer, Vec::<String>::new());
        let stream = *end.met.last().unwrap();
        end.connection.send_response(stream, &response(200, BodyLength::Empty), true).unwrap();
        end.output();
    }
    assert_eq!(end.error, None);
}

#[test]
fn h2_2_resets_that_the_peer_makes_us_send() {
    let broken = |nth: u32, more: Vec<u8>| [headers(id(nth), 0, POST), more].concat();
    type Attack<'a> = &'a dyn Fn(u32) -> Vec<u8>;
    let attacks: [(&str, Attack<'_>); 8] = [
        ("no increment", &|nth| broken(nth, window_update(id(nth), 0))),
        ("overflow", &|nth| broken(nth, window_update(id(nth), u32::MAX >> 1))),
        ("priority length", &|nth| broken(nth, frame(PRIORITY, 0, id(nth), &[0; 4]))),
        ("self-dependency", &|nth| {
            broken(nth, frame(PRIORITY, 0, id(nth), &[&id(nth).to_be_bytes()[..], &[0]].concat()))
        }),
        ("data behind the end", &|nth| [headers(id(nth), END, GET), frame(DATA, 0, id(nth), b"x")].concat()),
        ("headers behind the end", &|nth| [headers(id(nth), END, GET), headers(id(nth), END, GET)].concat()),
        ("body too long", &|nth| {
            [headers(id(nth), 0, &with(POST, &[("content-length", "0")])), frame(DATA, 0, id(nth), b"x")].concat()
        }),
        ("malformed", &|nth| headers(id(nth), END, &GET[1..])),
    ];
    for (name, attack) in attacks {
        let mut end = server(Limits::default());
        let (count, kind) = until_the_end(&mut end, 1000, |nth, end| {
            forget_all(end);
            attack(nth)
        });
        // Each stream that we gave up without an answer is no fault of the peer's; what it provoked is.
        assert_eq!((count, kind), (201, ErrorKind::ResetFlood), "{name}");
    }
    // Without a stream of its own for each.
    let mut end = server(Limits::default());
    end.events(&[headers(1, 0, POST), rst(1, Reason::CANCEL)].concat());
    let (count, kind) = until_the_end(&mut end, 1000, |_, _| frame(DATA, 0, 1, b"x"));
    assert_eq!((count, kind), (200, ErrorKind::ResetFlood));
}

#[test]
fn h2_1_a_server_may_reset_what_a_client_opens() {
    let (mut end, _) =
        client(Limits { reset_burst: 5, reset_total: 5, reset_before_response: 5, ..Limits::default() }, Method::Get);
    for nth in 0..50 {
        end.events(&rst(id(nth), Reason::REFUSED_STREAM));
        end.connection.open(&super::pair::get(), None, true).unwrap();
        end.output();
    }
    assert_eq!(end.error, None);
}

#[test]
fn h2_3_continuations_without_end() {
    let mut end = server(Limits::default());
    end.events(&frame(HEADERS, END, 1, b"\x82"));
    let (count, kind) = until_the_end(&mut end, 100, |_, _| frame(CONTINUATION, 0, 1, b"\x82"));
    assert_eq!((count, kind), (9, ErrorKind::ContinuationFlood));
    // As large as they come: bounded by their bytes first where many are allowed.
    let mut end = server(Limits { continuations: 1000, ..Limits::default() });
    end.events(&frame(HEADERS, END, 1, &[0x82; 16_384]));
    let (count, kind) = until_the_end(&mut end, 100, |_, _| frame(CONTINUATION, 0, 1, &[0x82; 16_384]));
    assert_eq!((count, kind), (15, ErrorKind::HeaderFlood));
    // A block that ends is judged by what it says.
    let mut end = server(Limits { head_bytes: 100, ..Limits::default() });
    end.events(&headers(1, END, &with(GET, &[("x", &"v".repeat(400))])));
    assert_eq!(end.error.unwrap().kind, ErrorKind::HeaderFlood);
}

#[test]
fn h2_3_a_header_block_is_whole_in_time() {
    let timeout = Limits::default().block_timeout;
    let whole = headers(1, END, GET);
    let begun = frame(HEADERS, END, 1, b"\x82");
    for (front, later) in [
        (&whole[..5], &b""[..]),
        (&whole[..whole.len() - 1], b""),
        (&begun, b""),
        (&begun, &frame(CONTINUATION, 0, 1, b"\x86")),
        (&begun, &frame(CONTINUATION, 0, 1, b"\x86")[..9]),
    ] {
        let mut end = server(Limits::default());
        let since = end.now;
        assert_eq!(end.connection.deadline(), None);
        end.events(front);
        assert_eq!(end.connection.deadline(), Some(since + timeout));
        // More of it does not buy more time.
        end.now += timeout / 2;
        end.events(later);
        assert_eq!(end.connection.deadline(), Some(since + timeout));
        end.connection.handle_timeout(since + timeout / 2).unwrap();
        let error = end.connection.handle_timeout(since + timeout).unwrap_err();
        assert_eq!((error.kind, error.reason), (ErrorKind::HeaderTimeout, Reason::ENHANCE_YOUR_CALM));
        assert_eq!(frames(&end.output()), ["GOAWAY 0 ENHANCE_YOUR_CALM"]);
    }
    // In time it is no matter; neither is a body that is slow, which is the caller's.
    let mut end = server(Limits::default());
    end.events(&whole[..5]);
    end.now += timeout / 2;
    end.events(&whole[5..]);
    assert_eq!(end.connection.deadline(), None);
    end.events(&[headers(3, 0, POST), frame(DATA, 0, 3, b"abc")[..10].to_vec()].concat());
    assert_eq!(end.connection.deadline(), None);
}

#[test]
fn h2_4_an_hpack_bomb() {
    // 3 KiB put in the table once, referred to by one byte each.
    let mut bomb = block(GET);
    bomb.extend_from_slice(&[0x40, 1, b'x', 0x7f, 0x81, 0x17]);
    bomb.extend_from_slice(&[b'v'; 3072]);
    for (copies, flood) in [(30, false), (13_000, true)] {
        let mut end = server(Limits::default());
        let mut payload = bomb.clone();
        payload.resize(bomb.len() + copies, 0xbe);
        let log = end.events(&frame(HEADERS, END | WHOLE, 1, &payload));
        assert!(end.connection.memory() < 16 * 1024);
        if flood {
            assert_eq!(end.error.unwrap().kind, ErrorKind::HeaderFlood);
        } else {
            assert_eq!(log, ["1 refused 431 http2.head_too_large"]);
            assert_eq!(end.connection.take_counts().header_overflow, 1);
        }
    }
}

#[test]
fn h2_5_decoded_heads_of_all_streams() {
    let value = "v".repeat(50_000);
    let large: Vec<u8> = {
        let mut payload = block(GET);
        literal(&mut payload, b"x", value.as_bytes());
        payload
    };
    let send = |end: &mut End, id: u32| {
        let mut sample = Vec::new();
        let chunks: Vec<_> = large.chunks(16_384).collect();
        for (nth, chunk) in chunks.iter().enumerate() {
            let last = if nth + 1 == chunks.len() { WHOLE } else { 0 };
            let (kind, flags) = if nth == 0 { (HEADERS, END | last) } else { (CONTINUATION, last) };
            sample.extend(frame(kind, flags, id, chunk));
        }
        end.answer(&sample)
    };
    let mut end = server(Limits::default());
    for nth in 0..5 {
        assert_eq!(send(&mut end, id(nth)), Vec::<String>::new());
    }
    assert_eq!(send(&mut end, 11), ["11 RST_STREAM REFUSED_STREAM"]);
    // A small one still fits.
    assert_eq!(end.answer(&headers(13, END, GET)), Vec::<String>::new());
    assert_eq!(end.connection.take_counts().stream_refused, 1);
    // The memory is free when the work is gone, not before.
    end.events(&rst(1, Reason::CANCEL));
    assert_eq!(send(&mut end, 15), ["15 RST_STREAM REFUSED_STREAM"]);
    end.connection.forget(end.met[0]);
    assert_eq!(send(&mut end, 17), Vec::<String>::new());
    // One request alone is served, however little is allowed.
    let mut end = server(Limits { header_memory: 1, ..Limits::default() });
    assert_eq!(send(&mut end, 1), Vec::<String>::new());
    assert_eq!(end.answer(&headers(3, END, GET)), ["3 RST_STREAM REFUSED_STREAM"]);
}

#[test]
fn h2_5_crumbs_cost_their_bytes() {
    let mut payload = block(GET);
    (0..128).for_each(|_| literal(&mut payload, b"cookie", b"a=b"));
    let mut end = server(Limits::default());
    end.events(&frame(HEADERS, END | WHOLE, 1, &payload));
    let head = &end.requests[0].1.head;
    assert_eq!(head.headers.len(), 1);
    assert_eq!(head.headers.iter().next().unwrap().value.len(), 128 * 5 - 2);
    literal(&mut payload, b"cookie", b"a=b");
    assert_eq!(end.events(&frame(HEADERS, END | WHOLE, 3, &payload)), ["3 refused 431 http2.head_too_large"]);
}

/// Feeds until an error, and never takes what is said.
fn unread(end: &mut End, most: u32, attack: impl Fn(u32) -> Vec<u8>) -> (u32, ErrorKind) {
    for nth in 0..most {
        let now = end.now;
        end.feed(&attack(nth), now);
        assert!(end.connection.memory() < MOST_MEMORY);
        if let Some(error) = end.error {
            return (nth + 1, error.kind);
        }
        forget_all(end);
    }
    panic!("it goes on for ever");
}

#[test]
fn h2_6_replies_that_nobody_reads() {
    let roomy = Limits { reset_burst: 100_000, reset_total: 100_000, glitch_burst: 100_000, ..Limits::default() };
    let ping = |_| frame(PING, 0, 0, &[0; 8]);
    assert_eq!(unread(&mut server(roomy.clone()), 1000, ping), (101, ErrorKind::OutboundControlFlood));
    let empty = |_| settings(&[]);
    assert_eq!(unread(&mut server(roomy.clone()), 1000, empty), (101, ErrorKind::OutboundControlFlood));
    let broken = |nth| headers(id(nth), END, &GET[1..]);
    assert_eq!(unread(&mut server(roomy.clone()), 1000, broken), (101, ErrorKind::OutboundControlFlood));
    // Frames of other types count, too.
    let large = Limits { outbound_control_frames: 100_000, ..roomy };
    let (count, kind) = unread(&mut server(large), 5000, |nth| headers(id(nth), END, &GET[1..]));
    assert_eq!((count, kind), (1001, ErrorKind::OutboundFlood));
}

#[test]
fn h2_6_resets_of_our_own_are_no_replies() {
    let mut end = server(Limits { outbound_control_frames: 10, ..Limits::default() });
    for nth in 0..50 {
        end.events(&headers(id(nth), 0, POST));
    }
    forget_all(&mut end);
    assert!(!end.connection.is_congested());
    end.events(&headers(101, END, GET));
    assert_eq!((end.error, frames(&end.output()).len()), (None, 50));
}

#[test]
fn h2_6_a_slow_peer_that_is_polite_is_never_cut_off() {
    let mut end = server(Limits::default());
    let now = end.now;
    let mut pings = 0;
    for _ in 0..50 {
        // As a driver does: what is there is read while the answers have room.
        end.buf.extend_from_slice(&frame(PING, 0, 0, &[0; 8]).repeat(10));
        while !end.connection.is_congested() {
            match end.connection.recv(&mut end.buf, now).unwrap() {
                Recv::NeedMore => break,
                Recv::Settings => {}
                other => panic!("{other:?}"),
            }
        }
        if end.connection.is_congested() {
            pings += frames(&end.output()).len();
        }
    }
    assert!(pings > 200, "{pings}");
    assert!(end.connection.take_counts().glitches > 0, "but it is odd");
}

#[test]
fn h2_6_a_queue_that_moves_without_ever_being_empty_is_no_flood() {
    let limits =
        Limits { outbound_control_frames: 20, outbound_frames: 100, glitch_burst: 1_000_000, ..Limits::default() };
    let mut end = server(limits);
    let now = end.now;
    end.feed(&frame(PING, 0, 0, &[0; 8]).repeat(5), now);
    for _ in 0..1000 {
        end.feed(&frame(PING, 0, 0, &[0; 8]), now);
        // One reply is written, others wait.
        end.connection.output().advance(17);
        assert!(end.connection.output().len() >= 5 * 17);
    }
    assert_eq!(end.error, None);
}

#[test]
fn h2_7_settings() {
    let many = |count: u32| settings(&(0..count).map(|nth| (100 + nth as u16, nth)).collect::<Vec<_>>());
    let mut end = server(Limits::default());
    assert_eq!(end.answer(&many(32)), ["SETTINGS ACK"]);
    end.answer(&many(33));
    assert_eq!(end.error.unwrap().kind, ErrorKind::SettingsEntries);
    let mut end = server(Limits::default());
    let (count, kind) = until_the_end(&mut end, 5000, |_, _| settings(&[(4, 1)]));
    assert_eq!((count, kind), (1002, ErrorKind::Glitches), "the first two cost nothing");
}

#[test]
fn h2_8_empty_frames() {
    let data = |stream| frame(DATA, 0, stream, b"");
    let padded = |stream| frame(DATA, 8, stream, b"\x02\0\0");
    let mut end = server(Limits::default());
    end.events(&headers(1, 0, POST));
    end.events(&data(1));
    assert_eq!(end.error, None, "one may be");
    end.events(&data(1));
    assert_eq!(end.error.unwrap().kind, ErrorKind::EmptyFrames);
    // Not in a row, but many.
    for empty in [data, padded] {
        let mut end = server(Limits::default());
        end.events(&headers(1, 0, POST));
        let attack = |_, _: &mut End| [empty(1), frame(DATA, 0, 1, b"x")].concat();
        assert_eq!(until_the_end(&mut end, 1000, attack), (101, ErrorKind::EmptyFrames));
    }
    // In a header block.
    let mut end = server(Limits::default());
    end.events(&[frame(HEADERS, 0, 1, b""), frame(CONTINUATION, 0, 1, b"")].concat());
    assert_eq!(end.error.unwrap().kind, ErrorKind::EmptyFrames);
}

#[test]
fn h2_9_tiny_data_frames() {
    let mut end = server(Limits::default());
    end.events(&headers(1, 0, POST));
    let hundred = frame(DATA, 0, 1, b"x").repeat(100);
    let (count, kind) = until_the_end(&mut end, 10_000, |_, end| {
        end.bodies.clear();
        hundred.clone()
    });
    assert_eq!((count, kind), (TINY_DATA_BURST / 100 + 11, ErrorKind::Glitches));
    // At the pace of a busy stream of small messages it is legal.
    let mut end = server(Limits::default());
    end.events(&headers(1, 0, POST));
    for _ in 0..1000 {
        end.now += Duration::from_millis(10);
        end.answer(&hundred);
        end.bodies.clear();
    }
    assert_eq!(end.error, None);
}

#[test]
fn h2_10_what_waits_for_a_window_can_be_seen() {
    let mut end = server(Limits::default());
    end.events(&[settings(&[(4, 0)]), headers(1, END, GET)].concat());
    let stream = end.met[0];
    end.connection.send_response(stream, &response(200, BodyLength::Unknown), false).unwrap();
    assert_eq!(end.connection.window(stream), 0, "nothing should be queued");
    end.connection.send_data(stream, pattern(1000), true).unwrap();
    end.output();
    assert_eq!((end.connection.queued(stream), end.connection.sent(stream)), (1000, 0));
    assert!(!end.connection.wants_fill());
}

#[test]
fn h2_11_window_updates() {
    // 5 + 2 x (streams + 10 x DATA frames).
    for stream in [0, 1] {
        let mut end = server(Limits::default());
        end.events(&headers(1, 0, POST));
        let (count, kind) = until_the_end(&mut end, 1000, |_, _| window_update(stream, 1));
        assert_eq!((count, kind), (8, ErrorKind::WindowUpdateFlood));
    }
    let mut end = server(Limits::default());
    end.events(&headers(1, END, GET));
    let stream = end.met[0];
    end.connection.send_response(stream, &response(200, BodyLength::Unknown), false).unwrap();
    end.connection.send_data(stream, pattern(20_000), false).unwrap();
    end.output();
    let (count, kind) = until_the_end(&mut end, 1000, |_, _| window_update(1, 1));
    assert_eq!((count, kind), (48, ErrorKind::WindowUpdateFlood));
}

#[test]
fn h2_11_windows_that_let_out_a_byte_at_a_time() {
    let mut end = server(Limits::default());
    end.events(&[settings(&[(4, 0)]), headers(1, END, GET)].concat());
    let stream = end.met[0];
    end.connection.send_response(stream, &response(200, BodyLength::Unknown), false).unwrap();
    end.connection.send_data(stream, pattern(60_000), true).unwrap();
    end.output();
    let (count, kind) = until_the_end(&mut end, 60_000, |_, _| window_update(1, 1));
    // One more: the error is told when the next bytes are read.
    assert_eq!((count, kind), (TINY_DATA_BURST + 1002, ErrorKind::Glitches));
}

#[test]
fn h2_12_priorities() {
    for attack in [frame(PRIORITY, 0, 77, &[0, 0, 0, 3, 1]), frame(PRIORITY_UPDATE, 0, 0, b"\0\0\0\x01u=1")] {
        let mut end = server(Limits::default());
        end.events(&headers(1, END, GET));
        let (count, kind) = until_the_end(&mut end, 1000, |_, _| attack.clone());
        assert_eq!((count, kind), (201, ErrorKind::PriorityFlood));
    }
}

#[test]
fn h2_13_empty_names_are_kept_nowhere() {
    let mut end = server(Limits { reset_burst: 100_000, glitch_burst: 100_000, ..Limits::default() });
    for nth in 0..1000 {
        let answer = end.answer(&headers(id(nth), END, &with(GET, &[("", ""), ("", "")])));
        assert_eq!(answer, [format!("{} RST_STREAM PROTOCOL_ERROR", id(nth))]);
    }
    assert_eq!(end.connection.streams(), 0);
    assert!(end.connection.memory() < 16 * 1024, "{}", end.connection.memory());
}

#[test]
fn h2_14_table_sizes() {
    // Above what we announced, three updates in a block, one behind a field.
    for update in [&[0x3f, 0xe2, 0x1f][..], &[0x20, 0x20, 0x20], &[0x82, 0x20]] {
        let mut end = server(Limits::default());
        end.events(&frame(HEADERS, END | WHOLE, 1, &[update, &block(GET)].concat()));
        assert_eq!(end.error.unwrap().kind, ErrorKind::Compression);
    }
    let mut end = server(Limits::default());
    let log = end.events(&frame(HEADERS, END | WHOLE, 1, &[&[0x20, 0x3f, 0xe1, 0x1f][..], &block(GET)].concat()));
    assert_eq!(log, ["1 request GET / HTTP/2 host=a Empty [] ."]);
}

#[test]
fn h2_17_oddities_end_in_good_order_and_then_at_once() {
    let unknown = frame(0xfe, 0, 0, b"");
    let mut end = server(Limits::default());
    end.events(&headers(1, END, GET));
    for _ in 0..749 {
        assert_eq!(end.answer(&unknown), Vec::<String>::new());
    }
    assert_eq!(end.answer(&unknown), ["GOAWAY 2147483647 NO_ERROR", "PING"]);
    assert_eq!(end.connection.take_counts().glitches, 750);
    let stream = end.met[0];
    end.connection.send_response(stream, &response(200, BodyLength::Empty), true).unwrap();
    end.output();
    let (count, kind) = until_the_end(&mut end, 1000, |_, _| unknown.clone());
    assert_eq!((count, kind), (251, ErrorKind::Glitches));
    // A little of it for ever is nothing.
    let mut end = server(Limits::default());
    for _ in 0..10_000 {
        end.now += Duration::from_millis(40);
        end.events(&unknown);
    }
    assert_eq!((end.error, end.connection.take_counts().goaway_sent), (None, 0));
}

#[test]
fn h2_17_a_grpc_client_may_ping() {
    let mut end = server(Limits::default());
    for nth in 0..2000u32 {
        let ping = frame(PING, 0, 0, &[0; 8]).repeat(2);
        end.answer(&[headers(id(nth), 0, POST), frame(DATA, END, id(nth), &[0; 100]), ping].concat());
        forget_all(&mut end);
    }
    assert_eq!((end.error, end.connection.take_counts().glitches), (None, 0));
    let (count, kind) = until_the_end(&mut end, 20_000, |_, _| frame(PING, 0, 0, &[0; 8]));
    assert_eq!(kind, ErrorKind::Glitches);
    // 10 + 2 x (streams + frames) less those of before, and the burst.
    assert_eq!(count, 10 + 2 * 4000 - 4000 + 1001);
}

#[test]
fn h2_18_the_caller_gets_its_turn() {
    let mut end = server(Limits { glitch_burst: 100_000, ..Limits::default() });
    let now = end.now;
    end.buf.extend_from_slice(&frame(0xfe, 0, 0, b"").repeat(100));
    let before = end.buf.len();
    assert!(matches!(end.connection.recv(&mut end.buf, now), Ok(Recv::Settings)));
    assert_eq!((before - end.buf.len()) / 9, QUIET_FRAMES as usize);
    // One event a call, whatever lies behind it.
    end.buf.clear();
    end.buf.extend_from_slice(&[headers(1, END, GET), headers(3, END, GET)].concat());
    let half = end.buf.len() / 2;
    assert!(matches!(end.connection.recv(&mut end.buf, now), Ok(Recv::Request { .. })));
    assert_eq!(end.buf.len(), half);
}

#[test]
fn a_connection_that_is_idle_again_keeps_little() {
    let mut end = server(Limits { header_memory: 1 << 20, ..Limits::default() });
    for nth in 0..100 {
        let long = "c".repeat(30_000);
        end.events(&headers(id(nth), 0, &with(POST, &[("cookie", &long[..nth as usize * 100])])));
        let stream = *end.met.last().unwrap();
        end.connection.send_response(stream, &response(200, BodyLength::Unknown), false).unwrap();
        for _ in 0..100 {
            end.connection.send_data(stream, pattern(100), false).unwrap();
        }
        end.output();
    }
    assert!(end.connection.memory() > 50_000);
    forget_all(&mut end);
    end.output();
    assert!(end.connection.memory() < 16 * 1024, "{}", end.connection.memory());
    assert_eq!(end.connection.streams(), 0);
}
