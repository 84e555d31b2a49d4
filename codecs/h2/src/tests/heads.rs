//! Which heads are taken, which are answered in place of being served, and which are malformed (RFC 9113 section 8, rows S-18
//! to S-21).

use nuncio_http::{HeaderId, Method, Scheme, Underscores, Upgrade};

use super::raw::{
    CONTINUATION, DATA, END, GET, HEADERS, Made, POST, WHOLE, at_every_cut, block, client, frame, headers, literal,
    server, with,
};
use crate::{ErrorKind, Limits};

fn edge() -> Limits {
    Limits::default()
}

/// A request that is the whole message.
fn made(limits: &Limits, flags: u8, fields: &[(&str, &str)]) -> Made {
    at_every_cut(&|| server(limits.clone()), &headers(1, flags, fields))
}

fn accepted(limits: &Limits, flags: u8, fields: &[(&str, &str)]) -> String {
    let made = made(limits, flags, fields);
    assert_eq!((made.frames.len(), made.fault, made.events.len()), (0, None, 1), "{fields:?}: {made:?}");
    made.events[0].strip_prefix("1 request ").unwrap_or_else(|| panic!("{fields:?}: {made:?}")).to_string()
}

fn refused(limits: &Limits, flags: u8, fields: &[(&str, &str)]) -> String {
    let made = made(limits, flags, fields);
    assert_eq!((made.frames.len(), made.fault, made.events.len()), (0, None, 1), "{fields:?}: {made:?}");
    made.events[0].strip_prefix("1 refused ").unwrap_or_else(|| panic!("{fields:?}: {made:?}")).to_string()
}

/// The rule that a malformed request breaks.
fn malformed(limits: &Limits, flags: u8, fields: &[(&str, &str)]) -> &'static str {
    let made = made(limits, flags, fields);
    assert!(made.events.is_empty(), "{fields:?}: {made:?}");
    assert_eq!(made.frames, ["1 RST_STREAM PROTOCOL_ERROR"], "{fields:?}");
    made.fault.unwrap()
}

#[test]
fn requests_that_are_taken() {
    let get = "GET / HTTP/2 host=a";
    for (fields, flags, expected) in [
        (GET.to_vec(), END, format!("{get} Empty [] .")),
        (GET.to_vec(), 0, format!("{get} Unknown []")),
        (with(GET, &[("content-length", "0")]), END, format!("{get} Exact(0) [] .")),
        (with(GET, &[("content-length", "5")]), 0, format!("{get} Exact(5) []")),
        (with(GET, &[("host", "A.")]), END, format!("{get} Empty [] .")),
        (with(GET, &[("host", "a:80")]), END, format!("{get} Empty [] .")),
        (with(GET, &[("te", "Trailers"), ("x-a", "")]), END, format!("{get} Empty [te: Trailers, x-a: ] .")),
        (with(GET, &[("trailer", "x"), ("http2-settings", "AA")]), END, format!("{get} Empty [trailer: x] .")),
        (with(GET, &[("priority", "u=1")]), END, format!("{get} Empty [priority: u=1] .")),
        (with(GET, &[("x", "\u{ff}")]), END, format!(r"{get} Empty [x: \xc3\xbf] .")),
        (
            with(GET, &[("cookie", "a=b"), ("x", "y"), ("cookie", "c=d"), ("cookie", "")]),
            END,
            format!("{get} Empty [x: y, cookie: a=b; c=d] ."),
        ),
        (with(GET, &[("cookie", ""), ("cookie", "")]), END, format!("{get} Empty [] .")),
        (with(GET, &[("expect", "100-continue")]), END, format!("{get} Empty [] .")),
        (with(&GET[..3], &[("host", "b:8080")]), END, "GET / HTTP/2 host=b:8080 Empty [] .".into()),
        (
            vec![(":path", "*"), (":scheme", "https"), (":method", "OPTIONS"), (":authority", "[::1]:1")],
            END,
            "OPTIONS * HTTP/2 host=[::1]:1 Empty [] .".into(),
        ),
        (vec![(":method", "CONNECT"), (":authority", "a:1")], 0, "CONNECT  HTTP/2 host=a:1 Unknown []".into()),
        (
            vec![(":method", "CONNECT"), (":authority", "a:1"), ("host", "a")],
            END,
            "CONNECT  HTTP/2 host=a:1 Empty [] .".into(),
        ),
        (
            vec![(":method", "PROPFIND"), (":scheme", "HTTP"), (":path", "/?a=/%00\\"), (":authority", "a")],
            END,
            r"PROPFIND /?a=/%00\\ HTTP/2 host=a Empty [] .".into(),
        ),
    ] {
        assert_eq!(accepted(&edge(), flags, &fields), expected);
    }
}

#[test]
fn an_extended_connect_is_taken_where_it_is_allowed() {
    let fields = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "https"),
        (":path", "/chat"),
        (":authority", "a"),
        ("sec-websocket-version", "13"),
    ];
    let allowed = Limits { connect_protocol: true, ..edge() };
    let expected = "CONNECT /chat HTTP/2 host=a Unknown [sec-websocket-version: 13]";
    assert_eq!(accepted(&allowed, 0, &fields), expected);
    assert_eq!(malformed(&edge(), 0, &fields), "http2.unknown_pseudo_header");
    for (protocol, refusal) in [
        ("h2c", "501 http2.unknown_protocol"),
        ("a-protocol-with-a-long-name", "501 http2.unknown_protocol"),
        ("HTTP/2", "400 http2.bad_protocol"),
        ("a, b", "400 http2.bad_protocol"),
        ("", "400 http2.bad_protocol"),
    ] {
        let mut other = fields;
        other[1].1 = protocol;
        assert_eq!(refused(&allowed, 0, &other), refusal, "{protocol}");
    }
    assert_eq!(malformed(&allowed, 0, &[fields[0], fields[1], fields[4]]), "http2.missing_pseudo_header");
    assert_eq!(malformed(&allowed, 0, &[&fields[1..], &[]].concat()), "http2.missing_pseudo_header");
    let get = with(&[(":protocol", "websocket")], GET);
    assert_eq!(malformed(&allowed, 0, &get), "http2.protocol_without_connect");
    let long = with(&fields, &[("content-length", "3")]);
    assert_eq!(malformed(&allowed, 0, &long), "http2.body_not_allowed");

    let mut end = server(allowed);
    end.events(&headers(1, 0, &fields));
    assert_eq!(end.requests[0].1.protocol, Some(Upgrade::Websocket));
    assert_eq!(end.requests[0].1.head.scheme, Scheme::Https);
}

#[test]
fn malformed_requests() {
    let https = Limits { scheme: Some(Scheme::Https), ..edge() };
    let replaced = |name: &'static str, value: &'static str| -> Vec<(&'static str, &'static str)> {
        GET.iter().map(|&field| if field.0 == name { (name, value) } else { field }).collect()
    };
    let without = |name: &str| -> Vec<_> { GET.iter().copied().filter(|field| field.0 != name).collect() };
    let twice = |name: &'static str| -> Vec<_> {
        let field = *GET.iter().find(|field| field.0 == name).unwrap();
        with(&[field], GET)
    };
    let long_token: &'static str = "AAAAAAAAAAAAAAAAAAAAAAAAA";
    let table = [
        // Row S-20: pseudo-header fields.
        (without(":method"), "http2.missing_pseudo_header"),
        (without(":scheme"), "http2.missing_pseudo_header"),
        (without(":path"), "http2.missing_pseudo_header"),
        (twice(":method"), "http2.duplicate_pseudo_header"),
        (twice(":scheme"), "http2.duplicate_pseudo_header"),
        (twice(":path"), "http2.duplicate_pseudo_header"),
        (twice(":authority"), "http2.duplicate_pseudo_header"),
        (with(GET, &[(":status", "200")]), "http2.unknown_pseudo_header"),
        (with(GET, &[(":", "x")]), "http2.unknown_pseudo_header"),
        (with(GET, &[(":Method", "GET")]), "http2.unknown_pseudo_header"),
        (with(&[("x", "y")], GET), "http2.pseudo_header_order"),
        (with(&[("cookie", "y")], GET), "http2.pseudo_header_order"),
        (replaced(":method", ""), "http2.bad_method"),
        (replaced(":method", "GE T"), "http2.bad_method"),
        (replaced(":method", "GET / HTTP/1.1\r\n"), "http2.bad_method"),
        (replaced(":method", long_token), "http2.bad_method"),
        (replaced(":scheme", ""), "http2.bad_scheme"),
        (replaced(":scheme", "ftp"), "http2.bad_scheme"),
        (replaced(":scheme", "http://a/b?"), "http2.bad_scheme"),
        (replaced(":path", ""), "http2.bad_path"),
        (replaced(":path", "a"), "http2.bad_path"),
        (replaced(":path", "http://a/"), "http2.bad_path"),
        (replaced(":path", "*"), "http2.bad_path"),
        (replaced(":path", "*/"), "http2.bad_path"),
        (replaced(":path", "/a b"), "http2.bad_path"),
        (replaced(":path", "/a#b"), "http2.bad_path"),
        (replaced(":path", "/a\tb"), "http2.bad_path"),
        (replaced(":path", "/\u{80}"), "http2.bad_path"),
        (replaced(":authority", ""), "http2.bad_authority"),
        (replaced(":authority", "u@a"), "http2.bad_authority"),
        (replaced(":authority", "a,b"), "http2.bad_authority"),
        (replaced(":authority", "a/b"), "http2.bad_authority"),
        (replaced(":authority", "a:0"), "http2.bad_authority"),
        (with(GET, &[("host", "b")]), "http2.authority_mismatch"),
        (with(GET, &[("host", "a:81")]), "http2.authority_mismatch"),
        (with(GET, &[("host", "a b")]), "http2.bad_authority"),
        (with(GET, &[("host", "a"), ("host", "a")]), "http2.duplicate_host"),
        // RFC 9113 section 8.5.
        (vec![(":method", "CONNECT"), (":authority", "a")], "http2.bad_connect"),
        (vec![(":method", "CONNECT"), ("host", "a:1")], "http2.bad_connect"),
        (vec![(":method", "CONNECT"), (":authority", "a:1"), (":path", "/")], "http2.bad_connect"),
        (vec![(":method", "CONNECT"), (":authority", "a:1"), (":scheme", "http")], "http2.bad_connect"),
        (vec![(":method", "CONNECT"), (":authority", "a:1"), ("content-length", "0")], "http2.body_not_allowed"),
        (vec![(":method", "CONNECT"), (":authority", "a:1"), ("host", "b")], "http2.authority_mismatch"),
        (vec![(":method", "CONNECT"), (":authority", "a:1"), ("host", "a:2")], "http2.authority_mismatch"),
        // Row S-18: framing and connection-specific fields.
        (with(GET, &[("connection", "close")]), "http2.connection_header"),
        (with(GET, &[("keep-alive", "1")]), "http2.connection_header"),
        (with(GET, &[("proxy-connection", "x")]), "http2.connection_header"),
        (with(GET, &[("transfer-encoding", "chunked")]), "http2.connection_header"),
        (with(GET, &[("upgrade", "websocket")]), "http2.connection_header"),
        (with(GET, &[("te", "gzip")]), "http2.bad_te"),
        (with(GET, &[("te", "trailers, deflate")]), "http2.bad_te"),
        (with(GET, &[("content-length", "5")]), "http2.body_too_short"),
        (with(GET, &[("content-length", "+0")]), "http2.bad_content_length"),
        (with(GET, &[("content-length", "")]), "http2.bad_content_length"),
        (with(GET, &[("content-length", "0, 0")]), "http2.bad_content_length"),
        (with(GET, &[("content-length", "99999999999999999999")]), "http2.bad_content_length"),
        (with(GET, &[("content-length", "0"), ("content-length", "0")]), "http2.duplicate_content_length"),
        // Row S-19: names and values.
        (with(GET, &[("X", "y")]), "http2.bad_header_name"),
        (with(GET, &[("Host", "a")]), "http2.bad_header_name"),
        (with(GET, &[("", "y")]), "http2.bad_header_name"),
        (with(GET, &[("a b", "y")]), "http2.bad_header_name"),
        (with(GET, &[("a:", "y")]), "http2.bad_header_name"),
        (with(GET, &[("a\r\nb", "y")]), "http2.bad_header_name"),
        (with(GET, &[("\u{e9}", "y")]), "http2.bad_header_name"),
        (with(GET, &[("x", " y")]), "http2.bad_header_value"),
        (with(GET, &[("x", "y\t")]), "http2.bad_header_value"),
        (with(GET, &[("x", " ")]), "http2.bad_header_value"),
        (with(GET, &[("x", "a\0b")]), "http2.bad_header_value"),
        (with(GET, &[("x", "a\rb")]), "http2.bad_header_value"),
        (with(GET, &[("x", "a\nb")]), "http2.bad_header_value"),
        (with(GET, &[("cookie", "a\nb")]), "http2.bad_header_value"),
        (with(GET, &[("x", "a\u{7f}")]), "http2.bad_header_value"),
        // Malformed is more than refused.
        (with(GET, &[("a_b", "c"), ("connection", "x")]), "http2.connection_header"),
    ];
    for (fields, rule) in table {
        assert_eq!(malformed(&edge(), END, &fields), rule, "{fields:?}");
    }
    assert_eq!(malformed(&https, END, GET), "http2.scheme_mismatch");
    let mut end = server(edge());
    end.events(&headers(1, END, &[]));
    assert_eq!(end.connection.take_counts().rx_messaging_error, 1);
}

#[test]
fn requests_that_are_answered_and_not_served() {
    let limits = Limits { head_bytes: 400, fields: 3, cookie_crumbs: 2, target_bytes: 10, ..edge() };
    let long_path: Vec<_> = with(&[(":method", "HEAD"), (":scheme", "http"), (":path", "/234567890a")], &GET[3..]);
    let long_value = "v".repeat(300);
    for (fields, expected) in [
        (with(GET, &[("x", &long_value)]), "431 http2.head_too_large"),
        (with(GET, &[("a", ""), ("b", ""), ("c", ""), ("d", "")]), "431 http2.head_too_large"),
        (with(GET, &[("cookie", ""), ("cookie", ""), ("cookie", "")]), "431 http2.head_too_large"),
        (long_path, "414 http2.target_too_long"),
        (with(GET, &[("a_b", "c")]), "400 http2.underscore"),
        (GET[..3].to_vec(), "400 http2.missing_authority"),
        (with(GET, &[("expect", "200-ok")]), "417 http2.bad_expect"),
        (with(GET, &[("expect", "100-continue"), ("expect", "100-continue")]), "417 http2.bad_expect"),
    ] {
        assert_eq!(refused(&limits, END, &fields), expected, "{fields:?}");
    }
    assert!(
        accepted(&limits, END, &with(GET, &[("a", ""), ("b", ""), ("c", ""), ("cookie", "")])).starts_with("GET /")
    );
}

#[test]
fn what_a_refused_request_sends_is_dropped() {
    let mut end = server(edge());
    end.releases = false;
    let head = with(POST, &[("a_b", "c")]);
    assert_eq!(end.events(&headers(1, 0, &head)), ["1 refused 400 http2.underscore"]);
    let stream = end.met[0];
    assert_eq!(end.connection.streams(), 1);
    // More than the stream's window would never be read; all of it is credited to the connection.
    for _ in 0..4 {
        assert_eq!(end.events(&frame(DATA, 0, 1, &[0; 16_000])), Vec::<String>::new());
    }
    assert!(!end.connection.recv_done(stream));
    assert_eq!(end.events(&headers(1, END, &[("x", "y")])), Vec::<String>::new(), "trailers, too");
    assert!(end.connection.recv_done(stream));
    assert!(!end.connection.send_continue(stream));
    end.connection
        .send_response(stream, &super::pair::response(400, nuncio_http::BodyLength::Exact(3)), false)
        .unwrap();
    end.connection.send_data(stream, super::pair::pattern(3), true).unwrap();
    assert_eq!(super::raw::frames(&end.output()), ["1 HEADERS", "1 DATA 3 ."]);
    end.connection.forget(stream);
    assert_eq!((end.error, end.connection.streams()), (None, 0));
    assert_eq!(end.connection.take_counts().requests_rejected_with_underscores, 1);
}

#[test]
fn underscores() {
    let fields = with(GET, &[("a_b", "c"), ("d", "e")]);
    let drop = Limits { underscores: Underscores::Drop, ..edge() };
    let allow = Limits { underscores: Underscores::Allow, ..edge() };
    assert_eq!(accepted(&drop, END, &fields), "GET / HTTP/2 host=a Empty [d: e] .");
    assert_eq!(accepted(&allow, END, &fields), "GET / HTTP/2 host=a Empty [a_b: c, d: e] .");
    let mut end = server(drop);
    end.events(&headers(1, END, &fields));
    assert_eq!(end.connection.take_counts().dropped_headers_with_underscores, 1);
}

#[test]
fn no_byte_of_a_head_may_become_a_control_character() {
    let fields = with(GET, &[("accept", "text/html"), ("x-custom", "value"), ("cookie", "a=b")]);
    let clean = block(&fields);
    let texts: Vec<usize> = {
        // Where names and values stand: behind each length.
        let mut at = 0;
        let mut places = Vec::new();
        while at < clean.len() {
            at += 1;
            for _ in 0..2 {
                let len = usize::from(clean[at]);
                places.extend(at + 1..at + 1 + len);
                at += 1 + len;
            }
        }
        places
    };
    let accept = |payload: &[u8]| {
        let mut end = server(edge());
        let events = end.events(&frame(HEADERS, END | WHOLE, 1, payload));
        events.iter().any(|event| event.contains("request"))
    };
    assert!(accept(&clean));
    assert!(texts.len() > 60);
    for at in texts {
        for byte in [0, b'\r', b'\n'] {
            let mut corrupt = clean.clone();
            corrupt[at] = byte;
            assert!(!accept(&corrupt), "{byte} at {at}");
        }
    }
}

#[test]
fn a_block_in_many_frames_is_one_head() {
    let whole = block(&with(GET, &[("x-a", "some value")]));
    for parts in 1..=9 {
        let step = whole.len().div_ceil(parts);
        let mut sample = Vec::new();
        let chunks: Vec<_> = whole.chunks(step).collect();
        for (nth, fragment) in chunks.iter().enumerate() {
            let (kind, end) = if nth == 0 { (HEADERS, END) } else { (CONTINUATION, 0) };
            let last = if nth + 1 == chunks.len() { WHOLE } else { 0 };
            sample.extend_from_slice(&frame(kind, end | last, 1, fragment));
        }
        let made = at_every_cut(&|| server(edge()), &sample);
        assert_eq!(made.events, ["1 request GET / HTTP/2 host=a Empty [x-a: some value] ."], "{parts}");
    }
}

#[test]
fn trailers_are_filtered_and_checked() {
    let read = |fields: &[(&str, &str)]| {
        let sample = [headers(1, 0, POST), frame(DATA, 0, 1, b"abc"), headers(1, END, fields)].concat();
        let made = at_every_cut(&|| server(edge()), &sample);
        made.events[1..].join(" ")
    };
    for (fields, expected) in [
        (&[("grpc-status", "0"), ("x", "y")][..], "1 trailers [grpc-status: 0, x: y]"),
        (&[("content-length", "5"), ("host", "b"), ("x", "y")], "1 trailers [x: y]"),
        (&[("cookie", "a=b"), ("authorization", "x")], "1 data ."),
        (&[], "1 data ."),
        (&[(":path", "/")], "1 reset PROTOCOL_ERROR by us http2.pseudo_header_in_trailers"),
        (&[("transfer-encoding", "chunked")], "1 reset PROTOCOL_ERROR by us http2.connection_header"),
        (&[("x", "a\nb")], "1 reset PROTOCOL_ERROR by us http2.bad_header_value"),
        (&[("X", "y")], "1 reset PROTOCOL_ERROR by us http2.bad_header_name"),
        (&[("a_b", "y")], "1 reset PROTOCOL_ERROR by us http2.underscore"),
    ] {
        assert_eq!(read(fields), expected, "{fields:?}");
    }
    let long = "v".repeat(9000);
    assert_eq!(read(&[("x", &long)]), "1 reset PROTOCOL_ERROR by us http2.trailers_too_large");
    assert_eq!(read(&[("x", "y"); 65]), "1 reset PROTOCOL_ERROR by us http2.trailers_too_large");
    assert!(read(&[("x", "y"); 64]).starts_with("1 trailers"));
}

#[test]
fn nothing_but_data_goes_through_a_tunnel() {
    let connect = headers(1, 0, &[(":method", "CONNECT"), (":authority", "a:1")]);
    let made = at_every_cut(&|| server(edge()), &[connect, headers(1, END, &[("x", "y")])].concat());
    assert_eq!(made.events[1..], ["1 reset PROTOCOL_ERROR by us http2.trailers_in_tunnel"]);
}

/// What a client makes of a response to this method.
fn answered(limits: &Limits, method: Method, frames: &[Vec<u8>]) -> Made {
    at_every_cut(&|| client(limits.clone(), method).0, &frames.concat())
}

#[test]
fn responses_that_are_taken() {
    let status = |code| vec![(":status", code)];
    for (method, fields, flags, expected) in [
        (Method::Get, status("200"), 0, "200 Unknown []"),
        (Method::Get, status("200"), END, "200 Empty [] ."),
        (Method::Get, with(&status("200"), &[("content-length", "3"), ("x", "y")]), 0, "200 Exact(3) [x: y]"),
        (Method::Get, with(&status("200"), &[("content-length", "0")]), END, "200 Exact(0) [] ."),
        (Method::Get, with(&status("599"), &[("a_b", "c")]), END, "599 Empty [a_b: c] ."),
        (Method::Get, with(&status("304"), &[("content-length", "3")]), END, "304 Exact(3) [] ."),
        (Method::Get, with(&status("204"), &[("content-length", "0")]), END, "204 Empty [] ."),
        (Method::Get, with(&status("103"), &[("link", "a")]), 0, "103 Empty [link: a]"),
        (Method::Get, with(&status("200"), &[("te", "trailers"), ("expect", "x")]), END, "200 Empty [] ."),
        (Method::Head, with(&status("200"), &[("content-length", "3")]), END, "200 Exact(3) [] ."),
        (Method::Head, with(&status("200"), &[("content-length", "3")]), 0, "200 Exact(3) []"),
        (Method::Connect, with(&status("200"), &[("content-length", "3")]), 0, "200 Unknown []"),
        (Method::Connect, with(&status("200"), &[("content-length", "x")]), 0, "200 Unknown []"),
        (Method::Connect, with(&status("403"), &[("content-length", "3")]), 0, "403 Exact(3) []"),
    ] {
        let made = answered(&edge(), method, &[headers(1, flags, &fields)]);
        assert_eq!(made.events, [format!("1 response HTTP/2 {expected}")], "{method} {fields:?}");
        assert!(made.frames.is_empty());
    }
}

#[test]
fn malformed_responses() {
    let status = |code| vec![(":status", code)];
    for (method, fields, flags, rule) in [
        (Method::Get, vec![("x", "y")], 0, "missing_pseudo_header"),
        (Method::Get, status(""), 0, "bad_status"),
        (Method::Get, status("20"), 0, "bad_status"),
        (Method::Get, status("2000"), 0, "bad_status"),
        (Method::Get, status("099"), 0, "bad_status"),
        (Method::Get, status("600"), 0, "bad_status"),
        (Method::Get, status("+20"), 0, "bad_status"),
        (Method::Get, with(&status("200"), &[(":status", "200")]), 0, "duplicate_pseudo_header"),
        (Method::Get, with(&[("x", "y")], &status("200")), 0, "duplicate_pseudo_header"),
        (Method::Get, with(&status("200"), &[(":path", "/")]), 0, "unknown_pseudo_header"),
        (Method::Get, status("101"), 0, "unexpected_upgrade"),
        (Method::Get, status("103"), END, "interim_response_ends"),
        (Method::Get, with(&status("103"), &[("content-length", "3")]), 0, "body_not_allowed"),
        (Method::Get, with(&status("204"), &[("content-length", "3")]), 0, "body_not_allowed"),
        (Method::Get, with(&status("200"), &[("content-length", "3")]), END, "body_too_short"),
        (Method::Get, with(&status("200"), &[("content-length", "x")]), 0, "bad_content_length"),
        (Method::Get, with(&status("200"), &[("content-length", "3"); 2]), 0, "duplicate_content_length"),
        (Method::Get, with(&status("200"), &[("transfer-encoding", "chunked")]), 0, "connection_header"),
        (Method::Get, with(&status("200"), &[("x", "a\r\nb")]), 0, "bad_header_value"),
        (Method::Get, with(&status("200"), &[("X", "y")]), 0, "bad_header_name"),
        (Method::Get, with(&status("200"), &[("x", "y"); 101]), 0, "head_too_large"),
    ] {
        let made = answered(&edge(), method, &[headers(1, flags, &fields)]);
        let expected = format!("1 reset PROTOCOL_ERROR by us http2.{rule}");
        assert_eq!(made.events, [expected], "{method} {fields:?}");
        assert_eq!(made.frames, ["1 RST_STREAM PROTOCOL_ERROR"]);
    }
}

#[test]
fn bodies_that_are_none_are_held_to_it() {
    for (method, status) in [(Method::Head, "200"), (Method::Get, "304"), (Method::Get, "204")] {
        let head = headers(1, 0, &[(":status", status)]);
        let made = answered(&edge(), method, &[head.clone(), frame(DATA, END, 1, b"")]);
        assert_eq!(made.events[1..], ["1 data ."]);
        let made = answered(&edge(), method, &[head, frame(DATA, END, 1, b"x")]);
        assert_eq!(made.events[1..], ["1 reset PROTOCOL_ERROR by us http2.body_too_long"]);
    }
}

#[test]
fn interim_responses_are_counted() {
    let limits = Limits { interim_responses: 2, ..edge() };
    let interim = headers(1, 0, &[(":status", "103")]);
    let last = headers(1, END, &[(":status", "200")]);
    let made = answered(&limits, Method::Get, &[interim.clone(), interim.clone(), last]);
    assert_eq!(made.events.last().unwrap(), "1 response HTTP/2 200 Empty [] .");
    let made = answered(&limits, Method::Get, &[interim.clone(), interim.clone(), interim]);
    assert_eq!(made.events.last().unwrap(), "1 reset ENHANCE_YOUR_CALM by us http2.too_many_interim");
}

#[test]
fn a_block_that_hpack_cannot_read_ends_the_connection() {
    for payload in [&b"\x80"[..], b"\x40", b"\xff\xff\xff\xff\xff\xff", b"\x00\x05ab"] {
        let mut end = server(edge());
        end.events(&frame(HEADERS, END | WHOLE, 1, payload));
        assert_eq!(end.error.unwrap().kind, ErrorKind::Compression);
    }
}

#[test]
fn indexed_fields_are_the_same_fields() {
    let mut end = server(edge());
    // :method GET, :scheme http, :path / from the static table; authority with incremental indexing, then by its index.
    let mut first = vec![0x82, 0x86, 0x84, 0x41, 1, b'a'];
    literal(&mut first, b"x", b"y");
    let expected = "request GET / HTTP/2 host=a Empty [x: y] .";
    assert_eq!(end.events(&frame(HEADERS, END | WHOLE, 1, &first)), [format!("1 {expected}")]);
    let mut second = vec![0x82, 0x86, 0x84, 0xbe];
    literal(&mut second, b"x", b"y");
    assert_eq!(end.events(&frame(HEADERS, END | WHOLE, 3, &second)), [format!("3 {expected}")]);
    assert!(end.requests[0].1.head.headers.get(HeaderId::Host).is_none());
}
