//! What the tests of this module build on.

use nuncio_http::{HeaderList, HeaderName, Method, RequestHead, Version};

use crate::config::{self, Http};

/// A request head without fields.
pub(super) fn head(method: &str, authority: &str, target: &str) -> RequestHead {
    let method = Method::parse(method.as_bytes()).unwrap();
    let mut head = RequestHead::new(method, Version::Http11, HeaderList::new());
    head.set_authority(authority.as_bytes());
    head.set_target(target.as_bytes());
    head
}

/// A request head with fields, in the order given.
pub(super) fn head_with(target: &str, fields: &[(&str, &[u8])]) -> RequestHead {
    let mut head = head("GET", "a.example", target);
    for (name, value) in fields {
        head.headers.push(HeaderName::new(name).unwrap(), value);
    }
    head
}

/// A route to the cluster "app" that matches everything.
pub(super) fn route() -> config::Route {
    config::Route { timeout: None, ..config::Route::new(config::Action::Cluster("app".into())) }
}

/// A path match as the configuration has it.
pub(super) fn path(pattern: config::PathPattern) -> Option<config::PathMatch> {
    Some(config::PathMatch { pattern, ignore_case: false })
}

pub(super) fn http() -> Http {
    Http::default()
}
