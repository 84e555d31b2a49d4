//! Compiled string matchers, for headers and query parameters.

use std::borrow::Cow;
use std::fmt;

use nuncio_http::{HeaderId, HeaderName, Name, RequestHead};
use regex_lite::Regex;

use super::path::escape_value;
use super::words::{quote, regex_text};
use crate::config::{self, full_regex};

/// A compiled [`config::Matcher`].
///
/// Values are bytes; a regex works on text, so a value that is not UTF-8 matches no regex (and the inversion of
/// every one). An absent value matches only `"present": false` and inversions.
#[derive(Debug, Clone)]
pub struct Matcher {
    pattern: Pattern,
    ignore_case: bool,
    invert: bool,
}

#[derive(Debug, Clone)]
enum Pattern {
    Exact(Box<[u8]>),
    Prefix(Box<[u8]>),
    Suffix(Box<[u8]>),
    Contains(Box<[u8]>),
    Regex(Regex),
    Present(bool),
    Range(i64, i64),
}

impl Matcher {
    pub fn new(matcher: &config::Matcher) -> Result<Matcher, regex_lite::Error> {
        let bytes = |text: &String| text.as_bytes().into();
        let pattern = match &matcher.pattern {
            config::Pattern::Exact(text) => Pattern::Exact(bytes(text)),
            config::Pattern::Prefix(text) => Pattern::Prefix(bytes(text)),
            config::Pattern::Suffix(text) => Pattern::Suffix(bytes(text)),
            config::Pattern::Contains(text) => Pattern::Contains(bytes(text)),
            config::Pattern::Regex(text) => Pattern::Regex(full_regex(text, matcher.ignore_case)?),
            config::Pattern::Present(present) => Pattern::Present(*present),
            config::Pattern::Range(start, end) => Pattern::Range(*start, *end),
        };
        Ok(Matcher { pattern, ignore_case: matcher.ignore_case, invert: matcher.invert })
    }

    pub fn matches(&self, value: Option<&[u8]>) -> bool {
        let found = match (&self.pattern, value) {
            (Pattern::Present(present), value) => value.is_some() == *present,
            (_, None) => false,
            (_, Some(value)) => self.pattern_matches(value),
        };
        found != self.invert
    }

    fn pattern_matches(&self, value: &[u8]) -> bool {
        let same = |a: &[u8], b: &[u8]| if self.ignore_case { a.eq_ignore_ascii_case(b) } else { a == b };
        match &self.pattern {
            Pattern::Exact(text) => same(value, text),
            Pattern::Prefix(text) => value.get(..text.len()).is_some_and(|start| same(start, text)),
            Pattern::Suffix(text) => {
                value.len().checked_sub(text.len()).is_some_and(|start| same(&value[start..], text))
            }
            Pattern::Contains(text) => text.is_empty() || value.windows(text.len()).any(|part| same(part, text)),
            Pattern::Regex(regex) => std::str::from_utf8(value).is_ok_and(|value| regex.is_match(value)),
            Pattern::Present(present) => *present,
            Pattern::Range(start, end) => decimal(value).is_some_and(|number| (*start..*end).contains(&number)),
        }
    }

    fn needs_value(&self) -> bool {
        !matches!(self.pattern, Pattern::Present(_))
    }
}

impl fmt::Display for Matcher {
    /// What it asks of a value, for people: `exactly "gold"`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.invert {
            f.write_str("not ")?;
        }
        match &self.pattern {
            Pattern::Exact(text) => write!(f, "exactly {}", quote(text))?,
            Pattern::Prefix(text) => write!(f, "{} at its start", quote(text))?,
            Pattern::Suffix(text) => write!(f, "{} at its end", quote(text))?,
            Pattern::Contains(text) => write!(f, "{} in it", quote(text))?,
            Pattern::Regex(regex) => write!(f, "a match of {}", quote(regex_text(regex).as_bytes()))?,
            Pattern::Present(true) => f.write_str("any value")?,
            Pattern::Present(false) => f.write_str("no value")?,
            Pattern::Range(start, end) => write!(f, "a number from {start} to below {end}")?,
        }
        f.write_str(if self.ignore_case { ", in any case of letters" } else { "" })
    }
}

/// A matcher on one header. It sees the joined value of all fields of that name (row T-7); `host` is the authority.
#[derive(Debug, Clone)]
pub struct HeaderMatcher {
    pub name: HeaderName,
    matcher: Matcher,
}

impl HeaderMatcher {
    pub fn new(name: &HeaderName, matcher: &config::Matcher) -> Result<HeaderMatcher, regex_lite::Error> {
        Ok(HeaderMatcher { name: name.clone(), matcher: Matcher::new(matcher)? })
    }

    pub fn matches(&self, head: &RequestHead) -> bool {
        if !self.matcher.needs_value() && self.name.id() != HeaderId::Host {
            return self.matcher.matches(head.headers.get_all(&self.name).next());
        }
        self.matcher.matches(self.value(head).as_deref())
    }

    /// What the matcher looks at.
    pub(super) fn value<'a>(&'a self, head: &'a RequestHead) -> Option<Cow<'a, [u8]>> {
        match self.name.id() {
            HeaderId::Host => Some(head.authority()).filter(|authority| !authority.is_empty()).map(Cow::Borrowed),
            _ => head.headers.joined(&self.name),
        }
    }

    pub(super) fn matcher(&self) -> &Matcher {
        &self.matcher
    }
}

/// A matcher on one query parameter, by the first that has this name. Names and values are compared with their
/// percent-encoding decoded, as the application behind will read them: `?r%6fle=%61dmin` is `?role=admin`. A `+` stays.
#[derive(Debug, Clone)]
pub struct QueryMatcher {
    pub name: Box<[u8]>,
    matcher: Matcher,
}

impl QueryMatcher {
    pub fn new(name: &str, matcher: &config::Matcher) -> Result<QueryMatcher, regex_lite::Error> {
        Ok(QueryMatcher { name: name.as_bytes().into(), matcher: Matcher::new(matcher)? })
    }

    pub fn matches(&self, head: &RequestHead) -> bool {
        self.matcher.matches(self.value(head).as_deref())
    }

    /// What the matcher looks at.
    pub(super) fn value<'a>(&'a self, head: &'a RequestHead) -> Option<Cow<'a, [u8]>> {
        head.query().and_then(|query| first_parameter(query, &self.name))
    }

    pub(super) fn matcher(&self) -> &Matcher {
        &self.matcher
    }
}

/// The value of the first parameter of this name, decoded; empty for a name without `=`.
pub fn first_parameter<'q>(query: &'q [u8], name: &[u8]) -> Option<Cow<'q, [u8]>> {
    query.split(|&byte| byte == b'&').find_map(|parameter| {
        let end = parameter.iter().position(|&byte| byte == b'=');
        let (key, value) = match end {
            Some(end) => (&parameter[..end], &parameter[end + 1..]),
            None => (parameter, &b""[..]),
        };
        // A key is at least as long as its decoded form.
        let same = key == name || (key.len() > name.len() && *percent_decode(key) == *name);
        (same && !parameter.is_empty()).then(|| percent_decode(value))
    })
}

/// A `%` without two hex digits stands for itself.
fn percent_decode(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'%') {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        let escape = match (byte, tail) {
            (b'%', [high, low, tail @ ..]) => escape_value(*high, *low).map(|value| (value, tail)),
            _ => None,
        };
        let (byte, tail) = escape.unwrap_or((byte, tail));
        decoded.push(byte);
        rest = tail;
    }
    Cow::Owned(decoded)
}

/// A decimal integer with an optional minus sign and nothing else.
fn decimal(value: &[u8]) -> Option<i64> {
    if value.first() == Some(&b'+') {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
