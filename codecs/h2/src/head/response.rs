//! Response heads (RFC 9113 section 8.3.2), read beside the request that they answer.

use nuncio_hpack::Field;
use nuncio_http::validate::parse_content_length;
use nuncio_http::{BodyLength, HeaderId, RequestKind, ResponseHead, Version};

use super::{Room, Size, Verdict, check_field, is_connection_specific};
use crate::limits::{HEAD_FLOOD_FACTOR, Limits};

/// Takes the fields of a response one by one.
pub(crate) struct ResponseBuilder<'l> {
    limits: &'l Limits,
    head: ResponseHead,
    size: Size,
    verdict: Verdict,
    /// The head is over a limit: nothing more of it is kept.
    full: bool,
    regular: bool,
    /// 0: not met.
    status: u16,
    content_length: Option<Result<u64, &'static str>>,
}

/// What has become of a response.
#[derive(Debug)]
pub(crate) struct ResponseOutcome {
    pub(crate) head: ResponseHead,
    /// How long the body will be that comes.
    pub(crate) body: BodyLength,
    /// Never `Refused`.
    pub(crate) verdict: Verdict,
    pub(crate) size: Size,
    /// Far beyond the limit: the connection ends.
    pub(crate) flood: bool,
    /// Beyond `head_bytes` or `fields`.
    pub(crate) overflow: bool,
}

impl<'l> ResponseBuilder<'l> {
    /// For a block of `block` bytes.
    pub(crate) fn new(limits: &'l Limits, room: Room, block: usize) -> ResponseBuilder<'l> {
        let mut head = ResponseHead::new(200, room.list(block));
        head.version = Version::Http2;
        ResponseBuilder {
            limits,
            head,
            size: Size::default(),
            verdict: Verdict::Good,
            full: false,
            regular: false,
            status: 0,
            content_length: None,
        }
    }

    pub(crate) fn on_field(&mut self, field: Field<'_>) {
        self.size.add(&field);
        if self.size.bytes > self.limits.head_bytes {
            self.overflow();
        }
        if self.verdict != Verdict::Good {
            return;
        }
        let result = match field.name {
            [b':', ..] => self.on_pseudo(&field),
            _ => check_field(&field).and_then(|()| self.on_regular(&field)),
        };
        if let Err(detail) = result {
            self.verdict.malformed(detail);
        }
    }

    fn overflow(&mut self) {
        self.full = true;
        self.verdict.malformed("http2.head_too_large");
    }

    fn on_pseudo(&mut self, field: &Field<'_>) -> Result<(), &'static str> {
        if field.name != b":status" {
            return Err("http2.unknown_pseudo_header");
        }
        if self.regular || self.status != 0 {
            return Err("http2.duplicate_pseudo_header");
        }
        self.status = parse_status(field.value).ok_or("http2.bad_status")?;
        Ok(())
    }

    fn on_regular(&mut self, field: &Field<'_>) -> Result<(), &'static str> {
        self.regular = true;
        self.size.fields += 1;
        if self.size.fields > self.limits.fields {
            self.overflow();
            return Ok(());
        }
        match field.id {
            HeaderId::ContentLength => {
                self.content_length = Some(match self.content_length {
                    None => parse_content_length(field.value).ok_or("http2.bad_content_length"),
                    Some(_) => Err("http2.duplicate_content_length"),
                });
            }
            HeaderId::Te if !field.value.eq_ignore_ascii_case(b"trailers") => return Err("http2.bad_te"),
            HeaderId::Te | HeaderId::Expect | HeaderId::Http2Settings => {}
            id if is_connection_specific(id) => return Err("http2.connection_header"),
            id => self.head.headers.push_recognised(id, field.name, field.value),
        }
        Ok(())
    }

    /// The block is over. `end`: so is the message.
    pub(crate) fn finish(mut self, request: RequestKind, end: bool) -> ResponseOutcome {
        let mut body = BodyLength::Empty;
        if self.verdict == Verdict::Good {
            self.head.status = self.status;
            match self.lengths(request, end) {
                Ok((declared, coming)) => {
                    self.head.body = declared;
                    body = coming;
                }
                Err(detail) => self.verdict.malformed(detail),
            }
        }
        ResponseOutcome {
            head: self.head,
            body,
            verdict: self.verdict,
            size: self.size,
            flood: self.size.bytes > self.limits.head_bytes.saturating_mul(HEAD_FLOOD_FACTOR),
            overflow: self.full,
        }
    }

    /// The length that the head declares, and that of the body which comes; they differ where there is no body by rule.
    fn lengths(&self, request: RequestKind, end: bool) -> Result<(BodyLength, BodyLength), &'static str> {
        match self.status {
            0 => return Err("http2.missing_pseudo_header"),
            // RFC 9113 section 8.6.
            101 => return Err("http2.unexpected_upgrade"),
            100..=199 if end => return Err("http2.interim_response_ends"),
            // RFC 9110 section 9.3.6: framing fields of such a response are ignored, even malformed ones.
            200..=299 if request == RequestKind::Connect => {
                let tunnel = if end { BodyLength::Empty } else { BodyLength::Unknown };
                return Ok((tunnel, tunnel));
            }
            _ => {}
        }
        let declared = self.content_length.transpose()?;
        if (self.status < 200 || self.status == 204) && declared.is_some_and(|length| length > 0) {
            // Row S-22. A length of 0 is a common slip and means what the rule says anyway.
            return Err("http2.body_not_allowed");
        }
        let bodyless = self.status < 200 || matches!(self.status, 204 | 304) || request == RequestKind::Head;
        Ok(match declared {
            // The length of the body that a GET would have had still goes to the client.
            Some(length) if bodyless && self.status >= 200 && self.status != 204 => {
                (BodyLength::Exact(length), BodyLength::Empty)
            }
            _ if bodyless => (BodyLength::Empty, BodyLength::Empty),
            // Row S-18.
            Some(length) if end && length > 0 => return Err("http2.body_too_short"),
            Some(length) => (BodyLength::Exact(length), BodyLength::Exact(length)),
            None if end => (BodyLength::Empty, BodyLength::Empty),
            None => (BodyLength::Unknown, BodyLength::Unknown),
        })
    }
}

/// Three digits, 100 to 599.
fn parse_status(value: &[u8]) -> Option<u16> {
    let digits: [u8; 3] = value.try_into().ok()?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let status = digits.iter().fold(0, |status, digit| status * 10 + u16::from(digit & 0x0f));
    (100..=599).contains(&status).then_some(status)
}
