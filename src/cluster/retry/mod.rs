//! Retries: whether a request that failed is sent again, and when. No I/O; time and chance are arguments.
//!
//! ```text
//!   the try failed ---> harmless? ---yes---> at once, at no charge
//!                          |no
//!   a head, trailers ---> a condition of the route holds? ---> retries left? ---> after a pause, if there is time for it;
//!                                                                                 takes a permit for `Resource::Retries`
//! ```
//! What is harmless needs no configuration: the host said that it has not acted (RFC 9113 section 8.7), or a kept connection was
//! closed before any byte of a response came (RFC 9112 section 9.3.1), and nothing of the request had left or it may be sent
//! twice. The conditions hold for every method, as in Envoy: `5xx` on a route for POST says that a POST may be acted on twice.

mod asked;
mod date;
mod pause;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::time::Duration;

use fastrand::Rng;
use nuncio_http::{HeaderId, HeaderList, HeaderName, RequestHead, ResponseHead};

pub use asked::Asked;
use pause::RetryAfter;

use crate::config::{self, BackOff, RetryOn};
use crate::error::{Error, Kind, Phase, Side};
use crate::grpc::Status;
use crate::route::Matcher;

/// Times a request is sent again that hosts said they did not act on.
const UNPROCESSED_RETRIES: u8 = 3;

/// A compiled [`config::Retry`]. By default only what is harmless is sent again.
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    on: Conditions,
    attempts: u32,
    /// From a host's connection to the end of its response head; `None` is "off".
    pub per_try_timeout: Option<Duration>,
    /// No byte from a host; `None` is "off".
    pub per_try_idle_timeout: Option<Duration>,
    back_off: BackOff,
    statuses: Vec<u16>,
    fields: Vec<FieldMatcher>,
    request_fields: Vec<FieldMatcher>,
    retry_after: Option<RetryAfter>,
    /// Most of a request body that is kept, in bytes.
    pub max_body_bytes: usize,
    hold_back: usize,
    /// A host that has not failed this request is taken first.
    pub other_host: bool,
}

/// A set of conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Conditions(u32);

/// A field of a message, by its joined value.
#[derive(Debug, Clone)]
struct FieldMatcher {
    name: HeaderName,
    matcher: Matcher,
}

/// What became of a try. Asked only while nothing of a response has gone to the client.
#[derive(Debug, Clone, Copy)]
pub enum RetryEvent<'a> {
    /// It came to no response head, or to none that was passed on. `reused`: on a kept connection; `unsent`: nothing of the
    /// request had left.
    Failed { error: Error, reused: bool, unsent: bool },
    /// `per_try_timeout` or `per_try_idle_timeout`.
    TimedOut { unsent: bool },
    /// A final response head.
    Head(&'a ResponseHead),
    /// Trailers of a response that was held back.
    Trailers(&'a HeaderList),
}

/// What a decision depends on, apart from what happened.
#[derive(Debug)]
pub struct RetryCx<'a> {
    /// All of the request that was sent is still here.
    pub replayable: bool,
    /// It may be sent twice by its method (RFC 9110 section 9.2.2), and asks for no upgrade.
    pub idempotent: bool,
    /// Until the route's `timeout`, or the client's own; `None`: for ever.
    pub time_left: Option<Duration>,
    /// Since 1970-01-01 UTC.
    pub wall: Duration,
    /// In place of `back_off.base` and ten times of it for its `max`: `upstream.base_retry_backoff_ms`.
    pub base: Option<Duration>,
    pub rng: &'a mut Rng,
}

/// What of one request has been sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RetryState {
    /// By the conditions.
    retries: u32,
    /// Because nothing was acted on.
    unprocessed: u8,
    /// Because a kept connection was closed.
    stale: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Send it again after this time.
    Retry {
        after: Duration,
        pace: Pace,
    },
    No(Refusal),
}

/// What the pause before a retry goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// None: it is harmless. It takes no permit.
    AtOnce,
    /// `back_off`
    Exponential,
    /// `retry_after`
    RateLimited,
}

/// Why it is not sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No condition holds.
    NotRetriable,
    /// Not all of the request is here any more.
    NotReplayable,
    /// As often as may be. The response flag is `URX`.
    LimitExceeded,
    /// It would come too late for the client, or later than `retry_after.max`.
    TooLate,
}

impl Conditions {
    fn new(on: &[RetryOn]) -> Conditions {
        on.iter().fold(Conditions::default(), |mut conditions, condition| {
            conditions.insert(*condition);
            conditions
        })
    }

    fn insert(&mut self, condition: RetryOn) {
        self.0 |= 1 << condition as u32;
    }

    fn has(self, condition: RetryOn) -> bool {
        self.0 & 1 << condition as u32 != 0
    }

    fn any(self, of: &[RetryOn]) -> bool {
        of.iter().any(|condition| self.has(*condition))
    }

    fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FieldMatcher {
    fn new((name, matcher): &(HeaderName, config::Matcher)) -> Result<FieldMatcher, regex_lite::Error> {
        Ok(FieldMatcher { name: name.clone(), matcher: Matcher::new(matcher)? })
    }

    fn matches(&self, fields: &HeaderList) -> bool {
        self.matcher.matches(fields.joined(&self.name).as_deref())
    }
}

impl RetryState {
    /// Times that it was sent again.
    pub fn retries(&self) -> u32 {
        self.retries.saturating_add(u32::from(self.unprocessed)).saturating_add(u32::from(self.stale))
    }
}

impl RetryEvent<'_> {
    /// Nothing of the request had left.
    fn is_unsent(self) -> bool {
        matches!(self, RetryEvent::Failed { unsent: true, .. } | RetryEvent::TimedOut { unsent: true })
    }
}

/// The conditions that a response can fulfil by its `grpc-status`.
const GRPC: &[RetryOn] = &[
    RetryOn::Cancelled,
    RetryOn::DeadlineExceeded,
    RetryOn::Internal,
    RetryOn::ResourceExhausted,
    RetryOn::Unavailable,
];

impl Default for RetryPolicy {
    fn default() -> RetryPolicy {
        RetryPolicy::with_matchers(&config::Retry::new(Vec::new()), Vec::new(), Vec::new())
    }
}

impl RetryPolicy {
    /// # Errors
    /// A regex; the configuration reader refuses it first.
    pub fn new(config: &config::Retry) -> Result<RetryPolicy, regex_lite::Error> {
        let matchers = |list: &[(HeaderName, config::Matcher)]| list.iter().map(FieldMatcher::new).collect();
        let fields: Result<_, regex_lite::Error> = matchers(&config.retriable_headers);
        Ok(RetryPolicy::with_matchers(config, fields?, matchers(&config.retriable_request_headers)?))
    }

    fn with_matchers(
        config: &config::Retry,
        fields: Vec<FieldMatcher>,
        request_fields: Vec<FieldMatcher>,
    ) -> RetryPolicy {
        RetryPolicy {
            on: Conditions::new(&config.on),
            attempts: config.attempts,
            per_try_timeout: config.per_try_timeout,
            per_try_idle_timeout: config.per_try_idle_timeout,
            back_off: config.back_off,
            statuses: config.retriable_status_codes.clone(),
            fields,
            request_fields,
            retry_after: config.retry_after.as_ref().map(RetryAfter::new),
            max_body_bytes: config.max_body_bytes,
            hold_back: config.hold_back,
            other_host: config.other_host,
        }
    }

    /// The policy for this request, where it is another one: it is none that is sent again, or its client asks for more.
    pub fn for_request(&self, head: &RequestHead, asked: Option<&Asked>) -> Option<Box<RetryPolicy>> {
        let fields = &self.request_fields;
        if !fields.is_empty() && !fields.iter().any(|field| field.matches(&head.headers)) {
            return Some(Box::new(RetryPolicy { on: Conditions::default(), ..self.clone() }));
        }
        asked.map(|asked| Box::new(asked.applied_to(self)))
    }

    /// Some response or failure may lead to a retry, beyond what is harmless.
    pub fn is_active(&self) -> bool {
        !self.on.is_empty() && self.attempts > 0
    }

    /// Most of a gRPC response that is held back for what its trailers may say, in bytes. 0: nothing, they cannot matter.
    pub fn hold_back(&self) -> usize {
        if self.attempts > 0 && self.on.any(GRPC) { self.hold_back } else { 0 }
    }

    /// Whether the request is sent again. `Retry` counts it as sent: whoever finds no permit for it gives up for good.
    pub fn decide(&self, state: &mut RetryState, event: RetryEvent<'_>, cx: &mut RetryCx<'_>) -> Decision {
        if cx.replayable && is_harmless(state, event, cx.idempotent) {
            return Decision::Retry { after: Duration::ZERO, pace: Pace::AtOnce };
        }
        if !self.is_active() || !self.wants(event) {
            return Decision::No(Refusal::NotRetriable);
        }
        if !cx.replayable {
            return Decision::No(Refusal::NotReplayable);
        }
        if state.retries >= self.attempts {
            return Decision::No(Refusal::LimitExceeded);
        }
        let Some((after, pace)) = self.pause(state.retries, event, cx) else { return Decision::No(Refusal::TooLate) };
        if cx.time_left.is_some_and(|left| after >= left) {
            return Decision::No(Refusal::TooLate);
        }
        state.retries += 1;
        Decision::Retry { after, pace }
    }

    /// A response that leads to a retry, as long as there may be one.
    pub fn is_unwanted(&self, head: &ResponseHead) -> bool {
        self.is_active() && self.wants_after_head(head)
    }

    /// A condition holds.
    fn wants(&self, event: RetryEvent<'_>) -> bool {
        match event {
            RetryEvent::Failed { error, .. } => self.wants_after_failure(error) || self.wants_unsent(event),
            RetryEvent::TimedOut { .. } => self.wants_after_reset() || self.wants_unsent(event),
            RetryEvent::Head(head) => self.wants_after_head(head),
            RetryEvent::Trailers(trailers) => self.wants_after_grpc(trailers),
        }
    }

    fn wants_after_failure(&self, error: Error) -> bool {
        if !is_of_the_host(error) {
            return false;
        }
        self.wants_after_reset()
            || error.kind == Kind::Unprocessed && self.on.has(RetryOn::RefusedStream)
            || is_connect_failure(error) && self.on.has(RetryOn::ConnectFailure)
    }

    /// There is no response: the client would get a 503 or a 504.
    fn wants_after_reset(&self) -> bool {
        self.on.any(&[RetryOn::Reset, RetryOn::ServerError, RetryOn::GatewayError])
    }

    fn wants_unsent(&self, event: RetryEvent<'_>) -> bool {
        let ours = matches!(event, RetryEvent::Failed { error, .. } if !is_of_the_host(error));
        event.is_unsent() && !ours && self.on.has(RetryOn::ResetBeforeRequest)
    }

    fn wants_after_head(&self, head: &ResponseHead) -> bool {
        // Another proxy has said no: nothing but its own condition asks once more.
        if head.headers.iter().any(|field| field.name == b"x-envoy-ratelimited") {
            return self.on.has(RetryOn::EnvoyRateLimited);
        }
        let status = head.status;
        (500..=599).contains(&status) && self.on.has(RetryOn::ServerError)
            || matches!(status, 502..=504) && self.on.has(RetryOn::GatewayError)
            || status == 409 && self.on.has(RetryOn::Retriable4xx)
            || self.on.has(RetryOn::RetriableStatusCodes) && self.statuses.contains(&status)
            || self.on.has(RetryOn::RetriableHeaders) && self.fields.iter().any(|field| field.matches(&head.headers))
            || self.wants_after_grpc(&head.headers)
    }

    fn wants_after_grpc(&self, fields: &HeaderList) -> bool {
        if !self.on.any(GRPC) {
            return false;
        }
        let condition = match fields.get(HeaderId::GrpcStatus).and_then(Status::parse) {
            Some(Status::Cancelled) => RetryOn::Cancelled,
            Some(Status::DeadlineExceeded) => RetryOn::DeadlineExceeded,
            Some(Status::Internal) => RetryOn::Internal,
            Some(Status::ResourceExhausted) => RetryOn::ResourceExhausted,
            Some(Status::Unavailable) => RetryOn::Unavailable,
            _ => return false,
        };
        self.on.has(condition)
    }

    /// How long the next retry waits, of which there were `retries`. `None`: the host asks for more than may be waited for.
    fn pause(&self, retries: u32, event: RetryEvent<'_>, cx: &mut RetryCx<'_>) -> Option<(Duration, Pace)> {
        if let (RetryEvent::Head(head), Some(retry_after)) = (event, &self.retry_after)
            && let Some(asked) = retry_after.asked(&head.headers, cx.wall)
        {
            return (asked <= retry_after.max).then(|| (pause::later(asked, cx.rng), Pace::RateLimited));
        }
        let back_off = cx.base.map_or(self.back_off, |base| BackOff { base, max: base.saturating_mul(10) });
        Some((pause::jittered(back_off, retries, cx.rng), Pace::Exponential))
    }
}

/// What the host, or the way to it, has done. What the client or the proxy did is never tried again.
fn is_of_the_host(error: Error) -> bool {
    error.side == Side::Upstream && !matches!(error.kind, Kind::Overflow | Kind::NoHealthyHost)
}

fn is_connect_failure(error: Error) -> bool {
    error.phase == Phase::Connect || matches!(error.kind, Kind::Refused | Kind::ConnectTimeout | Kind::Tls)
}

/// See the head of this file. Counts it.
fn is_harmless(state: &mut RetryState, event: RetryEvent<'_>, idempotent: bool) -> bool {
    let RetryEvent::Failed { error, reused, unsent } = event else { return false };
    if error.side != Side::Upstream || error.phase != Phase::Request {
        return false;
    }
    match error.kind {
        Kind::Unprocessed if state.unprocessed < UNPROCESSED_RETRIES => {
            state.unprocessed += 1;
            true
        }
        Kind::Closed if reused && !state.stale && (unsent || idempotent) => {
            state.stale = true;
            true
        }
        _ => false,
    }
}
