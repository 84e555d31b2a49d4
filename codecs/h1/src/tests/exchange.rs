//! Whole exchanges: persistence, pipelining, 100-continue, tunnels, early responses (rows S-13 to S-16), and a client and a
//! server wired together.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use nuncio_http::{BodyLength, HeaderId, HeaderList, LengthError, Method, Output, RequestHead, ResponseHead, Version};

use super::harness::{edge, take};
use crate::{Client, EncodeError, Error, Limits, Recv, Request, Server, Upgrade};

struct Pair {
    server: Server,
    buf: BytesMut,
    out: Output,
}

fn pair(bytes: &str) -> Pair {
    Pair { server: Server::new(Arc::new(edge())), buf: BytesMut::from(bytes), out: Output::new() }
}

impl Pair {
    fn recv(&mut self) -> Recv<Request> {
        self.server.recv(&mut self.buf).unwrap()
    }

    fn head(&mut self) -> (Request, bool) {
        match self.recv() {
            Recv::Head { head, end } => (head, end),
            other => panic!("{other:?}"),
        }
    }

    fn respond(&mut self, status: u16, body: BodyLength) -> String {
        self.server.send_head(&response(status, body), &mut self.out).unwrap();
        take(&mut self.out)
    }

    fn data(&mut self, chunk: &'static str, end: bool) -> String {
        self.server.send_data(Bytes::from_static(chunk.as_bytes()), end, &mut self.out).unwrap();
        take(&mut self.out)
    }
}

fn response(status: u16, body: BodyLength) -> ResponseHead {
    ResponseHead { body, ..ResponseHead::new(status, HeaderList::new()) }
}

const GET: &str = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn pipelined_requests_wait_their_turn() {
    let mut pair = pair(&format!("{GET}POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi{GET}"));
    assert!(pair.server.is_idle());
    let (request, end) = pair.head();
    assert!(end && request.head.target() == b"/1" && !pair.server.is_idle());
    assert!(matches!(pair.recv(), Recv::Paused));
    assert!(!pair.server.next_request(), "not answered");
    assert_eq!(pair.respond(200, BodyLength::Exact(0)), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    assert!(pair.server.next_request());
    assert!(!pair.head().1);
    assert_eq!(pair.server.body_remaining(), Some(2));
    assert!(matches!(pair.recv(), Recv::Data { chunk, end: true } if chunk == "hi"));
    assert!(pair.server.request_done() && matches!(pair.recv(), Recv::Paused));
    pair.respond(204, BodyLength::Empty);
    assert!(pair.server.next_request());
    assert!(pair.head().1 && pair.buf.is_empty());
}

#[test]
fn response_framing_and_persistence() {
    use BodyLength::{Empty, Exact, Unknown};
    const OLD: &str = "GET / HTTP/1.0\r\n\r\n";
    const OLD_KEEP: &str = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    const HEAD: &str = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
    const CLOSE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let table: &[(&str, u16, BodyLength, &str, bool)] = &[
        (GET, 200, Empty, "200 OK\r\ncontent-length: 0\r\n", true),
        (GET, 200, Exact(3), "200 OK\r\ncontent-length: 3\r\n", true),
        (GET, 200, Unknown, "200 OK\r\ntransfer-encoding: chunked\r\n", true),
        (GET, 204, Exact(3), "204 No Content\r\n", true),
        (GET, 304, Exact(3), "304 Not Modified\r\ncontent-length: 3\r\n", true),
        (GET, 304, Unknown, "304 Not Modified\r\n", true),
        (GET, 205, Empty, "205 Reset Content\r\ncontent-length: 0\r\n", true),
        (GET, 299, Empty, "299 \r\ncontent-length: 0\r\n", true),
        (HEAD, 200, Exact(18_446_744_073_709_551_615), "200 OK\r\ncontent-length: 18446744073709551615\r\n", true),
        (HEAD, 200, Exact(0), "200 OK\r\ncontent-length: 0\r\n", true),
        (HEAD, 200, Unknown, "200 OK\r\n", true),
        (HEAD, 200, Empty, "200 OK\r\n", true),
        (CLOSE, 200, Exact(3), "200 OK\r\ncontent-length: 3\r\nconnection: close\r\n", false),
        (OLD, 200, Exact(3), "200 OK\r\ncontent-length: 3\r\nconnection: close\r\n", false),
        (OLD_KEEP, 200, Exact(3), "200 OK\r\ncontent-length: 3\r\nconnection: keep-alive\r\n", true),
        (OLD_KEEP, 200, Unknown, "200 OK\r\nconnection: close\r\n", false),
        (OLD_KEEP, 304, Unknown, "304 Not Modified\r\nconnection: keep-alive\r\n", true),
    ];
    for (request, status, body, expected, persists) in table {
        let mut pair = pair(request);
        pair.head();
        assert_eq!(pair.respond(*status, *body), format!("HTTP/1.1 {expected}\r\n"), "{request}");
        assert_eq!(pair.server.will_close(), !persists);
        let bodyless = request.starts_with("HEAD") || [204, 304].contains(status);
        assert_eq!(pair.server.response_done(), bodyless || matches!(body, Empty));
        let (chunked, declared) = (expected.contains("chunked"), matches!(body, Exact(_)));
        let wire = if declared || bodyless || !chunked && *body == Empty {
            pair.data(if matches!(body, Empty) { "" } else { "abc" }, true)
        } else {
            pair.data("abc", false) + &pair.data("", true)
        };
        let payload = match (bodyless || *body == Empty, chunked) {
            (true, _) => "",
            (false, true) => "3\r\nabc\r\n0\r\n\r\n",
            (false, false) => "abc",
        };
        assert_eq!(wire, payload, "{request} {status} {body:?}");
        assert!(pair.server.response_done());
        assert_eq!(pair.server.next_request(), *persists, "{request} {status}");
    }
}

#[test]
fn bodies_keep_their_declared_length() {
    let mut pair = pair(GET);
    pair.head();
    pair.respond(200, BodyLength::Exact(3));
    let mut send =
        |text: &'static str, end| pair.server.send_data(Bytes::from_static(text.as_bytes()), end, &mut pair.out);
    assert_eq!(send("ab", true), Err(EncodeError::Length(LengthError::TooShort)));
    assert_eq!(send("ab", false), Ok(()), "what is refused is not counted");
    assert_eq!(send("cd", false), Err(EncodeError::Length(LengthError::TooLong)));
    assert_eq!(send("c", false), Ok(()));
    assert!(pair.server.response_done());
}

#[test]
fn close_after_response_and_errors() {
    let mut pair1 = pair(GET);
    pair1.head();
    pair1.server.close_after_response();
    assert!(pair1.respond(200, BodyLength::Empty).ends_with("connection: close\r\n\r\n"));
    assert!(!pair1.server.next_request());

    let mut bad = pair("GET / HTTP/1.1\r\n\r\n");
    assert_eq!(bad.server.recv(&mut bad.buf).unwrap_err(), Error::MissingHost);
    assert_eq!(bad.server.recv(&mut bad.buf).unwrap_err(), Error::MissingHost, "stays");
    let reply = bad.respond(400, BodyLength::Empty);
    assert_eq!(reply, "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    assert!(!bad.server.next_request());
}

/// Row S-15.
#[test]
fn continue_is_sent_once_and_only_when_it_helps() {
    let sample = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    let mut asked = pair(sample);
    assert!(asked.head().0.expect_continue && asked.server.continue_pending());
    assert!(asked.server.send_continue(&mut asked.out) && !asked.server.send_continue(&mut asked.out));
    assert_eq!(take(&mut asked.out), "HTTP/1.1 100 Continue\r\n\r\n");
    asked.buf.extend_from_slice(b"hi");
    asked.recv();
    assert_eq!(asked.respond(200, BodyLength::Empty), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    assert!(asked.server.next_request());

    let mut refused = pair(sample);
    refused.head();
    assert!(refused.respond(403, BodyLength::Empty).contains("connection: close"), "the body may come or not");
    assert!(!refused.server.send_continue(&mut refused.out), "after the final head");

    let mut impatient = pair(&format!("{sample}h"));
    impatient.head();
    impatient.recv();
    assert!(!impatient.server.send_continue(&mut impatient.out), "the body comes already");

    let mut interim = pair(sample);
    interim.head();
    interim.server.send_interim(&response(100, BodyLength::Empty), &mut interim.out).unwrap();
    assert!(!interim.server.continue_pending(), "one from upstream counts");
}

#[test]
fn interim_responses_are_not_for_http10() {
    let mut early = response(103, BodyLength::Empty);
    early.headers.push_raw(b"Link", b"x");
    let mut modern = pair(GET);
    modern.head();
    modern.server.send_interim(&early, &mut modern.out).unwrap();
    assert_eq!(take(&mut modern.out), "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n");
    assert!(!modern.server.response_started());
    assert_eq!(
        modern.server.send_interim(&response(200, BodyLength::Empty), &mut modern.out),
        Err(EncodeError::BadStatus)
    );
    assert_eq!(
        modern.server.send_interim(&response(101, BodyLength::Empty), &mut modern.out),
        Err(EncodeError::BadStatus)
    );
    modern.respond(200, BodyLength::Empty);
    assert_eq!(modern.server.send_interim(&early, &mut modern.out), Err(EncodeError::State));

    let mut old = pair("GET / HTTP/1.0\r\n\r\n");
    old.head();
    old.server.send_interim(&early, &mut old.out).unwrap();
    assert!(old.out.is_empty());
}

/// Row S-14: the rest of the body is still read as body.
#[test]
fn an_early_response_does_not_lose_the_body() {
    let mut pair = pair("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 29\r\n\r\n");
    pair.head();
    pair.respond(200, BodyLength::Empty);
    assert!(pair.server.response_done() && !pair.server.next_request(), "body not read");
    pair.buf.extend_from_slice(b"GET / HTTP/1.1\r\nHost: evil\r\n\r\n");
    assert!(matches!(pair.recv(), Recv::Data { chunk, end: true } if chunk.len() == 29));
    assert!(pair.server.next_request());
}

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";

/// Row S-16.
#[test]
fn an_upgrade_holds_the_bytes_behind_it() {
    let mut accepted = pair(&format!("{UPGRADE}raw"));
    assert!(accepted.head().1);
    assert!(matches!(accepted.recv(), Recv::Paused) && accepted.buf == "raw"[..]);
    assert_eq!(
        accepted.respond(101, BodyLength::Empty),
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
    );
    assert!(accepted.server.is_tunnel());
    assert!(matches!(accepted.recv(), Recv::Tunnel(raw) if raw == "raw"));
    assert!(matches!(accepted.recv(), Recv::NeedMore));
    assert_eq!(accepted.data("\0back", false), "\0back");
    assert!(matches!(accepted.server.recv_eof(&BytesMut::new()), Ok(Recv::Eof)));
    assert!(accepted.server.request_done() && !accepted.server.response_done());
    accepted.data("", true);
    assert!(accepted.server.response_done() && !accepted.server.next_request());

    // 200 is no upgrade: what follows is the next request.
    let mut declined = pair(&format!("{UPGRADE}{GET}"));
    declined.head();
    declined.respond(200, BodyLength::Empty);
    assert!(declined.server.next_request() && declined.head().0.head.target() == b"/1");

    let mut unasked = pair(GET);
    unasked.head();
    let switching = response(101, BodyLength::Empty);
    assert_eq!(unasked.server.send_head(&switching, &mut unasked.out), Err(EncodeError::UnexpectedUpgrade));
}

#[test]
fn connect_opens_a_tunnel_by_2xx_only() {
    let sample = "CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\n\r\nraw";
    let mut accepted = pair(sample);
    accepted.head();
    assert_eq!(accepted.respond(200, BodyLength::Exact(3)), "HTTP/1.1 200 OK\r\n\r\n");
    assert!(matches!(accepted.recv(), Recv::Tunnel(raw) if raw == "raw"));

    let mut refused = pair(sample);
    refused.head();
    assert_eq!(
        refused.respond(405, BodyLength::Empty),
        "HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    assert!(matches!(refused.recv(), Recv::Paused), "never read as a request");
    assert!(!refused.server.next_request());
}

#[test]
fn the_end_of_the_connection() {
    let eof = |bytes: &str| {
        let mut pair = pair(bytes);
        while !matches!(pair.recv(), Recv::NeedMore | Recv::Paused) {}
        pair.server.recv_eof(&pair.buf).map(|part| matches!(part, Recv::Eof))
    };
    assert_eq!(eof(""), Ok(true));
    assert_eq!(eof(GET), Ok(true), "half-closed behind its request");
    assert_eq!(eof(UPGRADE), Ok(true));
    assert_eq!(eof("GET"), Err(Error::TruncatedHead));
    assert_eq!(eof("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nh"), Err(Error::TruncatedBody));
}

/// A client may close its side behind its last byte; what it sent before still counts.
#[test]
fn bytes_before_a_half_close_are_not_lost() {
    let mut pipelined = pair(&format!("{GET}{GET}"));
    pipelined.head();
    assert!(matches!(pipelined.server.recv_eof(&pipelined.buf), Ok(Recv::Eof)));
    pipelined.respond(200, BodyLength::Empty);
    assert!(pipelined.server.next_request());
    pipelined.head();
    assert!(pipelined.respond(200, BodyLength::Empty).contains("connection: close"), "nothing can follow");
    assert!(!pipelined.server.next_request());

    let mut torn = pair(&format!("{GET}GET / HTTP"));
    torn.head();
    torn.server.recv_eof(&torn.buf).unwrap();
    torn.respond(200, BodyLength::Empty);
    assert!(torn.server.next_request());
    assert_eq!(torn.server.recv(&mut torn.buf).unwrap_err(), Error::TruncatedHead);

    let mut tunnel = pair(&format!("{UPGRADE}raw"));
    tunnel.head();
    tunnel.server.recv_eof(&tunnel.buf).unwrap();
    tunnel.respond(101, BodyLength::Empty);
    assert!(matches!(tunnel.recv(), Recv::Tunnel(raw) if raw == "raw"));
    assert!(matches!(tunnel.recv(), Recv::Eof) && matches!(tunnel.recv(), Recv::Eof));
}

fn get(method: Method, body: BodyLength) -> RequestHead {
    let mut head = RequestHead::new(method, Version::Http11, HeaderList::new());
    head.set_target(b"/p?q");
    head.set_authority(b"b:81");
    head.body = body;
    head
}

#[test]
fn a_client_is_pooled_only_after_a_whole_exchange() {
    let mut client = Client::new(Arc::new(edge()));
    let (mut out, mut buf) = (Output::new(), BytesMut::new());
    assert!(client.can_pool(true));
    for _ in 0..2 {
        client.send_head(&get(Method::Post, BodyLength::Exact(4)), None, &mut out).unwrap();
        assert_eq!(take(&mut out), "POST /p?q HTTP/1.1\r\nhost: b:81\r\ncontent-length: 4\r\n\r\n");
        client.send_data(Bytes::from_static(b"ab"), false, &mut out).unwrap();
        assert!(!client.response_started());
        buf.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        assert!(matches!(client.recv(&mut buf), Ok(Recv::Head { end: true, .. })));
        assert!(client.response_started() && client.response_done() && !client.request_done());
        assert!(!client.can_pool(true), "row S-14: the request is not fully sent");
        let again = client.send_head(&get(Method::Get, BodyLength::Empty), None, &mut out);
        assert_eq!(again, Err(EncodeError::State));
        client.send_data(Bytes::from_static(b"cd"), true, &mut out).unwrap();
        assert_eq!(take(&mut out), "abcd");
        assert!(client.can_pool(true) && !client.can_pool(false));
    }
    buf.extend_from_slice(b"H");
    let mut idle = Client::new(Arc::new(edge()));
    assert_eq!(idle.recv(&mut buf).unwrap_err(), Error::UnexpectedResponse);
    assert!(!idle.can_pool(true));
    assert!(matches!(client.recv_eof(&BytesMut::new()), Ok(Recv::Eof)));
    assert!(!client.can_pool(true));
}

#[test]
fn request_framing() {
    use BodyLength::{Empty, Exact, Unknown};
    let table: &[(Method, BodyLength, &str)] = &[
        (Method::Get, Empty, ""),
        (Method::Get, Exact(0), "content-length: 0\r\n"),
        (Method::Get, Exact(5), "content-length: 5\r\n"),
        (Method::Delete, Unknown, "transfer-encoding: chunked\r\n"),
        (Method::Post, Empty, "content-length: 0\r\n"),
        (Method::Put, Exact(10), "content-length: 10\r\n"),
    ];
    for (method, body, framing) in table {
        let mut out = Output::new();
        Client::new(Arc::new(edge())).send_head(&get(*method, *body), None, &mut out).unwrap();
        assert_eq!(take(&mut out), format!("{method} /p?q HTTP/1.1\r\nhost: b:81\r\n{framing}\r\n"));
    }
    let mut client = Client::new(Arc::new(edge()));
    let mut out = Output::new();
    client.send_head(&get(Method::Get, Empty), Some(Upgrade::Websocket), &mut out).unwrap();
    assert_eq!(take(&mut out), "GET /p?q HTTP/1.1\r\nhost: b:81\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    assert_eq!(
        client.send_data(Bytes::from_static(b"early"), false, &mut out).unwrap_err(),
        EncodeError::Length(LengthError::TooLong),
        "row S-16"
    );
    let mut buf = BytesMut::from("HTTP/1.1 101 S\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nx");
    assert!(matches!(client.recv(&mut buf), Ok(Recv::Head { end: false, .. })));
    assert!(client.is_tunnel() && matches!(client.recv(&mut buf), Ok(Recv::Tunnel(raw)) if raw == "x"));
    client.send_data(Bytes::from_static(b"now"), false, &mut out).unwrap();
    assert_eq!(take(&mut out), "now");

    let mut closing = Client::new(Arc::new(edge()));
    closing.close_after_response();
    closing.send_head(&get(Method::Get, Empty), None, &mut out).unwrap();
    assert!(take(&mut out).ends_with("connection: close\r\n\r\n"));
}

/// What one side writes, the other reads: heads, bodies and trailers in both directions, HEAD lengths included.
#[test]
fn client_and_server_understand_each_other() {
    let limits = Arc::new(Limits { keep_trailers: true, ..edge() });
    let large: &'static [u8] = &[b'z'; 5000];
    for method in [Method::Get, Method::Post, Method::Head] {
        for (body, parts) in [
            (BodyLength::Empty, &[][..]),
            (BodyLength::Exact(5006), &[&b"hello"[..], large, b"!"][..]),
            (BodyLength::Unknown, &[&b"hello"[..], b"", large][..]),
        ] {
            let (mut client, mut server) = (Client::new(limits.clone()), Server::new(limits.clone()));
            let (mut up, mut down) = (Output::new(), Output::new());
            let mut trailers = HeaderList::new();
            trailers.push(HeaderId::GrpcStatus, b"0");
            client.send_head(&get(method, body), None, &mut up).unwrap();
            server_side(&mut client, parts, &trailers, &mut up);
            let mut buf = BytesMut::from(&super::harness::bytes(&up)[..]);
            let Ok(Recv::Head { head, .. }) = server.recv(&mut buf) else { panic!() };
            assert_eq!(
                (head.head.method, head.head.target(), head.head.authority()),
                (method, &b"/p?q"[..], &b"b:81"[..])
            );
            let expected =
                if body == BodyLength::Empty && method == Method::Post { BodyLength::Exact(0) } else { body };
            assert_eq!(head.head.body, expected);
            let whole = parts.concat();
            assert_eq!(drain(|| server.recv(&mut buf).unwrap()), (whole.clone(), body == BodyLength::Unknown));

            server.send_head(&response(200, body), &mut down).unwrap();
            for part in parts {
                server.send_data(Bytes::from_static(part), false, &mut down).unwrap();
            }
            server.send_trailers(&trailers, &mut down).unwrap();
            assert!(server.next_request());
            let mut buf = BytesMut::from(&super::harness::bytes(&down)[..]);
            let Ok(Recv::Head { head, end }) = client.recv(&mut buf) else { panic!() };
            let to_head = method == Method::Head;
            assert_eq!(end, to_head || body == BodyLength::Empty);
            match body {
                BodyLength::Exact(_) => assert_eq!(head.body, body, "to HEAD too"),
                _ => assert_eq!(head.body.is_empty(), end),
            }
            let got = drain(|| client.recv(&mut buf).unwrap());
            assert_eq!(got, if to_head { (Vec::new(), false) } else { (whole, body == BodyLength::Unknown) });
            assert!(client.can_pool(buf.is_empty()));
        }
    }
}

fn server_side(client: &mut Client, parts: &[&'static [u8]], trailers: &HeaderList, out: &mut Output) {
    for part in parts {
        client.send_data(Bytes::from_static(part), false, out).unwrap();
    }
    client.send_trailers(trailers, out).unwrap();
}

/// The body, and whether trailers ended it.
fn drain<H: std::fmt::Debug>(mut recv: impl FnMut() -> Recv<H>) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        match recv() {
            Recv::Data { chunk, .. } => body.extend_from_slice(&chunk),
            Recv::Trailers(trailers) => {
                assert_eq!(trailers.get(HeaderId::GrpcStatus), Some(&b"0"[..]));
                return (body, true);
            }
            Recv::End | Recv::Paused => return (body, false),
            other => panic!("{other:?}"),
        }
    }
}
