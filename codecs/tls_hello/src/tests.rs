//! Hellos of other people's clients and hellos built by hand: every cut, every record length, damage.

use std::path::Path;

use super::*;

/// What the body of a hello is made of.
#[derive(Clone)]
struct Body {
    session: Vec<u8>,
    suites: Vec<u8>,
    compression: Vec<u8>,
    /// None: the body ends behind the compression methods.
    extensions: Option<Vec<(u16, Vec<u8>)>>,
}

impl Default for Body {
    fn default() -> Body {
        Body { session: vec![7; 32], suites: vec![0x13, 1], compression: vec![0], extensions: Some(Vec::new()) }
    }
}

fn with(extensions: &[(u16, &[u8])]) -> Body {
    let extensions = extensions.iter().map(|(kind, data)| (*kind, data.to_vec())).collect();
    Body { extensions: Some(extensions), ..Body::default() }
}

fn vector8(data: &[u8]) -> Vec<u8> {
    [&[u8::try_from(data.len()).unwrap()], data].concat()
}

fn vector16(data: &[u8]) -> Vec<u8> {
    [&u16::try_from(data.len()).unwrap().to_be_bytes(), data].concat()
}

/// The data of a server_name extension.
fn sni(name: &str) -> Vec<u8> {
    vector16(&[&[0], &vector16(name.as_bytes())[..]].concat())
}

impl Body {
    fn bytes(&self) -> Vec<u8> {
        let mut body = [&[3, 3][..], &[9; 32], &vector8(&self.session), &vector16(&self.suites)].concat();
        body.extend(vector8(&self.compression));
        if let Some(extensions) = &self.extensions {
            let one = |(kind, data): &(u16, Vec<u8>)| [&kind.to_be_bytes(), &vector16(data)[..]].concat();
            body.extend(vector16(&extensions.iter().flat_map(one).collect::<Vec<_>>()));
        }
        body
    }
}

fn message(body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[1], &len[1..], body].concat()
}

/// `message` in records of `len` bytes.
fn records(message: &[u8], len: usize) -> Vec<u8> {
    message.chunks(len).flat_map(|fragment| [&[22, 3, 1], &vector16(fragment)[..]].concat()).collect()
}

/// The payload of `records` together.
fn payload(mut records: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    while let [_, _, _, high, low, rest @ ..] = records {
        let (fragment, rest) = rest.split_at(u16::from_be_bytes([*high, *low]).into());
        payload.extend_from_slice(fragment);
        records = rest;
    }
    payload
}

/// Feeds `bytes` whole, cut anywhere and with bytes behind them: one verdict, not changed by more.
fn peek_all_ways(bytes: &[u8]) -> Result<Peeked, Error> {
    let whole = peek(bytes);
    let first = (0..bytes.len()).find(|&cut| peek(&bytes[..cut]) != Ok(Peeked::NeedMore));
    match (&whole, first) {
        (Ok(Peeked::Hello(_)), first) => assert_eq!(first, None, "a verdict before the end"),
        (_, Some(first)) => (first..bytes.len()).for_each(|cut| assert_eq!(peek(&bytes[..cut]), whole)),
        (_, None) => {}
    }
    if whole != Ok(Peeked::NeedMore) {
        for trailing in [&b"\x17"[..], b"\x16\x03\x01\0\0", &[0; 20_000]] {
            assert_eq!(peek(&[bytes, trailing].concat()), whole, "and more");
        }
    }
    whole
}

fn peek_body(body: &Body) -> Result<Hello, Error> {
    let verdict = peek_all_ways(&records(&message(&body.bytes()), 1 << 14))?;
    let Peeked::Hello(hello) = verdict else { panic!("{verdict:?}") };
    Ok(hello)
}

/// testdata/tls_hello: name, server name, protocols, TLS 1.3.
const CAPTURED: &[(&str, Option<&str>, &[&str], bool)] = &[
    ("openssl_tls13", Some("openssl.example"), &["h2", "http/1.1"], true),
    ("openssl_tls12", Some("tls12.example"), &["postgresql"], false),
    ("openssl_tls11", Some("_old.example"), &[], false),
    ("openssl_bare", None, &[], false),
    ("python_tls13", Some("python.example"), &["h2", "http/1.1", "acme-tls/1"], true),
    ("python_tls12", Some("xn--bcher-kva.example"), &[], false),
    ("python_address", None, &[], true),
    ("curl", Some("curl.example"), &["h2", "http/1.1"], true),
    ("wget", Some("localhost"), &[], true),
    ("node", Some("node.example"), &["http/1.1"], true),
    ("go", Some("go.example"), &["h2", "http/1.1"], true),
];

fn captured(name: &str) -> Vec<u8> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/tls_hello");
    std::fs::read(directory.join(format!("{name}.bin"))).unwrap()
}

#[test]
fn real_clients() {
    for &(name, server_name, alpn, supports_tls13) in CAPTURED {
        let expected = Hello {
            server_name: server_name.map(str::to_owned),
            alpn: alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect(),
            supports_tls13,
        };
        let bytes = captured(name);
        assert_eq!(peek_all_ways(&bytes), Ok(Peeked::Hello(expected.clone())), "{name}");
        // The same in shorter records, down to those of one byte.
        for len in [1, 2, 3, 4, 5, 64, 199] {
            let bytes = records(&payload(&bytes), len);
            assert_eq!(peek_all_ways(&bytes), Ok(Peeked::Hello(expected.clone())), "{name} in records of {len}");
        }
    }
}

/// OpenSSL sent this one in three records by itself.
#[test]
fn a_real_client_with_fragments() {
    let bytes = captured("openssl_fragments");
    let Ok(Peeked::Hello(hello)) = peek_all_ways(&bytes) else { panic!("not read") };
    assert_eq!(hello.server_name.as_deref(), Some("fragments.example"));
    let protocols: Vec<_> = (0..40).map(|nth| format!("protocol-number-{nth:02}").into_bytes()).collect();
    assert_eq!(hello.alpn, protocols);
}

#[test]
fn bodies() {
    let sni = sni("a.example");
    let empty = Hello::default();
    let named = Hello { server_name: Some("a.example".into()), ..Hello::default() };
    let alpn =
        |names: &[&str]| Hello { alpn: names.iter().map(|name| name.as_bytes().to_vec()).collect(), ..empty.clone() };
    let many = |count: usize| vector16(&b"\x01a".repeat(count));
    let body = Body::default;
    let cases: &[(Body, Result<Hello, Error>)] = &[
        (body(), Ok(empty.clone())),
        (Body { extensions: None, ..body() }, Ok(empty.clone())),
        (Body { session: vec![], ..body() }, Ok(empty.clone())),
        (Body { session: vec![0; 33], ..body() }, Err(Error::Malformed)),
        (Body { suites: vec![], ..body() }, Err(Error::Malformed)),
        (Body { suites: vec![0; 3], ..body() }, Err(Error::Malformed)),
        (Body { compression: vec![], ..body() }, Err(Error::Malformed)),
        // Unknown extensions; the same twice.
        (with(&[(0x0a0a, b""), (0xffff, b"x"), (0, &sni), (0xff40, b"")]), Ok(named.clone())),
        (with(&[(0x0a0a, b""), (0x0a0a, b"")]), Err(Error::DuplicateExtension)),
        (with(&[(0xffff, b""), (0, b"\0"), (0xffff, b"")]), Err(Error::BadServerName)),
        (with(&[(0, &sni), (0, &sni)]), Err(Error::DuplicateExtension)),
        // Server name.
        (with(&[(0, b"")]), Err(Error::BadServerName)),
        (with(&[(0, b"\0\0")]), Err(Error::BadServerName)),
        (with(&[(0, b"\0\x03\0\0\0")]), Err(Error::BadServerName)),
        (with(&[(0, b"\0\x04\0\0\x01a")]), Ok(Hello { server_name: Some("a".into()), ..empty.clone() })),
        (with(&[(0, b"\0\x04\x01\0\x01a")]), Err(Error::BadServerName)),
        (with(&[(0, b"\0\x04\0\0\x02a")]), Err(Error::BadServerName)),
        (with(&[(0, b"\0\x05\0\0\x01a")]), Err(Error::BadServerName)),
        (with(&[(0, b"\0\x04\0\0\x01ab")]), Err(Error::BadServerName)),
        (with(&[(0, b"\0\x08\0\0\x01a\0\0\x01b")]), Err(Error::BadServerName)),
        (with(&[(0, &crate::tests::sni("1.2.3.4"))]), Ok(empty.clone())),
        (with(&[(0, &crate::tests::sni("a b"))]), Err(Error::BadServerName)),
        // Protocols: any bytes.
        (with(&[(16, b"\0\x03\x02h2")]), Ok(alpn(&["h2"]))),
        (with(&[(16, b"\0\x06\x02\0\n\x02h2")]), Ok(alpn(&["\0\n", "h2"]))),
        (with(&[(16, b"")]), Err(Error::BadProtocols)),
        (with(&[(16, b"\0\0")]), Err(Error::BadProtocols)),
        (with(&[(16, b"\0\x01\0")]), Err(Error::BadProtocols)),
        (with(&[(16, b"\0\x04\x02h2\0")]), Err(Error::BadProtocols)),
        (with(&[(16, b"\0\x03\x03h2")]), Err(Error::BadProtocols)),
        (with(&[(16, b"\0\x04\x02h2")]), Err(Error::BadProtocols)),
        (with(&[(16, b"\0\x03\x02h2x")]), Err(Error::BadProtocols)),
        (with(&[(16, &many(64))]), Ok(alpn(&["a"; 64]))),
        (with(&[(16, &many(65))]), Err(Error::BadProtocols)),
        // Versions.
        (with(&[(43, b"\x02\x03\x04")]), Ok(Hello { supports_tls13: true, ..empty.clone() })),
        (with(&[(43, b"\x06\x7a\x7a\x03\x03\x03\x04")]), Ok(Hello { supports_tls13: true, ..empty.clone() })),
        (with(&[(43, b"\x04\x03\x03\x04\x00")]), Ok(empty.clone())),
        (with(&[(43, b"\x04\x00\x03\x04\x00")]), Ok(empty.clone())),
        (with(&[(43, b"")]), Err(Error::BadVersions)),
        (with(&[(43, b"\0")]), Err(Error::BadVersions)),
        (with(&[(43, b"\x03\x03\x04\x03")]), Err(Error::BadVersions)),
        (with(&[(43, b"\x02\x03")]), Err(Error::BadVersions)),
        (with(&[(43, b"\x02\x03\x04\x03")]), Err(Error::BadVersions)),
    ];
    for (nth, (body, expected)) in cases.iter().enumerate() {
        assert_eq!(peek_body(body), *expected, "case {nth}");
    }
}

/// A body cut off, or longer than its parts, at every length.
#[test]
fn bodies_of_other_lengths() {
    let body = with(&[(0, &sni("a.example")), (16, b"\0\x03\x02h2"), (43, b"\x02\x03\x04")]).bytes();
    let bare = Body { extensions: None, ..Body::default() }.bytes().len();
    for len in (0..body.len()).filter(|&len| len != bare) {
        assert_eq!(peek_all_ways(&records(&message(&body[..len]), 50)), Err(Error::Malformed), "{len}");
    }
    let longer = [&body[..], &[0]].concat();
    assert_eq!(peek_all_ways(&records(&message(&longer), 50)), Err(Error::Malformed));
}

/// What comes before a body, and the first byte at which it is refused.
#[test]
fn record_headers() {
    let cases: &[(&[u8], Result<Peeked, Error>)] = &[
        (b"", Ok(Peeked::NeedMore)),
        (b"\x16", Ok(Peeked::NeedMore)),
        (b"\x16\x03\x04\x40\x00\x01\x00\x3f\xfc", Ok(Peeked::NeedMore)),
        (b"G", Ok(Peeked::NotTls)),
        (b"\x15\x03\x01", Ok(Peeked::NotTls)),
        (b"\x17", Ok(Peeked::NotTls)),
        // SSL 2.
        (b"\x80\x2e\x01\x03\x01", Ok(Peeked::NotTls)),
        (b"\x16\x02", Err(Error::BadVersion)),
        (b"\x16\x03\x05", Err(Error::BadVersion)),
        (b"\x16\xfe", Err(Error::BadVersion)),
        (b"\x16\x03\x01\0\0", Err(Error::BadRecordLength)),
        (b"\x16\x03\x01\x40\x01", Err(Error::BadRecordLength)),
        (b"\x16\x03\x01\xff\xff", Err(Error::BadRecordLength)),
        (b"\x16\x03\x01\0\x05\x02", Err(Error::NotClientHello)),
        (b"\x16\x03\x01\0\x05\0", Err(Error::NotClientHello)),
        (b"\x16\x03\x01\0\x05\x01\0\x3f\xfd", Err(Error::TooLarge)),
        (b"\x16\x03\x01\0\x05\x01\x01\0\0", Err(Error::TooLarge)),
        // The second record.
        (b"\x16\x03\x01\0\x01\x01\x16", Ok(Peeked::NeedMore)),
        (b"\x16\x03\x01\0\x01\x01\x15", Err(Error::NotHandshake)),
        (b"\x16\x03\x01\0\x01\x01\x17", Err(Error::NotHandshake)),
        (b"\x16\x03\x01\0\x01\x01\x16\x04", Err(Error::BadVersion)),
        (b"\x16\x03\x01\0\x01\x01\x16\x03\x03\0\0", Err(Error::BadRecordLength)),
    ];
    for (bytes, expected) in cases {
        assert_eq!(peek_all_ways(bytes), *expected, "{}", bytes.escape_ascii());
        if expected.is_err() {
            assert_eq!(peek(&bytes[..bytes.len() - 1]), Ok(Peeked::NeedMore), "{}", bytes.escape_ascii());
        }
    }
}

/// Row L-7: 16 KiB on the wire, however they are cut into records.
#[test]
fn the_largest_hello() {
    let padded = |len: usize| {
        let bare = message(&with(&[(21, b"")]).bytes()).len();
        message(&with(&[(21, &vec![0; len - bare])]).bytes())
    };
    for (record, largest) in [(1 << 14, MAX_BYTES - 5), (1000, MAX_BYTES - 17 * 5), (1, MAX_BYTES / 6)] {
        let good = records(&padded(largest), record);
        assert!(good.len() <= MAX_BYTES && good.len() + 6 > MAX_BYTES, "{}", good.len());
        assert_eq!(peek(&good[..good.len() - 1]), Ok(Peeked::NeedMore));
        assert_eq!(peek(&good), Ok(Peeked::Hello(Hello::default())));
        let bad = records(&padded(largest + 1), record);
        assert_eq!(peek(&bad[..MAX_BYTES - 1]), Ok(Peeked::NeedMore));
        assert_eq!(peek(&bad[..MAX_BYTES]), Err(Error::TooLarge));
        assert_eq!(peek(&bad), Err(Error::TooLarge));
    }
}

/// Any bytes: no panic, and one verdict for all cuts.
#[test]
fn mutations() {
    let seeds: Vec<Vec<u8>> =
        CAPTURED.iter().map(|&(name, ..)| captured(name)).chain([captured("openssl_fragments")]).collect();
    let mut random = fastrand::Rng::with_seed(7);
    let (mut good, mut bad) = (0, 0);
    for _ in 0..100_000 {
        let mut bytes = random.choice(&seeds).cloned().unwrap_or_default();
        if random.bool() {
            bytes = records(&payload(&bytes), random.usize(1..600));
        }
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..bytes.len());
            match random.u8(..5) {
                0 => bytes[at] = random.u8(..),
                1 => bytes[at] ^= 1 << random.u8(..8),
                2 => bytes[at] = bytes[at].wrapping_add(1),
                3 => bytes.insert(at, random.u8(..)),
                _ => drop(bytes.remove(at)),
            }
        }
        let whole = peek(&bytes);
        let early = peek(&bytes[..random.usize(..=bytes.len())]);
        assert!(early == Ok(Peeked::NeedMore) || early == whole, "{}", bytes.escape_ascii());
        match whole {
            Ok(Peeked::Hello(hello)) => {
                assert!(hello.server_name.is_none_or(|name| name.len() <= 253 && name.is_ascii()));
                good += 1;
            }
            Ok(_) => {}
            Err(_) => bad += 1,
        }
    }
    assert!(good > 5_000 && bad > 5_000, "{good} good, {bad} bad");
}

#[test]
fn errors_say_what_is_wrong() {
    let texts: std::collections::HashSet<String> = Error::ALL.iter().map(Error::to_string).collect();
    assert_eq!(texts.len(), Error::ALL.len());
    assert!(texts.iter().all(|text| text.contains("TLS")));
}
