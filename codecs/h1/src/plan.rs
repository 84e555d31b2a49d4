//! What a response depends on in its request, and how it goes out (RFC 9112 section 6.3, RFC 9110 section 6.4.1).

use nuncio_http::{BodyLength, Output, RequestKind, ResponseHead, Upgrade, Version};

use crate::error::EncodeError;
use crate::recv::Request;
use crate::send::{CHUNKED_FIELD, put_content_length};

/// What a server keeps of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) kind: RequestKind,
    pub(crate) http10: bool,
    pub(crate) keep_alive: bool,
    /// `100 Continue` is still owed.
    pub(crate) expect_continue: bool,
    pub(crate) upgrade: Option<Upgrade>,
}

impl Seen {
    /// Stands in before a head is read: an error may be answered earlier.
    pub(crate) const NOTHING: Seen =
        Seen { kind: RequestKind::Other, http10: false, keep_alive: true, expect_continue: false, upgrade: None };

    pub(crate) fn new(request: &Request) -> Seen {
        Seen {
            kind: RequestKind::new(request.head.method),
            http10: request.head.version == Version::Http10,
            keep_alive: request.keep_alive,
            expect_continue: request.expect_continue,
            upgrade: request.upgrade,
        }
    }
}

/// How a response goes out.
#[derive(Debug)]
pub(crate) enum Plan {
    /// No body by rule; `length` says what a GET would have had.
    Bodyless {
        length: Option<u64>,
    },
    Exact(u64),
    Chunked,
    UntilClose,
    /// What follows is a tunnel: by 101 to this protocol, or by 2xx to CONNECT.
    Switch(Option<Upgrade>),
}

impl Plan {
    /// `held`: the request waits for an answer to its upgrade or CONNECT.
    pub(crate) fn new(request: &Seen, held: bool, head: &ResponseHead) -> Result<Plan, EncodeError> {
        let declared = match head.body {
            BodyLength::Exact(length) => Some(length),
            BodyLength::Empty | BodyLength::Unknown => None,
        };
        Ok(match head.status {
            101 if held && request.upgrade.is_some() => Plan::Switch(request.upgrade),
            101 => return Err(EncodeError::UnexpectedUpgrade),
            0..=199 => return Err(EncodeError::BadStatus),
            200..=299 if held && request.kind == RequestKind::Connect => Plan::Switch(None),
            // RFC 9110 section 8.6: never a length with 204.
            204 => Plan::Bodyless { length: None },
            304 => Plan::Bodyless { length: declared },
            _ if request.kind == RequestKind::Head => Plan::Bodyless { length: declared },
            _ => match head.body {
                BodyLength::Empty => Plan::Exact(0),
                BodyLength::Exact(length) => Plan::Exact(length),
                BodyLength::Unknown if request.http10 => Plan::UntilClose,
                BodyLength::Unknown => Plan::Chunked,
            },
        })
    }

    pub(crate) fn put_fields(&self, out: &mut Output) {
        match self {
            Plan::Bodyless { length: Some(length) } | Plan::Exact(length) => put_content_length(out, *length),
            Plan::Chunked => out.put_slice(CHUNKED_FIELD),
            Plan::Switch(Some(upgrade)) => put_upgrade(out, *upgrade),
            Plan::Bodyless { length: None } | Plan::UntilClose | Plan::Switch(None) => {}
        }
    }
}

/// RFC 9110 section 7.8: the protocol, and that the field is for this hop.
pub(crate) fn put_upgrade(out: &mut Output, upgrade: Upgrade) {
    out.put_slice(b"connection: upgrade\r\nupgrade: ");
    out.put_slice(upgrade.as_bytes());
    out.put_slice(b"\r\n");
}
