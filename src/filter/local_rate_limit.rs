//! `local_rate_limit`: so many requests, or connections that carry bytes, in so much time, over all workers. A connection
//! too many is closed. A request too many is answered with 429 (or another status), flag `RL`, and `retry-after` in
//! whole seconds (RFC 9110 section 10.2.3): the time until the bucket holds a token again. Envoy's local limit sends no field of
//! its own, so neither `x-envoy-ratelimited` here.

mod bucket;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use nuncio_http::{HeaderId, RequestHead};

use self::bucket::Bucket;
use super::per_worker::{PerWorker, Shared};
use super::{Build, Filter, FilterFactory, Flow, LocalReply, StreamCx};
use crate::config;
use crate::error::ResponseFlags;
use crate::stats::{Handle, LocalRateLimitStats};

/// `local_rate_limit`.
pub(super) struct LocalRateLimitFactory(PerWorker<Settings>);

struct Settings {
    status: u16,
    limit: Arc<Limit>,
    stats: Handle<LocalRateLimitStats>,
}

/// What the workers share.
struct Limit {
    bucket: Bucket,
    /// Time 0 of the bucket: that of the first request. Written once; from then on reading it is one atomic load.
    start: OnceLock<Instant>,
}

/// One small allocation a stream.
struct LocalRateLimit(Shared<Settings>);

impl LocalRateLimitFactory {
    pub(super) fn new(config: &config::LocalRateLimit, cx: &mut Build<'_>) -> LocalRateLimitFactory {
        let stats = cx.scope::<LocalRateLimitStats>();
        let bucket = Bucket::new(config.requests, config.per, config.burst);
        let limit = Arc::new(Limit { bucket, start: OnceLock::new() });
        LocalRateLimitFactory(PerWorker::new(cx.workers, |index| Settings {
            status: config.status,
            limit: limit.clone(),
            stats: stats.worker(index),
        }))
    }
}

impl FilterFactory for LocalRateLimitFactory {
    fn new_filter(&self, cx: &StreamCx<'_>) -> Option<Box<dyn Filter>> {
        Some(Box::new(LocalRateLimit(self.0.of(cx.rt)?)))
    }
}

impl Filter for LocalRateLimit {
    fn on_connection(&mut self, cx: &mut StreamCx<'_>) -> Flow {
        let Settings { limit, stats, .. } = &*self.0;
        stats.enabled.inc();
        if limit.take(cx.rt.now()).is_ok() {
            stats.ok.inc();
            return Flow::Continue;
        }
        stats.rate_limited.inc();
        stats.enforced.inc();
        cx.info.flags.insert(ResponseFlags::RATE_LIMITED);
        Flow::Reset("local_rate_limited")
    }

    fn on_request_head(&mut self, _head: &mut RequestHead, cx: &mut StreamCx<'_>) -> Flow {
        let Settings { status, limit, stats } = &*self.0;
        stats.enabled.inc();
        let Err(wait) = limit.take(cx.rt.now()) else {
            stats.ok.inc();
            return Flow::Continue;
        };
        stats.rate_limited.inc();
        stats.enforced.inc();
        let mut reply = LocalReply::text(*status, "local_rate_limited\n", "local_rate_limited");
        reply.headers.push(HeaderId::RetryAfter, whole_seconds(wait).to_string().as_bytes());
        Flow::Respond(Box::new(reply.with_flag(ResponseFlags::RATE_LIMITED)))
    }
}

impl Limit {
    fn take(&self, now: Instant) -> Result<(), Duration> {
        let start = *self.start.get_or_init(|| now);
        // Another worker's turn may have begun a little before the first request's.
        self.bucket.take(now.saturating_duration_since(start))
    }
}

/// Rounded up, at least 1.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests;
