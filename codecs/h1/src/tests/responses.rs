//! Responses as a client reads them: row S-22, read-until-close, HTTP/1.0 servers, tunnels.

use std::sync::Arc;

use nuncio_http::Method;

use super::harness::{Verdict, at_every_cut, edge, read_response};
use crate::{Error, Limits, Upgrade};

fn read(method: Method, upgrade: Option<Upgrade>, sample: &str) -> (Verdict, bool) {
    let limits = Arc::new(Limits { keep_trailers: true, ..edge() });
    at_every_cut(sample.as_bytes(), |pieces| read_response(&limits, method, upgrade, pieces))
}

#[test]
fn framing_and_pooling() {
    use Method::{Connect, Get, Head};
    let table: &[(Method, &str, &str, bool)] = &[
        (Get, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "HTTP/1.1 200 Exact(2) [] | hi", true),
        (Get, "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 Exact(0) []", true),
        (Get, "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 Exact(0) []", true),
        (Get, "HTTP/1.1 404 N\u{f6}\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 404 Exact(0) []", true),
        (
            Get,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX_Y: z\r\n\r\n2\r\nhi\r\n0\r\nA: b\r\n\r\n",
            "HTTP/1.1 200 Unknown [x_y: z] | hi [a: b]",
            true,
        ),
        (
            Get,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
            "HTTP/1.1 200 Unknown [] | hi",
            true,
        ),
        (Get, "HTTP/1.1 200 OK\r\n\r\nuntil the end", "HTTP/1.1 200 Unknown [] | until the end", false),
        (Get, "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nhi", "HTTP/1.0 200 Unknown [] | hi", false),
        (Get, "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", "HTTP/1.0 200 Exact(2) [] | hi", false),
        (
            Get,
            "HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\nKeep-Alive: 5\r\n\r\nhi",
            "HTTP/1.0 200 Exact(2) [] | hi",
            true,
        ),
        (Get, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 Exact(0) []", false),
        (Get, "HTTP/1.1 204 No\r\n\r\n", "HTTP/1.1 204 Empty []", true),
        (Get, "HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 204 Empty []", true),
        (Get, "HTTP/1.1 304 No\r\nContent-Length: 7\r\n\r\n", "HTTP/1.1 304 Exact(7) []", true),
        (Get, "HTTP/1.1 304 No\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 304 Empty []", true),
        (Head, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", "HTTP/1.1 200 Exact(7) []", true),
        (Head, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200 Empty []", true),
        (Head, "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 Empty []", true),
        (
            Get,
            "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 103 E\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 100 Empty [] | HTTP/1.1 103 Empty [link: x] | HTTP/1.1 200 Exact(0) []",
            true,
        ),
        // Row S-16: only 2xx opens the tunnel, and a refused one is not pooled.
        (Connect, "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nraw", "HTTP/1.1 200 Empty [] | raw", false),
        (Connect, "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nhi", "HTTP/1.1 403 Exact(2) [] | hi", false),
        // Row S-24.
        (
            Get,
            "HTTP/1.1 401 No\r\nContent-Length: 0\r\nWWW-Authenticate: NTLM\r\n\r\n",
            "HTTP/1.1 401 Exact(0) [www-authenticate: NTLM]",
            false,
        ),
        (
            Get,
            "HTTP/1.1 401 No\r\nContent-Length: 0\r\nWWW-Authenticate: Basic\r\n\r\n",
            "HTTP/1.1 401 Exact(0) [www-authenticate: Basic]",
            true,
        ),
    ];
    for (method, sample, expected, pool) in table {
        assert_eq!(read(*method, None, sample), (Ok((expected.to_string(), 0)), *pool), "{sample}");
    }
}

/// Row S-22: what follows a response belongs to nobody.
#[test]
fn surplus_bytes_keep_a_connection_out_of_the_pool() {
    for sample in ["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nX", "HTTP/1.1 204 No\r\n\r\n\r\n"] {
        let limits = Arc::new(edge());
        let (verdict, pool) = read_response(&limits, Method::Get, None, &[sample.as_bytes()]);
        assert!(verdict.unwrap().1 > 0 && !pool, "{sample}");
    }
}

#[test]
fn refused() {
    let table: &[(&str, Error)] = &[
        ("", Error::NoResponse),
        ("HTTP/1.1 200 OK\r\n", Error::TruncatedHead),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", Error::TruncatedBody),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", Error::TruncatedBody),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n", Error::LengthAndChunked),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", Error::UnknownTransferEncoding),
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Error::ChunkedInHttp10),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi", Error::DuplicateContentLength),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nhi", Error::BadContentLength),
        ("HTTP/1.1 204 No\r\nContent-Length: 2\r\n\r\nhi", Error::BodyNotAllowed),
        ("HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Error::BodyNotAllowed),
        ("HTTP/1.1 100 C\r\nContent-Length: 2\r\n\r\nhi", Error::BodyNotAllowed),
        ("HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", Error::UnexpectedUpgrade),
        ("HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", Error::BareLf),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\n\r\n", Error::BareLf),
        ("HTTP/1.1 200 OK\r\nX: y\rz\r\n\r\n", Error::BareCr),
        ("HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n", Error::ObsFold),
        ("HTTP/1.1 200 OK\r\nX : y\r\n\r\n", Error::SpaceBeforeColon),
        ("HTTP/1.1 200 O\0K\r\n\r\n", Error::BadStatusLine),
        ("HTTP/1.1 20 OK\r\n\r\n", Error::BadStatusLine),
        ("HTTP/1.1  200 OK\r\n\r\n", Error::BadStatusLine),
        ("HTTP/1.1 2000 OK\r\n\r\n", Error::BadStatusLine),
        ("HTTP/1.1 099 OK\r\n\r\n", Error::BadStatusLine),
        ("HTTP/1.1 600 OK\r\n\r\n", Error::BadStatusLine),
        ("HTTP/1.1\r\n\r\n", Error::BadStatusLine),
        ("HTTP/2.0 200 OK\r\n\r\n", Error::VersionNotSupported),
        ("HTTP/1.11 200 OK\r\n\r\n", Error::BadVersion),
        ("http/1.1 200 OK\r\n\r\n", Error::BadVersion),
        ("ICY 200 OK\r\n\r\n", Error::BadVersion),
        ("\r\nHTTP/1.1 200 OK\r\n\r\n", Error::BadStatusLine),
        ("SSH-2.0-OpenSSH", Error::BadVersion),
    ];
    for (sample, error) in table {
        assert_eq!(read(Method::Get, None, sample), (Err(*error), false), "{sample}");
    }
    let many = "HTTP/1.1 102 P\r\n\r\n".repeat(8);
    let last = "HTTP/1.1 204 No\r\n\r\n";
    assert!(read(Method::Get, None, &format!("{many}{last}")).1);
    let nine = format!("{many}HTTP/1.1 102 P\r\n\r\n{last}");
    assert_eq!(read(Method::Get, None, &nine).0, Err(Error::TooManyInterim));
}

#[test]
fn upgrades() {
    let ask = Some(Upgrade::Websocket);
    let accept = "HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n\x01raw";
    let expected = Ok((r"HTTP/1.1 101 Empty [] | \x01raw".to_string(), 0));
    assert_eq!(read(Method::Get, ask, accept), (expected, false));
    for bad in [
        "HTTP/1.1 101 S\r\n\r\n",
        "HTTP/1.1 101 S\r\nUpgrade: websocket\r\n\r\n",
        "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n",
    ] {
        assert_eq!(read(Method::Get, ask, bad).0, Err(Error::UnexpectedUpgrade), "{bad}");
    }
    // Not 101: an ordinary response (a 200 is no upgrade), and the connection is not pooled.
    let declined = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    assert_eq!(read(Method::Get, ask, declined), (Ok(("HTTP/1.1 200 Exact(2) [] | hi".into(), 0)), false));
}
