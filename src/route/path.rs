//! The canonical form of a request target (row T-5 of the threat list): made once, before anything decides by
//! the path, and forwarded so, that the proxy and its upstreams see one path. RFC 3986 sections 5.2.4 and 6.2.2.
//! The query is checked and otherwise left alone.

use std::borrow::Cow;

use crate::config::{EscapedSlashes, Http};

/// What becomes of a path that is not canonical.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathOptions {
    /// Removes dot segments, decodes unreserved characters, upper-cases the hex digits of the others.
    pub normalize_path: bool,
    pub merge_slashes: bool,
    pub escaped_slashes: EscapedSlashes,
}

impl From<&Http> for PathOptions {
    fn from(http: &Http) -> PathOptions {
        PathOptions {
            normalize_path: http.normalize_path,
            merge_slashes: http.merge_slashes,
            escaped_slashes: http.path_with_escaped_slashes_action,
        }
    }
}

/// The verdict on a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Canonical<'a> {
    /// To route by and to forward; borrowed where the target was canonical already.
    Target(Cow<'a, [u8]>),
    /// Answer 307 with this `location`: the operator wants escaped slashes to go.
    Redirect(Vec<u8>),
    /// Answer 400; the text is for the log.
    Reject(&'static str),
}

/// The canonical form of `target`, an origin-form. The `*` of OPTIONS and the empty target of CONNECT are canonical.
///
/// With every setting these are refused: bytes outside visible ASCII, `\`, `#`, `%00`, a `%` without two hex digits,
/// overlong UTF-8. With `normalize_path` also a path that climbs above its root (RFC 3986 would clamp it; nobody
/// honest sends it) and a dot segment with parameters, `..;x`, which some servers resolve after dropping them.
pub fn canonicalise(target: &[u8], options: PathOptions) -> Canonical<'_> {
    if is_canonical(target) || matches!(target, b"" | b"*") {
        return Canonical::Target(Cow::Borrowed(target));
    }
    let path_len = target.iter().position(|&byte| byte == b'?').unwrap_or(target.len());
    let (path, query) = target.split_at(path_len);
    if !query.iter().all(|&byte| is_visible(byte)) {
        return Canonical::Reject("invalid character in query");
    }
    let mut output = match Output::of(path, target.len(), options) {
        Ok(output) => output,
        Err(detail) => return Canonical::Reject(detail),
    };
    output.text.extend_from_slice(query);
    if output.unescaped && options.escaped_slashes == EscapedSlashes::UnescapeAndRedirect {
        // `//host` as a location would name another host.
        let safe = !output.text.starts_with(b"//");
        return if safe { Canonical::Redirect(output.text) } else { Canonical::Reject("escaped slash at the root") };
    }
    let unchanged = output.text == target;
    Canonical::Target(if unchanged { Cow::Borrowed(target) } else { Cow::Owned(output.text) })
}

/// One scan for the ordinary case: true only where every setting would leave `target` as it is. False is no verdict.
fn is_canonical(target: &[u8]) -> bool {
    if target.first() != Some(&b'/') {
        return false;
    }
    for (at, &byte) in target.iter().enumerate() {
        let class = CLASS[usize::from(byte)];
        if class == Class::Plain {
            continue;
        }
        let rest = &target[at + 1..];
        match class {
            Class::Slash => match rest {
                [b'/', ..] | [b'.'] | [b'.', b'.' | b'/' | b'?' | b';' | b'%', ..] => return false,
                _ => {}
            },
            Class::Percent => match rest {
                [high, low, ..] if is_canonical_escape(*high, *low) => {}
                _ => return false,
            },
            Class::Query => return rest.iter().all(|&byte| is_visible(byte)),
            Class::Plain | Class::Other => return false,
        }
    }
    true
}

fn is_canonical_escape(high: u8, low: u8) -> bool {
    let upper = |digit: u8| matches!(digit, b'0'..=b'9' | b'A'..=b'F');
    let value = escape_value(high, low);
    // 0xc0, 0xc1, 0xe0 and 0xf0 may begin an overlong sequence.
    let plain = |value| !matches!(value, 0 | b'/' | b'\\' | 0xc0 | 0xc1 | 0xe0 | 0xf0) && !is_unreserved(value);
    upper(high) && upper(low) && value.is_some_and(plain)
}

/// A canonical path as it is built, segment by segment.
struct Output {
    text: Vec<u8>,
    /// Where the last segment begins, behind its slash.
    segment: usize,
    /// An escaped slash became a slash.
    unescaped: bool,
    options: PathOptions,
}

impl Output {
    fn of(path: &[u8], capacity: usize, options: PathOptions) -> Result<Output, &'static str> {
        let Some((b'/', mut rest)) = path.split_first() else { return Err("path does not begin with a slash") };
        let mut text = Vec::with_capacity(capacity);
        text.push(b'/');
        let mut output = Output { text, segment: 1, unescaped: false, options };
        while let Some((&byte, tail)) = rest.split_first() {
            rest = tail;
            match byte {
                b'/' => output.slash()?,
                b'\\' => return Err("backslash in path"),
                b'%' => {
                    let Some((&[high, low], tail)) = rest.split_first_chunk() else { return Err(BAD_ESCAPE) };
                    output.escape(high, low, tail)?;
                    rest = tail;
                }
                _ if is_visible(byte) => output.text.push(byte),
                _ => return Err("invalid character in path"),
            }
        }
        output.end_segment(true)?;
        Ok(output)
    }

    fn slash(&mut self) -> Result<(), &'static str> {
        self.end_segment(false)?;
        self.text.push(b'/');
        self.segment = self.text.len();
        Ok(())
    }

    /// Takes `%` with its two digits; `rest` stands behind them.
    fn escape(&mut self, high: u8, low: u8, rest: &[u8]) -> Result<(), &'static str> {
        let value = escape_value(high, low).ok_or(BAD_ESCAPE)?;
        match value {
            0 => return Err("%00 in path"),
            b'/' | b'\\' => match self.options.escaped_slashes {
                EscapedSlashes::RejectRequest => return Err("escaped slash in path"),
                EscapedSlashes::KeepUnchanged => {}
                // An escaped backslash is a slash, as in Envoy.
                EscapedSlashes::UnescapeAndRedirect | EscapedSlashes::UnescapeAndForward => {
                    self.unescaped = true;
                    return self.slash();
                }
            },
            _ if is_overlong(value, rest) => return Err("overlong UTF-8 in path"),
            // RFC 3986 section 6.2.2.2.
            _ if self.options.normalize_path && is_unreserved(value) => {
                self.text.push(value);
                return Ok(());
            }
            _ => {}
        }
        // RFC 3986 section 6.2.2.1.
        let digit = |digit: u8| if self.options.normalize_path { digit.to_ascii_uppercase() } else { digit };
        let escape = [b'%', digit(high), digit(low)];
        self.text.extend_from_slice(&escape);
        Ok(())
    }

    /// RFC 3986 section 5.2.4, with the slashes merged as they come: `/a//..` is `/`, as in a file system.
    fn end_segment(&mut self, last: bool) -> Result<(), &'static str> {
        let segment = &self.text[self.segment..];
        if segment.is_empty() {
            if self.options.merge_slashes && !last {
                self.text.pop();
            }
            return Ok(());
        }
        if !self.options.normalize_path || segment[0] != b'.' {
            return Ok(());
        }
        let climb = match segment {
            b"." => false,
            b".." => true,
            [b'.', b';', ..]
            | [b'.', b'.', b';', ..]
            | [b'.', b'%', b'3', b'B', ..]
            | [b'.', b'.', b'%', b'3', b'B', ..] => {
                return Err("dot segment with parameters in path");
            }
            _ => return Ok(()),
        };
        self.text.truncate(self.segment - 1);
        if climb {
            let parent = self.text.iter().rposition(|&byte| byte == b'/');
            self.text.truncate(parent.ok_or("path climbs above its root")?);
        }
        if last {
            self.text.push(b'/');
        }
        Ok(())
    }
}

const BAD_ESCAPE: &str = "invalid percent-encoding in path";

/// What may reach the wire in a target, without the `#` of a fragment (RFC 9112 section 3.2 has none).
fn is_visible(byte: u8) -> bool {
    (0x21..=0x7e).contains(&byte) && byte != b'#'
}

/// RFC 3986 section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Whether `lead` and the escape after it write a character in more bytes than it needs (RFC 3629 section 3):
/// `%C0%AF` is a slash to a careless decoder.
fn is_overlong(lead: u8, rest: &[u8]) -> bool {
    let limit = match lead {
        0xc0 | 0xc1 => 0xbf,
        0xe0 => 0x9f,
        0xf0 => 0x8f,
        _ => return false,
    };
    let [b'%', high, low, ..] = rest else { return false };
    escape_value(*high, *low).is_some_and(|next| (0x80..=limit).contains(&next))
}

/// The byte that `%` and these two digits stand for.
pub(super) fn escape_value(high: u8, low: u8) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Plain,
    Slash,
    Percent,
    Query,
    Other,
}

/// How the fast scan takes a byte.
const CLASS: [Class; 256] = {
    let mut table = [Class::Other; 256];
    let mut byte = 0x21;
    while byte <= 0x7e {
        table[byte] = match byte as u8 {
            b'/' => Class::Slash,
            b'%' => Class::Percent,
            b'?' => Class::Query,
            b'#' | b'\\' => Class::Other,
            _ => Class::Plain,
        };
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests;
