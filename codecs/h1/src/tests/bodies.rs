//! Request bodies: rows S-4 to S-6 and S-21.

use super::harness::{accepted, edge, refused, request};
use crate::{Error, Limits, Underscores};

fn chunked(body: &[u8]) -> Vec<u8> {
    [b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", body].concat()
}

const HEAD: &str = r#"POST / HTTP/1.1 "a" Unknown [] | "#;

#[test]
fn chunked_bodies_that_are_fine() {
    let table: &[(&[u8], &str)] = &[
        (b"0\r\n\r\n", ""),
        (b"5\r\nhello\r\n0\r\n\r\n", "hello"),
        (b"5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", "hello!"),
        (b"A\r\n0123456789\r\n00\r\n\r\n", "0123456789"),
        (b"a\r\n\r\n0\r\n\r\nabc\r\n0\r\n\r\n", r"\r\n0\r\n\r\nabc"),
        (b"0000000000000003\r\nabc\r\n0000000000000000\r\n\r\n", "abc"),
        (b"3;a\r\nabc\r\n0;b=c;d=\"e;\\\"\x80\tf\"\r\n\r\n", "abc"),
    ];
    for (body, expected) in table {
        assert_eq!(accepted(&edge(), &chunked(body)), format!("{HEAD}{expected}"), "{}", body.escape_ascii());
    }
}

#[test]
fn chunked_bodies_that_are_not() {
    let table: &[(&[u8], Error)] = &[
        // Row S-4: the size.
        (b"\r\n\r\n", Error::BadChunkSize),
        (b";a\r\n\r\n", Error::BadChunkSize),
        (b"0x5\r\nhello\r\n0\r\n\r\n", Error::BadChunkSize),
        (b"+5\r\nhello\r\n0\r\n\r\n", Error::BadChunkSize),
        (b"-1\r\nhello\r\n0\r\n\r\n", Error::BadChunkSize),
        (b" 5\r\nhello\r\n0\r\n\r\n", Error::BadChunkSize),
        (b"5 \r\nhello\r\n0\r\n\r\n", Error::BadChunkSize),
        (b"5\t\r\nhello\r\n0\r\n\r\n", Error::BadChunkSize),
        (b"5 ;a\r\nhello\r\n0\r\n\r\n", Error::BadChunkSize),
        (b"5_0\r\nhello\r\n0\r\n\r\n", Error::BadChunkSize),
        (b"g\r\nhello\r\n0\r\n\r\n", Error::BadChunkSize),
        (b"00000000000000005\r\nhello\r\n0\r\n\r\n", Error::BadChunkSize),
        (b"10000000000000005\r\nhello\r\n0\r\n\r\n", Error::BadChunkSize),
        (b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n", Error::TruncatedBody),
        // Row S-5: extensions and line ends.
        (b"5\nhello\r\n0\r\n\r\n", Error::BareLf),
        (b"5\rhello\r\n0\r\n\r\n", Error::BareCr),
        (b"5;a\nhello\r\n0\r\n\r\n", Error::BareLf),
        (b"5;\nhello\r\n0\r\n\r\n", Error::BareLf),
        (b"5;a\rX\r\nhello\r\n0\r\n\r\n", Error::BareCr),
        (b"5;a=\"\n\"\r\nhello\r\n0\r\n\r\n", Error::BareLf),
        (b"5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n", Error::BareCr),
        (b"5;a=\"\\\n\"\r\nhello\r\n0\r\n\r\n", Error::BareLf),
        (b"5;\r\nhello\r\n0\r\n\r\n", Error::BareCr),
        (b"5;a=\r\nhello\r\n0\r\n\r\n", Error::BareCr),
        (b"5;;a\r\nhello\r\n0\r\n\r\n", Error::BadChunkExtension),
        (b"5;a b\r\nhello\r\n0\r\n\r\n", Error::BadChunkExtension),
        (b"5;a\0\r\nhello\r\n0\r\n\r\n", Error::BadChunkExtension),
        (b"5;a=\"b\"c\r\nhello\r\n0\r\n\r\n", Error::BadChunkExtension),
        (b"5;a=b=c\r\nhello\r\n0\r\n\r\n", Error::BadChunkExtension),
        // Row S-6: the terminator.
        (b"5\r\nhello!\r\n0\r\n\r\n", Error::BadChunkEnd),
        (b"5\r\nhello0\r\n\r\n", Error::BadChunkEnd),
        (b"5\r\nhello\n0\r\n\r\n", Error::BadChunkEnd),
        (b"5\r\nhello\r0\r\n\r\n", Error::BadChunkEnd),
        (b"5\r\nhello\r\nXX\r\n", Error::BadChunkSize),
        (b"6\r\nhello\r\n0\r\n\r\n", Error::BadChunkEnd),
        (b"0\r\n\n", Error::BareLf),
        (b"0\r\n\rX", Error::BareCr),
        // The connection ends within.
        (b"", Error::TruncatedBody),
        (b"5\r\nhell", Error::TruncatedBody),
        (b"5\r\nhello\r\n", Error::TruncatedBody),
        (b"0\r\n", Error::TruncatedBody),
        (b"0\r\n\r", Error::TruncatedBody),
        (b"0\r\nX: y\r\n", Error::TruncatedBody),
    ];
    for (body, error) in table {
        assert_eq!(refused(&edge(), &chunked(body)), *error, "{}", body.escape_ascii());
    }
}

#[test]
fn chunk_extension_limits() {
    let limits = Limits { chunk_ext_line: 8, chunk_ext_total: 20, ..edge() };
    let body = |ext: &str, chunks: usize| {
        chunked(format!("{}0\r\n\r\n", format!("1;{ext}\r\nx\r\n").repeat(chunks)).as_bytes())
    };
    assert_eq!(accepted(&limits, &body("abcdefgh", 2)), format!("{HEAD}xx"));
    assert_eq!(refused(&limits, &body("abcdefghi", 1)), Error::ChunkExtensionTooLong, "one line");
    assert_eq!(refused(&limits, &body("abcdefgh", 3)), Error::ChunkExtensionTooLong, "all lines");
}

/// Row S-21.
#[test]
fn trailers() {
    let keep = Limits { keep_trailers: true, ..edge() };
    let sample = chunked(
        b"1\r\nx\r\n0\r\nX-Sum:  1 \r\nHost: b\r\nContent-Length: 9\r\nTransfer-Encoding: x\r\nAuthorization: y\r\n\
          X-Forwarded-For: z\r\nIf-Match: w\r\ngrpc-status: 0\r\n\r\n",
    );
    assert_eq!(accepted(&edge(), &sample), format!("{HEAD}x"), "dropped by default, never merged");
    assert_eq!(accepted(&keep, &sample), format!("{HEAD}x [x-sum: 1, grpc-status: 0]"));
    assert_eq!(accepted(&keep, &chunked(b"0\r\nHost: b\r\n\r\n")), HEAD, "nothing left");

    let table: &[(&[u8], Error)] = &[
        (b"0\r\nX: y\n\r\n", Error::BareLf),
        (b"0\r\nX: y\r\n\n", Error::BareLf),
        (b"0\r\nX: y\rZ: w\r\n\r\n", Error::BareCr),
        (b"0\r\nX : y\r\n\r\n", Error::SpaceBeforeColon),
        (b"0\r\n: y\r\n\r\n", Error::BadFieldName),
        (b"0\r\n X: y\r\n\r\n", Error::BadFieldName),
        (b"0\r\nGET / HTTP/1.1\r\n\r\n", Error::BadFieldName),
        (b"0\r\nX: y\r\n z\r\n\r\n", Error::ObsFold),
        (b"0\r\nX: \0\r\n\r\n", Error::BadFieldValue),
        (b"0\r\nX_Y: z\r\n\r\n", Error::Underscore),
    ];
    for limits in [&edge(), &keep] {
        for (body, error) in table {
            assert_eq!(refused(limits, &chunked(body)), *error, "{}", body.escape_ascii());
        }
    }
    let drop = Limits { underscores: Underscores::Drop, ..keep.clone() };
    assert_eq!(accepted(&drop, &chunked(b"0\r\nX_Y: z\r\nA: b\r\n\r\n")), format!("{HEAD} [a: b]"));

    let small = Limits { trailer_bytes: 40, trailer_fields: 2, ..keep };
    let padded = |len: usize| chunked(format!("0\r\nX: {}\r\n\r\n", "y".repeat(len - 7)).as_bytes());
    assert!(request(&small, &padded(40)).is_ok());
    assert_eq!(refused(&small, &padded(41)), Error::TrailersTooLarge);
    assert_eq!(refused(&small, &padded(400)), Error::TrailersTooLarge);
    assert!(request(&small, &chunked(b"0\r\nA: b\r\nA: b\r\n\r\n")).is_ok());
    assert_eq!(refused(&small, &chunked(b"0\r\nA: b\r\nA: b\r\nA: b\r\n\r\n")), Error::TrailersTooLarge);
}

#[test]
fn declared_lengths() {
    let sample =
        |length: u64, body: &str| format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}");
    assert_eq!(accepted(&edge(), sample(5, "hello").as_bytes()), r#"POST / HTTP/1.1 "a" Exact(5) [] | hello"#);
    assert_eq!(refused(&edge(), sample(6, "hello").as_bytes()), Error::TruncatedBody);
    assert_eq!(refused(&edge(), sample(i64::MAX as u64, "hello").as_bytes()), Error::TruncatedBody);
    let (log, left) = request(&edge(), sample(4, "hello").as_bytes()).unwrap();
    assert!(log.ends_with("hell") && left == 1, "what follows is the next request's");
    assert_eq!(refused(&edge(), b"GET / HTTP/1.1\r\nHost: a\r\n"), Error::TruncatedHead);
}
