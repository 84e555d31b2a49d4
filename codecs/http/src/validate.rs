//! The one validator of what stands in a head, for every codec, both directions, and the configuration
//! (rows S-8, S-9, S-12, S-19 and S-23 of the threat list).

/// `token` (RFC 9110 section 5.6.2): one or more tchar.
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&byte| TCHAR[usize::from(byte)])
}

/// `field-value` (RFC 9110 section 5.5): no control character but HTAB, no white space around it.
/// Bytes from 0x80 pass as they are.
pub fn is_field_value(value: &[u8]) -> bool {
    let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    !blank(value.first()) && !blank(value.last()) && are_field_bytes(value)
}

/// All of `value` may stand in a field value; white space at its ends is not looked at. Eight bytes at a time: each field
/// of each message that is sent comes through here.
pub fn are_field_bytes(value: &[u8]) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x8080_8080_8080_8080;
    // Some byte is below 0x20 or is 0x7f: the usual tests for "a byte less than n" and "a zero byte".
    let suspicious = |word: &[u8; 8]| {
        let word = u64::from_le_bytes(*word);
        let delete = word ^ (ONES * 0x7f);
        (word.wrapping_sub(ONES * 0x20) & !word | delete.wrapping_sub(ONES) & !delete) & TOPS
    };
    let Some(last) = value.last_chunk() else { return value.iter().all(|&byte| is_field_byte(byte)) };
    // The last eight bytes may overlap the words before them.
    let words = value.chunks_exact(8).map(|word| word.try_into().unwrap_or(&[0; 8]));
    let clean = words.fold(suspicious(last), |all, word| all | suspicious(word)) == 0;
    // HTAB is suspicious and legal.
    clean || value.iter().all(|&byte| is_field_byte(byte))
}

/// A byte that may stand in a field value.
pub fn is_field_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= 0x20 && byte != 0x7f)
}

/// The bytes of a request target that may reach the wire (row S-11): visible ASCII.
pub fn is_target(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| (0x21..=0x7e).contains(byte))
}

/// A host with an optional port, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authority<'a> {
    /// A registered name, an IPv4 address, or an IPv6 address with its brackets.
    pub host: &'a [u8],
    pub port: Option<u16>,
}

/// Reads `uri-host [":" port]` (RFC 3986 section 3.2, RFC 9110 section 4.2): no user information, no comma, port 1 to
/// 65535. `None`: not an authority that a proxy may route by (row S-12).
pub fn parse_authority(text: &[u8]) -> Option<Authority<'_>> {
    let host_len = match text.first()? {
        b'[' => text.iter().position(|&byte| byte == b']')? + 1,
        _ => text.iter().position(|&byte| byte == b':').unwrap_or(text.len()),
    };
    let (host, rest) = text.split_at(host_len);
    let valid = match host {
        [b'[', address @ .., b']'] => is_ipv6(address),
        _ => is_reg_name(host),
    };
    let port = match rest {
        [] => None,
        [b':', digits @ ..] => Some(parse_port(digits)?),
        _ => return None,
    };
    valid.then_some(Authority { host, port })
}

/// One host: equal in any case and with or without the root's dot.
pub fn same_host(a: Authority<'_>, b: Authority<'_>) -> bool {
    let undotted =
        |authority: Authority<'_>| -> usize { authority.host.len() - usize::from(authority.host.ends_with(b".")) };
    a.host[..undotted(a)].eq_ignore_ascii_case(&b.host[..undotted(b)])
}

/// `1*DIGIT`, at most 19 of them and below 2^63 (RFC 9110 section 8.6, row S-3).
pub fn parse_content_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 19 || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // 19 digits stay below 2^64.
    let length = value.iter().fold(0u64, |length, digit| length * 10 + u64::from(digit & 0x0f));
    i64::try_from(length).ok().map(|_| length)
}

fn is_ipv6(address: &[u8]) -> bool {
    std::str::from_utf8(address).is_ok_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok())
}

/// `reg-name` without its sub-delims: letters, digits, `-._~` and percent-encoded bytes. Sub-delims are legal URI
/// syntax, but in a host they only serve to confuse two parsers.
fn is_reg_name(host: &[u8]) -> bool {
    let mut bytes = host.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {}
            b'%' => {
                let mut hex = || bytes.next().is_some_and(u8::is_ascii_hexdigit);
                if !(hex() && hex()) {
                    return false;
                }
            }
            _ => return false,
        }
    }
    !host.is_empty()
}

fn parse_port(digits: &[u8]) -> Option<u16> {
    let valid = (1..=5).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let port = digits.iter().fold(0u32, |port, digit| port.wrapping_mul(10).wrapping_add(u32::from(digit & 0x0f)));
    u16::try_from(port).ok().filter(|&port| valid && port > 0)
}

/// Which bytes are tchar.
const TCHAR: [bool; 256] = {
    let mut table = [false; 256];
    let allowed = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut at = 0;
    while at < allowed.len() {
        table[allowed[at] as usize] = true;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_values() {
        for good in [&b""[..], b"a", b"a b\tc", b"\xff\x80", b"\"quoted\""] {
            assert!(is_field_value(good), "{}", good.escape_ascii());
        }
        for bad in [&b" a"[..], b"a ", b"\ta", b"a\0", b"a\rb", b"a\nb", b"a\x7f", b"\x1b[0m"] {
            assert!(!is_field_value(bad), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn every_byte_at_every_place() {
        for len in [1, 7, 8, 9, 16, 21] {
            for at in 0..len {
                for byte in 0..=255u8 {
                    let mut value = vec![b'a'; len];
                    value[at] = byte;
                    assert_eq!(are_field_bytes(&value), is_field_byte(byte), "{byte:#x} at {at} of {len}");
                }
            }
        }
        assert!(are_field_bytes(b""));
    }

    #[test]
    fn tokens_are_the_rfc_set() {
        for byte in 0..=255u8 {
            let expected = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            assert_eq!(is_token(&[byte]), expected, "{byte:#x}");
        }
        assert!(!is_token(b""));
    }

    #[test]
    fn authorities() {
        let good: &[(&str, &str, Option<u16>)] = &[
            ("example.com", "example.com", None),
            ("example.com:8080", "example.com", Some(8080)),
            ("127.0.0.1:1", "127.0.0.1", Some(1)),
            ("[::1]", "[::1]", None),
            ("[::1]:65535", "[::1]", Some(65535)),
            ("a%20b", "a%20b", None),
            ("under_score.internal", "under_score.internal", None),
        ];
        for (text, host, port) in good {
            let authority = parse_authority(text.as_bytes());
            assert_eq!(authority, Some(Authority { host: host.as_bytes(), port: *port }), "{text}");
        }
        for bad in [
            "", ":80", "a:", "a:0", "a:65536", "a:+1", "a:000080", "a b", "u@a", "a,b", "a/b", "a?b", "a#b", "[::1",
            "[::1]x", "[zz]", "::1", "a%2", "a%zz", "a\\b", "a;b", "a\u{e9}",
        ] {
            assert_eq!(parse_authority(bad.as_bytes()), None, "{bad}");
        }
    }
}
