//! A worker: one thread, one executor, one reactor, one timer wheel, nothing shared. [`Rt`] is its handle.
//!
//! A waker of a worker's task must be woken on that worker: waking it elsewhere makes the task runnable but does not
//! end the sleep in `epoll_wait`. So on a worker await only what this module offers; [`mailbox`](super::mailbox) is the
//! way in from other threads.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::FutureExt;
use smol::LocalExecutor;

use super::clock::{self, WallClock};
use super::reactor::Reactor;
use super::timer::{TICK, Timer, Wheel};

/// Tasks run before I/O is looked at again.
const BATCH: usize = 256;

/// A worker's handle: cheap to clone, never leaves the worker's thread.
#[derive(Clone)]
pub struct Rt(Rc<Worker>);

pub(super) struct Worker {
    index: usize,
    /// Gone when the worker has ended: what is spawned then is dropped.
    executor: RefCell<Option<Rc<LocalExecutor<'static>>>>,
    pub(super) reactor: Reactor,
    pub(super) timers: RefCell<Wheel<Waker>>,
    /// Tick 0 of the wheel.
    start: Instant,
    now: Cell<Instant>,
    wall: WallClock,
    panics: Cell<u64>,
    /// A task has done its share of this turn of the loop.
    yielded: Cell<bool>,
}

impl Rt {
    /// The time of this turn of the loop: read once, when `epoll_wait` returned.
    pub fn now(&self) -> Instant {
        self.0.now()
    }

    /// Wall-clock time since 1970-01-01 UTC, of this turn of the loop.
    pub fn unix_time(&self) -> Duration {
        self.0.wall.unix_time(self.now())
    }

    /// The value of a `date` field (RFC 9110 section 5.6.7), made once a second.
    pub fn http_date(&self) -> [u8; 29] {
        self.0.wall.date(self.now())
    }

    /// Runs a task on this worker. If it panics, that is logged and counted and the task ends; nothing else does.
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        let executor = self.0.executor.borrow().clone();
        if let Some(executor) = executor {
            executor.spawn(Caught { rt: self.clone(), future }).detach();
        }
    }

    /// The same for tasks of which there are few: one kind of task for all of these, where each kind of future makes another.
    pub fn spawn_boxed(&self, future: Pin<Box<dyn Future<Output = ()>>>) {
        self.spawn(future);
    }

    /// Puts the calling task behind the others, and has I/O and timers looked at before it runs again.
    pub fn yield_to_io(&self, cx: &Context<'_>) {
        self.0.yielded.set(true);
        cx.waker().wake_by_ref();
    }

    /// A new timer, without a deadline.
    pub fn timer(&self) -> Timer {
        Timer::new(self.clone())
    }

    /// Waits `delay` from the time of this turn.
    pub async fn sleep(&self, delay: Duration) {
        let timer = self.timer();
        timer.set_after(delay);
        timer.wait().await;
    }

    /// The number of this worker: 0 to workers - 1.
    pub fn worker_index(&self) -> usize {
        self.0.index
    }

    /// How many tasks of this worker have panicked.
    pub fn panics(&self) -> u64 {
        self.0.panics.get()
    }

    pub(super) fn worker(&self) -> &Worker {
        &self.0
    }
}

/// Starts a thread that runs a worker; see [`run_worker`].
pub fn spawn_worker<F, Fut, T>(index: usize, main: F) -> io::Result<thread::JoinHandle<io::Result<T>>>
where
    F: FnOnce(Rt) -> Fut + Send + 'static,
    Fut: Future<Output = T> + 'static,
    T: Send + 'static,
{
    thread::Builder::new().name(format!("worker-{index}")).spawn(move || run_worker(index, main))
}

/// Runs a worker on this thread until the future that `main` makes is done; then drops all its other tasks.
/// Fails if the kernel gives no epoll descriptor. A panic of `main` itself is passed on.
pub fn run_worker<F, Fut, T>(index: usize, main: F) -> io::Result<T>
where
    F: FnOnce(Rt) -> Fut,
    Fut: Future<Output = T> + 'static,
    T: 'static,
{
    let rt = Rt(Rc::new(Worker::new(index)?));
    let executor = Rc::new(LocalExecutor::new());
    *rt.0.executor.borrow_mut() = Some(executor.clone());
    let done = Rc::new(Cell::new(None));
    let main = AssertUnwindSafe(main(rt.clone())).catch_unwind();
    let outcome = done.clone();
    executor.spawn(async move { outcome.set(Some(main.await)) }).detach();
    let output = loop {
        rt.0.yielded.set(false);
        let idle = (0..BATCH).take_while(|_| !rt.0.yielded.get()).any(|_| !executor.try_tick());
        if let Some(output) = done.take() {
            break output;
        }
        rt.0.wait(idle)?;
    };
    // tasks hold an `Rt`, the executor holds the tasks: this undoes the knot
    drop(rt.0.executor.take());
    drop(executor);
    output.map_or_else(|panic| resume_unwind(panic), Ok)
}

impl Worker {
    fn new(index: usize) -> io::Result<Worker> {
        let now = clock::monotonic();
        Ok(Worker {
            index,
            executor: RefCell::new(None),
            reactor: Reactor::new()?,
            timers: RefCell::new(Wheel::new()),
            start: now,
            now: Cell::new(now),
            wall: WallClock::new(now),
            panics: Cell::new(0),
            yielded: Cell::new(false),
        })
    }

    pub(super) fn now(&self) -> Instant {
        self.now.get()
    }

    /// The first tick of the wheel that is not before `at`.
    pub(super) fn tick_at_or_after(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.start);
        ticks(since, since.subsec_nanos().div_ceil(TICK.subsec_nanos()))
    }

    /// The last tick of the wheel that is not after `at`.
    pub(super) fn tick_before(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.start);
        ticks(since, since.subsec_nanos() / TICK.subsec_nanos())
    }

    /// One turn of the loop after the tasks have run: sleep if they are idle, then make runnable what has become so.
    fn wait(&self, idle: bool) -> io::Result<()> {
        self.reactor.wait(if idle { self.time_to_next_timer() } else { Some(Duration::ZERO) })?;
        self.now.set(clock::monotonic());
        let mut fired = Vec::new();
        self.timers.borrow_mut().advance(self.tick_before(self.now()), &mut fired);
        fired.into_iter().for_each(Waker::wake);
        Ok(())
    }

    fn time_to_next_timer(&self) -> Option<Duration> {
        let tick = self.timers.borrow().next_tick()?;
        let since_start =
            Duration::from_secs(tick / TICKS_A_SECOND) + TICK.saturating_mul((tick % TICKS_A_SECOND) as u32);
        Some(since_start.saturating_sub(self.now().saturating_duration_since(self.start)))
    }
}

const TICKS_A_SECOND: u64 = 1_000_000_000 / TICK.subsec_nanos() as u64;

/// Whole seconds of a duration as ticks, plus those of its fraction.
fn ticks(duration: Duration, fraction: u32) -> u64 {
    duration.as_secs().saturating_mul(TICKS_A_SECOND).saturating_add(u64::from(fraction))
}

/// A task whose panic ends only itself.
struct Caught<F> {
    rt: Rt,
    future: F,
}

impl<F: Future<Output = ()>> Future for Caught<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // SAFETY: `future` is pinned with `self` and never moved out; `rt` is not pinned and only borrowed.
        let (rt, future) = unsafe {
            let this = self.get_unchecked_mut();
            (&this.rt, Pin::new_unchecked(&mut this.future))
        };
        catch_unwind(AssertUnwindSafe(|| future.poll(cx))).unwrap_or_else(|panic| {
            rt.0.panics.set(rt.panics() + 1);
            log::error!("worker {}: a task panicked: {}", rt.0.index, panic_text(&*panic));
            Poll::Ready(())
        })
    }
}

/// The message of a panic.
pub(super) fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no message)")
}

#[cfg(test)]
mod tests;
