//! `fault`: failures on purpose. A share of the requests is delayed, a share is answered with an error instead of being
//! forwarded; one that gets both is delayed first. The dice are cast once a stream; a stream that gets neither has no
//! filter at all. Shares, delay and status follow runtime values (Envoy's names), where the fault is configured at all.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use nuncio_http::RequestHead;

use super::per_worker::{PerWorker, Shared};
use super::{Build, Dir, Filter, FilterFactory, Flow, LocalReply, StreamCx};
use crate::config;
use crate::error::ResponseFlags;
use crate::runtime::Timer;
use crate::runtime_values::{Kind, RuntimeNumber, RuntimePercent, RuntimeValues};
use crate::stats::{FaultStats, Handle};

/// `fault`.
pub(super) struct FaultFactory {
    delay: Option<Delay>,
    abort: Option<Abort>,
    stats: PerWorker<Handle<FaultStats>>,
}

struct Delay {
    millis: RuntimeNumber,
    share: RuntimePercent,
}

struct Abort {
    status: RuntimeNumber,
    share: RuntimePercent,
}

/// The faults of one stream.
struct Fault {
    stats: Shared<Handle<FaultStats>>,
    delay: Option<Duration>,
    /// The status.
    abort: Option<u16>,
    /// Runs while the delay does.
    timer: Option<Timer>,
    /// Counted as active.
    is_active: bool,
}

impl FaultFactory {
    pub(super) fn new(config: &config::Fault, cx: &mut Build<'_>) -> FaultFactory {
        let stats = cx.scope::<FaultStats>();
        let delay = config.delay.as_ref().map(|delay| Delay::new(delay, cx.values));
        let abort = config.abort.as_ref().map(|abort| Abort::new(abort, cx.values));
        FaultFactory { delay, abort, stats: PerWorker::new(cx.workers, |index| stats.worker(index)) }
    }
}

impl FilterFactory for FaultFactory {
    fn new_filter(&self, cx: &StreamCx<'_>) -> Option<Box<dyn Filter>> {
        let mut rng = fastrand::Rng::new();
        let delay = self.delay.as_ref().filter(|delay| delay.share.is_hit(&mut rng));
        let delay = delay.map(|delay| Duration::from_millis(delay.millis.get().into()));
        let abort = self.abort.as_ref().filter(|abort| abort.share.is_hit(&mut rng));
        // Its kind keeps it between 200 and 599.
        let abort = abort.map(|abort| abort.status.get() as u16);
        if delay.is_none() && abort.is_none() {
            return None;
        }
        Some(Box::new(Fault { stats: self.stats.of(cx.rt)?, delay, abort, timer: None, is_active: false }))
    }
}

impl Delay {
    fn new(config: &config::FaultDelay, values: &mut RuntimeValues) -> Delay {
        // The reader takes no more than an hour.
        let millis = u32::try_from(config.duration.as_millis()).unwrap_or(u32::MAX);
        Delay {
            millis: RuntimeNumber::new(millis, "fault.http.delay.fixed_duration_ms", Kind::Millis, values),
            share: RuntimePercent::new(&config.percent, Some("fault.http.delay.fixed_delay_percent"), values),
        }
    }
}

impl Abort {
    fn new(config: &config::FaultAbort, values: &mut RuntimeValues) -> Abort {
        Abort {
            status: RuntimeNumber::new(config.status.into(), "fault.http.abort.http_status", Kind::Status, values),
            share: RuntimePercent::new(&config.percent, Some("fault.http.abort.abort_percent"), values),
        }
    }
}

impl Filter for Fault {
    fn on_request_head(&mut self, _head: &mut RequestHead, cx: &mut StreamCx<'_>) -> Flow {
        self.is_active = true;
        self.stats.active_faults.inc();
        let Some(delay) = self.delay else { return self.abort() };
        self.stats.delays_injected.inc();
        cx.info.flags.insert(ResponseFlags::DELAY_INJECTED);
        let timer = cx.rt.timer();
        timer.set_after(delay);
        self.timer = Some(timer);
        Flow::Wait
    }

    fn poll_resume(&mut self, _dir: Dir, task: &mut Context<'_>, _cx: &mut StreamCx<'_>) -> Poll<Flow> {
        if let Some(timer) = &self.timer {
            ready!(timer.poll(task));
        }
        self.timer = None;
        Poll::Ready(self.abort())
    }
}

impl Fault {
    /// Ends the request, if that is its lot.
    fn abort(&mut self) -> Flow {
        let Some(status) = self.abort else { return Flow::Continue };
        self.stats.aborts_injected.inc();
        // RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5: these have no content.
        let body = if matches!(status, 204 | 205 | 304) { "" } else { "fault filter abort\n" };
        let reply = LocalReply::text(status, body, "fault_filter_abort");
        Flow::Respond(Box::new(reply.with_flag(ResponseFlags::FAULT_INJECTED)))
    }
}

impl Drop for Fault {
    /// Not in `on_end`: a stream may be dropped without an end.
    fn drop(&mut self) {
        if self.is_active {
            self.stats.active_faults.dec();
        }
    }
}

#[cfg(test)]
mod tests;
