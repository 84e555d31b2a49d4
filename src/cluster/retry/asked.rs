//! What a client asks for by `x-envoy-*` fields of its request: retries, and limits of time. Only those of trusted peers come
//! this far (row T-3; [`crate::route::apply_forwarded`] removes the others), and none goes on: retries do not nest.
//! `x-envoy-upstream-alt-stat-name` is none of them: names of counters from requests would fill memory, and a counter once
//! made stays.

use std::time::Duration;

use nuncio_http::{HeaderId, HeaderList, HeaderName};

use super::{Conditions, FieldMatcher, RetryPolicy};
use crate::config::{self, Pattern, Retry, RetryOn};
use crate::route::Matcher;

/// Most codes, and most names, that are taken from one request.
const LISTED: usize = 32;

/// Longest time that is told apart from no limit: a year. Timers hold it.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// The fields of one request.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// `x-envoy-retry-on`, `x-envoy-retry-grpc-on`, beside those of the route.
    on: Conditions,
    /// `x-envoy-max-retries`, in place of the route's `attempts`.
    max_retries: Option<u32>,
    /// `x-envoy-retriable-status-codes`
    statuses: Vec<u16>,
    /// `x-envoy-retriable-header-names`
    fields: Vec<FieldMatcher>,
    /// `x-envoy-upstream-rq-timeout-ms`, in place of the route's `timeout`; `Some(None)`: none, by a zero.
    pub timeout: Option<Option<Duration>>,
    /// `x-envoy-upstream-stream-duration-ms`, in place of `max_stream_duration`; `Some(None)`: none, by a zero.
    pub stream_duration: Option<Option<Duration>>,
    /// `x-envoy-upstream-rq-per-try-timeout-ms`; `Some(None)`: none, by a zero.
    per_try_timeout: Option<Option<Duration>>,
    /// `x-envoy-upstream-rq-timeout-alt-response`: 204 in place of 504.
    pub alternative_response: bool,
    /// `x-envoy-hedge-on-per-try-timeout: true`: the try that took too long goes on beside the next one.
    pub hedge_on_per_try_timeout: bool,
}

const PREFIX: &[u8] = b"x-envoy-";

impl Asked {
    /// Takes the fields out of `headers`. `None`: there are none.
    pub fn take(headers: &mut HeaderList) -> Option<Box<Asked>> {
        let ours = |id: HeaderId, name: &[u8]| id == HeaderId::Other && name.starts_with(PREFIX);
        if !headers.iter().any(|field| ours(field.id, field.name)) {
            return None;
        }
        let (mut asked, mut found) = (Box::<Asked>::default(), false);
        headers.retain(|field| {
            let taken = ours(field.id, field.name) && asked.read(&field.name[PREFIX.len()..], field.value);
            found |= taken;
            !taken
        });
        found.then_some(asked)
    }

    /// Says whether it is one of the fields. What cannot be read asks for nothing.
    fn read(&mut self, name: &[u8], value: &[u8]) -> bool {
        match name {
            b"retry-on" | b"retry-grpc-on" => words(value).filter_map(condition).for_each(|it| self.on.insert(it)),
            b"max-retries" => self.max_retries = number(value).map(|most| most.min(u64::from(Retry::MOST)) as u32),
            b"retriable-status-codes" => {
                let codes = words(value).filter_map(number).filter_map(|code| u16::try_from(code).ok());
                self.statuses.extend(codes.take(LISTED.saturating_sub(self.statuses.len())));
            }
            b"retriable-header-names" => {
                let fields = words(value).filter_map(present);
                self.fields.extend(fields.take(LISTED.saturating_sub(self.fields.len())));
            }
            b"upstream-rq-timeout-ms" => self.timeout = millis(value),
            b"upstream-stream-duration-ms" => self.stream_duration = millis(value),
            b"upstream-rq-per-try-timeout-ms" => self.per_try_timeout = millis(value),
            b"upstream-rq-timeout-alt-response" => self.alternative_response = true,
            b"hedge-on-per-try-timeout" => self.hedge_on_per_try_timeout = value == b"true",
            _ => return false,
        }
        true
    }

    /// `policy`, and what is asked for beside it.
    pub(super) fn applied_to(&self, policy: &RetryPolicy) -> RetryPolicy {
        let mut policy = policy.clone();
        policy.on.0 |= self.on.0;
        policy.attempts = self.max_retries.unwrap_or(policy.attempts);
        policy.statuses.extend(&self.statuses);
        policy.fields.extend(self.fields.iter().cloned());
        policy.per_try_timeout = self.per_try_timeout.unwrap_or(policy.per_try_timeout);
        policy
    }
}

fn words(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

fn condition(word: &[u8]) -> Option<RetryOn> {
    RetryOn::ALL.iter().find(|(name, _)| name.as_bytes() == word).map(|(_, condition)| *condition)
}

/// A field of this name, whatever its value.
fn present(name: &[u8]) -> Option<FieldMatcher> {
    let name = HeaderName::new(std::str::from_utf8(name).ok()?).ok()?;
    let any = config::Matcher { pattern: Pattern::Present(true), ignore_case: false, invert: false };
    Some(FieldMatcher { name, matcher: Matcher::new(&any).ok()? })
}

/// Digits alone.
fn number(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?;
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// A limit of time; the inner `None` is zero, which stands for none.
fn millis(value: &[u8]) -> Option<Option<Duration>> {
    let limit = Duration::from_millis(number(value)?);
    Some((!limit.is_zero()).then(|| limit.min(LONGEST)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation;

    const NAMES: [&str; 8] = [
        "x-envoy-retry-on",
        "x-envoy-retry-grpc-on",
        "x-envoy-max-retries",
        "x-envoy-retriable-status-codes",
        "x-envoy-retriable-header-names",
        "x-envoy-upstream-rq-timeout-ms",
        "x-envoy-upstream-rq-per-try-timeout-ms",
        "x-envoy-hedge-on-per-try-timeout",
    ];

    #[test]
    fn any_values_are_taken_within_bounds() {
        let many = "503, 500,".repeat(40);
        let samples: [&[u8]; 5] =
            [b"5xx, reset,cancelled", b"3", many.as_bytes(), b"x-a, x-b", b"18446744073709551615"];
        let words: [&[u8]; 6] = [b",", b" ", b"65536", b"true", b"x-retry,", b"9999999999999999999999"];
        mutation::check(&samples, &words, |value| {
            let mut headers = HeaderList::new();
            headers.push_raw(b"x-other", value);
            NAMES.iter().for_each(|name| headers.push_raw(name.as_bytes(), value));
            let asked = Asked::take(&mut headers).unwrap();
            assert_eq!(headers.iter().count(), 1, "no more and no less than those");
            assert!(Asked::take(&mut headers).is_none());
            assert!(asked.statuses.len() <= LISTED && asked.fields.len() <= LISTED);
            assert!(asked.max_retries.is_none_or(|most| most <= Retry::MOST));
            for limit in [asked.timeout, asked.per_try_timeout].into_iter().flatten().flatten() {
                assert!(Duration::ZERO < limit && limit <= LONGEST);
            }
        });
    }
}
