//! `health_check`: answers those who ask whether the proxy itself serves: the load balancer in front of it.
//!
//! The answer is 503 while the proxy is failing, because it drains or an operator said so (`/healthcheck/fail`), and while
//! the clusters that it serves from have too few healthy hosts. Meanwhile other responses say it too
//! (`x-envoy-immediate-health-check-fail`), so that a proxy in front need not wait for its next check.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use nuncio_http::{HeaderId, RequestHead, ResponseHead};

use super::per_worker::{PerWorker, Shared};
use super::{Build, Filter, FilterFactory, Flow, LocalReply, StreamCx};
use crate::cluster::Membership;
use crate::config;
use crate::route::{HeaderMatcher, Matcher};
use crate::stats::{Handle, HealthCheckFilterStats};

/// The proxy is to be taken for unhealthy, whatever its clusters are: it drains, or an operator said so.
#[derive(Debug, Default)]
pub struct Failing(AtomicBool);

impl Failing {
    pub fn set(&self, failing: bool) {
        self.0.store(failing, Relaxed);
    }

    pub fn get(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// `health_check`.
pub(super) struct HealthCheckFactory(PerWorker<Policy>);

/// A compiled [`config::HealthCheckFilter`].
struct Policy {
    path: Option<Matcher>,
    headers: Vec<HeaderMatcher>,
    pass_through: bool,
    cache: Option<Arc<Cache>>,
    /// What the clusters must have, in percent.
    clusters: Vec<(Arc<Membership>, f64)>,
    failing: Arc<Failing>,
    /// `node.cluster`
    name: Box<[u8]>,
    stats: Handle<HealthCheckFilterStats>,
}

/// One small allocation a stream.
struct HealthCheck {
    policy: Shared<Policy>,
    /// The request asks for our health.
    asks: bool,
    /// The answer is ours.
    answered: bool,
}

impl HealthCheckFactory {
    pub(super) fn new(config: &config::HealthCheckFilter, cx: &mut Build<'_>) -> HealthCheckFactory {
        let stats = cx.scope::<HealthCheckFilterStats>();
        let cache =
            config.cache_time.map(|time| Arc::new(Cache { time, start: OnceLock::new(), kept: AtomicU64::new(0) }));
        let around = cx.around;
        // The configuration's reader knows that each of them is there.
        let clusters = config.cluster_min_healthy_percentages.iter();
        let clusters: Vec<(Arc<Membership>, f64)> =
            clusters.map(|(name, percent)| (around.membership(name), *percent)).collect();
        HealthCheckFactory(PerWorker::new(cx.workers, |index| Policy {
            path: config.path.as_ref().and_then(|path| compiled(Matcher::new(path))),
            headers: config
                .headers
                .iter()
                .filter_map(|(name, matcher)| compiled(HeaderMatcher::new(name, matcher)))
                .collect(),
            pass_through: config.pass_through,
            cache: cache.clone(),
            clusters: clusters.clone(),
            failing: around.failing.clone(),
            name: around.node_cluster.as_bytes().into(),
            stats: stats.worker(index),
        }))
    }
}

fn compiled<T>(matcher: Result<T, regex_lite::Error>) -> Option<T> {
    if let Err(error) = &matcher {
        // The configuration's reader has compiled every regex already.
        debug_assert!(false, "{error}");
        log::error!("health_check: {error}");
    }
    matcher.ok()
}

impl FilterFactory for HealthCheckFactory {
    fn new_filter(&self, cx: &StreamCx<'_>) -> Option<Box<dyn Filter>> {
        Some(Box::new(HealthCheck { policy: self.0.of(cx.rt)?, asks: false, answered: false }))
    }
}

impl Filter for HealthCheck {
    fn on_request_head(&mut self, head: &mut RequestHead, cx: &mut StreamCx<'_>) -> Flow {
        let policy = &self.policy;
        if !policy.asks(head) {
            return Flow::Continue;
        }
        self.asks = true;
        policy.stats.request_total.inc();
        let reply = if policy.failing.get() {
            policy.stats.failed.inc();
            LocalReply::text(503, "", "health_check_failed")
        } else if policy.pass_through {
            let cached = policy.cache.as_ref().and_then(|cache| cache.get(cx.rt.now()));
            let Some((status, degraded)) = cached else { return Flow::Continue };
            policy.stats.cached_response.inc();
            let mut reply = LocalReply::text(status, "", "health_check_cached");
            mark(&mut reply, degraded);
            reply
        } else {
            policy.answer()
        };
        self.answered = true;
        Flow::Respond(Box::new(reply))
    }

    fn on_response_head(&mut self, head: &mut ResponseHead, cx: &mut StreamCx<'_>) -> Flow {
        let policy = &self.policy;
        if self.asks {
            if let Some(cache) = policy.cache.as_ref().filter(|_| !self.answered) {
                cache.put(head.status, head.headers.contains(HeaderId::XEnvoyDegraded), cx.rt.now());
            }
            head.headers.set(HeaderId::XEnvoyUpstreamHealthcheckedCluster, &policy.name);
        } else if policy.failing.get() {
            head.headers.set(HeaderId::XEnvoyImmediateHealthCheckFail, b"true");
        }
        Flow::Continue
    }
}

impl Policy {
    fn asks(&self, head: &RequestHead) -> bool {
        self.path.as_ref().is_none_or(|path| path.matches(Some(head.path())))
            && self.headers.iter().all(|header| header.matches(head))
    }

    /// By the health of the clusters.
    fn answer(&self) -> LocalReply {
        let mut degraded = false;
        for (membership, percent) in &self.clusters {
            if !membership.has(*percent) {
                let empty = membership.total() == 0;
                let counter =
                    if empty { &self.stats.failed_cluster_empty } else { &self.stats.failed_cluster_unhealthy };
                counter.inc();
                return LocalReply::text(503, "", "health_check_failed_cluster_unhealthy");
            }
            degraded |= !membership.has_healthy(*percent);
        }
        self.stats.ok.inc();
        let mut reply = LocalReply::text(200, "", "health_check_ok");
        if degraded {
            self.stats.degraded.inc();
        }
        mark(&mut reply, degraded);
        reply
    }
}

/// Says that we ask to be spared.
fn mark(reply: &mut LocalReply, degraded: bool) {
    if degraded {
        reply.headers.push(HeaderId::XEnvoyDegraded, b"");
    }
}

/// The upstreams' last answer, shared by the workers.
struct Cache {
    time: Duration,
    /// Time 0: that of the first answer.
    start: OnceLock<Instant>,
    /// Until when it holds, in milliseconds, above 17 bits: `degraded`, and the status. 0: there is none.
    kept: AtomicU64,
}

impl Cache {
    fn get(&self, now: Instant) -> Option<(u16, bool)> {
        let kept = self.kept.load(Relaxed);
        let holds = kept != 0 && self.millis(now) < kept >> 17;
        holds.then_some((kept as u16, kept >> 16 & 1 != 0))
    }

    fn put(&self, status: u16, degraded: bool, now: Instant) {
        let until = self.millis(now).saturating_add(u64::try_from(self.time.as_millis()).unwrap_or(u64::MAX));
        // 47 bits of milliseconds are 4000 years.
        let until = until.min(u64::MAX >> 17);
        self.kept.store(until << 17 | u64::from(degraded) << 16 | u64::from(status), Relaxed);
    }

    fn millis(&self, now: Instant) -> u64 {
        let start = *self.start.get_or_init(|| now);
        u64::try_from(now.saturating_duration_since(start).as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests;
