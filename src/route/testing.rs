//! What the tests of this module build on.

use nuncio_http::{HeaderList, HeaderName, Method, RequestHead, Version};

use crate::config::{self, EscapedSlashes, Http, ServerHeader, Underscores};

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
    config::Route {
        name: String::new(),
        matches: config::Match::default(),
        action: config::Action::Cluster("app".into()),
        timeout: None,
        idle_timeout: None,
        rewrite: None,
        request_headers: config::HeaderEdits::default(),
        response_headers: config::HeaderEdits::default(),
        upgrades: None,
        filters: Default::default(),
    }
}

/// A path match as the configuration has it.
pub(super) fn path(pattern: config::PathPattern) -> Option<config::PathMatch> {
    Some(config::PathMatch { pattern, ignore_case: false })
}

/// The defaults, as far as they matter here.
pub(super) fn http() -> Http {
    Http {
        max_request_headers: 60 << 10,
        max_headers_count: 100,
        max_request_target: 8 << 10,
        max_requests_per_connection: None,
        request_headers_timeout: None,
        request_timeout: None,
        request_body_idle_timeout: None,
        request_body_min_rate: 0,
        stream_idle_timeout: None,
        stream_flush_timeout: None,
        idle_timeout: None,
        max_stream_duration: None,
        max_connection_duration: None,
        server_name: "nuncio".into(),
        server_header: ServerHeader::Overwrite,
        via: None,
        use_remote_address: true,
        xff_num_trusted_hops: 0,
        trusted_proxies: Vec::new(),
        generate_request_id: true,
        preserve_external_request_id: false,
        always_set_request_id_in_response: false,
        normalize_path: true,
        merge_slashes: true,
        path_with_escaped_slashes_action: EscapedSlashes::RejectRequest,
        headers_with_underscores_action: Underscores::RejectRequest,
        enable_trailers: false,
        accept_http_10: true,
        upgrades: Vec::new(),
    }
}
