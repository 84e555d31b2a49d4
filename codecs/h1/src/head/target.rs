//! The four forms of a request target, and the one authority of a request (RFC 9112 sections 3.2 and 3.3, rows S-12
//! and T-6).

use nuncio_http::validate::{self, Authority, same_host};
use nuncio_http::{Method, Scheme, Version};

use crate::error::Error;

/// A target taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target<'b> {
    pub(crate) scheme: Scheme,
    /// As sent; empty for an HTTP/1.0 request that names none.
    pub(crate) authority: &'b [u8],
    /// Path and query in origin form, `*`, or empty for CONNECT.
    pub(crate) path: Path<'b>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Path<'b> {
    AsSent(&'b [u8]),
    /// Absolute form with a query and no path: `/` goes before it.
    Query(&'b [u8]),
}

/// Reads `target` beside the request's `Host`.
pub(crate) fn parse_target<'b>(
    method: Method,
    target: &'b [u8],
    host: Option<&'b [u8]>,
    version: Version,
) -> Result<Target<'b>, Error> {
    // A fragment never travels (RFC 9112 section 3.2); other readers would cut the path there.
    if !validate::is_target(target) || target.contains(&b'#') {
        return Err(Error::BadTarget);
    }
    let host_authority = match host {
        Some(text) => Some(validate::parse_authority(text).ok_or(Error::BadAuthority)?),
        None if version == Version::Http10 => None,
        None => return Err(Error::MissingHost),
    };
    let origin = |path| Target { scheme: Scheme::Http, authority: host.unwrap_or_default(), path: Path::AsSent(path) };
    match target {
        _ if method == Method::Connect => connect(target, host_authority),
        [b'/', ..] => Ok(origin(target)),
        b"*" if method == Method::Options => Ok(origin(target)),
        _ => absolute(method, target, host_authority),
    }
}

/// `uri-host ":" port` (RFC 9112 section 3.2.3). Clients leave the port out of `Host`, so only what is there must agree.
fn connect<'b>(target: &'b [u8], host: Option<Authority<'_>>) -> Result<Target<'b>, Error> {
    let authority = validate::parse_authority(target).ok_or(Error::BadTarget)?;
    if authority.port.is_none() {
        return Err(Error::BadTarget);
    }
    if host.is_some_and(|host| !same_host(host, authority) || host.port.is_some() && host.port != authority.port) {
        return Err(Error::AuthorityMismatch);
    }
    Ok(Target { scheme: Scheme::Http, authority: target, path: Path::AsSent(b"") })
}

/// `scheme "://" authority path-abempty ["?" query]` (RFC 9112 section 3.2.2). Its authority wins over `Host`; we go
/// further and refuse a `Host` that says something else.
fn absolute<'b>(method: Method, target: &'b [u8], host: Option<Authority<'_>>) -> Result<Target<'b>, Error> {
    let (scheme, rest, default_port) = if let Some(rest) = strip_scheme(target, b"http://") {
        (Scheme::Http, rest, 80)
    } else if let Some(rest) = strip_scheme(target, b"https://") {
        (Scheme::Https, rest, 443)
    } else {
        return Err(Error::BadTarget);
    };
    let path_at = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let (authority_text, path) = rest.split_at(path_at);
    let authority = validate::parse_authority(authority_text).ok_or(Error::BadAuthority)?;
    let port = |authority: Authority<'_>| authority.port.unwrap_or(default_port);
    if host.is_some_and(|host| !same_host(host, authority) || port(host) != port(authority)) {
        return Err(Error::AuthorityMismatch);
    }
    let path = match path {
        // RFC 9112 section 3.2.4: the server-wide OPTIONS as a client of a proxy writes it.
        [] if method == Method::Options => Path::AsSent(b"*"),
        [] => Path::AsSent(b"/"),
        [b'?', ..] => Path::Query(path),
        _ => Path::AsSent(path),
    };
    Ok(Target { scheme, authority: authority_text, path })
}

fn strip_scheme<'b>(target: &'b [u8], scheme: &[u8]) -> Option<&'b [u8]> {
    let (start, rest) = target.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}
