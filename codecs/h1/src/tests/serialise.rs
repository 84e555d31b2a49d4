//! Row S-19: the serialiser refuses what must not reach the wire, and leaves nothing of it behind.

use std::sync::Arc;

use bytes::Bytes;
use nuncio_http::{BodyLength, HeaderId, HeaderList, Method, Output, RequestHead, ResponseHead, Version};

use super::harness::{edge, text};
use crate::{Client, EncodeError, Limits, Server};

fn send_request(head: &RequestHead) -> Result<String, EncodeError> {
    let mut out = Output::new();
    out.put_slice(b"before");
    let result = Client::new(Arc::new(edge())).send_head(head, None, &mut out);
    let text = text(&out);
    match result {
        Ok(()) => Ok(text),
        Err(error) => {
            assert_eq!(text, "before", "nothing stays");
            Err(error)
        }
    }
}

fn request(method: Method, target: &str, authority: &str) -> RequestHead {
    let mut head = RequestHead::new(method, Version::Http2, HeaderList::new());
    head.set_target(target.as_bytes());
    head.set_authority(authority.as_bytes());
    head
}

#[test]
fn fields() {
    let bad: &[(&[u8], &[u8])] = &[
        (b"x", b"a\r\nevil: 1"),
        (b"x", b"a\nb"),
        (b"x", b"a\rb"),
        (b"x", b"a\0b"),
        (b"x", b"\x7f"),
        (b"x", b"\x1b"),
        (b"", b"v"),
        (b"a b", b"v"),
        (b"a:", b"v"),
        (b"a\r\nb", b"v"),
        (b"\xc3\xa9", b"v"),
        (b"via", b"a\nb"),
    ];
    for (name, value) in bad {
        let mut head = request(Method::Get, "/", "a");
        head.headers.push_raw(b"fine", b"v");
        head.headers.push_raw(name, value);
        assert_eq!(send_request(&head), Err(EncodeError::BadField), "{}", name.escape_ascii());

        let mut head = ResponseHead::new(200, head.headers.clone());
        let mut out = Output::new();
        let mut server = Server::new(Arc::new(Limits { keep_trailers: true, ..edge() }));
        assert_eq!(server.send_head(&head, &mut out), Err(EncodeError::BadField));
        assert!(out.is_empty() && !server.response_started());
        head.body = BodyLength::Unknown;
        let trailers = std::mem::take(&mut head.headers);
        server.send_head(&head, &mut out).unwrap();
        let before = out.len();
        assert_eq!(server.send_trailers(&trailers, &mut out), Err(EncodeError::BadField));
        assert_eq!(out.len(), before);
    }
}

#[test]
fn request_lines() {
    let bad = [
        ("", "a"),
        ("a", "a"),
        ("*", "a"),
        ("http://a/", "a"),
        ("/a b", "a"),
        ("/a\r\nb", "a"),
        ("/a\0", "a"),
        ("/\u{e9}", "a"),
        ("/a#b", "a"),
        ("/", "a b"),
        ("/", "a\r\nb"),
        ("/", "\u{e9}"),
    ];
    for (target, authority) in bad {
        assert_eq!(send_request(&request(Method::Get, target, authority)), Err(EncodeError::BadTarget), "{target:?}");
    }
    assert_eq!(send_request(&request(Method::Connect, "", "")), Err(EncodeError::BadTarget));
    assert_eq!(
        send_request(&request(Method::Connect, "/", "a:1")),
        Ok("beforeCONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n".into())
    );
    assert_eq!(
        send_request(&request(Method::Options, "*", "")),
        Ok("beforeOPTIONS * HTTP/1.1\r\nhost: \r\n\r\n".into())
    );
}

/// The codec owns framing and hop-by-hop fields, whatever the list still holds (row S-18).
#[test]
fn framing_fields_of_others_are_left_out() {
    let mut head = request(Method::Get, "/", "a");
    for id in [
        HeaderId::Connection,
        HeaderId::ContentLength,
        HeaderId::Expect,
        HeaderId::Host,
        HeaderId::Http2Settings,
        HeaderId::KeepAlive,
        HeaderId::ProxyConnection,
        HeaderId::Te,
        HeaderId::TransferEncoding,
        HeaderId::Upgrade,
    ] {
        head.headers.push(id, b"5");
    }
    head.headers.push(HeaderId::Via, b"5");
    assert_eq!(send_request(&head), Ok("beforeGET / HTTP/1.1\r\nhost: a\r\nvia: 5\r\n\r\n".into()));
}

#[test]
fn calls_out_of_order() {
    let mut out = Output::new();
    let mut server = Server::new(Arc::new(edge()));
    let head = ResponseHead::new(200, HeaderList::new());
    assert_eq!(server.send_data(Bytes::new(), true, &mut out), Err(EncodeError::State));
    assert_eq!(server.send_trailers(&HeaderList::new(), &mut out), Err(EncodeError::State));
    for status in [0, 99, 100, 103, 600, 1000] {
        let head = ResponseHead::new(status, HeaderList::new());
        assert_eq!(server.send_head(&head, &mut out), Err(EncodeError::BadStatus), "{status}");
    }
    server.send_head(&head, &mut out).unwrap();
    assert_eq!(server.send_head(&head, &mut out), Err(EncodeError::State));
    let mut client = Client::new(Arc::new(edge()));
    assert_eq!(client.send_data(Bytes::new(), true, &mut out), Err(EncodeError::State));
    let mut with_body = request(Method::Connect, "", "a:1");
    with_body.body = BodyLength::Exact(1);
    assert_eq!(client.send_head(&with_body, None, &mut out), Err(EncodeError::State));
}

/// The order of magnitude of an idle connection's cost.
#[test]
fn the_codec_state_is_small() {
    assert!(size_of::<Server>() <= 192, "{}", size_of::<Server>());
    assert!(size_of::<Client>() <= 192, "{}", size_of::<Client>());
    assert!(size_of::<Output>() <= 96, "{}", size_of::<Output>());
}
