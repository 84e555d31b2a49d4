//! `redirect`: the `location` of a redirection (RFC 9110 section 10.2.2), put together as Envoy does.

use nuncio_http::{RequestHead, Scheme, validate};

use super::path::PathOptions;
use super::rewrite::{is_path, is_prefix, recanonicalise};
use super::table::BuildError;
use crate::config;

#[derive(Debug, Clone)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    scheme: Option<Scheme>,
    /// With its port, where the operator wrote one.
    host: Option<Box<[u8]>>,
    port: Option<u16>,
    path: Option<Box<[u8]>>,
    prefix: Option<Box<[u8]>>,
    strip_query: bool,
    options: PathOptions,
}

impl Redirect {
    pub(super) fn new(redirect: &config::Redirect, options: PathOptions) -> Result<Redirect, BuildError> {
        let bytes = |text: &Option<String>| text.as_ref().map(|text| Box::<[u8]>::from(text.as_bytes()));
        let scheme = match redirect.scheme.as_deref() {
            None => None,
            Some("http") => Some(Scheme::Http),
            Some("https") => Some(Scheme::Https),
            Some(_) => return Err(BuildError::Value("redirect.scheme")),
        };
        let (host, path, prefix) = (bytes(&redirect.host), bytes(&redirect.path), bytes(&redirect.prefix));
        if host.as_deref().is_some_and(|host| validate::parse_authority(host).is_none()) {
            return Err(BuildError::Value("redirect.host"));
        }
        if path.as_deref().is_some_and(|path| !is_path(path)) {
            return Err(BuildError::Value("redirect.path"));
        }
        if prefix.as_deref().is_some_and(|prefix| !is_prefix(prefix)) {
            return Err(BuildError::Value("redirect.prefix"));
        }
        let (status, port, strip_query) = (redirect.status, redirect.port, redirect.strip_query);
        Ok(Redirect { status, scheme, host, port, path, prefix, strip_query, options })
    }

    /// The value of `location`. `matched` is how much of the path the route's pattern stands for. The error is the
    /// detail of a 400: what the request leads to is no valid location.
    pub fn location(&self, head: &RequestHead, matched: usize) -> Result<Vec<u8>, &'static str> {
        let scheme = self.scheme.unwrap_or(head.scheme);
        let target = self.target(head, matched)?;
        let mut location = Vec::with_capacity(target.len() + head.authority().len() + 16);
        if self.host.is_some() || !head.authority().is_empty() {
            location.extend_from_slice(scheme.as_str().as_bytes());
            location.extend_from_slice(b"://");
            self.push_authority(&mut location, head, scheme)?;
        } else if target.starts_with(b"//") {
            return Err("a redirect to this path would name a host");
        }
        location.extend_from_slice(&target);
        if validate::is_field_value(&location) { Ok(location) } else { Err("invalid character in location") }
    }

    fn push_authority(&self, location: &mut Vec<u8>, head: &RequestHead, scheme: Scheme) -> Result<(), &'static str> {
        let (host, port) = match self.host.as_deref() {
            Some(host) => {
                let authority = validate::parse_authority(host).ok_or("invalid host")?;
                (authority.host, self.port.or(authority.port))
            }
            None => {
                let authority = validate::parse_authority(head.authority()).ok_or("invalid host")?;
                // A port that only says the old scheme would be wrong for the new one.
                let default = match head.scheme {
                    Scheme::Http => 80,
                    Scheme::Https => 443,
                };
                let port = authority.port.filter(|&port| scheme == head.scheme || port != default);
                (authority.host, self.port.or(port))
            }
        };
        location.extend_from_slice(host);
        if let Some(port) = port {
            location.extend_from_slice(format!(":{port}").as_bytes());
        }
        Ok(())
    }

    /// Path and query. A `path` without a query of its own keeps the request's, as in Envoy.
    fn target(&self, head: &RequestHead, matched: usize) -> Result<Vec<u8>, &'static str> {
        let path = head.path();
        let query = head.query().filter(|_| !self.strip_query);
        let mut target = match (&self.path, &self.prefix) {
            (Some(path), _) => path.to_vec(),
            (None, Some(prefix)) => [prefix, path.get(matched..).unwrap_or_default()].concat(),
            // Neither `*` nor CONNECT has a path.
            (None, None) if path.first() != Some(&b'/') => Vec::new(),
            (None, None) => path.to_vec(),
        };
        if target.first() != Some(&b'/') {
            target.insert(0, b'/');
        }
        if let Some(query) = query.filter(|_| !target.contains(&b'?')) {
            target.push(b'?');
            target.extend_from_slice(query);
        }
        if self.prefix.is_some() {
            recanonicalise(&target, self.options).map(|target| target.into_owned())
        } else {
            Ok(target)
        }
    }
}

#[cfg(test)]
mod tests;
