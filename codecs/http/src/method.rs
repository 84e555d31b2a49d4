//! Request methods (RFC 9110 section 9).

use std::fmt;

use crate::validate;

/// Longest method taken, in bytes; the longest registered one has 17.
const MAX_METHOD: usize = 24;

/// A request method. Small and `Copy`: an extension method is kept inline.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Connect,
    Options,
    Trace,
    Patch,
    Other(OtherMethod),
}

/// A method outside RFC 9110, such as `PROPFIND`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct OtherMethod {
    len: u8,
    bytes: [u8; MAX_METHOD],
}

impl Method {
    /// The method a token stands for; methods are case-sensitive. `None`: not a token, or longer than 24 bytes.
    pub fn parse(text: &[u8]) -> Option<Method> {
        Some(match text {
            b"GET" => Method::Get,
            b"HEAD" => Method::Head,
            b"POST" => Method::Post,
            b"PUT" => Method::Put,
            b"DELETE" => Method::Delete,
            b"CONNECT" => Method::Connect,
            b"OPTIONS" => Method::Options,
            b"TRACE" => Method::Trace,
            b"PATCH" => Method::Patch,
            _ if text.len() <= MAX_METHOD && validate::is_token(text) => {
                let mut bytes = [0; MAX_METHOD];
                bytes[..text.len()].copy_from_slice(text);
                // The length is at most MAX_METHOD, so it fits.
                Method::Other(OtherMethod { len: text.len() as u8, bytes })
            }
            _ => return None,
        })
    }

    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Method::Get => b"GET",
            Method::Head => b"HEAD",
            Method::Post => b"POST",
            Method::Put => b"PUT",
            Method::Delete => b"DELETE",
            Method::Connect => b"CONNECT",
            Method::Options => b"OPTIONS",
            Method::Trace => b"TRACE",
            Method::Patch => b"PATCH",
            Method::Other(other) => &other.bytes[..usize::from(other.len)],
        }
    }

    /// A token is ASCII, so this is the method itself.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// Safe methods change nothing on the server (RFC 9110 section 9.2.1).
    pub fn is_safe(&self) -> bool {
        matches!(self, Method::Get | Method::Head | Method::Options | Method::Trace)
    }

    /// Idempotent methods may be sent twice (RFC 9110 section 9.2.2).
    pub fn is_idempotent(&self) -> bool {
        self.is_safe() || matches!(self, Method::Put | Method::Delete)
    }
}

/// Methods that change what their response means (RFC 9110 sections 9.3.2 and 9.3.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    /// The response has no body.
    Head,
    /// A response of success opens a tunnel.
    Connect,
    Other,
}

impl RequestKind {
    pub fn new(method: Method) -> RequestKind {
        match method {
            Method::Head => RequestKind::Head,
            Method::Connect => RequestKind::Connect,
            _ => RequestKind::Other,
        }
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_a_short_token() {
        for text in ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PROPFIND", "get"]
        {
            assert_eq!(Method::parse(text.as_bytes()).unwrap().as_str(), text);
        }
        let long = "A".repeat(25);
        for bad in ["", "GE T", "GET\t", "G\0T", "GÉT", long.as_str()] {
            assert_eq!(Method::parse(bad.as_bytes()), None, "{bad:?}");
        }
        assert_ne!(Method::parse(b"get"), Some(Method::Get), "methods are case-sensitive");
    }
}
