//! The protocol of an `Upgrade` field (RFC 9110 section 7.8).

use std::fmt;

use crate::validate;

/// Longest protocol name taken, in bytes.
const MAX_PROTOCOL: usize = 22;

/// A protocol that a client asks to switch to. `h2c` is never one: it would tunnel requests past the proxy (row S-17).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Upgrade {
    Websocket,
    Other(Protocol),
}

/// A lower-case protocol name with its version, such as `tls/1.0`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Protocol {
    len: u8,
    text: [u8; MAX_PROTOCOL],
}

impl Upgrade {
    /// Reads one `protocol-name ["/" protocol-version]` in any case. `None`: a list, malformed, too long, or `h2c`.
    pub fn parse(value: &[u8]) -> Option<Upgrade> {
        if value.eq_ignore_ascii_case(b"websocket") {
            return Some(Upgrade::Websocket);
        }
        let (name, version) = match value.iter().position(|&byte| byte == b'/') {
            Some(slash) => (&value[..slash], &value[slash + 1..]),
            None => (value, &b"1"[..]),
        };
        let forbidden = name.eq_ignore_ascii_case(b"h2c") || name.eq_ignore_ascii_case(b"http");
        if forbidden || value.len() > MAX_PROTOCOL || !validate::is_token(name) || !validate::is_token(version) {
            return None;
        }
        let mut text = [0; MAX_PROTOCOL];
        text[..value.len()].copy_from_slice(value);
        text.make_ascii_lowercase();
        // At most MAX_PROTOCOL, so it fits.
        Some(Upgrade::Other(Protocol { len: value.len() as u8, text }))
    }

    /// The lower-case name as it goes over the wire.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Upgrade::Websocket => b"websocket",
            Upgrade::Other(protocol) => &protocol.text[..usize::from(protocol.len)],
        }
    }

    /// A protocol name is ASCII, so this is the name itself.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_protocol_in_any_case_but_never_h2c() {
        assert_eq!(Upgrade::parse(b"WebSocket"), Some(Upgrade::Websocket));
        assert_eq!(Upgrade::parse(b"TLS/1.0").unwrap().as_str(), "tls/1.0");
        for bad in
            ["", "h2c", "H2C", "h2c/1", "HTTP/2.0", "websocket, h2c", "a/", "/1", "a b", "a/b/c", &"x".repeat(23)]
        {
            assert_eq!(Upgrade::parse(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
