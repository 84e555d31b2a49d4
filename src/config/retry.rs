//! `retry` of a route: which requests are sent once more, how often, and after which time.

use std::time::Duration;

use nuncio_http::HeaderName;
use serde::Serialize;

use super::Matcher;
use super::route_match::read_headers;
use super::text::{Cx, Kind, Node, read, write};

/// When a request is sent again (Envoy's `RetryPolicy`). It holds for every method: a condition that can come true after a
/// host has seen the request, such as `5xx`, is for requests that may be acted on twice.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Retry {
    /// Any of these.
    pub on: Vec<RetryOn>,
    /// Most times that it is sent again (`num_retries`), 0 to 100. Default 1.
    pub attempts: u32,
    /// From a host's connection to the end of its response head. `None`: the route's `timeout` alone ("off", the default).
    #[serde(serialize_with = "write::duration_or_off")]
    pub per_try_timeout: Option<Duration>,
    /// No byte from a host for this long, while nothing of its response went on. Default off.
    #[serde(serialize_with = "write::duration_or_off")]
    pub per_try_idle_timeout: Option<Duration>,
    pub back_off: BackOff,
    /// For `retriable-status-codes`: 200 to 599.
    pub retriable_status_codes: Vec<u16>,
    /// For `retriable-headers`: any of these in a response.
    #[serde(serialize_with = "write::header_pairs")]
    pub retriable_headers: Vec<(HeaderName, Matcher)>,
    /// Only requests with any of these are sent again. None given: all are.
    #[serde(serialize_with = "write::header_pairs")]
    pub retriable_request_headers: Vec<(HeaderName, Matcher)>,
    /// A host says itself when to come again (`rate_limited_retry_back_off`). `None` is "off".
    #[serde(serialize_with = "write::or_off")]
    pub retry_after: Option<RetryAfter>,
    /// Most of a request body that is kept to be sent again, in bytes: a longer one is sent once. Default 64 KiB, 0 to 1 MiB.
    #[serde(serialize_with = "write::size")]
    pub max_body_bytes: usize,
    /// Most of a gRPC response that is held back until its trailers say that it failed, in bytes: a longer one goes on as it
    /// comes. 0: only its head is looked at. Default 16 KiB, 0 to 1 MiB.
    #[serde(serialize_with = "write::size")]
    pub hold_back: usize,
    /// A host that has not failed this request is taken first (`previous_hosts`). Default true.
    pub other_host: bool,
}

/// A condition of `on`, by Envoy's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryOn {
    /// A 5xx, or no response at all.
    ServerError,
    /// 502, 503, 504, or no response at all.
    GatewayError,
    /// No response: the connection or the stream broke, or the try took too long.
    Reset,
    /// The same, where nothing of the request had left.
    ResetBeforeRequest,
    /// No connection: refused, no agreement on TLS, or not in time.
    ConnectFailure,
    /// The host refused the stream before it acted on it.
    RefusedStream,
    /// A response with `x-envoy-ratelimited`, which no other condition takes.
    EnvoyRateLimited,
    /// 409.
    Retriable4xx,
    /// Those of `retriable_status_codes`.
    RetriableStatusCodes,
    /// Those of `retriable_headers`.
    RetriableHeaders,
    /// `grpc-status` 1; this and the others also from trailers, see `hold_back`.
    Cancelled,
    /// `grpc-status` 4.
    DeadlineExceeded,
    /// `grpc-status` 13.
    Internal,
    /// `grpc-status` 8.
    ResourceExhausted,
    /// `grpc-status` 14.
    Unavailable,
}

impl RetryOn {
    /// Each with its name, as in `x-envoy-retry-on` and `x-envoy-retry-grpc-on`.
    pub const ALL: &[(&str, RetryOn)] = &[
        ("5xx", RetryOn::ServerError),
        ("gateway-error", RetryOn::GatewayError),
        ("reset", RetryOn::Reset),
        ("reset-before-request", RetryOn::ResetBeforeRequest),
        ("connect-failure", RetryOn::ConnectFailure),
        ("refused-stream", RetryOn::RefusedStream),
        ("envoy-ratelimited", RetryOn::EnvoyRateLimited),
        ("retriable-4xx", RetryOn::Retriable4xx),
        ("retriable-status-codes", RetryOn::RetriableStatusCodes),
        ("retriable-headers", RetryOn::RetriableHeaders),
        ("cancelled", RetryOn::Cancelled),
        ("deadline-exceeded", RetryOn::DeadlineExceeded),
        ("internal", RetryOn::Internal),
        ("resource-exhausted", RetryOn::ResourceExhausted),
        ("unavailable", RetryOn::Unavailable),
    ];

    pub fn as_str(self) -> &'static str {
        // Every condition stands in the table, in the order of the enum.
        RetryOn::ALL.get(self as usize).map_or("", |(name, _)| name)
    }
}

impl Serialize for RetryOn {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(self.as_str())
    }
}

/// Before the Nth retry a random part of `(2^N - 1) * base` is waited, at most `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BackOff {
    /// Default 25 ms, 1 ms to 1 min.
    #[serde(serialize_with = "write::duration")]
    pub base: Duration,
    /// Default ten times `base`; `base` to 1 h.
    #[serde(serialize_with = "write::duration")]
    pub max: Duration,
}

impl BackOff {
    const DEFAULT: BackOff = BackOff { base: Duration::from_millis(25), max: Duration::from_millis(250) };
}

/// Where a host says when to come again, and how long that is waited for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RetryAfter {
    /// The first that is there and can be read. Default `retry-after`.
    pub headers: Vec<ResetHeader>,
    /// A host that asks for more is not asked again. Default 300 s.
    #[serde(serialize_with = "write::duration")]
    pub max: Duration,
}

/// `"retry-after"` or `{ "name": "x-ratelimit-reset", "format": "unix_timestamp" }`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ResetHeader {
    #[serde(serialize_with = "write::display")]
    pub name: HeaderName,
    /// Default seconds.
    pub format: ResetFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ResetFormat {
    /// A number of seconds, or an HTTP date (RFC 9110 section 10.2.3).
    #[default]
    Seconds,
    /// Seconds since 1970-01-01 UTC.
    UnixTimestamp,
}

impl Default for RetryAfter {
    fn default() -> RetryAfter {
        // A valid name, whatever it is: the list is empty if that should ever change.
        let names = HeaderName::new("retry-after").into_iter();
        let headers = names.map(|name| ResetHeader { name, format: ResetFormat::Seconds }).collect();
        RetryAfter { headers, max: Duration::from_secs(300) }
    }
}

impl Retry {
    /// Most retries that may be asked for.
    pub const MOST: u32 = 100;

    /// These conditions, all else by default.
    pub fn new(on: Vec<RetryOn>) -> Retry {
        Retry {
            on,
            attempts: 1,
            per_try_timeout: None,
            per_try_idle_timeout: None,
            back_off: BackOff::DEFAULT,
            retriable_status_codes: Vec::new(),
            retriable_headers: Vec::new(),
            retriable_request_headers: Vec::new(),
            retry_after: Some(RetryAfter::default()),
            max_body_bytes: 64 << 10,
            hold_back: 16 << 10,
            other_host: true,
        }
    }
}

pub(super) fn read(cx: &Cx, node: &Node) -> Option<Retry> {
    let default = Retry::new(Vec::new());
    let buffer = || read::size(0..=1 << 20);
    let mut o = cx.object(node)?;
    o.later(&["retry_priority", "host_predicates"]);
    let on = o.required("on", read::one_or_list(read::one_of(RetryOn::ALL)));
    let retry = Retry {
        on: Vec::new(),
        attempts: o.optional("attempts", default.attempts, read::integer(0..=u64::from(Retry::MOST))),
        per_try_timeout: o.optional("per_try_timeout", default.per_try_timeout, read::or_off(read::timeout)),
        per_try_idle_timeout: o.optional(
            "per_try_idle_timeout",
            default.per_try_idle_timeout,
            read::or_off(read::timeout),
        ),
        back_off: o.optional("back_off", default.back_off, read_back_off),
        retriable_status_codes: o.optional(
            "retriable_status_codes",
            default.retriable_status_codes,
            read::one_or_list(read::integer(200..=599)),
        ),
        retriable_headers: o.optional("retriable_headers", default.retriable_headers, read_headers),
        retriable_request_headers: o.optional(
            "retriable_request_headers",
            default.retriable_request_headers,
            read_headers,
        ),
        retry_after: o.optional("retry_after", default.retry_after, read::or_off(read_retry_after)),
        max_body_bytes: o.optional("max_body_bytes", default.max_body_bytes, buffer()),
        hold_back: o.optional("hold_back", default.hold_back, buffer()),
        other_host: o.optional("other_host", default.other_host, read::boolean),
    };
    o.finish();
    let retry = Retry { on: on?, ..retry };
    warn_of_lists(cx, node, &retry);
    Some(retry)
}

/// A list counts only with its word in `on`, and the word only with its list.
fn warn_of_lists(cx: &Cx, node: &Node, retry: &Retry) {
    let pairs = [
        (RetryOn::RetriableStatusCodes, "retriable_status_codes", retry.retriable_status_codes.is_empty()),
        (RetryOn::RetriableHeaders, "retriable_headers", retry.retriable_headers.is_empty()),
    ];
    for (word, list, empty) in pairs {
        let (asked, word) = (retry.on.contains(&word), word.as_str());
        if asked && empty {
            cx.warn(node, format!("has \"{word}\" in \"on\", but no \"{list}\": only callers can name some"));
        } else if !asked && !empty {
            cx.warn(node, format!("\"{list}\" has no effect without \"{word}\" in \"on\""));
        }
    }
}

fn read_back_off(cx: &Cx, node: &Node) -> Option<BackOff> {
    const HOUR: Duration = Duration::from_secs(3600);
    let mut o = cx.object(node)?;
    let bases = Duration::from_millis(1)..=Duration::from_secs(60);
    let base = o.optional("base", BackOff::DEFAULT.base, read::duration_in(bases));
    let max = o.optional("max", base.saturating_mul(10), read::duration_in(base..=HOUR));
    o.finish();
    Some(BackOff { base, max })
}

fn read_retry_after(cx: &Cx, node: &Node) -> Option<RetryAfter> {
    let default = RetryAfter::default();
    let mut o = cx.object(node)?;
    let retry_after = RetryAfter {
        headers: o.optional("headers", default.headers, read::some(read_reset_header)),
        max: o.optional("max", default.max, read::timeout),
    };
    o.finish();
    Some(retry_after)
}

fn read_reset_header(cx: &Cx, node: &Node) -> Option<ResetHeader> {
    const FORMATS: &[(&str, ResetFormat)] =
        &[("seconds", ResetFormat::Seconds), ("unix_timestamp", ResetFormat::UnixTimestamp)];
    if node.kind() == Kind::String {
        return Some(ResetHeader { name: read::header_name(cx, node)?, format: ResetFormat::default() });
    }
    let mut o = cx.object(node)?;
    let name = o.required("name", read::header_name);
    let format = o.optional("format", ResetFormat::default(), read::one_of(FORMATS));
    o.finish();
    Some(ResetHeader { name: name?, format })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_condition_stands_at_its_place() {
        for (at, (name, condition)) in RetryOn::ALL.iter().enumerate() {
            assert_eq!((*condition as usize, condition.as_str()), (at, *name));
        }
    }

    #[test]
    fn retry_after_is_read_by_default() {
        assert_eq!(RetryAfter::default().headers.len(), 1);
    }
}
