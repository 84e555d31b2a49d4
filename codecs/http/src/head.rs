//! Message heads as the proxy sees them, whatever version they came in (RFC 9110 sections 6 and 7).
//! The authority stands apart from the fields, as in HTTP/2: a head has exactly one, under one name.

use std::fmt;

use crate::body::BodyLength;
use crate::list::{HeaderList, Span};
use crate::method::Method;

/// The version a message came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    Http10,
    Http11,
    Http2,
    Http3,
}

impl Version {
    /// As access logs write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
            Version::Http2 => "HTTP/2",
            Version::Http3 => "HTTP/3",
        }
    }
}

/// The scheme of the target URI, from the transport the request came by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

/// The head of a request. `path` is the origin-form target with its query, `*` for a server-wide OPTIONS, and
/// empty for CONNECT.
#[derive(Clone)]
pub struct RequestHead {
    pub method: Method,
    pub version: Version,
    pub scheme: Scheme,
    pub body: BodyLength,
    /// All fields but `host`.
    pub headers: HeaderList,
    authority: Span,
    path: Span,
}

impl RequestHead {
    pub fn new(method: Method, version: Version, headers: HeaderList) -> RequestHead {
        RequestHead {
            method,
            version,
            scheme: Scheme::Http,
            body: BodyLength::Empty,
            headers,
            authority: Span::default(),
            path: Span::default(),
        }
    }

    /// Host and port as the client named them; empty for an HTTP/1.0 request without `Host`.
    pub fn authority(&self) -> &[u8] {
        self.headers.text(self.authority)
    }

    pub fn set_authority(&mut self, authority: &[u8]) {
        self.authority = self.headers.intern(authority);
    }

    /// Path and query.
    pub fn target(&self) -> &[u8] {
        self.headers.text(self.path)
    }

    pub fn set_target(&mut self, target: &[u8]) {
        self.path = self.headers.intern(target);
    }

    /// The path without its query.
    pub fn path(&self) -> &[u8] {
        let target = self.target();
        target.iter().position(|&byte| byte == b'?').map_or(target, |at| &target[..at])
    }

    /// The query without its `?`.
    pub fn query(&self) -> Option<&[u8]> {
        let target = self.target();
        target.iter().position(|&byte| byte == b'?').map(|at| &target[at + 1..])
    }
}

impl fmt::Debug for RequestHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {} host={} {:?} {:?}",
            self.method,
            self.target().escape_ascii(),
            self.version.as_str(),
            self.authority().escape_ascii(),
            self.body,
            self.headers
        )
    }
}

/// The head of a response, final or interim (1xx).
#[derive(Clone)]
pub struct ResponseHead {
    /// 100 to 599.
    pub status: u16,
    pub version: Version,
    pub body: BodyLength,
    pub headers: HeaderList,
}

impl ResponseHead {
    pub fn new(status: u16, headers: HeaderList) -> ResponseHead {
        ResponseHead { status, version: Version::Http11, body: BodyLength::Empty, headers }
    }

    /// Interim responses precede the final one (RFC 9110 section 15.2). 101 is final: it ends HTTP.
    pub fn is_interim(&self) -> bool {
        self.status < 200 && self.status != 101
    }
}

impl fmt::Debug for ResponseHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?} {:?}", self.version.as_str(), self.status, self.body, self.headers)
    }
}

/// The usual reason phrase of a status (RFC 9110 section 15); empty for an unknown one.
pub fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        102 => "Processing",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        207 => "Multi-Status",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        305 => "Use Proxy",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        511 => "Network Authentication Required",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::HeaderId;

    #[test]
    fn target_splits_into_path_and_query() {
        let mut head = RequestHead::new(Method::Get, Version::Http11, HeaderList::new());
        head.set_target(b"/a/b?x=1?y");
        head.set_authority(b"example.com:80");
        head.headers.push(HeaderId::Accept, b"*/*");
        assert_eq!((head.path(), head.query()), (&b"/a/b"[..], Some(&b"x=1?y"[..])));
        head.set_target(b"/c");
        assert_eq!((head.path(), head.query()), (&b"/c"[..], None));
        assert_eq!(head.authority(), b"example.com:80");
        assert_eq!(head.headers.len(), 1);
    }
}
