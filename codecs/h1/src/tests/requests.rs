//! Request heads: rows S-1 to S-3, S-7 to S-13, S-15, S-17, T-1, T-4 and L-8.

use super::harness::{accepted, edge, read_request, refused, request};
use crate::{Error, Limits, Underscores};

/// Heads whose only fault is the line in the middle.
fn with_field(field: &[u8]) -> Vec<u8> {
    [b"POST /p HTTP/1.1\r\nHost: a\r\n", field, b"\r\n\r\n"].concat()
}

fn refuse_fields(table: &[(&[u8], Error)]) {
    for (field, error) in table {
        assert_eq!(refused(&edge(), &with_field(field)), *error, "{}", field.escape_ascii());
    }
}

#[test]
fn plain_requests() {
    let table: &[(&str, &str)] = &[
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", r#"GET / HTTP/1.1 "a" Empty []"#),
        ("GET / HTTP/1.0\r\n\r\n", r#"GET / HTTP/1.0 "" Empty [] close"#),
        ("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", r#"GET / HTTP/1.0 "" Empty []"#),
        ("GET / HTTP/1.1\r\nhOST:a\r\nCONNECTION: x, Close\r\n\r\n", r#"GET / HTTP/1.1 "a" Empty [] close"#),
        (
            "PROPFIND /a?b=c HTTP/1.1\r\nHost: a:81\r\nX-Y:  \t v w \t\r\nEmpty:\r\nEmpty:  \r\n\r\n",
            r#"PROPFIND /a?b=c HTTP/1.1 "a:81" Empty [x-y: v w, empty: , empty: ]"#,
        ),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: \u{e9}\"\r\n\r\n", r#"GET / HTTP/1.1 "a" Empty [x: \xc3\xa9\"]"#),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", r#"OPTIONS * HTTP/1.1 "a" Empty []"#),
        ("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", r#"GET / HTTP/1.1 "a" Empty []"#),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", r#"CONNECT  HTTP/1.1 "a:443" Empty []"#),
        ("GET /%00%zz\\\"{} HTTP/1.1\r\nHost: a\r\n\r\n", r#"GET /%00%zz\\\"{} HTTP/1.1 "a" Empty []"#),
    ];
    for (sample, expected) in table {
        assert_eq!(accepted(&edge(), sample.as_bytes()), *expected);
    }
    let nothing = read_request(&std::sync::Arc::new(edge()), &[b""]);
    assert_eq!(nothing, Ok(("nothing".into(), 0)));
}

/// Row S-11.
#[test]
fn request_lines() {
    let table: &[(&[u8], Error)] = &[
        (b"GET  / HTTP/1.1\r\n", Error::BadRequestLine),
        (b"GET /  HTTP/1.1\r\n", Error::BadRequestLine),
        (b"GET / HTTP/1.1 \r\n", Error::BadRequestLine),
        (b"GET /a b HTTP/1.1\r\n", Error::BadRequestLine),
        (b"GET /\r\n", Error::BadRequestLine),
        (b"GET\r\n", Error::BadRequestLine),
        (b"GET\t/ HTTP/1.1\r\n", Error::BadRequestLine),
        (b"GET /\tHTTP/1.1\r\n", Error::BadRequestLine),
        (b"GET /a\tb HTTP/1.1\r\n", Error::BadTarget),
        (b"GET /\x7f HTTP/1.1\r\n", Error::BadTarget),
        (b"GET /\x00 HTTP/1.1\r\n", Error::BadTarget),
        (b"GET /\xc3\xa9 HTTP/1.1\r\n", Error::BadTarget),
        (b"GET /\xff HTTP/1.1\r\n", Error::BadTarget),
        (b"GET /a#b HTTP/1.1\r\n", Error::BadTarget),
        (b"GET a HTTP/1.1\r\n", Error::BadTarget),
        (b"GET * HTTP/1.1\r\n", Error::BadTarget),
        (b"OPTIONS *a HTTP/1.1\r\n", Error::BadTarget),
        (b"G@T / HTTP/1.1\r\n", Error::BadMethod),
        (b"G\"T / HTTP/1.1\r\n", Error::BadMethod),
        (b" GET / HTTP/1.1\r\n", Error::BadMethod),
        (b"\xffGET / HTTP/1.1\r\n", Error::BadMethod),
        (b"\x16\x03\x01 / HTTP/1.1\r\n", Error::BadMethod),
        (b"ABCDEFGHIJKLMNOPQRSTUVWXY / HTTP/1.1\r\n", Error::BadMethod),
        (b"GET / http/1.1\r\n", Error::BadVersion),
        (b"GET / HTTP/1.32\r\n", Error::BadVersion),
        (b"GET / HTTP/1.12\r\n", Error::BadVersion),
        (b"GET / HTTP/1\r\n", Error::BadVersion),
        (b"GET / HTTP/1.\r\n", Error::BadVersion),
        (b"GET / HTTP/ 1.1\r\n", Error::BadRequestLine),
        (b"GET / HTTX/1.1\r\n", Error::BadVersion),
        (b"GET / HTTP/1.1\x0b\r\n", Error::BadVersion),
        (b"GET / HTTP/0.9\r\n", Error::VersionNotSupported),
        (b"GET / HTTP/1.2\r\n", Error::VersionNotSupported),
        (b"PRI * HTTP/2.0\r\n", Error::VersionNotSupported),
        (b"\r\n\r\n\r\nGET / HTTP/1.1\r\n", Error::BadRequestLine),
        (b"\nGET / HTTP/1.1\r\n", Error::BareLf),
        (b"\rGET / HTTP/1.1\r\n", Error::BareCr),
        (b"\r\n\nGET / HTTP/1.1\r\n", Error::BareLf),
    ];
    for (line, error) in table {
        let sample = [line, &b"Host: a\r\n\r\n"[..]].concat();
        assert_eq!(refused(&edge(), &sample), *error, "{}", line.escape_ascii());
    }
}

/// Row S-7.
#[test]
fn line_ends() {
    let table: &[(&[u8], Error)] = &[
        (b"GET / HTTP/1.1\nHost: a\r\n\r\n", Error::BareLf),
        (b"GET / HTTP/1.1\r\nHost: a\n\r\n", Error::BareLf),
        (b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", Error::BareLf),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\n", Error::BareLf),
        (b"GET / HTTP/1.1\n\n", Error::BareLf),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX:\n\r\n", Error::BareLf),
        (b"GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n", Error::BareCr),
        (b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", Error::BareCr),
        (b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", Error::BareCr),
        (b"GET /\rHTTP/1.1\r\nHost: a\r\n\r\n", Error::BareCr),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: \ry\r\n\r\n", Error::BareCr),
        (b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", Error::ObsFold),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\tz\r\n\r\n", Error::ObsFold),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n \r\n\r\n", Error::ObsFold),
        (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", Error::BadFieldName),
    ];
    for (sample, error) in table {
        assert_eq!(refused(&edge(), sample), *error, "{}", sample.escape_ascii());
    }
}

/// Rows S-8 and S-9: every byte in every place.
#[test]
fn field_bytes() {
    for byte in (0..=255u8).filter(|byte| !b"\r\n".contains(byte)) {
        let tchar = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let limits = Limits { underscores: Underscores::Allow, ..edge() };
        let name = with_field(&[b'X', byte, b'Y', b':', b' ', b'z']);
        // A colon ends the name earlier.
        assert_eq!(request(&limits, &name).is_ok(), tchar || byte == b':', "name with {byte:#x}");
        let value = with_field(&[b'X', b':', b'a', byte, b'b']);
        let legal = byte == b'\t' || (byte >= 0x20 && byte != 0x7f);
        assert_eq!(request(&limits, &value).is_ok(), legal, "value with {byte:#x}");
        let edge_value = with_field(&[b'X', b':', byte]);
        assert_eq!(request(&limits, &edge_value).is_ok(), legal, "value of {byte:#x}");
    }
    refuse_fields(&[
        (b"Content-Length : 5", Error::SpaceBeforeColon),
        (b"X\t: 5", Error::SpaceBeforeColon),
        (b": x", Error::BadFieldName),
        (b"x", Error::BadFieldName),
        (b"Te\nst: x", Error::BareLf),
        (b"T\xc3\xa9: x", Error::BadFieldName),
        (b"X: a\0b", Error::BadFieldValue),
        (b"X: \x1b[0m", Error::BadFieldValue),
        (b"X:\x0bchunked", Error::BadFieldValue),
    ]);
    // Only SP and HTAB are trimmed: 0x85 and 0xa0 are somebody's letters.
    let trimmed = accepted(&edge(), &with_field(b"X: \x85a\xa0 "));
    assert!(trimmed.ends_with(r"[x: \x85a\xa0]"), "{trimmed}");
}

/// Rows S-1 and S-2.
#[test]
fn transfer_encoding() {
    refuse_fields(&[
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked", Error::LengthAndChunked),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 0", Error::LengthAndChunked),
        (b"Transfer-Encoding: xchunked", Error::UnknownTransferEncoding),
        (b"Transfer-Encoding: identity", Error::UnknownTransferEncoding),
        (b"Transfer-Encoding: gzip, chunked", Error::UnknownTransferEncoding),
        (b"Transfer-Encoding: gzip", Error::UnknownTransferEncoding),
        (b"Transfer-Encoding: chunked, identity", Error::BadTransferEncoding),
        (b"Transfer-Encoding: chunked, chunked", Error::BadTransferEncoding),
        (b"Transfer-Encoding: ,chunked", Error::BadTransferEncoding),
        (b"Transfer-Encoding: chunked,", Error::BadTransferEncoding),
        (b"Transfer-Encoding: chunked;p=1", Error::BadTransferEncoding),
        (b"Transfer-Encoding: \"chunked\"", Error::BadTransferEncoding),
        (b"Transfer-Encoding:", Error::BadTransferEncoding),
        (b"Transfer-Encoding: ch unked", Error::BadTransferEncoding),
        (b"Transfer-Encoding: \xa0chunked", Error::BadTransferEncoding),
        (b"Transfer-Encoding: \x0bchunked", Error::BadFieldValue),
        (b"Transfer-Encoding : chunked", Error::SpaceBeforeColon),
        (b"Transfer-Encoding\n: chunked", Error::BareLf),
        (b"Transfer-Encoding:\r\n chunked", Error::ObsFold),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", Error::BadTransferEncoding),
        (b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", Error::BadTransferEncoding),
        (b"Transfer_Encoding: chunked", Error::Underscore),
    ]);
    for version in ["1.0", "1.1"] {
        let sample = format!("POST / HTTP/{version}\r\nHost: a\r\nTRANSFER-Encoding:\tCHUNKED \r\n\r\n0\r\n\r\n");
        if version == "1.0" {
            assert_eq!(refused(&edge(), sample.as_bytes()), Error::ChunkedInHttp10);
        } else {
            assert_eq!(accepted(&edge(), sample.as_bytes()), r#"POST / HTTP/1.1 "a" Unknown [] | "#);
        }
    }
}

/// Row S-3.
#[test]
fn content_length() {
    for bad in [
        "+1",
        "-1",
        "0x10",
        "1_0",
        "1,1",
        "1, 1",
        "",
        "1 0",
        "a",
        "1a",
        "\"1\"",
        "1;",
        "1.0",
        "\u{661}",
        "9223372036854775808",
        "18446744073709551616",
        "00000000000000000005",
        "99999999999999999999999999",
    ] {
        let sample = with_field(format!("Content-Length: {bad}").as_bytes());
        assert_eq!(refused(&edge(), &sample), Error::BadContentLength, "{bad:?}");
    }
    refuse_fields(&[
        (b"Content-Length: 5\r\nContent-Length: 5", Error::DuplicateContentLength),
        (b"Content-Length: 5\r\ncontent-length: 6", Error::DuplicateContentLength),
    ]);
    // Row S-13: the method changes nothing.
    for method in ["GET", "HEAD", "POST", "OPTIONS", "DELETE", "TRACE", "X"] {
        let sample = format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 03\r\n\r\nabc");
        assert_eq!(accepted(&edge(), sample.as_bytes()), format!(r#"{method} / HTTP/1.1 "a" Exact(3) [] | abc"#));
    }
}

/// Rows S-12 and T-6.
#[test]
fn hosts_and_targets() {
    let refuse: &[(&str, &str, Error)] = &[
        ("GET / HTTP/1.1", "", Error::MissingHost),
        ("GET http://a/ HTTP/1.1", "", Error::MissingHost),
        ("GET / HTTP/1.1", "Host: a\r\nHost: a", Error::DuplicateHost),
        ("GET / HTTP/1.0", "Host: a\r\nHost: b", Error::DuplicateHost),
        ("GET / HTTP/1.1", "Host:", Error::BadAuthority),
        ("GET / HTTP/1.1", "Host: a, b", Error::BadAuthority),
        ("GET / HTTP/1.1", "Host: a,b", Error::BadAuthority),
        ("GET / HTTP/1.1", "Host: u@a", Error::BadAuthority),
        ("GET / HTTP/1.1", "Host: a/b", Error::BadAuthority),
        ("GET / HTTP/1.1", "Host: a:0", Error::BadAuthority),
        ("GET / HTTP/1.1", "Host: a:65536", Error::BadAuthority),
        ("GET / HTTP/1.1", "Host: a:b", Error::BadAuthority),
        ("GET / HTTP/1.0", "Host: http://a", Error::BadAuthority),
        ("GET http://a/ HTTP/1.1", "Host: b", Error::AuthorityMismatch),
        ("GET http://a/ HTTP/1.1", "Host: a:81", Error::AuthorityMismatch),
        ("GET https://a/ HTTP/1.1", "Host: a:80", Error::AuthorityMismatch),
        ("GET http://u@a/ HTTP/1.1", "Host: a", Error::BadAuthority),
        ("GET http:///x HTTP/1.1", "Host: a", Error::BadAuthority),
        ("GET http://a\\b/ HTTP/1.1", "Host: a", Error::BadAuthority),
        ("GET ftp://a/ HTTP/1.1", "Host: a", Error::BadTarget),
        ("GET http:a HTTP/1.1", "Host: a", Error::BadTarget),
        ("GET http://a/#f HTTP/1.1", "Host: a", Error::BadTarget),
        ("CONNECT a HTTP/1.1", "Host: a", Error::BadTarget),
        ("CONNECT / HTTP/1.1", "Host: a", Error::BadTarget),
        ("CONNECT http://a:1/ HTTP/1.1", "Host: a", Error::BadTarget),
        ("CONNECT a:0 HTTP/1.1", "Host: a", Error::BadTarget),
        ("CONNECT a:1 HTTP/1.1", "Host: b", Error::AuthorityMismatch),
        ("CONNECT a:1 HTTP/1.1", "Host: a:2", Error::AuthorityMismatch),
        ("CONNECT a:1 HTTP/1.1", "Host: a\r\nContent-Length: 1", Error::BodyNotAllowed),
        ("CONNECT a:1 HTTP/1.1", "Host: a\r\nTransfer-Encoding: chunked", Error::BodyNotAllowed),
    ];
    for (line, fields, error) in refuse {
        let fields = if fields.is_empty() { String::new() } else { format!("{fields}\r\n") };
        let sample = format!("{line}\r\n{fields}\r\n");
        assert_eq!(refused(&edge(), sample.as_bytes()), *error, "{sample}");
    }
    let accept: &[(&str, &str, &str)] = &[
        ("GET http://A.b./x?y", "a.B:80", r#"GET /x?y HTTP/1.1 "A.b.""#),
        ("GET HTTPS://a", "a:443", r#"GET / HTTP/1.1 "a""#),
        ("GET http://a:81?q", "a:81", r#"GET /?q HTTP/1.1 "a:81""#),
        ("OPTIONS http://a", "a", r#"OPTIONS * HTTP/1.1 "a""#),
        ("OPTIONS http://a/", "a", r#"OPTIONS / HTTP/1.1 "a""#),
        ("GET //b/c", "a", r#"GET //b/c HTTP/1.1 "a""#),
        ("GET /", "[::1]:80", r#"GET / HTTP/1.1 "[::1]:80""#),
        ("CONNECT a:443", "A:443", r#"CONNECT  HTTP/1.1 "a:443""#),
    ];
    for (line, host, expected) in accept {
        let sample = format!("{line} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(accepted(&edge(), sample.as_bytes()), format!("{expected} Empty []"));
    }
}

/// Row S-15.
#[test]
fn expectations() {
    refuse_fields(&[
        (b"Content-Length: 1\r\nExpect: x", Error::BadExpect),
        (b"Expect:", Error::BadExpect),
        (b"Expect: 100-continue, x", Error::BadExpect),
        (b"Expect: 100-continue\r\nExpect: 100-continue", Error::BadExpect),
        (b"Expect: y 100-continue", Error::BadExpect),
    ]);
    let read = |version: &str, length: u8| {
        let body = "b".repeat(usize::from(length));
        let sample = format!(
            "PUT / HTTP/{version}\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        accepted(&edge(), sample.as_bytes())
    };
    assert_eq!(read("1.1", 1), r#"PUT / HTTP/1.1 "a" Exact(1) [] continue | b"#);
    assert_eq!(read("1.1", 0), r#"PUT / HTTP/1.1 "a" Exact(0) []"#, "no body to wait for");
    assert_eq!(read("1.0", 1), r#"PUT / HTTP/1.0 "a" Exact(1) [] close | b"#);
    assert_eq!(
        accepted(&edge(), b"GET / HTTP/1.0\r\nExpect: x\r\n\r\n"),
        r#"GET / HTTP/1.0 "" Empty [] close"#,
        "HTTP/1.0 knows no expectations"
    );
}

/// Rows T-1 and S-17.
#[test]
fn hop_by_hop_fields() {
    let sample = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Gone,, te ,bad name, Authorization\r\n\
        Connection: x-forwarded-for, Cookie, HOST, content-type, x-request-id, x-envoy-y\r\n\
        Keep-Alive: 5\r\nProxy-Connection: x\r\nTE: trailers\r\nTrailer: x\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\
        X-Gone: 1\r\nx-gone: 2\r\nX-Stays: 1\r\nAuthorization: b\r\nX-Forwarded-For: 1\r\nCookie: c\r\n\
        Content-Type: d\r\nX-Request-Id: e\r\nX-Envoy-Y: f\r\n\r\n";
    let kept =
        "x-stays: 1, authorization: b, x-forwarded-for: 1, cookie: c, content-type: d, x-request-id: e, x-envoy-y: f";
    assert_eq!(accepted(&edge(), sample), format!(r#"GET / HTTP/1.1 "a" Empty [{kept}]"#));

    let upgrades: &[(&str, &str)] = &[
        ("Connection: Upgrade\r\nUpgrade: WebSocket", " upgrade=websocket"),
        ("Connection: Upgrade\r\nUpgrade: foo/1", " upgrade=foo/1"),
        ("Upgrade: websocket", ""),
        ("Connection: upgrade\r\nUpgrade: h2c", ""),
        ("Connection: upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x", ""),
        ("Connection: upgrade\r\nUpgrade: websocket, h2c", ""),
        ("Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c", ""),
        ("Connection: upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket", ""),
        ("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 0", " upgrade=websocket"),
    ];
    for (fields, upgrade) in upgrades {
        let sample = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
        let length = if fields.contains("Length") { "Exact(0)" } else { "Empty" };
        let expected = format!(r#"GET / HTTP/1.1 "a" {length} []{upgrade}"#);
        assert_eq!(accepted(&edge(), sample.as_bytes()), expected, "{fields}");
    }
    let old = b"GET / HTTP/1.0\r\nConnection: upgrade, keep-alive\r\nUpgrade: websocket\r\n\r\n";
    assert_eq!(accepted(&edge(), old), r#"GET / HTTP/1.0 "" Empty []"#);
    let with_body =
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\nb";
    assert_eq!(accepted(&edge(), with_body), r#"GET / HTTP/1.1 "a" Exact(1) [] | b"#);
}

/// Row T-4.
#[test]
fn underscores() {
    let sample = with_field(b"X_Forwarded_For: 1");
    assert_eq!(refused(&edge(), &sample), Error::Underscore);
    let drop = Limits { underscores: Underscores::Drop, ..edge() };
    assert_eq!(accepted(&drop, &sample), r#"POST /p HTTP/1.1 "a" Empty []"#);
    let allow = Limits { underscores: Underscores::Allow, ..edge() };
    assert_eq!(accepted(&allow, &sample), r#"POST /p HTTP/1.1 "a" Empty [x_forwarded_for: 1]"#);
}

/// Rows L-8 and S-10. Small limits keep the number of cuts low; the rules are the same.
#[test]
fn sizes() {
    let limits = Limits { head_bytes: 120, fields: 4, target_bytes: 20, ..edge() };
    let target = |len: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(len - 1));
    assert!(request(&limits, target(20).as_bytes()).is_ok());
    assert_eq!(refused(&limits, target(21).as_bytes()), Error::TargetTooLong);
    assert_eq!(refused(&limits, target(500).as_bytes()), Error::TargetTooLong);
    assert_eq!(refused(&limits, &target(500).as_bytes()[..60]), Error::TargetTooLong, "before its end is there");

    let head = |len: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(len - 32));
    assert_eq!(head(120).len(), 120);
    assert!(request(&limits, head(120).as_bytes()).is_ok());
    assert_eq!(refused(&limits, head(121).as_bytes()), Error::HeadTooLarge);
    assert_eq!(refused(&limits, head(500).as_bytes()), Error::HeadTooLarge);
    assert_eq!(refused(&limits, &head(500).as_bytes()[..120]), Error::HeadTooLarge, "before its end is there");
    assert_eq!(refused(&limits, &[b'A'; 300]), Error::HeadTooLarge);
    assert_eq!(refused(&limits, format!("{}: x\r\n\r\n", "N".repeat(300)).as_bytes()), Error::HeadTooLarge);

    let fields = |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(count - 1));
    assert!(request(&limits, fields(4).as_bytes()).is_ok());
    assert_eq!(refused(&limits, fields(5).as_bytes()), Error::TooManyFields);

    // A target limit beyond the head limit: the head limit speaks first, however the bytes come.
    let odd = Limits { head_bytes: 40, target_bytes: 60, ..edge() };
    assert_eq!(refused(&odd, target(100).as_bytes()), Error::HeadTooLarge);

    let full = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(60 * 1024));
    let server = |sample: &[u8]| read_request(&std::sync::Arc::new(edge()), &[sample]);
    assert_eq!(server(full.as_bytes()), Err(Error::HeadTooLarge), "the defaults");
    assert!(server(fields(100).as_bytes()).is_ok());
    assert_eq!(server(fields(101).as_bytes()), Err(Error::TooManyFields));
    assert!(server(target(8192).as_bytes()).is_ok());
    assert_eq!(server(target(8193).as_bytes()), Err(Error::TargetTooLong));
}

#[test]
fn every_error_names_one_rule() {
    for (index, error) in Error::ALL.iter().enumerate() {
        assert!((400..=599).contains(&error.status()));
        assert!(error.detail().starts_with("http1."));
        assert_eq!(error.to_string(), error.to_string().replace(|c: char| c.is_control(), ""));
        assert!(Error::ALL[..index].iter().all(|other| other.detail() != error.detail()), "{error:?}");
    }
}
