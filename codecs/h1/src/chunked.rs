//! The chunked coding, decoded (RFC 9112 section 7.1). Chunk lines are read byte by byte by a state machine, so a line cut
//! anywhere reads the same; data is taken out of the buffer by reference. Extensions are checked and dropped.
//!
//! ```text
//! Size -> [Ext*] -> SizeLf -> Data -> DataCr -> DataLf -> Size     a chunk
//!                        `--> Trailers -> End                      the last chunk
//! ```

use bytes::{Buf, Bytes, BytesMut};
use nuncio_http::{HeaderId, HeaderList, Underscores, may_be_trailer, validate};

use crate::error::Error;
use crate::head::{Kind, explain, find_end};
use crate::limits::{Limits, MAX_FIELDS};

/// The whole rest of a body whose last data has been taken.
const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";

/// A decoder of one body.
#[derive(Debug, Clone)]
pub(crate) struct Chunked {
    phase: Phase,
    /// Size digits read of this chunk.
    digits: u8,
    /// Data bytes to come of this chunk.
    left: u64,
    /// Extension bytes of this chunk, and of all.
    ext_line: usize,
    ext_total: usize,
    /// Bytes of the trailer section that hold no blank line.
    scanned: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Size,
    Ext(Ext),
    SizeLf,
    Data,
    DataCr,
    DataLf,
    Trailers,
    End,
}

/// Where in `*( ";" name [ "=" ( token / quoted-string ) ] )` (RFC 9112 section 7.1.1). No white space: nobody sends it,
/// and readers disagree about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ext {
    NameStart,
    Name,
    ValueStart,
    Token,
    Quoted,
    Escaped,
    QuotedEnd,
}

/// A decoded part.
#[derive(Debug)]
pub(crate) enum Part {
    NeedMore,
    Data { chunk: Bytes, end: bool },
    Trailers(HeaderList),
    End,
}

impl Chunked {
    pub(crate) fn new() -> Chunked {
        Chunked { phase: Phase::Size, digits: 0, left: 0, ext_line: 0, ext_total: 0, scanned: 0 }
    }

    /// The next part out of the front of `buf`. After an end, no more calls.
    pub(crate) fn recv(&mut self, buf: &mut BytesMut, kind: Kind, limits: &Limits) -> Result<Part, Error> {
        while !buf.is_empty() || self.phase == Phase::End {
            match self.phase {
                Phase::Data => return Ok(self.data(buf)),
                Phase::Trailers => return self.trailers(buf, kind, limits),
                Phase::End => return Ok(Part::End),
                Phase::DataCr => self.take(buf, b'\r', Phase::DataLf)?,
                Phase::DataLf => self.take(buf, b'\n', Phase::Size)?,
                Phase::Size | Phase::Ext(_) | Phase::SizeLf => self.line(buf, limits)?,
            }
        }
        Ok(Part::NeedMore)
    }

    fn data(&mut self, buf: &mut BytesMut) -> Part {
        let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(buf.len());
        let chunk = buf.split_to(count).freeze();
        self.left -= count as u64;
        let mut end = false;
        if self.left == 0 {
            // Where the last chunk is here already, the driver learns of the end together with the data.
            end = buf.starts_with(LAST_CHUNK);
            if end {
                buf.advance(LAST_CHUNK.len());
            }
            self.phase = if end { Phase::End } else { Phase::DataCr };
        }
        Part::Data { chunk, end }
    }

    /// Exactly CRLF behind the data (row S-6).
    fn take(&mut self, buf: &mut BytesMut, expected: u8, next: Phase) -> Result<(), Error> {
        if buf[0] != expected {
            return Err(Error::BadChunkEnd);
        }
        buf.advance(1);
        self.phase = next;
        Ok(())
    }

    /// Reads as much of a chunk line as there is.
    fn line(&mut self, buf: &mut BytesMut, limits: &Limits) -> Result<(), Error> {
        let mut read = 0;
        for &byte in buf.iter() {
            read += 1;
            match self.phase {
                Phase::Size => self.size_byte(byte)?,
                Phase::Ext(at) => self.ext_byte(at, byte, limits)?,
                _ => {
                    self.end_of_line(byte)?;
                    break;
                }
            }
        }
        buf.advance(read);
        Ok(())
    }

    /// `1*HEXDIG`, at most 16: more would overflow (row S-4).
    fn size_byte(&mut self, byte: u8) -> Result<(), Error> {
        match (byte as char).to_digit(16) {
            Some(digit) if self.digits < 16 => {
                self.left = self.left << 4 | u64::from(digit);
                self.digits += 1;
            }
            None if self.digits > 0 && byte == b';' => self.phase = Phase::Ext(Ext::NameStart),
            None if self.digits > 0 && byte == b'\r' => self.phase = Phase::SizeLf,
            None if self.digits > 0 && byte == b'\n' => return Err(Error::BareLf),
            _ => return Err(Error::BadChunkSize),
        }
        Ok(())
    }

    /// Row S-5: no control character, so no CR or LF, passes for part of an extension.
    fn ext_byte(&mut self, at: Ext, byte: u8, limits: &Limits) -> Result<(), Error> {
        let tchar = validate::is_token(&[byte]);
        let next = match at {
            Ext::NameStart | Ext::Name if tchar => Ext::Name,
            Ext::Name if byte == b'=' => Ext::ValueStart,
            Ext::ValueStart | Ext::Token if tchar => Ext::Token,
            Ext::ValueStart if byte == b'"' => Ext::Quoted,
            Ext::Quoted if byte == b'"' => Ext::QuotedEnd,
            Ext::Quoted if byte == b'\\' => Ext::Escaped,
            Ext::Quoted | Ext::Escaped if validate::is_field_byte(byte) => Ext::Quoted,
            Ext::Name | Ext::Token | Ext::QuotedEnd if byte == b';' => Ext::NameStart,
            Ext::Name | Ext::Token | Ext::QuotedEnd if byte == b'\r' => {
                self.phase = Phase::SizeLf;
                return Ok(());
            }
            _ if byte == b'\n' => return Err(Error::BareLf),
            _ if byte == b'\r' => return Err(Error::BareCr),
            _ => return Err(Error::BadChunkExtension),
        };
        self.phase = Phase::Ext(next);
        self.ext_line += 1;
        self.ext_total += 1;
        if self.ext_line > limits.chunk_ext_line || self.ext_total > limits.chunk_ext_total {
            return Err(Error::ChunkExtensionTooLong);
        }
        Ok(())
    }

    fn end_of_line(&mut self, byte: u8) -> Result<(), Error> {
        if byte != b'\n' {
            return Err(Error::BareCr);
        }
        self.phase = if self.left == 0 { Phase::Trailers } else { Phase::Data };
        self.digits = 0;
        self.ext_line = 0;
        Ok(())
    }

    /// The trailer section and the blank line (RFC 9112 section 7.1.2, row S-21).
    fn trailers(&mut self, buf: &mut BytesMut, kind: Kind, limits: &Limits) -> Result<Part, Error> {
        match **buf {
            [b'\r', b'\n', ..] => {
                buf.advance(2);
                self.phase = Phase::End;
                return Ok(Part::End);
            }
            [b'\r'] => return Ok(Part::NeedMore),
            [b'\r', ..] => return Err(Error::BareCr),
            [b'\n', ..] => return Err(Error::BareLf),
            [first, ..] if !validate::is_token(&[first]) => return Err(Error::BadFieldName),
            _ => {}
        }
        let Some(len) = find_end(buf, self.scanned).filter(|&len| len <= limits.trailer_bytes) else {
            if buf.len() >= limits.trailer_bytes {
                return Err(Error::TrailersTooLarge);
            }
            self.scanned = buf.len();
            return Ok(Part::NeedMore);
        };
        let trailers = parse_trailers(&buf[..len], kind, limits)?;
        buf.advance(len);
        self.phase = Phase::End;
        Ok(if trailers.is_empty() { Part::End } else { Part::Trailers(trailers) })
    }
}

/// `section` ends with its blank line. Empty unless trailers are kept.
fn parse_trailers(section: &[u8], kind: Kind, limits: &Limits) -> Result<HeaderList, Error> {
    let max = limits.trailer_fields.min(MAX_FIELDS);
    // Our own reading of the grammar does; trailers are rare.
    match explain(section, Kind::Trailers, max) {
        Some(Error::TooManyFields) => return Err(Error::TrailersTooLarge),
        Some(error) => return Err(error),
        None => {}
    }
    let mut table = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let Ok(httparse::Status::Complete((_, fields))) = httparse::parse_headers(section, &mut table[..max]) else {
        return Err(Error::BadHead);
    };
    let mut list = HeaderList::new();
    for field in fields {
        let (name, value) = (field.name.as_bytes(), field.value);
        let underscore = kind == Kind::Request && name.contains(&b'_');
        match limits.underscores {
            Underscores::Reject if underscore => return Err(Error::Underscore),
            Underscores::Drop if underscore => continue,
            _ => {}
        }
        let id = HeaderId::recognise_any_case(name);
        if limits.keep_trailers && may_be_trailer(id, name) {
            list.push_recognised(id, name, value);
        }
    }
    Ok(list)
}
