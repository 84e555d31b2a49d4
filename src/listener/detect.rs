//! What a client speaks, by its first bytes (RFC 9113 section 3.3).

/// What HTTP/2 with prior knowledge begins with (RFC 9113 section 3.4). No HTTP/1 request can.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What the first bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detected {
    /// HTTP/1, or nothing that is known: HTTP/1 has an answer for that.
    Http1,
    Http2,
    NeedMore,
}

/// Tells HTTP/2 from HTTP/1. One byte is usually enough.
pub fn http(bytes: &[u8]) -> Detected {
    let seen = bytes.len().min(PREFACE.len());
    match bytes[..seen] == PREFACE[..seen] {
        true if seen == PREFACE.len() => Detected::Http2,
        true => Detected::NeedMore,
        false => Detected::Http1,
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
            assert_eq!(http(&other), Detected::Http1, "{len}");
        }
        assert_eq!(http(PREFACE), Detected::Http2);
        assert_eq!(http(&[PREFACE, b"rest"].concat()), Detected::Http2);
        assert_eq!(http(b"GET / HTTP/1.1\r\n"), Detected::Http1);
        assert_eq!(http(b"PRI /"), Detected::Http1);
    }
}
