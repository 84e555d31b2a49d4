//! Message heads, from bytes to [`nuncio_http`] heads (RFC 9112 sections 2 to 6). `httparse` splits a head into fields;
//! the strict rules that it does not know are checked on its result. A head is judged only once its blank line is
//! there, so the verdict does not depend on how the bytes were cut; only what no later byte can change is refused earlier.

mod explain;
mod fields;
mod framing;
mod request;
mod response;
mod target;

pub(crate) use explain::{Kind, explain};
pub(crate) use request::parse_request;
pub(crate) use response::{Response, parse_response};

use crate::error::Error;
use crate::limits::{Limits, MAX_FIELDS};

/// Room for the tokeniser's fields, not initialised.
type Table<'b> = [std::mem::MaybeUninit<httparse::Header<'b>>; MAX_FIELDS];

/// Longest method plus its space, in bytes: behind that the target has begun, or never will.
const METHOD_MAX: usize = 25;

/// How far an incomplete head has been searched for its blank line, so that byte-by-byte arrival stays linear.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Progress {
    scanned: usize,
}

impl Progress {
    pub(crate) const NEW: Progress = Progress { scanned: 0 };

    /// Some bytes of a head have come.
    pub(crate) fn is_partial(&self) -> bool {
        self.scanned > 0
    }

    /// False: the blank line is not there, and looking for it was cheap. True: worth a parse.
    fn may_be_complete(&self, buf: &[u8]) -> bool {
        // The first attempt goes straight to the tokeniser: most heads arrive whole.
        self.scanned == 0 || find_end(buf, self.scanned).is_some()
    }

    /// The head is incomplete so far: enforces what is certain already, and remembers how far `buf` was searched.
    fn on_partial(&mut self, buf: &[u8], kind: Kind, limits: &Limits) -> Result<(), Error> {
        let certain = target_certain_at(limits);
        if self.scanned < certain && buf.len() >= certain || buf.len() >= limits.head_bytes {
            check_size(buf, buf.len() + 1, kind, limits)?;
        }
        self.scanned = buf.len();
        Ok(())
    }
}

/// Where the head in front of `buf` ends: behind the first line that is empty, whatever ends its lines. `searched` bytes
/// are known not to hold it.
pub(crate) fn find_end(buf: &[u8], searched: usize) -> Option<usize> {
    let mut at = searched.saturating_sub(2);
    while let Some(line_end) = buf.get(at..)?.iter().position(|&byte| byte == b'\n') {
        at += line_end + 1;
        match buf[at..] {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
    None
}

/// From this many bytes on it is certain whether the target is too long.
fn target_certain_at(limits: &Limits) -> usize {
    METHOD_MAX + limits.target_bytes + 1
}

/// Row L-8: the target, then the whole, in the order in which a slow arrival would show them. `head_len` is the size of
/// the head, or at least that; `head` is what there is of it.
fn check_size(head: &[u8], head_len: usize, kind: Kind, limits: &Limits) -> Result<(), Error> {
    let too_long = kind == Kind::Request && is_target_too_long(head, limits.target_bytes);
    if too_long && target_certain_at(limits) <= limits.head_bytes {
        return Err(Error::TargetTooLong);
    }
    if head_len > limits.head_bytes {
        return Err(Error::HeadTooLarge);
    }
    if too_long { Err(Error::TargetTooLong) } else { Ok(()) }
}

/// The second word of the first line is longer than `max`.
fn is_target_too_long(head: &[u8], max: usize) -> bool {
    let Some(space) = head.iter().take(METHOD_MAX).position(|&byte| byte == b' ') else { return false };
    let target = &head[space + 1..];
    target.len() > max && !target[..=max].iter().any(|byte| matches!(byte, b' ' | b'\r' | b'\n'))
}

/// The tokeniser refused what is in front of `buf`. That is the verdict once the head is complete, so that it does not
/// depend on where the bytes were cut; until then `None`.
fn refuse(progress: &mut Progress, buf: &[u8], kind: Kind, limits: &Limits) -> Result<(), Error> {
    let Some(end) = find_end(buf, 0) else { return progress.on_partial(buf, kind, limits) };
    let head = &buf[..end];
    check_size(head, end, kind, limits)?;
    // The fallback is never reached as long as both readings of the grammar agree; a test holds them to it.
    Err(explain(head, kind, limits.fields.min(MAX_FIELDS)).unwrap_or(Error::BadHead))
}

/// The lines that the tokeniser has split must have ended with CRLF (row S-7). It ends a line at CRLF or at a bare LF
/// and takes CR nowhere else, so one look before each name and one at the end are enough.
fn lines_end_with_crlf(head: &[u8], fields: &[httparse::Header<'_>]) -> bool {
    head.ends_with(b"\r\n\r\n")
        && fields.iter().all(|field| {
            let at = field.name.as_ptr() as usize - head.as_ptr() as usize;
            at < 2 || head[at - 2] == b'\r'
        })
}
