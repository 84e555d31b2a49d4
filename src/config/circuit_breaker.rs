//! `circuit_breaker` of a cluster: how much of it may be used at once, over all workers.

use serde::Serialize;

use super::text::{Cx, Node, Object, read, write};

/// Limits over all workers. Beyond them: 503 with response flag `UO`, at once.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct CircuitBreaker {
    /// For routes of priority `default`; the keys stand in `circuit_breaker` itself.
    #[serde(flatten)]
    pub default: Thresholds,
    /// For routes of priority `high`.
    pub high: Thresholds,
    pub per_host: HostThresholds,
}

/// The limits of one priority.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Thresholds {
    /// Default 1024.
    pub max_connections: u32,
    /// Requests that wait for a connection. Default 1024.
    pub max_pending_requests: u32,
    /// Default 1024.
    pub max_requests: u32,
    #[serde(flatten)]
    pub retries: RetryLimit,
}

/// How many requests may be in a retry at once: `max_retries` or `retry_budget`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryLimit {
    MaxRetries(u32),
    /// The default.
    RetryBudget(RetryBudget),
}

/// A share of the requests that are in their first try, however many these are. So a cluster that fails as a whole gets no more
/// than this share on top of what clients send.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RetryBudget {
    /// 0 to 100. Default 20.
    #[serde(serialize_with = "write::percent")]
    pub budget_percent: f64,
    /// So many in any case. Default 3.
    pub min_retry_concurrency: u32,
}

/// The limits of each host, over both priorities.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct HostThresholds {
    /// `None` is "off", the default.
    #[serde(serialize_with = "write::or_off")]
    pub max_connections: Option<u32>,
}

impl Default for Thresholds {
    fn default() -> Thresholds {
        Thresholds {
            max_connections: 1024,
            max_pending_requests: 1024,
            max_requests: 1024,
            retries: RetryLimit::RetryBudget(RetryBudget::DEFAULT),
        }
    }
}

impl RetryBudget {
    const DEFAULT: RetryBudget = RetryBudget { budget_percent: 20.0, min_retry_concurrency: 3 };
}

pub(super) fn read(cx: &Cx, node: &Node) -> Option<CircuitBreaker> {
    let mut o = cx.object(node)?;
    let breaker = CircuitBreaker {
        default: thresholds(&mut o, cx, node),
        high: o.optional("high", Thresholds::default(), read_high),
        per_host: o.optional("per_host", HostThresholds::default(), read_per_host),
    };
    o.finish();
    Some(breaker)
}

fn read_high(cx: &Cx, node: &Node) -> Option<Thresholds> {
    let mut o = cx.object(node)?;
    let high = thresholds(&mut o, cx, node);
    o.finish();
    Some(high)
}

fn limit() -> impl Fn(&Cx, &Node) -> Option<u32> {
    read::integer(1..=u64::from(u32::MAX))
}

fn thresholds(o: &mut Object, cx: &Cx, node: &Node) -> Thresholds {
    let default = Thresholds::default();
    let most = o.maybe("max_retries", read::integer(0..=u64::from(u32::MAX)));
    let budget = o.maybe("retry_budget", read_budget);
    if most.is_some() && budget.is_some() {
        cx.refuse::<()>(node, "has both \"max_retries\" and \"retry_budget\"");
    }
    Thresholds {
        max_connections: o.optional("max_connections", default.max_connections, limit()),
        max_pending_requests: o.optional("max_pending_requests", default.max_pending_requests, limit()),
        max_requests: o.optional("max_requests", default.max_requests, limit()),
        retries: most.map(RetryLimit::MaxRetries).or(budget.map(RetryLimit::RetryBudget)).unwrap_or(default.retries),
    }
}

fn read_budget(cx: &Cx, node: &Node) -> Option<RetryBudget> {
    let default = RetryBudget::DEFAULT;
    let mut o = cx.object(node)?;
    let budget = RetryBudget {
        budget_percent: o.optional("budget_percent", default.budget_percent, read::percent),
        min_retry_concurrency: o.optional(
            "min_retry_concurrency",
            default.min_retry_concurrency,
            read::integer(0..=u64::from(u32::MAX)),
        ),
    };
    o.finish();
    Some(budget)
}

fn read_per_host(cx: &Cx, node: &Node) -> Option<HostThresholds> {
    let mut o = cx.object(node)?;
    let max_connections = o.maybe("max_connections", read::integer_or("off", 1..=u64::from(u32::MAX))).flatten();
    o.finish();
    Some(HostThresholds { max_connections })
}
