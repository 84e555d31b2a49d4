//! Messages between a client and a server.

use bytes::Bytes;
use nuncio_http::{BodyLength, HeaderId, HeaderList, Method, RequestHead, ResponseHead, Upgrade, Version};

use super::pair::{Pair, get, pattern, post, request, response};
use crate::{EncodeError, Limits, Reason, StreamRef};

fn trailers() -> HeaderList {
    let mut list = HeaderList::new();
    list.push(HeaderId::GrpcStatus, b"0");
    list.push_raw(b"checksum", b"abc");
    list
}

/// The whole exchange leaves nothing behind on either side.
fn finish(mut pair: Pair, client: StreamRef, server: StreamRef) {
    for (end, stream) in [(&mut pair.client, client), (&mut pair.server, server)] {
        assert!(end.connection.recv_done(stream));
        assert_eq!(end.connection.queued(stream), 0);
        end.connection.forget(stream);
        assert_eq!((end.connection.streams(), end.connection.queued_total()), (0, 0));
    }
    pair.run();
    assert_eq!((pair.client.take_log(), pair.server.take_log()), (vec![], vec![]));
    assert_eq!((pair.client.error, pair.server.error), (None, None));
}

#[test]
fn a_get_and_its_response() {
    let mut pair = Pair::new();
    let (client, server) = pair.open(&get(), true);
    let expected = r"1 request GET /path?query HTTP/2 host=example.com Empty [accept: */*] .";
    assert_eq!(pair.server.take_log(), [expected]);
    assert_eq!(pair.server.requests[0].1.head.version, Version::Http2);

    pair.server.connection.send_response(server, &response(200, BodyLength::Exact(5)), false).unwrap();
    pair.server.connection.send_data(server, pattern(5), true).unwrap();
    pair.run();
    assert_eq!(pair.client.take_log(), ["1 response HTTP/2 200 Exact(5) [server: nuncio]", "1 data ."]);
    assert_eq!(pair.client.body(client), &pattern(5)[..]);
    finish(pair, client, server);
}

#[test]
fn a_post_with_a_length_and_one_without() {
    for (length, text) in [(BodyLength::Exact(100_000), "Exact(100000)"), (BodyLength::Unknown, "Unknown")] {
        let mut pair = Pair::new();
        let (client, server) = pair.open(&post(length), false);
        let declared = if text == "Unknown" { None } else { Some(100_000) };
        assert_eq!(pair.server.connection.body_remaining(server), declared);
        for part in 0..10 {
            pair.client.connection.send_data(client, pattern(10_000), part == 9).unwrap();
            pair.run();
        }
        let head = format!("1 request POST /path?query HTTP/2 host=example.com {text} []");
        assert_eq!(pair.server.take_log(), [head.as_str(), "1 data ."]);
        assert_eq!(pair.server.body(server).len(), 100_000);
        assert_eq!(pair.client.connection.sent(client), 100_000);
        pair.server.connection.send_response(server, &response(204, BodyLength::Empty), true).unwrap();
        pair.run();
        assert_eq!(pair.client.take_log(), ["1 response HTTP/2 204 Empty [server: nuncio] ."]);
        finish(pair, client, server);
    }
}

#[test]
fn responses_without_a_body_by_rule() {
    for (method, status, length, text) in [
        (Method::Head, 200, BodyLength::Exact(9), "Exact(9)"),
        (Method::Head, 200, BodyLength::Unknown, "Empty"),
        (Method::Get, 304, BodyLength::Exact(9), "Exact(9)"),
        (Method::Get, 204, BodyLength::Exact(9), "Empty"),
        (Method::Get, 204, BodyLength::Unknown, "Empty"),
    ] {
        let mut pair = Pair::new();
        let (client, server) = pair.open(&request(method, BodyLength::Empty, &[]), true);
        pair.server.connection.send_response(server, &response(status, length), false).unwrap();
        // Whoever does not know the rule offers a body; it goes nowhere.
        pair.server.connection.send_data(server, pattern(9), false).unwrap();
        pair.server.connection.send_trailers(server, &trailers()).unwrap();
        pair.server.take_log();
        pair.run();
        let expected = format!("1 response HTTP/2 {status} {text} [server: nuncio] .");
        assert_eq!(pair.client.take_log(), [expected], "{method} {status} {length:?}");
        finish(pair, client, server);
    }
}

#[test]
fn trailers_both_ways_behind_a_body_and_alone() {
    for body in [0, 10, 100_000] {
        let mut pair = Pair::new();
        let (client, server) = pair.open(&request(Method::Post, BodyLength::Unknown, &[("te", "trailers")]), false);
        assert_eq!(pair.server.requests[0].1.head.headers.get(HeaderId::Te), Some(&b"trailers"[..]));
        pair.server.take_log();
        pair.server.connection.send_response(server, &response(200, BodyLength::Unknown), false).unwrap();
        for (end, stream) in [(&mut pair.client, client), (&mut pair.server, server)] {
            let connection = &mut end.connection;
            connection.send_data(stream, pattern(body), false).unwrap();
            connection.send_trailers(stream, &trailers()).unwrap();
            assert_eq!(connection.queued(stream), if body == 0 { 0 } else { body + 1 });
            assert_eq!(connection.send_data(stream, pattern(1), true), Err(EncodeError::State));
            assert_eq!(connection.send_trailers(stream, &trailers()), Err(EncodeError::State));
        }
        pair.run();
        let log = |end: &mut super::pair::End| end.take_log().pop().unwrap();
        assert_eq!(log(&mut pair.server), "1 trailers [grpc-status: 0, checksum: abc]");
        assert_eq!(log(&mut pair.client), "1 trailers [grpc-status: 0, checksum: abc]");
        assert_eq!((pair.server.body(server).len(), pair.client.body(client).len()), (body, body));
        assert_eq!(pair.server.connection.take_counts().trailers, 1);
        finish(pair, client, server);
    }
}

#[test]
fn trailers_that_may_not_be_sent_are_left_out_and_the_message_still_ends() {
    let mut pair = Pair::new();
    let (client, server) = pair.open(&get(), true);
    pair.server.take_log();
    pair.server.connection.send_response(server, &response(200, BodyLength::Unknown), false).unwrap();
    let mut denied = HeaderList::new();
    denied.push(HeaderId::ContentLength, b"5");
    denied.push(HeaderId::TransferEncoding, b"chunked");
    pair.server.connection.send_trailers(server, &denied).unwrap();
    pair.run();
    assert_eq!(pair.client.take_log(), ["1 response HTTP/2 200 Unknown [server: nuncio]", "1 data ."]);
    finish(pair, client, server);
}

#[test]
fn interim_responses() {
    let mut pair = Pair::new();
    let (client, server) = pair.open(&get(), true);
    pair.server.take_log();
    let connection = &mut pair.server.connection;
    for status in [101, 200, 99] {
        let head = response(status, BodyLength::Empty);
        assert_eq!(connection.send_interim(server, &head), Err(EncodeError::BadStatus), "{status}");
    }
    assert_eq!(connection.send_response(server, &response(103, BodyLength::Empty), true), Err(EncodeError::BadStatus));
    connection.send_interim(server, &response(103, BodyLength::Empty)).unwrap();
    connection.send_response(server, &response(200, BodyLength::Empty), true).unwrap();
    let late = connection.send_interim(server, &response(103, BodyLength::Empty));
    assert_eq!(late, Err(EncodeError::State));
    pair.run();
    let expected = ["1 response HTTP/2 103 Empty [server: nuncio]", "1 response HTTP/2 200 Empty [server: nuncio] ."];
    assert_eq!(pair.client.take_log(), expected);
    finish(pair, client, server);
}

#[test]
fn continue_is_said_once_and_only_to_who_waits() {
    let waits = |body| request(Method::Post, body, &[("expect", "100-continue")]);
    let mut pair = Pair::new();
    // Our own client leaves the field out, as the proxy answers it itself: frames by hand.
    let head = super::raw::with(super::raw::POST, &[("expect", "100-Continue")]);
    let mut server = super::raw::server(Limits::default());
    server.events(&super::raw::headers(1, 0, &head));
    let (stream, request) = server.requests.pop().unwrap();
    assert!(request.expect_continue);
    assert!(request.head.headers.is_empty(), "the field is stripped");
    assert!(server.connection.send_continue(stream));
    assert!(!server.connection.send_continue(stream), "once");

    // Too late: the body has begun.
    server.events(&super::raw::headers(3, 0, &head));
    let (stream, _) = server.requests.pop().unwrap();
    server.events(&super::raw::frame(super::raw::DATA, 0, 3, b"x"));
    assert!(!server.connection.send_continue(stream));

    // Nobody waits: no body, or not asked for.
    server.events(&super::raw::headers(5, super::raw::END, &head));
    assert!(!server.requests.pop().unwrap().1.expect_continue);
    let (_, stream) = pair.open(&waits(BodyLength::Exact(5)), false);
    assert!(!pair.server.connection.send_continue(stream));
}

#[test]
fn an_early_response_stops_the_upload() {
    let mut pair = Pair::new();
    let (client, server) = pair.open(&post(BodyLength::Unknown), false);
    pair.client.connection.send_data(client, pattern(10), false).unwrap();
    pair.run();
    pair.server.connection.send_response(server, &response(413, BodyLength::Empty), true).unwrap();
    pair.server.take_log();
    // RFC 9113 section 8.1: the response is complete, so the rest is asked not to be sent without calling it an error.
    pair.server.connection.forget(server);
    pair.run();
    let expected = ["1 response HTTP/2 413 Empty [server: nuncio] .", "1 reset NO_ERROR by peer http2.remote_reset"];
    assert_eq!(pair.client.take_log(), expected);
    assert_eq!(pair.client.connection.send_data(client, pattern(10), true), Err(EncodeError::Closed));
    finish_client(pair, client);
}

fn finish_client(mut pair: Pair, client: StreamRef) {
    pair.client.connection.forget(client);
    pair.run();
    assert_eq!((pair.client.error, pair.server.error), (None, None));
    assert_eq!((pair.client.connection.streams(), pair.server.connection.streams()), (0, 0));
}

#[test]
fn what_is_sent_is_held_to_its_length() {
    let mut pair = Pair::new();
    let (client, server) = pair.open(&post(BodyLength::Exact(3)), false);
    let connection = &mut pair.client.connection;
    assert_eq!(connection.send_data(client, pattern(4), false), Err(EncodeError::Length));
    assert_eq!(connection.send_data(client, pattern(2), true), Err(EncodeError::Length));
    assert_eq!(connection.send_trailers(client, &trailers()), Err(EncodeError::Length));
    connection.send_data(client, pattern(3), true).unwrap();
    connection.send_data(client, Bytes::new(), true).unwrap();
    assert_eq!(connection.send_data(client, pattern(1), true), Err(EncodeError::State));
    let too_short = connection.open(&post(BodyLength::Exact(3)), None, true);
    assert_eq!(too_short, Err(EncodeError::Length));
    let connection = &mut pair.server.connection;
    let head = response(200, BodyLength::Exact(3));
    assert_eq!(connection.send_data(server, pattern(1), false), Err(EncodeError::State), "no head yet");
    assert_eq!(connection.send_response(server, &head, true), Err(EncodeError::Length));
    connection.send_response(server, &head, false).unwrap();
    assert_eq!(connection.send_response(server, &head, false), Err(EncodeError::State));
    assert_eq!(connection.send_data(server, pattern(4), true), Err(EncodeError::Length));
    connection.send_data(server, pattern(3), true).unwrap();
    pair.run();
    assert_eq!((pair.client.body(client), pair.server.body(server)), (&pattern(3)[..], &pattern(3)[..]));
}

#[test]
fn what_cannot_be_sent_leaves_no_trace() {
    let mut pair = Pair::new();
    let bad_fields = [("x", "a\r\nb: c"), ("x", "a\0"), ("a b", "c"), ("", "c"), ("x", " a")];
    for (name, value) in bad_fields {
        let head = request(Method::Get, BodyLength::Empty, &[(name, value)]);
        assert_eq!(pair.client.connection.open(&head, None, true), Err(EncodeError::BadField), "{name:?}: {value:?}");
    }
    for (method, target) in [
        (Method::Get, "*"),
        (Method::Get, "a"),
        (Method::Get, ""),
        (Method::Get, "/a b"),
        (Method::Get, "/a#b"),
        (Method::Get, "/\r\n"),
    ] {
        let mut head = request(method, BodyLength::Empty, &[]);
        head.set_target(target.as_bytes());
        assert_eq!(pair.client.connection.open(&head, None, true), Err(EncodeError::BadTarget), "{target:?}");
    }
    for authority in ["a b", "u@a", "a:0", "a\r\n"] {
        let mut head = get();
        head.set_authority(authority.as_bytes());
        assert_eq!(pair.client.connection.open(&head, None, true), Err(EncodeError::BadTarget), "{authority:?}");
    }
    // The tables of both ends are still the same.
    let (_, server) = pair.open(&get(), true);
    let connection = &mut pair.server.connection;
    let mut head = response(200, BodyLength::Empty);
    head.headers.push_raw(b"x", b"a\nb");
    assert_eq!(connection.send_response(server, &head, true), Err(EncodeError::BadField));
    for status in [0, 100, 101, 600, u16::MAX] {
        let head = ResponseHead::new(status, HeaderList::new());
        assert_eq!(connection.send_response(server, &head, true), Err(EncodeError::BadStatus), "{status}");
    }
    connection.send_response(server, &response(200, BodyLength::Unknown), false).unwrap();
    let mut bad = trailers();
    bad.push_raw(b"x", b"\x7f");
    assert_eq!(connection.send_trailers(server, &bad), Err(EncodeError::BadField));
    connection.send_trailers(server, &trailers()).unwrap();
    pair.run();
    assert_eq!(pair.client.take_log().pop().unwrap(), "1 trailers [grpc-status: 0, checksum: abc]");
}

#[test]
fn hop_by_hop_fields_are_not_sent() {
    let mut pair = Pair::new();
    let fields = [
        ("connection", "x"),
        ("content-length", "7"),
        ("expect", "100-continue"),
        ("host", "other"),
        ("http2-settings", "AAMAAABkAAQAAP__"),
        ("keep-alive", "1"),
        ("proxy-connection", "x"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("x-kept", "1"),
        ("cookie", "a=b; c=d"),
    ];
    let (_, server) = pair.open(&request(Method::Post, BodyLength::Exact(3), &fields), false);
    let expected = "1 request POST /path?query HTTP/2 host=example.com Exact(3) [x-kept: 1, cookie: a=b; c=d]";
    assert_eq!(pair.server.take_log(), [expected]);
    let mut head = response(200, BodyLength::Exact(3));
    for (name, value) in fields {
        head.headers.push_raw(name.as_bytes(), value.as_bytes());
    }
    pair.server.connection.send_response(server, &head, false).unwrap();
    pair.run();
    let expected = "1 response HTTP/2 200 Exact(3) [server: nuncio, x-kept: 1, cookie: a=b; c=d]";
    assert_eq!(pair.client.take_log(), [expected]);
}

fn connect() -> RequestHead {
    let mut head = RequestHead::new(Method::Connect, Version::Http11, HeaderList::new());
    head.set_authority(b"example.com:443");
    head
}

#[test]
fn connect_opens_a_tunnel() {
    let mut pair = Pair::new();
    let mut portless = connect();
    portless.set_authority(b"example.com");
    assert_eq!(pair.client.connection.open(&portless, None, false), Err(EncodeError::BadTarget));
    let (client, server) = pair.open(&connect(), false);
    assert_eq!(pair.server.take_log(), ["1 request CONNECT  HTTP/2 host=example.com:443 Unknown []"]);
    // A length means nothing here and is not said (RFC 9110 section 9.3.6).
    pair.server.connection.send_response(server, &response(200, BodyLength::Exact(3)), false).unwrap();
    pair.run();
    assert_eq!(pair.client.take_log(), ["1 response HTTP/2 200 Unknown [server: nuncio]"]);
    pair.client.connection.send_data(client, pattern(10), false).unwrap();
    pair.server.connection.send_data(server, pattern(20), true).unwrap();
    pair.run();
    assert_eq!((pair.server.body(server).len(), pair.client.body(client).len()), (10, 20));
    pair.client.connection.send_data(client, pattern(10), true).unwrap();
    pair.run();
    pair.client.take_log();
    pair.server.take_log();
    finish(pair, client, server);
}

#[test]
fn extended_connect_is_for_who_allows_it() {
    let websocket = Some(Upgrade::Websocket);
    let mut pair = Pair::new();
    assert!(!pair.client.connection.peer_connect_protocol());
    assert_eq!(pair.client.connection.open(&get(), websocket, false), Err(EncodeError::Refused));

    let allowed = Limits { connect_protocol: true, ..Limits::default() };
    let mut pair = Pair::with(Limits::default(), allowed);
    assert!(pair.client.connection.peer_connect_protocol());
    let client = pair.client.connection.open(&get(), websocket, false).unwrap();
    pair.run();
    let (server, request) = pair.server.requests.pop().unwrap();
    assert_eq!(request.protocol, websocket);
    let expected = "1 request CONNECT /path?query HTTP/2 host=example.com Unknown [accept: */*]";
    assert_eq!(pair.server.take_log(), [expected]);
    pair.server.connection.send_response(server, &response(200, BodyLength::Unknown), false).unwrap();
    pair.server.connection.send_data(server, pattern(5), false).unwrap();
    pair.client.connection.send_data(client, pattern(7), true).unwrap();
    pair.run();
    assert_eq!((pair.server.body(server).len(), pair.client.body(client).len()), (7, 5));
    pair.server.connection.reset(server, Reason::CONNECT_ERROR);
    pair.run();
    assert_eq!(pair.client.take_log().pop().unwrap(), "1 reset CONNECT_ERROR by peer http2.remote_reset");
}

#[test]
fn large_heads_take_continuations() {
    let large = Limits { head_bytes: 200_000, ..Limits::default() };
    let mut pair = Pair::with(large.clone(), large);
    let value = "v".repeat(60_000);
    let fields = [("x-a", value.as_str()), ("x-b", value.as_str())];
    let (client, server) = pair.open(&request(Method::Get, BodyLength::Empty, &fields), true);
    assert_eq!(pair.server.requests[0].1.head.headers.iter().map(|field| field.value.len()).sum::<usize>(), 120_000);
    let mut head = response(200, BodyLength::Empty);
    head.headers.push_raw(b"x-c", value.as_bytes());
    pair.server.connection.send_response(server, &head, true).unwrap();
    pair.run();
    assert_eq!(pair.client.responses[0].1.headers.iter().last().unwrap().value.len(), 60_000);
    pair.server.take_log();
    pair.client.take_log();
    finish(pair, client, server);
}

#[test]
fn as_many_streams_as_the_server_allows() {
    let mut pair = Pair::with(Limits::default(), Limits { max_concurrent_streams: 3, ..Limits::default() });
    assert_eq!(pair.client.connection.capacity(), 3);
    let streams: Vec<_> = (0..3).map(|_| pair.open(&get(), true)).collect();
    assert_eq!(pair.client.connection.capacity(), 0);
    assert_eq!(pair.client.connection.open(&get(), None, true), Err(EncodeError::Refused));
    for &(client, server) in &streams {
        pair.server.connection.send_response(server, &response(200, BodyLength::Empty), true).unwrap();
        pair.server.connection.forget(server);
        pair.run();
        pair.client.connection.forget(client);
    }
    assert_eq!(pair.client.connection.capacity(), 3);
    assert_eq!(pair.client.responses.len(), 3);

    // A slot is a slot until it is forgotten, whatever the wire says.
    let (client, server) = pair.open(&get(), true);
    pair.server.connection.send_response(server, &response(200, BodyLength::Empty), true).unwrap();
    pair.run();
    assert_eq!((client.slot < 3, server.slot < 3), (true, true), "slots are used again");
    assert_eq!((client.id, pair.client.connection.streams(), pair.server.connection.streams()), (7, 1, 1));
}
