//! `rewrite`: a new path or host before a request is forwarded.

use std::borrow::Cow;

use nuncio_http::{HeaderId, RequestHead, validate};
use regex_lite::Regex;

use super::path::{Canonical, PathOptions, canonicalise};
use super::table::BuildError;
use crate::config::{self, EscapedSlashes};

#[derive(Debug, Clone)]
pub struct Rewrite {
    prefix: Option<Box<[u8]>>,
    regex: Option<(Regex, String)>,
    host: Option<Box<[u8]>>,
    options: PathOptions,
}

impl Rewrite {
    pub(super) fn new(rewrite: &config::Rewrite, options: PathOptions) -> Result<Rewrite, BuildError> {
        let prefix: Option<Box<[u8]>> = rewrite.prefix.as_ref().map(|prefix| prefix.as_bytes().into());
        let host: Option<Box<[u8]>> = rewrite.host.as_ref().map(|host| host.as_bytes().into());
        if prefix.as_deref().is_some_and(|prefix| !is_prefix(prefix)) {
            return Err(BuildError::Value("rewrite.prefix"));
        }
        if host.as_deref().is_some_and(|host| validate::parse_authority(host).is_none()) {
            return Err(BuildError::Value("rewrite.host"));
        }
        let regex = match &rewrite.regex {
            Some((pattern, replacement)) => Some((config::partial_regex(pattern, false)?, replacement.clone())),
            None => None,
        };
        Ok(Rewrite { prefix, regex, host, options })
    }

    /// Rewrites `head`. `matched` is how much of the path the route's pattern stands for. To be called once a
    /// request. The old path and query go to `x-envoy-original-path`, the old host to `x-forwarded-host`. The error
    /// is the detail of a 400; `head` is then as it was.
    pub fn apply(&self, head: &mut RequestHead, matched: usize) -> Result<(), &'static str> {
        // Neither `*` nor CONNECT has a path.
        if head.path().first() == Some(&b'/')
            && let Some(target) = self.target(head, matched)?
        {
            let original = head.target().to_vec();
            head.headers.set(HeaderId::XEnvoyOriginalPath, &original);
            head.set_target(&target);
        }
        if let Some(host) = &self.host {
            append_forwarded_host(head);
            head.set_authority(host);
        }
        Ok(())
    }

    /// The new path and query; `None` where they stay.
    fn target(&self, head: &RequestHead, matched: usize) -> Result<Option<Vec<u8>>, &'static str> {
        let path = head.path();
        let mut target = match (&self.prefix, &self.regex) {
            (Some(prefix), _) => [prefix, path.get(matched..).unwrap_or_default()].concat(),
            (None, Some((regex, replacement))) => {
                let text = std::str::from_utf8(path).map_err(|_| "path is not UTF-8")?;
                match regex.replace_all(text, replacement.as_str()) {
                    Cow::Borrowed(_) => return Ok(None),
                    Cow::Owned(path) => path.into_bytes(),
                }
            }
            (None, None) => return Ok(None),
        };
        if target.first() != Some(&b'/') {
            // `/shop/` to nothing makes `x` of `/shop/x`.
            target.insert(0, b'/');
        }
        if let Some(query) = head.query() {
            // A replacement may bring a query of its own.
            target.push(if target.contains(&b'?') { b'&' } else { b'?' });
            target.extend_from_slice(query);
        }
        recanonicalise(&target, self.options).map(|target| Some(target.into_owned()))
    }
}

/// The canonical form of a target that a rewrite made: `/a` to `/` makes `//b` of `/a/b` and `/../b` of `/a../b`.
/// Escaped slashes in it are the operator's.
pub(super) fn recanonicalise(target: &[u8], options: PathOptions) -> Result<Cow<'_, [u8]>, &'static str> {
    match canonicalise(target, PathOptions { escaped_slashes: EscapedSlashes::KeepUnchanged, ..options }) {
        Canonical::Target(target) => Ok(target),
        Canonical::Redirect(_) => Err("escaped slash in path"),
        Canonical::Reject(detail) => Err(detail),
    }
}

/// A path, perhaps with a query, as the operator may write it.
pub(super) fn is_path(text: &[u8]) -> bool {
    text.first() == Some(&b'/') && validate::is_target(text) && !text.contains(&b'#')
}

/// What may stand in place of a prefix: a path, or nothing.
pub(super) fn is_prefix(text: &[u8]) -> bool {
    text.is_empty() || (is_path(text) && !text.contains(&b'?'))
}

/// Appends the authority to `x-forwarded-host`, unless it is the last one there already.
fn append_forwarded_host(head: &mut RequestHead) {
    let authority = head.authority();
    if authority.is_empty() {
        return;
    }
    let value = match head.headers.joined(&HeaderId::XForwardedHost) {
        None => authority.to_vec(),
        Some(old) if old.is_empty() => authority.to_vec(),
        Some(old) if old.rsplit(|&byte| byte == b',').next().is_some_and(|last| last.trim_ascii() == authority) => {
            return;
        }
        Some(old) => [&old, authority].join(&b", "[..]),
    };
    head.headers.set(HeaderId::XForwardedHost, &value);
}

#[cfg(test)]
mod tests;
