//! `filters`: what stands between a route and its action, in order.

use std::time::Duration;

use nuncio_http::HeaderName;

use super::header_edits::HeaderEdits;
use super::matcher::Matcher;

/// One entry of `filters`: `{ "type": NAME, ...its settings }`.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    Buffer(Buffer),
    LocalRateLimit(LocalRateLimit),
    Fault(Fault),
    HeaderMutation(HeaderMutation),
    Cors(Cors),
}

impl Filter {
    /// Every filter type, as the configuration names it.
    pub const TYPES: &[&str] = &["buffer", "cors", "fault", "header_mutation", "local_rate_limit"];

    /// The `type` of this filter.
    pub fn type_name(&self) -> &'static str {
        match self {
            Filter::Buffer(_) => "buffer",
            Filter::Cors(_) => "cors",
            Filter::Fault(_) => "fault",
            Filter::HeaderMutation(_) => "header_mutation",
            Filter::LocalRateLimit(_) => "local_rate_limit",
        }
    }
}

/// What a route makes of a filter of its listener: `"filters": { NAME: "off" | { ...settings } }`.
#[derive(Debug, Clone, PartialEq)]
pub enum FilterOverride {
    Off,
    /// Its settings in place of the listener's: keys that are not given keep the listener's value.
    Settings(Filter),
}

/// `buffer`: a request is forwarded once it is here whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Buffer {
    /// Larger ones are answered 413. Required, at least 1.
    pub max_request_bytes: u64,
}

/// `local_rate_limit`: a token bucket over all workers.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalRateLimit {
    /// Tokens added each `per`. Required, at least 1.
    pub requests: u32,
    /// 50 ms to 1 h. Default 1 s.
    pub per: Duration,
    /// Most tokens held. Default: `requests`.
    pub burst: u32,
    /// 400 to 599. Default 429.
    pub status: u16,
}

/// `fault`: delays and aborts, by percentage of requests.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    pub delay: Option<FaultDelay>,
    pub abort: Option<FaultAbort>,
}

/// `"delay": { "duration": "100ms", "percent": 5 }`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FaultDelay {
    pub duration: Duration,
    /// 0 to 100. Default 100.
    pub percent: f64,
}

/// `"abort": { "status": 503, "percent": 5 }`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FaultAbort {
    /// 200 to 599.
    pub status: u16,
    /// 0 to 100. Default 100.
    pub percent: f64,
}

/// `header_mutation`: edits heads on the way up and down.
#[derive(Debug, Clone, PartialEq)]
pub struct HeaderMutation {
    pub request: HeaderEdits,
    pub response: HeaderEdits,
}

/// `cors`: answers preflights and marks responses (the Fetch standard, "HTTP-CORS protocol").
#[derive(Debug, Clone, PartialEq)]
pub struct Cors {
    /// Origins that may read. Required, at least one.
    pub allow_origin: Vec<Matcher>,
    /// Default: GET, HEAD, POST.
    pub allow_methods: Vec<String>,
    pub allow_headers: Vec<HeaderName>,
    pub expose_headers: Vec<HeaderName>,
    /// How long a browser may keep the answer to a preflight.
    pub max_age: Option<Duration>,
    /// Default false.
    pub allow_credentials: bool,
}
