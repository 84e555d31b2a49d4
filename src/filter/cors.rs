//! `cors`: which web pages of other origins may read (the Fetch standard, sections "HTTP-CORS protocol" and "CORS
//! protocol and HTTP caches").
//!
//! A preflight of an allowed origin is answered here with 200. Everything else goes on, the preflight of an origin that
//! is not allowed too, as with Envoy: what is behind may have a policy of its own, and its answer is left as it is.
//! Where this filter allows, its word stands in place of what the upstream says.

use std::time::Duration;

use nuncio_http::{HeaderId, HeaderList, HeaderName, Method, RequestHead, ResponseHead};

use super::per_worker::{PerWorker, Shared};
use super::{Build, Filter, FilterFactory, Flow, LocalReply, StreamCx};
use crate::config;
use crate::route::Matcher;
use crate::stats::{CorsStats, Handle};

/// `cors`.
pub(super) struct CorsFactory(PerWorker<Policy>);

/// A compiled [`config::Cors`].
struct Policy {
    /// Every origin: the same answer for all, so that caches may keep it.
    any: bool,
    origins: Vec<Matcher>,
    methods: Names,
    headers: Names,
    expose: Option<Box<[u8]>>,
    max_age: Option<Box<[u8]>>,
    credentials: bool,
    stats: Handle<CorsStats>,
}

/// A list of methods or headers as a field value.
enum Names {
    None,
    List(Box<[u8]>),
    /// `*` where that word has no meaning, with credentials: what the page asks for is repeated to it.
    Asked,
}

/// One small allocation a stream, and one for the origin where the policy names origins.
struct Cors {
    policy: Shared<Policy>,
    /// The origin of the page, if it may read. Kept here because later edits may change the request's head.
    origin: Option<Box<[u8]>>,
}

impl CorsFactory {
    pub(super) fn new(config: &config::Cors, cx: &mut Build<'_>) -> CorsFactory {
        let stats = cx.scope::<CorsStats>();
        CorsFactory(PerWorker::new(cx.workers, |index| Policy::new(config, stats.worker(index))))
    }
}

impl FilterFactory for CorsFactory {
    fn new_filter(&self, cx: &StreamCx<'_>) -> Option<Box<dyn Filter>> {
        Some(Box::new(Cors { policy: self.0.of(cx.rt)?, origin: None }))
    }
}

impl Filter for Cors {
    fn on_request_head(&mut self, head: &mut RequestHead, _cx: &mut StreamCx<'_>) -> Flow {
        let Some(origin) = single(&head.headers, HeaderId::Origin) else { return Flow::Continue };
        if !self.policy.allows(origin) {
            self.policy.stats.origin_invalid.inc();
            return Flow::Continue;
        }
        self.policy.stats.origin_valid.inc();
        if !self.policy.any {
            self.origin = Some(origin.into());
        }
        match single(&head.headers, HeaderId::AccessControlRequestMethod) {
            Some(method) if head.method == Method::Options => self.policy.answer_preflight(method, &head.headers),
            _ => Flow::Continue,
        }
    }

    /// Of the upstream, of a later filter, or the answer to the preflight.
    fn on_response_head(&mut self, head: &mut ResponseHead, _cx: &mut StreamCx<'_>) -> Flow {
        let origin = match (self.policy.any, &self.origin) {
            (true, _) => Some(&b"*"[..]),
            (false, origin) => origin.as_deref(),
        };
        if let Some(origin) = origin {
            self.policy.allow(origin, &mut head.headers);
        }
        if !self.policy.any {
            // Also where there was no origin: a cache must not give that response to a page.
            vary_by_origin(&mut head.headers);
        }
        Flow::Continue
    }
}

impl Policy {
    fn new(config: &config::Cors, stats: Handle<CorsStats>) -> Policy {
        let any = config.allow_origin.iter().any(|origin| !origin.invert && origin.pattern == every_origin());
        // Every page in the world could read as the user. The configuration's reader refuses the pair too.
        let credentials = config.allow_credentials && !any;
        let origins = config.allow_origin.iter().filter_map(|origin| match Matcher::new(origin) {
            Ok(matcher) => Some(matcher),
            Err(error) => {
                // The configuration's reader has compiled every regex already.
                debug_assert!(false, "{error}");
                log::error!("cors: {error}: no origin matches this");
                None
            }
        });
        let methods = config.allow_methods.iter().map(String::as_str);
        let expose = config.expose_headers.iter().map(HeaderName::as_str).filter(|name| !credentials || *name != "*");
        Policy {
            any,
            origins: origins.collect(),
            methods: Names::new(methods, credentials),
            headers: Names::new(config.allow_headers.iter().map(HeaderName::as_str), credentials),
            expose: joined(expose),
            max_age: config.max_age.map(seconds),
            credentials,
            stats,
        }
    }

    fn allows(&self, origin: &[u8]) -> bool {
        self.any || self.origins.iter().any(|matcher| matcher.matches(Some(origin)))
    }

    /// What only a preflight is told. Its origin is added as to every response.
    fn answer_preflight(&self, method: &[u8], request: &HeaderList) -> Flow {
        let mut reply = LocalReply::text(200, "", "cors_response");
        let headers = &mut reply.headers;
        let asked = request.joined(&HeaderId::AccessControlRequestHeaders);
        self.methods.push(HeaderId::AccessControlAllowMethods, Some(method), headers);
        self.headers.push(HeaderId::AccessControlAllowHeaders, asked.as_deref(), headers);
        if let Some(max_age) = &self.max_age {
            headers.push(HeaderId::AccessControlMaxAge, max_age);
        }
        Flow::Respond(Box::new(reply))
    }

    /// Lets the page of `origin` read this response.
    fn allow(&self, origin: &[u8], headers: &mut HeaderList) {
        headers.set(HeaderId::AccessControlAllowOrigin, origin);
        if self.credentials {
            headers.set(HeaderId::AccessControlAllowCredentials, b"true");
        } else {
            headers.remove(HeaderId::AccessControlAllowCredentials);
        }
        if let Some(expose) = &self.expose {
            headers.set(HeaderId::AccessControlExposeHeaders, expose);
        }
    }
}

impl Names {
    fn new<'a>(names: impl Iterator<Item = &'a str> + Clone, credentials: bool) -> Names {
        if credentials && names.clone().any(|name| name == "*") {
            return Names::Asked;
        }
        joined(names).map_or(Names::None, Names::List)
    }

    fn push(&self, field: HeaderId, asked: Option<&[u8]>, headers: &mut HeaderList) {
        let value = match self {
            Names::None => None,
            Names::List(list) => Some(&**list),
            Names::Asked => asked,
        };
        if let Some(value) = value {
            headers.push(field, value);
        }
    }
}

/// The value of a field that must not be there twice.
fn single(headers: &HeaderList, id: HeaderId) -> Option<&[u8]> {
    let mut values = headers.iter().filter(|field| field.id == id).map(|field| field.value);
    values.next().filter(|value| !value.is_empty() && values.next().is_none())
}

/// Adds `origin` to `vary` (RFC 9110 section 12.5.5) where it does not stand yet.
fn vary_by_origin(headers: &mut HeaderList) {
    let varies = headers
        .get_all(&HeaderId::Vary)
        .flat_map(|value| value.split(|&byte| byte == b','))
        .any(|name| matches!(name.trim_ascii(), b"*") || name.trim_ascii().eq_ignore_ascii_case(b"origin"));
    if !varies {
        headers.push(HeaderId::Vary, b"origin");
    }
}

fn every_origin() -> config::Pattern {
    config::Pattern::Exact("*".to_owned())
}

fn joined<'a>(names: impl Iterator<Item = &'a str>) -> Option<Box<[u8]>> {
    let names: Vec<&str> = names.collect();
    (!names.is_empty()).then(|| names.join(", ").into_bytes().into())
}

/// In whole seconds, as `access-control-max-age` counts.
fn seconds(duration: Duration) -> Box<[u8]> {
    duration.as_secs().to_string().into_bytes().into()
}

#[cfg(test)]
mod tests;
