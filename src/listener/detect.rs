//! What a client speaks, by its first bytes (RFC 9113 section 3.3).

/// What HTTP/2 with prior knowledge begins with (RFC 9113 section 3.4). No HTTP/1 request can.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A first line is looked at up to this many bytes.
const FIRST_LINE: usize = 128;

/// What the first bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detected {
    /// HTTP/1, or nearly: HTTP/1 has an answer for that.
    Http1,
    Http2,
    /// No HTTP at all: whoever sent it would not understand an answer either.
    Unknown,
    NeedMore,
}

/// Tells HTTP/2 from HTTP/1. One byte is usually enough.
pub fn http(bytes: &[u8]) -> Detected {
    let seen = bytes.len().min(PREFACE.len());
    match bytes[..seen] == PREFACE[..seen] {
        true if seen == PREFACE.len() => Detected::Http2,
        true => Detected::NeedMore,
        false => first_line(bytes),
    }
}

/// `WORD WORD WORD` without a target or a version is no request of any HTTP. Anything else is HTTP/1's to judge.
fn first_line(bytes: &[u8]) -> Detected {
    let mut words = bytes.splitn(3, |&byte| byte == b' ');
    let is_target = |byte: &u8| matches!(byte, b'/' | b'*' | b'h' | b'H');
    match (words.next(), words.next()) {
        (Some(method), _) if !method.iter().all(u8::is_ascii_uppercase) => return Detected::Http1,
        (_, Some(target)) if target.first().is_some_and(is_target) => return Detected::Http1,
        _ => {}
    }
    let line = bytes.iter().position(|&byte| byte == b'\n').map(|end| bytes[..end].trim_ascii_end());
    match line {
        None if bytes.len() < FIRST_LINE => Detected::NeedMore,
        Some(line)
            if line.iter().filter(|&&byte| byte == b' ').count() == 2 && !line.windows(5).any(|at| at == b"HTTP/") =>
        {
            Detected::Unknown
        }
        _ => Detected::Http1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preface_in_any_cut() {
        for len in 0..PREFACE.len() {
            assert_eq!(http(&PREFACE[..len]), Detected::NeedMore, "{len}");
            let mut other = PREFACE[..=len].to_vec();
            other[len] ^= 1;
            assert_ne!(http(&other), Detected::Http2, "{len}");
        }
        assert_eq!(http(PREFACE), Detected::Http2);
        assert_eq!(http(&[PREFACE, b"rest"].concat()), Detected::Http2);
        assert_eq!(http(b"GET / HTTP/1.1\r\n"), Detected::Http1);
        assert_eq!(http(b"PRI /"), Detected::Http1);
        assert_eq!(http(b"INVALID CONNECTION"), Detected::NeedMore);
        assert_eq!(http(b"INVALID CONNECTION PREFACE\r\n\r\n"), Detected::Unknown);
        for answered in [
            "CONNECT a:1 HTTP/1.1\r\n",
            "GET * HTTP/1.1",
            "GET  / HTTP/1.1\r\n",
            "hello\r\n",
            "\x16\x03\x01",
            "GET x HTTP/9\r\n",
        ] {
            assert_eq!(http(answered.as_bytes()), Detected::Http1, "{answered:?}");
        }
    }
}
