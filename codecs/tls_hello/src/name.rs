//! Which host names a hello may ask for.

use std::net::IpAddr;

use crate::error::Error;

/// RFC 1035 section 2.3.4, without the final dot.
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// In lower case without a final dot. None for an IP address.
pub(crate) fn parse(name: &[u8]) -> Result<Option<String>, Error> {
    let name = std::str::from_utf8(name).map_err(|_| Error::BadServerName)?;
    // Clients that break RFC 6066 section 3 with an address break nothing else; they are served as if they had not sent it.
    if name.parse::<IpAddr>().is_ok() {
        return Ok(None);
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    let last = name.rsplit('.').next().unwrap_or_default();
    // A name that ends with a number is taken for an IPv4 address elsewhere.
    let numeric = last.bytes().all(|byte| byte.is_ascii_digit());
    if name.len() > MAX_NAME || numeric || !name.split('.').all(is_label) {
        return Err(Error::BadServerName);
    }
    Ok(Some(name.to_ascii_lowercase()))
}

/// Letters, digits and hyphens within (RFC 1123 section 2.1), and underscores, which are in use.
fn is_label(label: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=MAX_LABEL).contains(&label.len())
        && label.bytes().all(inside)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let label = "a".repeat(63);
        let longest = [&label[..], &label, &label, &label[..61]].join(".");
        let good = [
            ("localhost", "localhost"),
            ("WWW.Example.COM.", "www.example.com"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("_sip._tcp.a-b.example", "_sip._tcp.a-b.example"),
            ("1.2.3.4a", "1.2.3.4a"),
            ("4.example", "4.example"),
            (&label, &label),
            (&longest, &longest),
            (&format!("{longest}."), &longest),
        ];
        for (name, read) in good {
            assert_eq!(parse(name.as_bytes()), Ok(Some(read.to_owned())), "{name}");
        }
        for address in ["1.2.3.4", "255.255.255.255", "::1", "2001:db8::1", "::ffff:1.2.3.4"] {
            assert_eq!(parse(address.as_bytes()), Ok(None), "{address}");
        }
        let (long_label, long_name) = (format!("{label}a"), format!("{longest}a"));
        let bad = [
            "",
            ".",
            "..",
            ".a",
            "a..b",
            "a..",
            "-a",
            "a-",
            "a.-b",
            "a-.b",
            "a b",
            "a\0",
            "a\0.example",
            "b\u{fc}cher.example",
            "*.example",
            "a.example:443",
            "[::1]",
            "1.2.3.4.",
            "1.2.3",
            "1.2.3.256",
            "a.1",
            "1",
            "a/b",
            "a\r\n",
            &long_label,
            &long_name,
        ];
        for name in bad {
            assert_eq!(parse(name.as_bytes()), Err(Error::BadServerName), "{name:?}");
        }
        assert_eq!(parse(b"a\xff.example"), Err(Error::BadServerName));
    }
}
