//! `fault`: failures on purpose. A share of the requests is delayed, a share is answered with an error instead of being
//! forwarded; one that gets both is delayed first. The dice are cast once a stream; a stream that gets neither has no
//! filter at all.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use nuncio_http::RequestHead;

use super::per_worker::{PerWorker, Shared};
use super::{Build, Dir, Filter, FilterFactory, Flow, LocalReply, StreamCx};
use crate::config;
use crate::error::ResponseFlags;
use crate::runtime::Timer;
use crate::stats::{FaultStats, Handle};

/// `fault`.
pub(super) struct FaultFactory {
    config: config::Fault,
    stats: PerWorker<Handle<FaultStats>>,
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
        FaultFactory { config: config.clone(), stats: PerWorker::new(cx.workers, |index| stats.worker(index)) }
    }
}

impl FilterFactory for FaultFactory {
    fn new_filter(&self, cx: &StreamCx<'_>) -> Option<Box<dyn Filter>> {
        let delay = self.config.delay.filter(|delay| hits(delay.percent)).map(|delay| delay.duration);
        let abort = self.config.abort.filter(|abort| hits(abort.percent)).map(|abort| abort.status);
        if delay.is_none() && abort.is_none() {
            return None;
        }
        Some(Box::new(Fault { stats: self.stats.of(cx.rt)?, delay, abort, timer: None, is_active: false }))
    }
}

/// True in `percent` of all calls.
fn hits(percent: f64) -> bool {
    fastrand::f64() * 100.0 < percent
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
