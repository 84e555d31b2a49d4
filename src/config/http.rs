//! `http`: how a listener speaks HTTP. The defaults are the edge profile: safe on the open internet.

use std::time::Duration;

use serde::Serialize;

use super::text::{Complaint, Cx, Node, Object, quote, read, write};
use super::{CertDetail, Cidr, ForwardClientCert, Http2, client_cert, http2};

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Http {
    /// What clients may speak. Default `["h1", "h2"]`; on plain text the first bytes tell which it is.
    #[serde(serialize_with = "write_versions")]
    pub versions: Versions,
    /// Request line and fields together, in bytes. Default 60 KiB, 1 KiB to 1 MiB. Beyond: 431.
    #[serde(serialize_with = "write::size")]
    pub max_request_headers: usize,
    /// Fields of a request. Default 100, 1 to 256. Beyond: 431.
    pub max_headers_count: usize,
    /// The request target, in bytes. Default 8 KiB, 64 B to 1 MiB, at most `max_request_headers`. Beyond: 414.
    #[serde(serialize_with = "write::size")]
    pub max_request_target: usize,
    /// Default 1000; `None` is "off". The last response says `Connection: close`.
    #[serde(serialize_with = "write::or_off")]
    pub max_requests_per_connection: Option<u64>,

    /// The whole head must be here within this time of its first byte (or of the accept). Default 10 s.
    #[serde(serialize_with = "write::duration_or_off")]
    pub request_headers_timeout: Option<Duration>,
    /// The whole request must be here within this time. Default off.
    #[serde(serialize_with = "write::duration_or_off")]
    pub request_timeout: Option<Duration>,
    /// Between two reads of a request body. Default 30 s.
    #[serde(serialize_with = "write::duration_or_off")]
    pub request_body_idle_timeout: Option<Duration>,
    /// Least rate of a request body, in bytes per second after the first 10 s. Default 256; 0 is no least rate.
    #[serde(serialize_with = "write::size")]
    pub request_body_min_rate: u64,
    /// No byte either way on a stream. Default 5 min.
    #[serde(serialize_with = "write::duration_or_off")]
    pub stream_idle_timeout: Option<Duration>,
    /// The client takes no byte of a response that is there. Default 30 s.
    #[serde(serialize_with = "write::duration_or_off")]
    pub stream_flush_timeout: Option<Duration>,
    /// A connection without a request. Default 75 s.
    #[serde(serialize_with = "write::duration_or_off")]
    pub idle_timeout: Option<Duration>,
    /// Default off.
    #[serde(serialize_with = "write::duration_or_off")]
    pub max_stream_duration: Option<Duration>,
    /// Default off.
    #[serde(serialize_with = "write::duration_or_off")]
    pub max_connection_duration: Option<Duration>,

    /// Value of `server`. Default "nuncio".
    pub server_name: String,
    pub server_header: ServerHeader,
    /// Adds this name to `via`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,

    /// The peer's address is the client's, and is appended to `x-forwarded-for`. Default true.
    pub use_remote_address: bool,
    /// Proxies in front of this one whose `x-forwarded-for` entries are believed. Default 0.
    pub xff_num_trusted_hops: u32,
    /// Peers whose `x-forwarded-*` and `x-envoy-*` fields are believed. Default: none.
    #[serde(serialize_with = "write::display_list")]
    pub trusted_proxies: Vec<Cidr>,
    /// What becomes of `x-forwarded-client-cert`. Default: it is removed.
    pub forward_client_cert: ForwardClientCert,
    /// What it says of the certificate of a connection, beside its digest. Default: nothing.
    pub set_current_client_cert_details: Vec<CertDetail>,

    /// Default true.
    pub generate_request_id: bool,
    /// Keeps the `x-request-id` of an untrusted peer. Default false.
    pub preserve_external_request_id: bool,
    /// Default false.
    pub always_set_request_id_in_response: bool,
    /// Tells hosts which try of its request a request is, from 1, by `x-envoy-attempt-count`. Default false.
    pub include_request_attempt_count: bool,
    /// Tells clients how many tries their answer took, by `x-envoy-attempt-count`. Default false.
    pub include_attempt_count_in_response: bool,

    /// RFC 3986 section 6.2.2: dot segments, upper-case percent-encoding. Default true.
    pub normalize_path: bool,
    /// `//` is `/`. Default true.
    pub merge_slashes: bool,
    /// `%2F`, `%5C` in a path. Default reject.
    pub path_with_escaped_slashes_action: EscapedSlashes,
    /// Default reject.
    pub headers_with_underscores_action: Underscores,

    /// Passes trailers on, both ways. Default false: they are read, checked and dropped.
    pub enable_trailers: bool,
    /// Takes HTTP/1.0 requests. Default true.
    pub accept_http_10: bool,
    /// For routes that say nothing of it. Default: none.
    pub upgrades: Vec<Upgrade>,

    /// Streams that a client may have open at once on one HTTP/2 connection. Default 100, 1 to 2^31 - 1.
    pub max_concurrent_streams: u32,
    /// What a client may send ahead on one stream, in bytes. Default 64 KiB, 16 KiB to 2 GiB - 1.
    #[serde(serialize_with = "write::size")]
    pub initial_stream_window: u32,
    /// The same for a whole connection. Default 1 MiB, 64 KiB to 2 GiB - 1.
    #[serde(serialize_with = "write::size")]
    pub initial_connection_window: u32,
    /// An HTTP/2 connection without a stream. Default 5 min.
    #[serde(serialize_with = "write::duration_or_off")]
    pub http2_idle_timeout: Option<Duration>,
    pub http2: Http2,
}

/// Versions of HTTP. At least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    pub h1: bool,
    pub h2: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerHeader {
    #[default]
    Overwrite,
    AppendIfAbsent,
    PassThrough,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EscapedSlashes {
    KeepUnchanged,
    #[default]
    RejectRequest,
    UnescapeAndRedirect,
    UnescapeAndForward,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Underscores {
    Allow,
    #[default]
    RejectRequest,
    DropHeader,
}

/// What a connection may become on a route that allows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Upgrade {
    /// `"websocket"`: RFC 6455.
    Websocket,
    /// `"connect"`: the CONNECT method, passed to an upstream that is a proxy itself.
    Connect,
}

impl Default for Http {
    fn default() -> Http {
        Http {
            versions: Versions { h1: true, h2: true },
            max_request_headers: 60 << 10,
            max_headers_count: 100,
            max_request_target: 8 << 10,
            max_requests_per_connection: Some(1000),
            request_headers_timeout: Some(Duration::from_secs(10)),
            request_timeout: None,
            request_body_idle_timeout: Some(Duration::from_secs(30)),
            request_body_min_rate: 256,
            stream_idle_timeout: Some(Duration::from_secs(300)),
            stream_flush_timeout: Some(Duration::from_secs(30)),
            idle_timeout: Some(Duration::from_secs(75)),
            max_stream_duration: None,
            max_connection_duration: None,
            server_name: "nuncio".to_owned(),
            server_header: ServerHeader::default(),
            via: None,
            use_remote_address: true,
            xff_num_trusted_hops: 0,
            trusted_proxies: Vec::new(),
            forward_client_cert: ForwardClientCert::default(),
            set_current_client_cert_details: Vec::new(),
            generate_request_id: true,
            preserve_external_request_id: false,
            always_set_request_id_in_response: false,
            include_request_attempt_count: false,
            include_attempt_count_in_response: false,
            normalize_path: true,
            merge_slashes: true,
            path_with_escaped_slashes_action: EscapedSlashes::default(),
            headers_with_underscores_action: Underscores::default(),
            enable_trailers: false,
            accept_http_10: true,
            upgrades: Vec::new(),
            max_concurrent_streams: 100,
            initial_stream_window: 64 << 10,
            initial_connection_window: 1 << 20,
            http2_idle_timeout: Some(Duration::from_secs(300)),
            http2: Http2::default(),
        }
    }
}

impl Http {
    /// As the HTTP/2 codec takes them. `connect_protocol`: some route takes WebSockets.
    pub fn h2_limits(&self, connect_protocol: bool) -> nuncio_h2::Limits {
        let default = nuncio_h2::Limits::default();
        self.http2.apply(nuncio_h2::Limits {
            head_bytes: self.max_request_headers,
            fields: self.max_headers_count,
            target_bytes: self.max_request_target,
            underscores: self.headers_with_underscores_action.into(),
            max_concurrent_streams: self.max_concurrent_streams,
            initial_stream_window: self.initial_stream_window,
            initial_connection_window: self.initial_connection_window,
            block_timeout: self.request_headers_timeout.unwrap_or(default.block_timeout),
            connect_protocol,
            ..default
        })
    }
}

impl From<Underscores> for nuncio_http::Underscores {
    fn from(underscores: Underscores) -> nuncio_http::Underscores {
        match underscores {
            Underscores::Allow => nuncio_http::Underscores::Allow,
            Underscores::RejectRequest => nuncio_http::Underscores::Reject,
            Underscores::DropHeader => nuncio_http::Underscores::Drop,
        }
    }
}

const SERVER_HEADER: &[(&str, ServerHeader)] = &[
    ("overwrite", ServerHeader::Overwrite),
    ("append_if_absent", ServerHeader::AppendIfAbsent),
    ("pass_through", ServerHeader::PassThrough),
];
const ESCAPED_SLASHES: &[(&str, EscapedSlashes)] = &[
    ("keep_unchanged", EscapedSlashes::KeepUnchanged),
    ("reject_request", EscapedSlashes::RejectRequest),
    ("unescape_and_redirect", EscapedSlashes::UnescapeAndRedirect),
    ("unescape_and_forward", EscapedSlashes::UnescapeAndForward),
];
const UNDERSCORES: &[(&str, Underscores)] = &[
    ("allow", Underscores::Allow),
    ("reject_request", Underscores::RejectRequest),
    ("drop_header", Underscores::DropHeader),
];
const UPGRADES: &[(&str, Upgrade)] = &[("websocket", Upgrade::Websocket), ("connect", Upgrade::Connect)];
const LATER: &[&str] = &["strip_any_host_port", "local_reply", "alt_svc"];

pub(super) fn read(cx: &Cx, node: &Node) -> Option<Http> {
    let mut o = cx.object(node)?;
    o.later(LATER);
    let mut http = Http::default();
    let h = &mut http;
    set(&mut h.versions, o.maybe("versions", read_versions));
    read_limits(&mut o, h);
    read_timeouts(&mut o, h);
    read_names(&mut o, h);
    read_flags(&mut o, h);
    let slashes = o.maybe("path_with_escaped_slashes_action", read::one_of(ESCAPED_SLASHES));
    set(&mut h.path_with_escaped_slashes_action, slashes);
    let underscores = o.maybe("headers_with_underscores_action", read::one_of(UNDERSCORES));
    set(&mut h.headers_with_underscores_action, underscores);
    set(&mut h.upgrades, o.maybe("upgrades", read_upgrades));
    set(&mut h.max_concurrent_streams, o.maybe("max_concurrent_streams", read::integer(1..=(1 << 31) - 1)));
    set(&mut h.initial_stream_window, o.maybe("initial_stream_window", read::size(http2::WINDOWS)));
    set(&mut h.initial_connection_window, o.maybe("initial_connection_window", read::size(64 << 10..=(1 << 31) - 1)));
    set(&mut h.http2, o.maybe("http2", http2::read));
    o.finish();
    Some(http)
}

/// How large a request may be, and how many there may be.
fn read_limits(o: &mut Object, h: &mut Http) {
    set(&mut h.max_request_headers, o.maybe("max_request_headers", read::size(1 << 10..=1 << 20)));
    set(&mut h.max_headers_count, o.maybe("max_headers_count", read::integer(1..=256)));
    let limit = h.max_request_headers;
    let target = o.maybe("max_request_target", |cx, node| match read::size(64..=1 << 20)(cx, node)? {
        target if target > limit => {
            cx.refuse(node, "is larger than \"max_request_headers\", which the target is part of")
        }
        target => Some(target),
    });
    h.max_request_target = target.unwrap_or(h.max_request_target.min(limit));
    let requests = o.maybe("max_requests_per_connection", read::integer_or("off", 1..=u64::MAX));
    set(&mut h.max_requests_per_connection, requests);
}

fn read_timeouts(o: &mut Object, h: &mut Http) {
    for (key, timeout) in [
        ("request_headers_timeout", &mut h.request_headers_timeout),
        ("request_timeout", &mut h.request_timeout),
        ("request_body_idle_timeout", &mut h.request_body_idle_timeout),
        ("stream_idle_timeout", &mut h.stream_idle_timeout),
        ("stream_flush_timeout", &mut h.stream_flush_timeout),
        ("idle_timeout", &mut h.idle_timeout),
        ("http2_idle_timeout", &mut h.http2_idle_timeout),
        ("max_stream_duration", &mut h.max_stream_duration),
        ("max_connection_duration", &mut h.max_connection_duration),
    ] {
        set(timeout, o.maybe(key, read::or_off(read::timeout)));
    }
    set(&mut h.request_body_min_rate, o.maybe("request_body_min_rate", read::size(0..=1 << 30)));
}

/// What the proxy calls itself, and whom it believes.
fn read_names(o: &mut Object, h: &mut Http) {
    set(&mut h.server_name, o.maybe("server_name", read::full_header_value));
    set(&mut h.server_header, o.maybe("server_header", read::one_of(SERVER_HEADER)));
    h.via = o.maybe("via", read_via);
    set(&mut h.xff_num_trusted_hops, o.maybe("xff_num_trusted_hops", read::integer(0..=100)));
    set(&mut h.trusted_proxies, o.maybe("trusted_proxies", read::one_or_list(read_trusted)));
    (h.forward_client_cert, h.set_current_client_cert_details) = client_cert::read(o);
}

fn read_flags(o: &mut Object, h: &mut Http) {
    for (key, flag) in [
        ("use_remote_address", &mut h.use_remote_address),
        ("generate_request_id", &mut h.generate_request_id),
        ("preserve_external_request_id", &mut h.preserve_external_request_id),
        ("always_set_request_id_in_response", &mut h.always_set_request_id_in_response),
        ("include_request_attempt_count", &mut h.include_request_attempt_count),
        ("include_attempt_count_in_response", &mut h.include_attempt_count_in_response),
        ("normalize_path", &mut h.normalize_path),
        ("merge_slashes", &mut h.merge_slashes),
        ("enable_trailers", &mut h.enable_trailers),
        ("accept_http_10", &mut h.accept_http_10),
    ] {
        set(flag, o.maybe(key, read::boolean));
    }
}

pub(super) fn read_upgrades(cx: &Cx, node: &Node) -> Option<Vec<Upgrade>> {
    read::one_or_list(read::one_of(UPGRADES))(cx, node)
}

fn set<T>(value: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *value = given;
    }
}

fn read_versions(cx: &Cx, node: &Node) -> Option<Versions> {
    let named = read::some(read_version)(cx, node)?;
    Some(Versions { h1: named.contains(&"h1"), h2: named.contains(&"h2") })
}

fn read_version(cx: &Cx, node: &Node) -> Option<&'static str> {
    match read::string(cx, node)?.as_str() {
        "h1" => Some("h1"),
        "h2" => Some("h2"),
        "h3" => cx.refuse(node, "\"h3\" is not supported yet"),
        other => {
            let complaint = Complaint::new(format!("{} is not known here", quote(other)));
            cx.refuse(node, complaint.expected("\"h1\" or \"h2\""))
        }
    }
}

fn write_versions<S: serde::Serializer>(versions: &Versions, serializer: S) -> Result<S::Ok, S::Error> {
    let named = [("h1", versions.h1), ("h2", versions.h2)];
    serializer.collect_seq(named.iter().filter(|(_, on)| *on).map(|(name, _)| name))
}

/// A pseudonym: a token or a host (RFC 9110 section 7.6.3).
fn read_via(cx: &Cx, node: &Node) -> Option<String> {
    let via = read::string(cx, node)?;
    if nuncio_http::validate::is_token(via.as_bytes()) { Some(via) } else { read::authority(cx, node) }
}

fn read_trusted(cx: &Cx, node: &Node) -> Option<Cidr> {
    let range: Cidr = read::parsed("an address range such as \"192.0.2.0/24\" or \"2001:db8::/32\"")(cx, node)?;
    if range.prefix_len == 0 {
        cx.warn(node, "believes every peer: anyone may claim any client address");
    }
    Some(range)
}
