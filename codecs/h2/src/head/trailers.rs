//! Trailers (RFC 9113 section 8.1, row S-21): checked like a head, without pseudo-header fields, and without what may not
//! come this late.

use nuncio_hpack::Field;
use nuncio_http::{HeaderList, Underscores, may_be_trailer};

use super::{Size, Verdict, check_field, is_connection_specific};
use crate::event::Side;
use crate::limits::{HEAD_FLOOD_FACTOR, Limits};

/// Takes the fields of a trailer section one by one.
pub(crate) struct TrailersBuilder<'l> {
    limits: &'l Limits,
    /// Ours.
    side: Side,
    list: HeaderList,
    size: Size,
    verdict: Verdict,
}

/// What has become of a trailer section.
#[derive(Debug)]
pub(crate) struct TrailersOutcome {
    pub(crate) trailers: HeaderList,
    /// Never `Refused`.
    pub(crate) verdict: Verdict,
    /// Far beyond the limit: the connection ends.
    pub(crate) flood: bool,
}

impl<'l> TrailersBuilder<'l> {
    pub(crate) fn new(limits: &'l Limits, side: Side) -> TrailersBuilder<'l> {
        TrailersBuilder { limits, side, list: HeaderList::new(), size: Size::default(), verdict: Verdict::Good }
    }

    pub(crate) fn on_field(&mut self, field: Field<'_>) {
        self.size.add(&field);
        self.size.fields += 1;
        if self.size.bytes > self.limits.trailer_bytes || self.size.fields > self.limits.trailer_fields {
            self.verdict.malformed("http2.trailers_too_large");
        }
        if self.verdict != Verdict::Good {
            return;
        }
        if let Err(detail) = self.on_regular(&field) {
            self.verdict.malformed(detail);
        }
    }

    fn on_regular(&mut self, field: &Field<'_>) -> Result<(), &'static str> {
        if field.name.starts_with(b":") {
            return Err("http2.pseudo_header_in_trailers");
        }
        check_field(field)?;
        if is_connection_specific(field.id) {
            return Err("http2.connection_header");
        }
        if self.side == Side::Server && field.name.contains(&b'_') {
            match self.limits.underscores {
                Underscores::Reject => return Err(super::request::UNDERSCORE),
                Underscores::Drop => return Ok(()),
                Underscores::Allow => {}
            }
        }
        if may_be_trailer(field.id, field.name) {
            self.list.push_recognised(field.id, field.name, field.value);
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> TrailersOutcome {
        let flood = self.size.bytes > self.limits.head_bytes.saturating_mul(HEAD_FLOOD_FACTOR);
        TrailersOutcome { trailers: self.list, verdict: self.verdict, flood }
    }
}
