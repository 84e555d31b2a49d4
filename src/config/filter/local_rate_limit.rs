//! `local_rate_limit`: so many requests in so much time.

use std::time::Duration;

use serde::Serialize;

use crate::config::text::{Object, read, write};

/// `local_rate_limit`: a token bucket over all workers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LocalRateLimit {
    /// Tokens added each `per`. Required, at least 1.
    pub requests: u32,
    /// 50 ms to 1 h. Default 1 s.
    #[serde(serialize_with = "write::duration")]
    pub per: Duration,
    /// Most tokens held. Default: `requests`.
    pub burst: u32,
    /// 400 to 599. Default 429.
    pub status: u16,
}

pub(super) fn read(o: &mut Object, base: Option<&LocalRateLimit>) -> Option<LocalRateLimit> {
    let tokens = || read::integer(1..=u64::from(u32::MAX));
    let per = Duration::from_millis(50)..=Duration::from_secs(3600);
    o.later(&["descriptors", "response_headers", "enabled", "enforced"]);
    let requests = o.required_or("requests", base.map(|base| base.requests), tokens());
    let per = o.optional("per", base.map_or(Duration::from_secs(1), |base| base.per), read::duration_in(per));
    let burst = o.maybe("burst", tokens());
    let status = o.optional("status", base.map_or(429, |base| base.status), read::integer(400..=599));
    let requests = requests?;
    // A base without a burst of its own has none to keep.
    let kept = base.filter(|base| base.burst != base.requests).map(|base| base.burst);
    Some(LocalRateLimit { requests, per, burst: burst.or(kept).unwrap_or(requests), status })
}
