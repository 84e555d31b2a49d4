//! Writing heads. Everything is checked before the first field is encoded: what is encoded changes the table of both ends and
//! cannot be taken back. Checked again, whoever made it (row S-19).

use nuncio_hpack::Encoder;
use nuncio_http::validate::{self, parse_authority};
use nuncio_http::{
    BodyLength, HeaderId, HeaderList, Method, RequestHead, RequestKind, ResponseHead, Upgrade, decimal, may_be_trailer,
};

use super::is_field_name;
use crate::error::EncodeError;

/// A cookie of more pairs than this is one field.
const MOST_CRUMBS: usize = 32;

/// Where a block is encoded.
pub(crate) struct Encoding<'e> {
    pub(crate) encoder: &'e mut Encoder,
    pub(crate) block: &'e mut Vec<u8>,
}

impl Encoding<'_> {
    fn begin(&mut self) {
        self.block.clear();
        self.encoder.begin(self.block);
    }

    fn pseudo(&mut self, name: &[u8], value: &[u8]) {
        self.encoder.encode(HeaderId::Other, name, value, self.block);
    }

    fn status(&mut self, status: u16) {
        let digit = |value: u16| b'0' + (value % 10) as u8;
        self.pseudo(b":status", &[digit(status / 100), digit(status / 10), digit(status)]);
    }

    /// End-to-end fields. `crumbs`: of a request, whose cookies are taken apart.
    fn fields(&mut self, fields: &HeaderList, crumbs: bool) {
        for field in fields.iter().filter(|field| !field.id.is_of_the_hop()) {
            match field.id {
                HeaderId::Cookie if crumbs => self.cookie(field.name, field.value),
                _ => self.encoder.encode(field.id, field.name, field.value, self.block),
            }
        }
    }

    /// One field for each pair (RFC 9113 section 8.2.3). Many stay together: there are peers that count them as fields.
    fn cookie(&mut self, name: &[u8], value: &[u8]) {
        let ends = |value: &[u8]| value.windows(2).position(|two| two == b"; ");
        let many = value.windows(2).filter(|two| *two == b"; ").count() >= MOST_CRUMBS;
        let mut rest = value;
        while let Some(end) = ends(rest).filter(|_| !many) {
            self.encoder.encode(HeaderId::Cookie, name, &rest[..end], self.block);
            rest = &rest[end + 2..];
        }
        self.encoder.encode(HeaderId::Cookie, name, rest, self.block);
    }

    fn content_length(&mut self, length: u64) {
        let mut digits = [0; 20];
        let digits = decimal(length, &mut digits);
        self.encoder.encode(HeaderId::ContentLength, b"content-length", digits, self.block);
    }
}

/// How the body of a message goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    /// `content-length`.
    declared: Option<u64>,
    /// What the body is held to.
    pub(crate) body: BodyLength,
    /// There is no body by rule.
    pub(crate) bodyless: bool,
}

/// The final head of a response to a request of this kind.
pub(crate) fn response(
    mut to: Encoding<'_>,
    head: &ResponseHead,
    request: RequestKind,
    end: bool,
) -> Result<Plan, EncodeError> {
    let declared = match head.body {
        BodyLength::Exact(length) => Some(length),
        BodyLength::Empty | BodyLength::Unknown => None,
    };
    let plan = match head.status {
        200..=299 if request == RequestKind::Connect => {
            Plan { declared: None, body: BodyLength::Unknown, bodyless: false }
        }
        // RFC 9110 section 8.6: never a length with 204.
        204 => Plan { declared: None, body: BodyLength::Empty, bodyless: true },
        200..=599 if head.status == 304 || request == RequestKind::Head => {
            Plan { declared, body: BodyLength::Empty, bodyless: true }
        }
        200..=599 => Plan { declared, body: head.body, bodyless: false },
        _ => return Err(EncodeError::BadStatus),
    };
    if end && !plan.bodyless && plan.declared.is_some_and(|length| length > 0) {
        return Err(EncodeError::Length);
    }
    check_fields(&head.headers)?;
    to.begin();
    to.status(head.status);
    to.fields(&head.headers, false);
    if let Some(length) = plan.declared {
        to.content_length(length);
    }
    Ok(plan)
}

/// The head of an interim response.
pub(crate) fn interim(mut to: Encoding<'_>, head: &ResponseHead) -> Result<(), EncodeError> {
    if !(100..200).contains(&head.status) || head.status == 101 {
        return Err(EncodeError::BadStatus);
    }
    check_fields(&head.headers)?;
    to.begin();
    to.status(head.status);
    to.fields(&head.headers, false);
    Ok(())
}

/// The head of a request (RFC 9113 section 8.3.1), or of an extended CONNECT (RFC 8441 section 4).
pub(crate) fn request(
    mut to: Encoding<'_>,
    head: &RequestHead,
    protocol: Option<Upgrade>,
    end: bool,
) -> Result<BodyLength, EncodeError> {
    let connect = head.method == Method::Connect && protocol.is_none();
    let tunnel = connect || protocol.is_some();
    check_target(head, connect)?;
    check_fields(&head.headers)?;
    let declared = match head.body {
        BodyLength::Exact(length) if !tunnel => Some(length),
        _ => None,
    };
    if end && declared.is_some_and(|length| length > 0) {
        return Err(EncodeError::Length);
    }

    to.begin();
    to.pseudo(b":method", if protocol.is_some() { b"CONNECT" } else { head.method.as_bytes() });
    if !connect {
        to.pseudo(b":scheme", head.scheme.as_str().as_bytes());
    }
    if !head.authority().is_empty() {
        to.pseudo(b":authority", head.authority());
    }
    if !connect {
        to.pseudo(b":path", head.target());
    }
    if let Some(protocol) = protocol {
        to.pseudo(b":protocol", protocol.as_bytes());
    }
    to.fields(&head.headers, true);
    if head.headers.contains(HeaderId::Te) {
        to.encoder.encode(HeaderId::Te, b"te", b"trailers", to.block);
    }
    if let Some(length) = declared {
        to.content_length(length);
    }
    Ok(if tunnel { BodyLength::Unknown } else { head.body })
}

/// A trailer section; false: nothing of it may be sent.
pub(crate) fn encode_trailers(mut to: Encoding<'_>, trailers: &HeaderList) -> bool {
    if sendable_trailers(trailers).next().is_none() {
        return false;
    }
    to.begin();
    for field in sendable_trailers(trailers) {
        to.encoder.encode(field.id, field.name, field.value, to.block);
    }
    true
}

/// What [`encode_trailers`] relies on.
pub(crate) fn check_trailers(trailers: &HeaderList) -> Result<(), EncodeError> {
    let sendable = sendable_trailers(trailers).all(|field| check_field(field.id, field.name, field.value).is_ok());
    if sendable { Ok(()) } else { Err(EncodeError::BadField) }
}

fn sendable_trailers(trailers: &HeaderList) -> impl Iterator<Item = nuncio_http::Field<'_>> {
    trailers.iter().filter(|field| !field.id.is_of_the_hop() && may_be_trailer(field.id, field.name))
}

fn check_fields(fields: &HeaderList) -> Result<(), EncodeError> {
    fields
        .iter()
        .filter(|field| !field.id.is_of_the_hop())
        .try_for_each(|field| check_field(field.id, field.name, field.value))
}

/// A name that is known needs no look.
fn check_field(id: HeaderId, name: &[u8], value: &[u8]) -> Result<(), EncodeError> {
    let valid = (id != HeaderId::Other || is_field_name(name)) && validate::is_field_value(value);
    if valid { Ok(()) } else { Err(EncodeError::BadField) }
}

fn check_target(head: &RequestHead, connect: bool) -> Result<(), EncodeError> {
    let (authority, target) = (head.authority(), head.target());
    let authority_fits = match parse_authority(authority) {
        Some(authority) => !connect || authority.port.is_some(),
        // An HTTP/1.0 request may name none.
        None => authority.is_empty() && !connect,
    };
    let target_fits = match target {
        _ if connect => true,
        [b'/', ..] => validate::is_target(target) && !target.contains(&b'#'),
        b"*" => head.method == Method::Options,
        _ => false,
    };
    if authority_fits && target_fits { Ok(()) } else { Err(EncodeError::BadTarget) }
}
