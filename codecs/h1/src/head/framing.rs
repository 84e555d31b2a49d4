//! How long the body is (RFC 9112 section 6). The rules are stricter than the RFC allows, on purpose: each lenience is a way
//! for two readers to disagree about where a message ends (rows S-1 to S-3).

use nuncio_http::validate::{self, parse_content_length};
use nuncio_http::{BodyLength, Version};

use crate::error::Error;

/// The framing fields of one head as they are met. A fault is kept until it is known whether they count at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Framing {
    length: Option<Result<u64, Error>>,
    coding: Option<Result<(), Error>>,
}

impl Framing {
    pub(crate) fn on_content_length(&mut self, value: &[u8]) {
        self.length = Some(match self.length {
            None => parse_content_length(value).ok_or(Error::BadContentLength),
            Some(_) => Err(Error::DuplicateContentLength),
        });
    }

    pub(crate) fn on_transfer_encoding(&mut self, value: &[u8]) {
        self.coding = Some(match self.coding {
            None => parse_transfer_encoding(value),
            Some(_) => Err(Error::BadTransferEncoding),
        });
    }

    pub(crate) fn has_coding(self) -> bool {
        self.coding.is_some()
    }

    /// The declared length; `None`: nothing is declared.
    pub(crate) fn resolve(self, version: Version) -> Result<Option<BodyLength>, Error> {
        match (self.coding, self.length) {
            // RFC 9112 section 6.1: framing of such a message is faulty, and a 1.0 recipient before us did not see it.
            (Some(_), _) if version == Version::Http10 => Err(Error::ChunkedInHttp10),
            (Some(_), Some(_)) => Err(Error::LengthAndChunked),
            (Some(coding), None) => coding.map(|()| Some(BodyLength::Unknown)),
            (None, Some(length)) => length.map(|length| Some(BodyLength::Exact(length))),
            (None, None) => Ok(None),
        }
    }
}

/// The one coding we know is `chunked`, alone (RFC 9112 section 6.1 and 7, row S-2). A list of other codings is
/// unknown to us; one that misuses `chunked` or the syntax is malformed.
fn parse_transfer_encoding(value: &[u8]) -> Result<(), Error> {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(());
    }
    let mut codings = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).peekable();
    while let Some(coding) = codings.next() {
        let misplaced = coding.eq_ignore_ascii_case(b"chunked") && codings.peek().is_some();
        if misplaced || !validate::is_token(coding) {
            return Err(Error::BadTransferEncoding);
        }
    }
    Err(Error::UnknownTransferEncoding)
}
