//! What the proxy knows of gRPC, apart from the wire version that carries it: who speaks it, what its statuses mean,
//! how its messages are framed. The gRPC documents "gRPC over HTTP2" and "gRPC Web" say the rest. No I/O.

pub mod base64;
mod frames;
mod message;
mod status;
mod timeout;

use nuncio_http::{HeaderId, HeaderList};

pub use frames::Frames;
pub use message::percent_encode;
pub use status::Status;
pub use timeout::{format_timeout, parse_timeout};

/// Which gRPC a message speaks, by its content type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `application/grpc`
    Grpc,
    /// `application/grpc-web`: the trailers are the last frame of the body.
    Web,
    /// `application/grpc-web-text`: the same in base64.
    WebText,
}

/// The longest first: each is the beginning of the one before.
const KINDS: [(Kind, &[u8]); 3] = [
    (Kind::WebText, b"application/grpc-web-text"),
    (Kind::Web, b"application/grpc-web"),
    (Kind::Grpc, b"application/grpc"),
];

impl Kind {
    /// `None`: no gRPC.
    pub fn of(headers: &HeaderList) -> Option<Kind> {
        headers.get(HeaderId::ContentType).and_then(Kind::parse).map(|(kind, _)| kind)
    }

    /// The kind of a media type, and what follows it: the message format (`+proto`) and parameters. Media types are
    /// read in any case (RFC 9110 section 8.3.1).
    pub fn parse(media_type: &[u8]) -> Option<(Kind, &[u8])> {
        KINDS.iter().find_map(|(kind, name)| {
            let (start, rest) = media_type.split_at_checked(name.len())?;
            let ends = matches!(rest.first(), None | Some(b'+' | b';' | b' ' | b'\t'));
            (ends && start.eq_ignore_ascii_case(name)).then_some((*kind, rest))
        })
    }

    /// The media type of this kind, with what followed that of another ([`Kind::parse`]). gRPC-Web always names the message
    /// format: `+proto` is what is meant where gRPC names none.
    pub fn media_type(self, rest: &[u8]) -> Vec<u8> {
        let name: &[u8] = match self {
            Kind::Grpc => b"application/grpc",
            Kind::Web => b"application/grpc-web",
            Kind::WebText => b"application/grpc-web-text",
        };
        let format: &[u8] = if self == Kind::Grpc || rest.starts_with(b"+") { b"" } else { b"+proto" };
        [name, format, rest].concat()
    }
}

/// Whether this is a gRPC request, not gRPC-Web.
pub fn is_grpc(headers: &HeaderList) -> bool {
    Kind::of(headers) == Some(Kind::Grpc)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_says_which_grpc() {
        let rows = [
            ("application/grpc", Some((Kind::Grpc, ""))),
            ("application/grpc+proto", Some((Kind::Grpc, "+proto"))),
            ("Application/GRPC+Proto", Some((Kind::Grpc, "+Proto"))),
            ("application/grpc;charset=utf-8", Some((Kind::Grpc, ";charset=utf-8"))),
            ("application/grpc ; a=b", Some((Kind::Grpc, " ; a=b"))),
            ("application/grpc-web", Some((Kind::Web, ""))),
            ("application/grpc-web+json", Some((Kind::Web, "+json"))),
            ("application/grpc-web-text", Some((Kind::WebText, ""))),
            ("application/grpc-web-text+proto", Some((Kind::WebText, "+proto"))),
            ("application/grpcx", None),
            ("application/grpc-", None),
            ("application/grpc-web-texts", None),
            ("application/grp", None),
            ("text/plain; a=application/grpc", None),
        ];
        for (media_type, expected) in rows {
            let expected = expected.map(|(kind, rest)| (kind, rest.as_bytes()));
            assert_eq!(Kind::parse(media_type.as_bytes()), expected, "{media_type}");
        }
    }

    #[test]
    fn media_types_are_made() {
        let rows: [(Kind, &[u8], &[u8]); 5] = [
            (Kind::Grpc, b"", b"application/grpc"),
            (Kind::Grpc, b"+json;a=b", b"application/grpc+json;a=b"),
            (Kind::Web, b"", b"application/grpc-web+proto"),
            (Kind::Web, b"+json", b"application/grpc-web+json"),
            (Kind::WebText, b";a=b", b"application/grpc-web-text+proto;a=b"),
        ];
        for (kind, rest, media_type) in rows {
            assert_eq!(kind.media_type(rest), media_type);
        }
    }
}
