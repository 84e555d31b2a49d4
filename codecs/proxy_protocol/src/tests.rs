//! Headers of both versions, whole and in pieces; what is refused, and when; what we write, read again.

use std::net::SocketAddr;

use super::*;

const V2: &str = "0d0a0d0a000d0a515549540a";

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn v2(text: &str) -> Vec<u8> {
    hex(&format!("{V2} {text}"))
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Reads `message` whole, byte by byte, and with bytes behind it: one verdict, as early as all bytes of the message (or, if
/// it is refused, earlier) and not changed by more.
fn parse_all_ways(message: &[u8]) -> Result<(Header<'_>, usize), Error> {
    let whole = parse(message);
    let early = (0..message.len()).map(|cut| parse(&message[..cut])).find(|verdict| *verdict != Ok(Parsed::NeedMore));
    for trailing in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\n", b"\0", b"\r\n\r\n\0\r\nQUIT\n", &[b'x'; 700]] {
        let long = [message, trailing].concat();
        assert_eq!(parse(&long), whole, "{} and more", message.escape_ascii());
    }
    match whole {
        Ok(Parsed::Header { header, len }) => {
            assert_eq!(early, None, "{}", message.escape_ascii());
            assert_eq!(len, message.len());
            Ok((header, len))
        }
        Err(error) => {
            assert!(early.is_none() || early == Some(Err(error)), "{early:?}, then {error:?}");
            Err(error)
        }
        Ok(Parsed::NeedMore) => panic!("not a whole message: {}", message.escape_ascii()),
    }
}

fn summary(message: &[u8]) -> Result<String, Error> {
    let (header, _) = parse_all_ways(message)?;
    let Header { version, command, addresses, transport, tlvs } = header;
    let addresses = addresses.map_or("-".to_owned(), |(source, destination)| format!("{source} {destination}"));
    let tlvs: String = tlvs
        .iter()
        .map(|tlv| match tlv {
            Tlv::Alpn(value) => format!(" alpn={}", value.escape_ascii()),
            Tlv::Authority(value) => format!(" authority={}", value.escape_ascii()),
            Tlv::UniqueId(value) => format!(" id={}", value.escape_ascii()),
            Tlv::Ssl(ssl) => {
                let within = ssl.tlvs().map(|(kind, value)| format!(" {kind:x}={}", value.escape_ascii()));
                format!(" ssl={},{}{}", ssl.client, ssl.verify, within.collect::<String>())
            }
        })
        .collect();
    Ok(format!("{version:?} {command:?} {transport:?} {addresses}{tlvs}"))
}

#[test]
fn lines() {
    let longest = "PROXY UNKNOWN ffff:f...f:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535";
    let longest = format!("{longest}{}\r\n", " ".repeat(105 - longest.len()));
    assert_eq!(longest.len(), MAX_V1);
    let cases: &[(&str, Result<&str, Error>)] = &[
        ("PROXY TCP4 1.2.3.4 5.6.7.8 9 65535\r\n", Ok("V1 Proxy Stream 1.2.3.4:9 5.6.7.8:65535")),
        ("PROXY TCP4 0.0.0.0 255.255.255.255 0 0\r\n", Ok("V1 Proxy Stream 0.0.0.0:0 255.255.255.255:0")),
        ("PROXY TCP6 ::1 2001:DB8::2 10 20\r\n", Ok("V1 Proxy Stream [::1]:10 [2001:db8::2]:20")),
        ("PROXY TCP6 ::ffff:1.2.3.4 :: 1 2\r\n", Ok("V1 Proxy Stream [::ffff:1.2.3.4]:1 [::]:2")),
        ("PROXY UNKNOWN\r\n", Ok("V1 Proxy Stream -")),
        ("PROXY UNKNOWN \r\n", Ok("V1 Proxy Stream -")),
        ("PROXY UNKNOWN 1.2.3.4 what \0 ever\r\n", Ok("V1 Proxy Stream -")),
        (&longest, Ok("V1 Proxy Stream -")),
        (&longest.replace("\r\n", " \r\n"), Err(Error::LineTooLong)),
        (&longest.replace("\r\n", "  \r\n"), Err(Error::LineTooLong)),
        (&"PROXY TCP4 ".repeat(20), Err(Error::LineTooLong)),
        // The grammar.
        ("PROXY \r\n", Err(Error::BadLine)),
        ("PROXY UNKNOWNS\r\n", Err(Error::BadLine)),
        ("PROXY tcp4 1.2.3.4 5.6.7.8 9 10\r\n", Err(Error::BadLine)),
        ("PROXY UDP4 1.2.3.4 5.6.7.8 9 10\r\n", Err(Error::BadLine)),
        ("PROXY TCP5 1.2.3.4 5.6.7.8 9 10\r\n", Err(Error::BadLine)),
        ("PROXY  TCP4 1.2.3.4 5.6.7.8 9 10\r\n", Err(Error::BadLine)),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 9\r\n", Err(Error::BadLine)),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 9 10 \r\n", Err(Error::BadLine)),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 9 10 11\r\n", Err(Error::BadLine)),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 9  10\r\n", Err(Error::BadLine)),
        ("PROXY TCP4\t1.2.3.4 5.6.7.8 9 10\r\n", Err(Error::BadLine)),
        ("PROXY TCP4  1.2.3.4 5.6.7.8 9\r\n", Err(Error::BadAddress)),
        // The end of the line.
        ("PROXY TCP4 1.2.3.4 5.6.7.8 9 10\n", Err(Error::BadLine)),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 9 10\r\r\n", Err(Error::BadLine)),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 9 10\rx\n", Err(Error::BadLine)),
        ("PROXY UNKNOWN\r \r\n", Err(Error::BadLine)),
        // Addresses.
        ("PROXY TCP4 1.2.3 5.6.7.8 9 10\r\n", Err(Error::BadAddress)),
        ("PROXY TCP4 01.2.3.4 5.6.7.8 9 10\r\n", Err(Error::BadAddress)),
        ("PROXY TCP4 256.2.3.4 5.6.7.8 9 10\r\n", Err(Error::BadAddress)),
        ("PROXY TCP4 ::1 ::2 9 10\r\n", Err(Error::BadAddress)),
        ("PROXY TCP6 1.2.3.4 5.6.7.8 9 10\r\n", Err(Error::BadAddress)),
        ("PROXY TCP6 ::1 5.6.7.8 9 10\r\n", Err(Error::BadAddress)),
        ("PROXY TCP6 ::1%lo ::2 9 10\r\n", Err(Error::BadAddress)),
        ("PROXY TCP6 [::1] ::2 9 10\r\n", Err(Error::BadAddress)),
        ("PROXY TCP6 1:2:3:4:5:6:7:8:9 ::2 9 10\r\n", Err(Error::BadAddress)),
        ("PROXY TCP4 1.2.3.4 a.example 9 10\r\n", Err(Error::BadAddress)),
        // Ports.
        ("PROXY TCP4 1.2.3.4 5.6.7.8 09 10\r\n", Err(Error::BadPort)),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 9 00\r\n", Err(Error::BadPort)),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 +9 10\r\n", Err(Error::BadPort)),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 -9 10\r\n", Err(Error::BadPort)),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 9 65536\r\n", Err(Error::BadPort)),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 9 0x1\r\n", Err(Error::BadPort)),
        ("PROXY TCP4 1.2.3.4 5.6.7.8  9\r\n", Err(Error::BadPort)),
    ];
    for (line, expected) in cases {
        assert_eq!(summary(line.as_bytes()), expected.map(str::to_owned), "{line:?}");
    }
    assert_eq!(summary(b"PROXY TCP4 1.2.3.4 5.6.7.8 9 \xff\r\n"), Err(Error::BadLine));
}

#[test]
fn headers() {
    let tcp4 = "2111 000c 01020304 05060708 0009 ffff";
    let cases: &[(&str, Result<&str, Error>)] = &[
        (tcp4, Ok("V2 Proxy Stream 1.2.3.4:9 5.6.7.8:65535")),
        ("2112 000c 01020304 05060708 0009 ffff", Ok("V2 Proxy Datagram 1.2.3.4:9 5.6.7.8:65535")),
        (
            "2121 0024 00000000000000000000000000000001 20010db8000000000000000000000002 000a 0014",
            Ok("V2 Proxy Stream [::1]:10 [2001:db8::2]:20"),
        ),
        (
            "2122 0024 00000000000000000000000000000001 20010db8000000000000000000000002 000a 0014",
            Ok("V2 Proxy Datagram [::1]:10 [2001:db8::2]:20"),
        ),
        (&format!("2131 00d8 {}", "2f".repeat(216)), Ok("V2 Proxy Stream -")),
        (&format!("2132 00db {} 040000", "2f".repeat(216)), Ok("V2 Proxy Datagram -")),
        ("2100 0000", Ok("V2 Proxy Stream -")),
        ("2000 0000", Ok("V2 Local Stream -")),
        // Family and all that follows are ignored.
        ("20ff 0003 ff ffff", Ok("V2 Local Stream -")),
        ("2011 000c 01020304 05060708 0009 ffff", Ok("V2 Local Stream -")),
        // TLVs.
        ("2111 0011 01020304 05060708 0009 ffff 010002 6832", Ok("V2 Proxy Stream 1.2.3.4:9 5.6.7.8:65535 alpn=h2")),
        ("2100 000e 020001 61 ee0000 050001 62 040000", Ok("V2 Proxy Stream - authority=a id=b")),
        ("2100 0008 200005 07 00000000", Ok("V2 Proxy Stream - ssl=7,0")),
        ("2100 0010 20000d 01 00000001 210001 33 220001 63", Ok("V2 Proxy Stream - ssl=1,1 21=3 22=c")),
        (&format!("2100 0083 050080 {}", "41".repeat(128)), Ok(&format!("V2 Proxy Stream - id={}", "A".repeat(128)))),
        // Version and command; the first byte that cannot be is enough.
        ("11", Err(Error::BadVersion)),
        ("31", Err(Error::BadVersion)),
        ("01", Err(Error::BadVersion)),
        ("22", Err(Error::BadCommand)),
        ("2f", Err(Error::BadCommand)),
        ("2101", Err(Error::BadFamily)),
        ("2110", Err(Error::BadFamily)),
        ("2113", Err(Error::BadFamily)),
        ("2133", Err(Error::BadFamily)),
        ("2141", Err(Error::BadFamily)),
        // Lengths: 520 behind the first sixteen are the most.
        ("2111 000b", Err(Error::ShortAddresses)),
        ("2121 0023", Err(Error::ShortAddresses)),
        ("2131 00d7", Err(Error::ShortAddresses)),
        (&format!("2100 0208 040205 {}", "00".repeat(517)), Ok("V2 Proxy Stream -")),
        ("2100 0209", Err(Error::TooLong)),
        ("2000 ffff", Err(Error::TooLong)),
        // Row T-12: TLVs that spill.
        ("2100 0001 01", Err(Error::BadTlv)),
        ("2100 0002 0100", Err(Error::BadTlv)),
        ("2100 0003 010001", Err(Error::BadTlv)),
        ("2100 0005 01ffff 6832", Err(Error::BadTlv)),
        ("2100 0007 010001 68 ee0001", Err(Error::BadTlv)),
        (&format!("2100 0084 050081 {}", "41".repeat(129)), Err(Error::BadTlv)),
        ("2100 0007 200004 01 000000", Err(Error::BadTlv)),
        ("2100 000b 200008 01 00000000 210001 33", Err(Error::BadTlv)),
        ("2100 000c 200009 01 00000000 210002 33", Err(Error::BadTlv)),
        ("2100 0006 030003 000000", Err(Error::BadTlv)),
    ];
    for (header, expected) in cases {
        assert_eq!(summary(&v2(header)), expected.map(str::to_owned), "{header}");
    }
}

/// Section 2.2.3. The sum of the good header was made by another implementation.
#[test]
fn checksums() {
    let good = "2111 001b 7f000001 7f000002 1f90 01bb 030004 0710d8ee 020005 612e636f6d";
    let header = v2(good);
    assert_eq!(summary(&header), Ok("V2 Proxy Stream 127.0.0.1:8080 127.0.0.2:443 authority=a.com".into()));
    // Without its type, the checksum is not one.
    let kind = 28;
    for at in (16..header.len()).filter(|&at| at != kind) {
        let mut bad = header.clone();
        bad[at] ^= 0x10;
        assert!(summary(&bad).is_err_and(|error| matches!(error, Error::BadChecksum | Error::BadTlv)), "byte {at}");
    }
    // Of two, even the one that fits the bytes with the other is none.
    let mut twice = v2("2100 000e 030004 00000000 030004 00000000");
    let crc = crc32c::of(twice.iter().copied());
    twice[26..].copy_from_slice(&crc.to_be_bytes());
    assert_eq!(summary(&twice), Err(Error::BadChecksum));
}

/// What begins something else is refused at its first byte that differs.
#[test]
fn other_protocols() {
    let cases: &[(&[u8], usize)] = &[
        (b"GET / HTTP/1.1\r\n", 1),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 3),
        (b"POST / HTTP/1.1\r\n", 2),
        (b"PROPFIND / HTTP/1.1\r\n", 4),
        (b"PROXYTUNNEL", 6),
        (b"proxy TCP4", 1),
        (b"\x16\x03\x01\x02\x00", 1),
        (b"\r\nGET / HTTP/1.1\r\n", 3),
        (b"\r\n\r\n\0\r\nQUIT\r", 12),
        (b"\0", 1),
    ];
    assert_eq!(parse(b""), Ok(Parsed::NeedMore));
    for &(bytes, refused) in cases {
        for len in 1..=bytes.len() {
            let expected = if len < refused { Ok(Parsed::NeedMore) } else { Err(Error::NotProxy) };
            assert_eq!(parse(&bytes[..len]), expected, "{}", bytes[..len].escape_ascii());
        }
    }
}

#[test]
fn written_and_read_again() {
    let (v4, v6, mapped) = ("192.0.2.1:80", "[2001:db8::1]:443", "[::ffff:192.0.2.1]:80");
    let longest = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535";
    let tlvs: &[(u8, &[u8])] =
        &[(kind::AUTHORITY, b"a.example"), (kind::CRC32C, b"made here"), (kind::ALPN, b"h2"), (0xe0, b"")];
    for (source, destination, read_source, read_destination) in [
        (v4, v4, v4, v4),
        (v6, v6, v6, v6),
        (v4, v6, mapped, v6),
        (v6, v4, v6, mapped),
        (longest, longest, longest, longest),
    ] {
        let expected = Some((address(read_source), address(read_destination)));
        let (source, destination) = (address(source), address(destination));
        let mut line = Vec::new();
        encode_v1(source, destination, &mut line);
        assert!(line.len() <= MAX_V1);
        let (header, _) = parse_all_ways(&line).unwrap();
        assert_eq!((header.version, header.addresses), (Version::V1, expected));

        for tlvs in [tlvs, &[]] {
            let mut out = b"before".to_vec();
            assert_eq!(encode_v2(Command::Proxy, source, destination, tlvs, &mut out), Ok(()));
            let (header, _) = parse_all_ways(&out[6..]).unwrap();
            assert_eq!((header.version, header.addresses), (Version::V2, expected));
            let read: Vec<_> = header.tlvs.iter().collect();
            assert_eq!(
                read,
                if tlvs.is_empty() { vec![] } else { vec![Tlv::Authority(b"a.example"), Tlv::Alpn(b"h2")] }
            );
        }
    }
    let mut line = Vec::new();
    encode_v1(address(v4), address(v6), &mut line);
    assert_eq!(line.escape_ascii().to_string(), r"PROXY TCP6 ::ffff:192.0.2.1 2001:db8::1 80 443\r\n");
    let mut local = Vec::new();
    assert_eq!(encode_v2(Command::Local, address(v4), address(v4), &[], &mut local), Ok(()));
    assert_eq!(local, v2("2000 0000"));
}

#[test]
fn too_long_to_write() {
    let any = address("192.0.2.1:80");
    for (len, expected) in [(505, Ok(())), (506, Err(Error::TooLong)), (70_000, Err(Error::TooLong))] {
        let mut out = Vec::new();
        assert_eq!(encode_v2(Command::Proxy, any, any, &[(0xe0, &vec![0; len])], &mut out), expected, "{len}");
        assert_eq!(out.len(), if expected.is_ok() { MAX_V2 } else { 0 });
    }
}

/// Any bytes: no panic; one verdict for all cuts; what is read fits into what is written.
#[test]
fn mutations() {
    let seeds = [
        b"PROXY TCP4 192.168.0.1 10.1.2.3 56324 443\r\nGET".to_vec(),
        b"PROXY TCP6 2001:db8::1 ::ffff:1.2.3.4 5 65535\r\n".to_vec(),
        b"PROXY UNKNOWN a b\r\n".to_vec(),
        v2("2111 001b 7f000001 7f000002 1f90 01bb 030004 0710d8ee 020005 612e636f6d"),
        v2("2100 0010 20000d 01 00000001 210001 33 220001 63"),
        v2("2121 0029 00000000000000000000000000000001 20010db8000000000000000000000002 000a 0014 010002 6832 00"),
    ];
    let mut random = fastrand::Rng::with_seed(12);
    let (mut good, mut bad) = (0, 0);
    for _ in 0..100_000 {
        let mut bytes = random.choice(&seeds).cloned().unwrap_or_default();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..bytes.len());
            match random.u8(..5) {
                0 => bytes.truncate(at + 1),
                1 => bytes.insert(at, random.u8(..)),
                2 => bytes[at] = random.choice(b"\r\n 0129:.\0\x01\x02\x05\x20\xff".iter().copied()).unwrap_or(0),
                3 => bytes[at] ^= 1 << random.u8(..8),
                _ => drop(bytes.remove(at)),
            }
            if bytes.is_empty() {
                bytes.push(random.u8(..));
            }
        }
        let whole = parse(&bytes);
        let cut = random.usize(..=bytes.len());
        let early = parse(&bytes[..cut]);
        assert!(early == Ok(Parsed::NeedMore) || early == whole, "{}", bytes.escape_ascii());
        match whole {
            Ok(Parsed::Header { header, len }) => {
                assert!(len <= bytes.len() && len <= MAX_V2);
                assert!(header.tlvs.iter().count() <= len);
                good += 1;
            }
            Ok(Parsed::NeedMore) => assert!(bytes.len() < MAX_V2),
            Err(_) => bad += 1,
        }
    }
    assert!(good > 5_000 && bad > 5_000, "{good} good, {bad} bad");
}

#[test]
fn errors_say_what_is_wrong() {
    let texts: std::collections::HashSet<String> = Error::ALL.iter().map(Error::to_string).collect();
    assert_eq!(texts.len(), Error::ALL.len());
    assert!(texts.iter().all(|text| text.contains("PROXY")));
}
