//! Seeded random mutations of valid messages: no panic, the same verdict whole and cut, and the tokeniser with its extra
//! checks accepts exactly what our plain reading of the grammar accepts.

use std::sync::Arc;

use nuncio_http::Method;

use super::harness::{read_request, read_response};
use crate::head::{Kind, explain, find_end};
use crate::{Error, Limits, Upgrade};

const ROUNDS: u32 = 200_000;

/// splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn pick<'a>(&mut self, from: &[&'a [u8]]) -> &'a [u8] {
        from[self.below(from.len())]
    }

    /// Changes `sample` in one or two places.
    fn mutate(&mut self, sample: &mut Vec<u8>) {
        for _ in 0..=self.below(2) {
            let at = self.below(sample.len() + 1);
            match self.below(6) {
                0 => sample.truncate(at),
                1 if at < sample.len() => sample[at] = self.next() as u8,
                2 if at < sample.len() => drop(sample.remove(at)),
                3 => {
                    let end = at + self.below(sample.len() - at + 1).min(12);
                    let copy = sample[at..end].to_vec();
                    let to = self.below(sample.len() + 1);
                    sample.splice(to..to, copy);
                }
                _ => {
                    let word = self.pick(WORDS);
                    sample.splice(at..at, word.iter().copied());
                }
            }
        }
    }
}

/// What attackers write.
const WORDS: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b" ",
    b"\t",
    b":",
    b",",
    b";",
    b"0",
    b"1",
    b"\0",
    b"\x80",
    b"_",
    b"\"",
    b"#",
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Host: b\r\n",
    b"Connection: close\r\n",
    b"0\r\n\r\n",
    b"HTTP/1.0",
    b"HTTP/1.1",
    b"\r\n ",
    b"Expect: 100-continue\r\n",
    b"Upgrade: websocket\r\nConnection: upgrade\r\n",
    b"a: b\r\n",
    b"GET / HTTP/1.1\r\n",
    b"ffffffffffffffff\r\n",
    b";x=\"y\"",
];

const REQUESTS: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://a/b?c HTTP/1.1\r\nHost: a:80\r\nAccept: */*\r\nConnection: x-y\r\nX-Y: z\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n3\r\nabc\r\n0\r\nT: u\r\n\r\n",
    b"PUT /a HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
];

const RESPONSES: &[&[u8]] = &[
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nServer: x\r\n\r\nuntil the end",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nraw",
];

fn limits() -> Arc<Limits> {
    // Small enough that mutations reach them.
    Arc::new(Limits { head_bytes: 160, target_bytes: 24, fields: 6, keep_trailers: true, ..Limits::default() })
}

/// Errors that the grammar of lines alone explains.
fn is_grammar(error: Error) -> bool {
    matches!(
        error,
        Error::BareLf
            | Error::BareCr
            | Error::ObsFold
            | Error::BadRequestLine
            | Error::BadVersion
            | Error::VersionNotSupported
            | Error::BadFieldName
            | Error::SpaceBeforeColon
            | Error::BadFieldValue
            | Error::TooManyFields
    )
}

#[test]
fn mutated_requests() {
    let mut random = Random(1);
    let limits = limits();
    let mut accepted = 0;
    for round in 0..ROUNDS / 2 {
        let mut sample = random.pick(REQUESTS).to_vec();
        random.mutate(&mut sample);
        let whole = read_request(&limits, &[&sample]);
        let cut = random.below(sample.len() + 1);
        let (first, second) = sample.split_at(cut);
        assert_eq!(read_request(&limits, &[first, second]), whole, "cut at {cut}: {}", sample.escape_ascii());
        if round % 8 == 0 {
            let single: Vec<&[u8]> = sample.chunks(1).collect();
            assert_eq!(read_request(&limits, &single), whole, "byte by byte: {}", sample.escape_ascii());
        }
        assert_ne!(whole, Err(Error::BadHead), "no rule named: {}", sample.escape_ascii());
        accepted += u32::from(whole.is_ok());
        if let (Some(end), false) = (find_end(&sample, 0), sample.starts_with(b"\r") || sample.starts_with(b"\n")) {
            let plain = explain(&sample[..end], Kind::Request, limits.fields);
            match whole {
                Ok(_) => assert_eq!(plain, None, "{}", sample.escape_ascii()),
                Err(error) if plain.is_none() => {
                    let body = [Error::BareLf, Error::BareCr, Error::BadFieldName, Error::SpaceBeforeColon];
                    let in_body = body.contains(&error) || matches!(error, Error::ObsFold | Error::BadFieldValue);
                    let chunked = sample.windows(7).any(|word| word.eq_ignore_ascii_case(b"chunked"));
                    assert!(!is_grammar(error) || in_body && chunked, "{error:?}: {}", sample.escape_ascii());
                }
                Err(_) => {}
            }
        }
    }
    assert!(accepted > ROUNDS / 20, "mutations must not be too wild to test what is accepted: {accepted}");
}

#[test]
fn mutated_responses() {
    let mut random = Random(2);
    let limits = limits();
    let mut accepted = 0;
    for round in 0..ROUNDS / 2 {
        let mut sample = random.pick(RESPONSES).to_vec();
        random.mutate(&mut sample);
        let (method, upgrade) = match random.below(4) {
            0 => (Method::Head, None),
            1 => (Method::Connect, None),
            2 => (Method::Get, Some(Upgrade::Websocket)),
            _ => (Method::Get, None),
        };
        let read = |pieces: &[&[u8]]| read_response(&limits, method, upgrade, pieces).0;
        let whole = read(&[&sample]);
        let cut = random.below(sample.len() + 1);
        let (first, second) = sample.split_at(cut);
        assert_eq!(read(&[first, second]), whole, "cut at {cut}: {}", sample.escape_ascii());
        if round % 8 == 0 {
            let single: Vec<&[u8]> = sample.chunks(1).collect();
            assert_eq!(read(&single), whole, "byte by byte: {}", sample.escape_ascii());
        }
        assert_ne!(whole, Err(Error::BadHead), "no rule named: {}", sample.escape_ascii());
        if whole.is_ok()
            && let Some(end) = find_end(&sample, 0)
        {
            assert_eq!(explain(&sample[..end], Kind::Response, limits.fields), None, "{}", sample.escape_ascii());
        }
        accepted += u32::from(whole.is_ok());
    }
    assert!(accepted > ROUNDS / 20, "mutations must not be too wild to test what is accepted: {accepted}");
}
