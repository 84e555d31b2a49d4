//! Which rule a refused head broke. Runs only on heads that are refused already, so it is plain rather than fast; it is
//! also a second reading of the grammar that tests hold the first one against.

use nuncio_http::validate;

use crate::error::Error;

/// What a block of lines is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Request,
    Response,
    Trailers,
}

/// The first rule that `head`, up to and with its blank line, breaks; `None` if it breaks none of the grammar.
pub(crate) fn explain(head: &[u8], kind: Kind, max_fields: usize) -> Option<Error> {
    let mut lines = head.strip_suffix(b"\n").unwrap_or(head).split(|&byte| byte == b'\n');
    if kind != Kind::Trailers {
        let line = match strip_cr(lines.next().unwrap_or_default()) {
            Ok(line) => line,
            Err(error) => return Some(error),
        };
        let checked = if kind == Kind::Request { request_line(line) } else { status_line(line) };
        if let Err(error) = checked {
            return Some(error);
        }
    }
    for (index, line) in lines.enumerate() {
        match strip_cr(line) {
            Ok([]) => return None,
            Ok(_) if index >= max_fields => return Some(Error::TooManyFields),
            Ok(line) => {
                if let Err(error) = field_line(line, index) {
                    return Some(error);
                }
            }
            Err(error) => return Some(error),
        }
    }
    None
}

/// Every line ends with CRLF and holds no other CR (RFC 9112 section 2.2).
fn strip_cr(line: &[u8]) -> Result<&[u8], Error> {
    match line.iter().position(|&byte| byte == b'\r') {
        None => Err(Error::BareLf),
        Some(at) if at + 1 < line.len() => Err(Error::BareCr),
        Some(at) => Ok(&line[..at]),
    }
}

/// `method SP request-target SP HTTP-version` (RFC 9112 section 3).
fn request_line(line: &[u8]) -> Result<(), Error> {
    let mut words = line.split(|&byte| byte == b' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Error::BadRequestLine);
    };
    if !validate::is_token(method) {
        return Err(Error::BadMethod);
    }
    if !validate::is_target(target) {
        return Err(Error::BadTarget);
    }
    check_version(version)
}

/// `HTTP-version SP status-code [SP reason-phrase]` (RFC 9112 section 4). The space behind the code is often missing in
/// practice, and nothing depends on it.
fn status_line(line: &[u8]) -> Result<(), Error> {
    let version_len = line.iter().position(|&byte| byte == b' ').unwrap_or(line.len());
    check_version(&line[..version_len])?;
    match &line[version_len..] {
        [b' ', a, b, c] | [b' ', a, b, c, b' ', ..] if [a, b, c].iter().all(|digit| digit.is_ascii_digit()) => {}
        _ => return Err(Error::BadStatusLine),
    }
    if line.iter().all(|&byte| validate::is_field_byte(byte)) { Ok(()) } else { Err(Error::BadStatusLine) }
}

/// RFC 9112 section 2.3: case-sensitive, one digit each.
fn check_version(version: &[u8]) -> Result<(), Error> {
    match version {
        b"HTTP/1.0" | b"HTTP/1.1" => Ok(()),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            Err(Error::VersionNotSupported)
        }
        _ => Err(Error::BadVersion),
    }
}

/// `field-name ":" OWS field-value OWS` (RFC 9112 section 5).
fn field_line(line: &[u8], index: usize) -> Result<(), Error> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        // Before the first field there is nothing to fold into.
        return Err(if index == 0 { Error::BadFieldName } else { Error::ObsFold });
    }
    let Some(colon) = line.iter().position(|&byte| byte == b':') else { return Err(Error::BadFieldName) };
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if !validate::is_token(name) {
        let trimmed = name.trim_ascii_end();
        let spaced = trimmed.len() < name.len() && validate::is_token(trimmed);
        return Err(if spaced { Error::SpaceBeforeColon } else { Error::BadFieldName });
    }
    if value.iter().all(|&byte| validate::is_field_byte(byte)) { Ok(()) } else { Err(Error::BadFieldValue) }
}
