//! `fault`: failures on purpose.

use std::time::Duration;

use serde::Serialize;

use crate::config::text::{Cx, Node, Object, read, write};
use crate::config::{Percent, percent};

/// `fault`: delays and aborts, by percentage of requests. `None` is "off", the default of both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fault {
    #[serde(serialize_with = "write::or_off")]
    pub delay: Option<FaultDelay>,
    #[serde(serialize_with = "write::or_off")]
    pub abort: Option<FaultAbort>,
}

/// `"delay": { "duration": "100ms", "percent": 5 }`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FaultDelay {
    /// Runtime value: `fault.http.delay.fixed_duration_ms`.
    #[serde(serialize_with = "write::duration")]
    pub duration: Duration,
    /// Default 100. Runtime value, unless it names another: `fault.http.delay.fixed_delay_percent`.
    pub percent: Percent,
}

/// `"abort": { "status": 503, "percent": 5 }`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FaultAbort {
    /// 200 to 599. Runtime value: `fault.http.abort.http_status`.
    pub status: u16,
    /// Default 100. Runtime value, unless it names another: `fault.http.abort.abort_percent`.
    pub percent: Percent,
}

pub(super) fn read(cx: &Cx, node: &Node, o: &mut Object, base: Option<&Fault>) -> Option<Fault> {
    o.later(&["max_active_faults", "headers", "response_rate_limit"]);
    if base.is_none() && !o.has("delay") && !o.has("abort") {
        cx.warn(node, "has neither \"delay\" nor \"abort\": it does nothing");
    }
    let delay = o.optional("delay", base.and_then(|base| base.delay.clone()), read::or_off(read_delay));
    let abort = o.optional("abort", base.and_then(|base| base.abort.clone()), read::or_off(read_abort));
    Some(Fault { delay, abort })
}

fn read_delay(cx: &Cx, node: &Node) -> Option<FaultDelay> {
    let mut o = cx.object(node)?;
    let duration = read::duration_in(Duration::from_millis(1)..=Duration::from_secs(3600));
    let duration = o.required("duration", duration);
    let percent = o.optional("percent", Percent::fixed(100.0), percent::read(100.0));
    o.finish();
    Some(FaultDelay { duration: duration?, percent })
}

fn read_abort(cx: &Cx, node: &Node) -> Option<FaultAbort> {
    let mut o = cx.object(node)?;
    let status = o.required("status", read::integer(200..=599));
    let percent = o.optional("percent", Percent::fixed(100.0), percent::read(100.0));
    o.finish();
    Some(FaultAbort { status: status?, percent })
}
