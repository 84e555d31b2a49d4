//! Certificates that OpenSSL made, against what OpenSSL says of them (testdata/x509); the same with damage.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use super::*;

/// Name, certificate, what OpenSSL says.
fn samples() -> Vec<(String, Vec<u8>, String)> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/x509");
    let mut samples = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "der") {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            samples.push((name, fs::read(&path).unwrap(), fs::read_to_string(path.with_extension("txt")).unwrap()));
        }
    }
    samples.sort();
    samples
}

fn sample(name: &str) -> Vec<u8> {
    samples().into_iter().find(|sample| sample.0 == name).unwrap().1
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// In the words of `openssl x509 -ext subjectAltName`, as far as they are told apart here.
fn name_text(name: &SanName<'_>) -> String {
    match name {
        SanName::Dns(text) => format!("DNS:{text}"),
        SanName::Uri(text) => format!("URI:{text}"),
        SanName::Email(text) => format!("email:{text}"),
        SanName::Ip(address) => address.to_string(),
        SanName::Other => "other".to_owned(),
    }
}

/// The words of OpenSSL, made like those of [`name_text`].
fn expected_names(line: &str) -> Vec<String> {
    let one = |word: &str| match word.split_once(':') {
        Some(("DNS" | "URI" | "email", _)) => word.to_owned(),
        Some(("IP Address", address)) => {
            let v4 = address.parse::<Ipv4Addr>().map(|address| address.to_string());
            v4.unwrap_or_else(|_| address.parse::<Ipv6Addr>().unwrap().to_string())
        }
        _ => "other".to_owned(),
    };
    line.split(", ").map(one).collect()
}

#[test]
fn as_openssl_says() {
    let samples = samples();
    assert_eq!(samples.len(), 17);
    for (sample, der, text) in samples {
        let certificate = parse(&der).unwrap();
        let mut names = None;
        for line in text.lines() {
            let (key, expected) = line.split_once('=').unwrap();
            match key {
                "subject" => assert_eq!(certificate.subject(), expected, "{sample}"),
                "issuer" => assert_eq!(certificate.issuer(), expected, "{sample}"),
                "serial" => {
                    let serial = certificate.serial();
                    let digits = if let [0, rest @ ..] = serial
                        && !rest.is_empty()
                    {
                        rest
                    } else {
                        serial
                    };
                    assert_eq!(hex(digits), expected.to_lowercase(), "{sample}");
                }
                "notBefore in seconds" => assert_eq!(certificate.not_before().to_string(), expected, "{sample}"),
                "notAfter in seconds" => assert_eq!(certificate.not_after().to_string(), expected, "{sample}"),
                "notBefore" | "notAfter" => {}
                "names" => names = Some(expected_names(expected)),
                "spki" => assert_eq!(hex(certificate.spki()), expected, "{sample}"),
                _ => panic!("{sample}: what is {key}?"),
            }
        }
        let read: Vec<_> = certificate.subject_alt_names().unwrap().iter().map(name_text).collect();
        assert_eq!(read, names.unwrap_or_default(), "{sample}");
    }
}

#[test]
fn every_kind_of_alternative_name() {
    let der = sample("server");
    let names = parse(&der).unwrap().subject_alt_names().unwrap();
    assert_eq!(
        names,
        [
            SanName::Dns("server.example"),
            SanName::Dns("*.server.example"),
            SanName::Uri("https://server.example/?a=b;c,d"),
            SanName::Email("root@server.example"),
            SanName::Ip([192, 0, 2, 1].into()),
            SanName::Ip([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into()),
            SanName::Other,
            SanName::Other,
            SanName::Other,
        ]
    );
}

/// Replaces the one place of `from` in a certificate.
fn patched(der: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let places: Vec<_> = (0..der.len()).filter(|&at| der[at..].starts_with(from)).collect();
    let [at] = places[..] else { panic!("{} places of {}", places.len(), from.escape_ascii()) };
    [&der[..at], to, &der[at + from.len()..]].concat()
}

/// Row T-9: a name of which a C string would be the half.
#[test]
fn nul_and_other_bytes_in_alternative_names() {
    let der = sample("no_subject");
    let name = b"\x82\x0conly.example";
    assert!(parse(&patched(&der, name, name)).unwrap().subject_alt_names().is_ok());
    for bad in
        [b"\x82\x0conly\0example", b"\x82\x0conly.exampl\xe9", b"\x82\x0conly.exampl\n", b"\x82\x0conly.exampl\x7f"]
    {
        let der = patched(&der, name, bad);
        assert_eq!(parse(&der).unwrap().subject_alt_names(), Err(Error::BadName), "{}", bad.escape_ascii());
    }
}

#[test]
fn what_is_not_der_or_not_a_certificate() {
    let client = sample("client");
    let server = sample("server");
    let ip = sample("ed25519");
    let cases = [
        (vec![], Error::Truncated),
        (client[..client.len() - 1].to_vec(), Error::Truncated),
        ([&client[..], &[0]].concat(), Error::TrailingData),
        ([&[0x31], &client[1..]].concat(), Error::UnexpectedTag),
        ([&[0x30, 0x80], &client[3..], &[0, 0]].concat(), Error::BadLength),
        // Version 3.
        (patched(&client, b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x03"), Error::BadVersion),
        (patched(&client, b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x00"), Error::BadVersion),
        // Extensions need it.
        (patched(&client, b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x01"), Error::BadVersion),
        (patched(&client, b"\xa0\x03\x02\x01\x02\x02", b"\xa0\x02\x02\x01\x02\x02"), Error::Truncated),
        // Critical: neither yes nor no.
        (patched(&server, b"\x06\x03\x55\x1d\x11\x01\x01\xff", b"\x06\x03\x55\x1d\x11\x01\x01\x01"), Error::BadBoolean),
        // Two lists of names: basicConstraints becomes one.
        (patched(&server, b"\x06\x03\x55\x1d\x13", b"\x06\x03\x55\x1d\x11"), Error::DuplicateExtension),
    ];
    for (nth, (der, expected)) in cases.into_iter().enumerate() {
        assert_eq!(parse(&der), Err(expected), "case {nth}");
    }
    let bad_address = patched(&ip, b"\x87\x04\x7f\0\0\x01\x82\x09", b"\x87\x03\x7f\0\0\x82\x0a\x01");
    assert_eq!(parse(&bad_address).unwrap().subject_alt_names(), Err(Error::BadAddress));
}

/// Any cut is an error, and none panics.
#[test]
fn cuts() {
    for (name, der, _) in samples() {
        for len in 0..der.len() {
            assert_eq!(parse(&der[..len]), Err(Error::Truncated), "{name} cut at {len}");
        }
    }
}

/// Any bytes: no panic; and text is such that it can go into a header field.
#[test]
fn mutations() {
    let samples = samples();
    let mut random = fastrand::Rng::with_seed(9);
    let (mut good, mut bad) = (0, 0);
    for _ in 0..100_000 {
        let mut der = random.choice(&samples).map(|sample| sample.1.clone()).unwrap_or_default();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..der.len());
            match random.u8(..6) {
                0 => der[at] = random.u8(..),
                1 => der[at] ^= 1 << random.u8(..8),
                2 => der[at] = der[at].wrapping_add(random.u8(..3)).wrapping_sub(1),
                3 => der[at] = random.choice([0, 0x30, 0x31, 0x80, 0x81, 0x84, 0xa3, 0xff]).unwrap_or_default(),
                4 => der.insert(at, random.u8(..)),
                _ => drop(der.remove(at)),
            }
        }
        match parse(&der) {
            Ok(certificate) => {
                good += 1;
                let printable = |text: &str| text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
                assert!(printable(certificate.subject()) && printable(certificate.issuer()));
                for name in certificate.subject_alt_names().unwrap_or_default() {
                    assert!(printable(&name_text(&name)));
                }
            }
            Err(_) => bad += 1,
        }
    }
    assert!(good > 5_000 && bad > 5_000, "{good} good, {bad} bad");
}

#[test]
fn errors_say_what_is_wrong() {
    let texts: std::collections::HashSet<String> = Error::ALL.iter().map(Error::to_string).collect();
    assert_eq!(texts.len(), Error::ALL.len());
    assert!(texts.iter().all(|text| text.contains("certificate")));
}
