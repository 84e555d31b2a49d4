//! Names that no tool makes: types and values by hand. Those of real certificates are in the tests of the crate.

use super::*;

/// A value of fewer than 128 bytes.
fn value(tag: u8, body: &[u8]) -> Vec<u8> {
    [&[tag, u8::try_from(body.len()).unwrap()], body].concat()
}

fn text(kind: &[u8], string: &[u8]) -> Result<String, Error> {
    let attribute = [value(tag::OID, kind), string.to_vec()].concat();
    to_text(Der(&value(tag::SET, &value(tag::SEQUENCE, &attribute))))
}

#[test]
fn values() {
    let common_name = [0x55, 4, 3];
    let cases: &[(u8, &[u8], Result<&str, Error>)] = &[
        (PRINTABLE, b"", Ok("CN=")),
        (PRINTABLE, b"a=b/c", Ok("CN=a=b/c")),
        (PRINTABLE, b"#", Ok(r"CN=\#")),
        (PRINTABLE, b"a#", Ok("CN=a#")),
        (PRINTABLE, b" ", Ok(r"CN=\ ")),
        (PRINTABLE, b"  a b  ", Ok(r"CN=\  a b \ ")),
        (NUMERIC, b"1 2", Ok("CN=1 2")),
        (VISIBLE, b"~", Ok("CN=~")),
        (UTF8, b"a\0b", Ok(r"CN=a\00b")),
        (UTF8, b"\x1f\x7f\r\n", Ok(r"CN=\1F\7F\0D\0A")),
        (UTF8, b"\xff\xc3", Ok(r"CN=\FF\C3")),
        (UTF8, b",+\"\\<>;", Ok(r#"CN=\,\+\"\\\<\>\;"#)),
        (T61, b"\xe9", Ok(r"CN=\C3\A9")),
        (IA5, b"\xff", Ok(r"CN=\C3\BF")),
        (BMP, b"\0a\0,\x20\xac", Ok(r"CN=a\,\E2\82\AC")),
        (BMP, b"\0", Err(Error::BadString)),
        (BMP, b"\xd8\0\xdc\0", Err(Error::BadString)),
        (UNIVERSAL, b"\0\0\0a\0\x10\xff\xff", Ok(r"CN=a\F4\8F\BF\BF")),
        (UNIVERSAL, b"\0\x11\0\0", Err(Error::BadString)),
        (UNIVERSAL, b"\0\0a", Err(Error::BadString)),
        (UNIVERSAL, b"\0\0\xd8\0", Err(Error::BadString)),
        // No strings.
        (tag::BIT_STRING, b"\0\xab", Ok("CN=#030200AB")),
        (tag::SEQUENCE, b"", Ok("CN=#3000")),
        (tag::UTC_TIME, b"a", Ok("CN=#170161")),
    ];
    for (tag, body, expected) in cases {
        let read = text(&common_name, &value(*tag, body));
        assert_eq!(read.as_deref().map_err(|error| *error), *expected, "{tag:x} {}", body.escape_ascii());
    }
}

#[test]
fn kinds() {
    let cases: &[(&[u8], Result<&str, Error>)] = &[
        (&[0x55, 4, 2], Ok("2.5.4.2=#0C0161")),
        (&[0x55, 4, 55], Ok("2.5.4.55=#0C0161")),
        (&[0x55, 4, 3, 1], Ok("2.5.4.3.1=#0C0161")),
        (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 16], Ok("0.9.2342.19200300.100.1.16=#0C0161")),
        (&[0], Ok("0.0=#0C0161")),
        (&[39], Ok("0.39=#0C0161")),
        (&[40], Ok("1.0=#0C0161")),
        (&[79], Ok("1.39=#0C0161")),
        (&[80], Ok("2.0=#0C0161")),
        (&[0x88, 0x37], Ok("2.999=#0C0161")),
        (&[0x2a, 0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], Ok("1.2.18446744073709551615=#0C0161")),
        (&[0x2a, 0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00], Err(Error::BadOid)),
        (&[], Err(Error::BadOid)),
        (&[0x80, 1], Err(Error::BadOid)),
        (&[0x2a, 0x80, 1], Err(Error::BadOid)),
        (&[0x2a, 0x81], Err(Error::BadOid)),
        (&[0x81], Err(Error::BadOid)),
    ];
    for (kind, expected) in cases {
        let read = text(kind, &value(UTF8, b"a"));
        assert_eq!(read.as_deref().map_err(|error| *error), *expected, "{kind:x?}");
    }
}

#[test]
fn structure() {
    let attribute = value(tag::SEQUENCE, &[value(tag::OID, &[0x55, 4, 3]), value(UTF8, b"a")].concat());
    let longer = value(tag::SEQUENCE, &[value(tag::OID, &[0x55, 4, 3]), value(UTF8, b"a"), value(UTF8, b"a")].concat());
    let bare = value(tag::SEQUENCE, &value(tag::OID, &[0x55, 4, 3]));
    let cases = [
        (vec![], Ok("".to_owned())),
        (value(tag::SET, &attribute), Ok("CN=a".to_owned())),
        (value(tag::SET, &[&attribute[..], &attribute].concat()).repeat(2), Ok("CN=a+CN=a,CN=a+CN=a".to_owned())),
        (value(tag::SET, &[]), Err(Error::Empty)),
        (value(tag::SEQUENCE, &attribute), Err(Error::UnexpectedTag)),
        (value(tag::SET, &longer), Err(Error::TrailingData)),
        (value(tag::SET, &bare), Err(Error::Truncated)),
        (value(tag::SET, &value(tag::SEQUENCE, &value(UTF8, b"a"))), Err(Error::UnexpectedTag)),
        (value(tag::SET, &attribute[..4]), Err(Error::Truncated)),
    ];
    for (name, expected) in cases {
        assert_eq!(to_text(Der(&name)), expected, "{name:x?}");
    }
}
