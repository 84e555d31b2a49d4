//! `http`: how a listener speaks HTTP. The defaults are the edge profile: safe on the open internet.

use std::time::Duration;

use super::Cidr;

#[derive(Debug, Clone, PartialEq)]
pub struct Http {
    /// Request line and fields together, in bytes. Default 60 KiB, 1 KiB to 1 MiB. Beyond: 431.
    pub max_request_headers: usize,
    /// Fields of a request. Default 100, 1 to 1000. Beyond: 431.
    pub max_headers_count: usize,
    /// The request target, in bytes. Default 8 KiB. Beyond: 414.
    pub max_request_target: usize,
    /// Default 1000; `None` is "off". The last response says `Connection: close`.
    pub max_requests_per_connection: Option<u64>,

    /// The whole head must be here within this time of its first byte (or of the accept). Default 10 s.
    pub request_headers_timeout: Option<Duration>,
    /// The whole request must be here within this time. Default off.
    pub request_timeout: Option<Duration>,
    /// Between two reads of a request body. Default 30 s.
    pub request_body_idle_timeout: Option<Duration>,
    /// Least rate of a request body, in bytes per second after the first 10 s. Default 256; 0 is no least rate.
    pub request_body_min_rate: u64,
    /// No byte either way on a stream. Default 5 min.
    pub stream_idle_timeout: Option<Duration>,
    /// The client takes no byte of a response that is there. Default 30 s.
    pub stream_flush_timeout: Option<Duration>,
    /// A connection without a request. Default 75 s.
    pub idle_timeout: Option<Duration>,
    /// Default off.
    pub max_stream_duration: Option<Duration>,
    /// Default off.
    pub max_connection_duration: Option<Duration>,

    /// Value of `server`. Default "nuncio".
    pub server_name: String,
    pub server_header: ServerHeader,
    /// Adds this name to `via`. Default: none.
    pub via: Option<String>,

    /// The peer's address is the client's, and is appended to `x-forwarded-for`. Default true.
    pub use_remote_address: bool,
    /// Proxies in front of this one whose `x-forwarded-for` entries are believed. Default 0.
    pub xff_num_trusted_hops: u32,
    /// Peers whose `x-forwarded-*` and `x-envoy-*` fields are believed. Default: none.
    pub trusted_proxies: Vec<Cidr>,

    /// Default true.
    pub generate_request_id: bool,
    /// Keeps the `x-request-id` of an untrusted peer. Default false.
    pub preserve_external_request_id: bool,
    /// Default false.
    pub always_set_request_id_in_response: bool,

    /// RFC 3986 section 6.2.2: dot segments, upper-case percent-encoding. Default true.
    pub normalize_path: bool,
    /// `//` is `/`. Default true.
    pub merge_slashes: bool,
    /// `%2F`, `%5C` in a path. Default reject.
    pub path_with_escaped_slashes_action: EscapedSlashes,
    /// Default reject.
    pub headers_with_underscores_action: Underscores,

    /// Passes `Expect: 100-continue` on, in place of answering it. Default false.
    pub proxy_100_continue: bool,
    /// Passes trailers on, both ways. Default false: they are read, checked and dropped.
    pub enable_trailers: bool,
    /// Takes HTTP/1.0 requests. Default true.
    pub accept_http_10: bool,
    /// For routes that say nothing of it. Default: none.
    pub upgrades: Vec<Upgrade>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ServerHeader {
    #[default]
    Overwrite,
    AppendIfAbsent,
    PassThrough,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EscapedSlashes {
    KeepUnchanged,
    #[default]
    RejectRequest,
    UnescapeAndRedirect,
    UnescapeAndForward,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Underscores {
    Allow,
    #[default]
    RejectRequest,
    DropHeader,
}

/// What a connection may become on a route that allows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upgrade {
    /// `"websocket"`: RFC 6455.
    Websocket,
    /// `"connect"`: the CONNECT method, passed to an upstream that is a proxy itself.
    Connect,
}
