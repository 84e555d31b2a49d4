//! Message heads (RFC 9113 section 8): from decoded fields to a checked head, and back. What is checked here is what a peer
//! could smuggle in by a binary protocol (rows S-18 to S-21).

mod encode;
mod request;
mod response;
mod trailers;

use nuncio_hpack::Field;
use nuncio_http::validate;

pub(crate) use encode::{Encoding, check_trailers, encode_trailers, interim, request as encode_request, response};
pub(crate) use request::{RequestBuilder, RequestOutcome, UNDERSCORE};
pub(crate) use response::ResponseBuilder;
pub(crate) use trailers::TrailersBuilder;

/// What HTTP/2 adds to the size of each field (RFC 9113 section 6.5.2), in bytes.
const FIELD_OVERHEAD: usize = 32;

/// Room in a list for what the proxy adds: text in bytes, and fields.
const SPARE_TEXT: usize = 320;
const SPARE_FIELDS: usize = 12;

/// Most room that is made before it is needed.
const MOST_TEXT: usize = 8 * 1024;
const MOST_FIELDS: usize = 64;

/// Why a message is not passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Good,
    /// Well formed, and answered with this status.
    Refused(u16, &'static str),
    /// RFC 9113 section 8.1.1.
    Malformed(&'static str),
}

impl Verdict {
    /// The first word counts, and malformed is the last.
    fn refuse(&mut self, status: u16, detail: &'static str) {
        if *self == Verdict::Good {
            *self = Verdict::Refused(status, detail);
        }
    }

    fn malformed(&mut self, detail: &'static str) {
        if !matches!(self, Verdict::Malformed(_)) {
            *self = Verdict::Malformed(detail);
        }
    }
}

/// How large a head has become, however little of it is kept (rows H2-4 and H2-5).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Size {
    /// Names, values and 32 bytes a field.
    pub(crate) bytes: usize,
    /// Fields, without pseudo-header fields and cookie crumbs.
    pub(crate) fields: usize,
    /// Cookie crumbs of a request.
    crumbs: usize,
}

impl Size {
    fn add(&mut self, field: &Field<'_>) {
        self.bytes = self.bytes.saturating_add(field.name.len() + field.value.len() + FIELD_OVERHEAD);
    }
}

/// Room for a head, guessed from the block and from the last head that came.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Room {
    pub(crate) text: usize,
    pub(crate) fields: usize,
}

impl Room {
    /// For the next head, after one of this size.
    pub(crate) fn after(size: Size) -> Room {
        let text = size.bytes.saturating_sub(size.fields.saturating_mul(FIELD_OVERHEAD));
        Room { text, fields: size.fields }
    }

    fn list(self, block: usize) -> nuncio_http::HeaderList {
        let text = self.text.max(block).min(MOST_TEXT);
        let fields = self.fields.max(block / 16).min(MOST_FIELDS);
        nuncio_http::HeaderList::with_capacity(text + SPARE_TEXT, fields + SPARE_FIELDS)
    }
}

/// Rows S-8, S-9 and S-19: a lower-case token, and a value that text protocols can carry. Known names need no look.
fn check_field(field: &Field<'_>) -> Result<(), &'static str> {
    if field.id == nuncio_http::HeaderId::Other && !is_field_name(field.name) {
        return Err("http2.bad_header_name");
    }
    if !validate::is_field_value(field.value) {
        return Err("http2.bad_header_value");
    }
    Ok(())
}

/// RFC 9113 section 8.2.1.
fn is_field_name(name: &[u8]) -> bool {
    validate::is_token(name) && !name.iter().any(u8::is_ascii_uppercase)
}

/// Fields that only HTTP/1 has: they make a message malformed (RFC 9113 section 8.2.2).
fn is_connection_specific(id: nuncio_http::HeaderId) -> bool {
    use nuncio_http::HeaderId as Id;
    matches!(id, Id::Connection | Id::KeepAlive | Id::ProxyConnection | Id::TransferEncoding | Id::Upgrade)
}
