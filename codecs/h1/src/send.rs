//! Writing messages (RFC 9112 sections 3 to 7). The serialiser owns the framing: it leaves out every hop-by-hop field a
//! head may still hold and writes its own. What it writes it has checked, whoever made it (row S-19).

use bytes::Bytes;
use nuncio_http::{
    BodyAccountant, BodyLength, HeaderId, HeaderList, Output, decimal, may_be_trailer, reason_phrase, validate,
};

use crate::error::EncodeError;

/// In place of those that are not passed on (row S-21).
pub(crate) static NO_TRAILERS: HeaderList = HeaderList::new();

/// Room for a common head, in bytes; more is found when needed.
const HEAD_ROOM: usize = 512;

/// Runs `write`; if it fails, nothing of what it wrote stays.
pub(crate) fn atomically(
    out: &mut Output,
    write: impl FnOnce(&mut Output) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    out.reserve(HEAD_ROOM);
    let mark = out.mark();
    let result = write(out);
    if result.is_err() {
        out.rollback(mark);
    }
    result
}

/// `HTTP/1.1 status reason` (RFC 9112 section 4). The version is ours, whatever the peer's is (RFC 9110 section 2.5).
pub(crate) fn put_status_line(out: &mut Output, status: u16) -> Result<(), EncodeError> {
    match status {
        200 => out.put_slice(b"HTTP/1.1 200 OK\r\n"),
        100..=599 => {
            let digit = |value: u16| b'0' + (value % 10) as u8;
            out.put_slice(b"HTTP/1.1 ");
            out.put_slice(&[digit(status / 100), digit(status / 10), digit(status), b' ']);
            out.put_slice(reason_phrase(status).as_bytes());
            out.put_slice(b"\r\n");
        }
        _ => return Err(EncodeError::BadStatus),
    }
    Ok(())
}

/// All end-to-end fields.
pub(crate) fn put_fields(out: &mut Output, fields: &HeaderList) -> Result<(), EncodeError> {
    for field in fields.iter().filter(|field| !field.id.is_of_the_hop()) {
        // A name that is known needs no look.
        if field.id == HeaderId::Other && !validate::is_token(field.name) {
            return Err(EncodeError::BadField);
        }
        put_field(out, field.name, field.value)?;
    }
    Ok(())
}

/// One field with a valid name.
pub(crate) fn put_field(out: &mut Output, name: &[u8], value: &[u8]) -> Result<(), EncodeError> {
    if !validate::are_field_bytes(value) {
        return Err(EncodeError::BadField);
    }
    out.put_slice(name);
    out.put_slice(b": ");
    out.put_slice(value);
    out.put_slice(b"\r\n");
    Ok(())
}

pub(crate) fn put_content_length(out: &mut Output, length: u64) {
    out.put_slice(b"content-length: ");
    out.put_slice(decimal(length, &mut [0; 20]));
    out.put_slice(b"\r\n");
}

pub(crate) const CHUNKED_FIELD: &[u8] = b"transfer-encoding: chunked\r\n";

/// A body on its way out.
#[derive(Debug)]
pub(crate) struct BodyWriter {
    accountant: BodyAccountant,
    coding: Coding,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    /// As it is: the length is declared, or the end of the connection ends it.
    Plain,
    Chunked,
}

impl BodyWriter {
    pub(crate) fn plain(length: BodyLength) -> BodyWriter {
        BodyWriter { accountant: BodyAccountant::new(length), coding: Coding::Plain }
    }

    pub(crate) fn chunked() -> BodyWriter {
        BodyWriter { accountant: BodyAccountant::new(BodyLength::Unknown), coding: Coding::Chunked }
    }

    /// Only the end of the connection ends it.
    pub(crate) fn is_until_close(&self) -> bool {
        self.coding == Coding::Plain && self.accountant.remaining().is_none()
    }

    /// Writes `chunk`; says whether the body is complete.
    pub(crate) fn data(&mut self, chunk: Bytes, end: bool, out: &mut Output) -> Result<bool, EncodeError> {
        let mut accountant = self.accountant;
        accountant.on_data(chunk.len())?;
        if end {
            accountant.on_end()?;
        }
        self.accountant = accountant;
        let chunked = self.coding == Coding::Chunked;
        if !chunk.is_empty() {
            // An empty chunk would be the last one.
            if chunked {
                put_chunk_size(out, chunk.len());
            }
            out.push(chunk);
            if chunked {
                out.put_slice(b"\r\n");
            }
        }
        if end && chunked {
            out.put_slice(b"0\r\n\r\n");
        }
        Ok(end || self.accountant.remaining() == Some(0))
    }

    /// Ends the body: with `trailers` where the coding can carry them, else without (RFC 9110 section 6.5.1).
    pub(crate) fn trailers(&mut self, trailers: &HeaderList, out: &mut Output) -> Result<(), EncodeError> {
        self.accountant.on_end()?;
        if self.coding == Coding::Plain {
            return Ok(());
        }
        atomically(out, |out| {
            out.put_slice(b"0\r\n");
            for field in trailers.iter().filter(|field| may_be_trailer(field.id, field.name)) {
                if !validate::is_token(field.name) {
                    return Err(EncodeError::BadField);
                }
                put_field(out, field.name, field.value)?;
            }
            out.put_slice(b"\r\n");
            Ok(())
        })
    }
}

/// `chunk-size CRLF` (RFC 9112 section 7.1).
fn put_chunk_size(out: &mut Output, size: usize) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut line = *b"................\r\n";
    let mut at = 16;
    let mut rest = size;
    while rest > 0 {
        at -= 1;
        line[at] = HEX[rest & 15];
        rest >>= 4;
    }
    out.put_slice(&line[at..]);
}
