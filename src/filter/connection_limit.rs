//! `connection_limit`: so many connections at once, over all workers. One too many is closed, after a delay if one is
//! set, so that who hammers waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::per_worker::{PerWorker, Shared};
use super::{Build, Dir, Filter, FilterFactory, Flow, StreamCx};
use crate::config;
use crate::runtime::Timer;
use crate::stats::{ConnectionLimitStats, Handle};

const LIMITED: &str = "connection_limit";

/// `connection_limit`.
pub(super) struct ConnectionLimitFactory(PerWorker<Settings>);

struct Settings {
    most: u32,
    delay: Duration,
    /// Connections let in that are still open. Shared by the workers.
    open: Arc<AtomicU32>,
    stats: Handle<ConnectionLimitStats>,
}

struct ConnectionLimit {
    settings: Shared<Settings>,
    /// It holds a place.
    counted: bool,
    timer: Option<Timer>,
}

impl ConnectionLimitFactory {
    pub(super) fn new(config: &config::ConnectionLimit, cx: &mut Build<'_>) -> ConnectionLimitFactory {
        let stats = cx.scope::<ConnectionLimitStats>();
        let open = Arc::new(AtomicU32::new(0));
        ConnectionLimitFactory(PerWorker::new(cx.workers, |index| Settings {
            most: config.max_connections,
            delay: config.delay,
            open: open.clone(),
            stats: stats.worker(index),
        }))
    }
}

impl FilterFactory for ConnectionLimitFactory {
    fn new_filter(&self, cx: &StreamCx<'_>) -> Option<Box<dyn Filter>> {
        Some(Box::new(ConnectionLimit { settings: self.0.of(cx.rt)?, counted: false, timer: None }))
    }
}

impl Filter for ConnectionLimit {
    fn on_connection(&mut self, cx: &mut StreamCx<'_>) -> Flow {
        let Settings { most, delay, open, stats } = &*self.settings;
        // Add first, look after: two workers can then never both take the last place.
        self.counted = open.fetch_add(1, Relaxed) < *most;
        if self.counted {
            stats.active_connections.inc();
            return Flow::Continue;
        }
        open.fetch_sub(1, Relaxed);
        stats.limited_connections.inc();
        if delay.is_zero() {
            return Flow::Reset(LIMITED);
        }
        let timer = cx.rt.timer();
        timer.set_after(*delay);
        self.timer = Some(timer);
        Flow::Wait
    }

    fn poll_resume(&mut self, _dir: Dir, task: &mut Context<'_>, _cx: &mut StreamCx<'_>) -> Poll<Flow> {
        if let Some(timer) = &self.timer {
            ready!(timer.poll(task));
        }
        Poll::Ready(Flow::Reset(LIMITED))
    }
}

impl Drop for ConnectionLimit {
    fn drop(&mut self) {
        if self.counted {
            self.settings.open.fetch_sub(1, Relaxed);
            self.settings.stats.active_connections.dec();
        }
    }
}
