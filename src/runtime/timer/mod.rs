//! [`Timer`]: a worker's handle on one entry of its timer wheel.
//!
//! Moving a deadline later is a store: the entry stays where it is queued, fires early into the wheel, sees the later
//! deadline and goes back to sleep without waking anybody. The wheel itself (`wheel`) knows neither clock nor task.

mod wheel;

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

pub(super) use wheel::{TICK, Wheel};

use super::Rt;

/// One deadline of one task, in steps of 4 ms: never early, at most one step and one loop turn late. Unset at first.
pub struct Timer {
    rt: Rt,
    entry: u32,
}

impl Timer {
    pub(super) fn new(rt: Rt) -> Timer {
        let entry = rt.worker().timers.borrow_mut().insert();
        Timer { rt, entry }
    }

    /// Sets the deadline, or takes it away. Later than before: a store. Earlier: the entry is queued anew at once.
    pub fn set(&self, deadline: Option<Instant>) {
        let worker = self.rt.worker();
        let tick = deadline.map(|at| worker.tick_at_or_after(at));
        worker.timers.borrow_mut().set(self.entry, tick);
    }

    /// Sets the deadline `delay` after `rt.now()`; a delay beyond what a clock can hold unsets it.
    pub fn set_after(&self, delay: Duration) {
        self.set(self.rt.now().checked_add(delay));
    }

    /// Whether a deadline is set, passed or not.
    pub fn is_set(&self) -> bool {
        self.rt.worker().timers.borrow().deadline(self.entry).is_some()
    }

    /// Whether the deadline has passed; unlike `poll` it leaves no waker.
    pub fn has_fired(&self) -> bool {
        let worker = self.rt.worker();
        let deadline = worker.timers.borrow().deadline(self.entry);
        deadline.is_some_and(|tick| tick <= worker.tick_before(worker.now()))
    }

    /// Ready once the deadline has passed, and at every later poll until `set` is called again.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.has_fired() {
            return Poll::Ready(());
        }
        let mut timers = self.rt.worker().timers.borrow_mut();
        let parked = timers.waker(self.entry);
        if !parked.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            let old = parked.replace(cx.waker().clone());
            // not dropped while the wheel is borrowed: dropping a waker may run code
            drop(timers);
            drop(old);
        }
        Poll::Pending
    }

    /// Waits for the deadline; for ever if none is set.
    pub async fn wait(&self) {
        std::future::poll_fn(|cx| self.poll(cx)).await;
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // as in `poll`: first out of the wheel, then dropped
        let waker = self.rt.worker().timers.borrow_mut().remove(self.entry);
        drop(waker);
    }
}
