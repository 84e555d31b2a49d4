//! The control thread's side: plain async code on smol's executor and async-io's reactor, under our names, so that
//! nothing outside `runtime` depends on them by name.

mod datagram;
mod file;
mod net;
mod signal;
mod stamp;

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use futures_lite::{FutureExt, StreamExt};
use smol::LocalExecutor;
pub use smol::channel::{Receiver, Sender, TrySendError};
pub use smol::lock::Semaphore;

pub use datagram::{ControlDatagram, has_route};
pub use file::open_file;
pub use net::{ControlListener, ControlStream};
pub use signal::Signal;
pub use stamp::Stamp;

use super::clock;
use super::worker::panic_text;

/// A handle on the control thread's executor.
#[derive(Clone)]
pub struct Control(Rc<LocalExecutor<'static>>);

impl Control {
    /// Runs a task on the control thread; a panic is logged and ends that task only.
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        self.spawn_owned(future).0.detach();
    }

    /// The same for a task that ends with what is returned, at the latest.
    pub fn spawn_owned(&self, future: impl Future<Output = ()> + 'static) -> Owned {
        self.spawn_boxed(Box::pin(future))
    }

    /// Once for all tasks: these are few and long, so that their code is not there once for each kind of them.
    fn spawn_boxed(&self, future: Pin<Box<dyn Future<Output = ()>>>) -> Owned {
        let caught = AssertUnwindSafe(future).catch_unwind();
        Owned(self.0.spawn(async {
            if let Err(panic) = caught.await {
                log::error!("a control task panicked: {}", panic_text(&*panic));
            }
        }))
    }
}

/// A task that is cancelled when this is dropped.
pub struct Owned(smol::Task<()>);

/// Runs the control thread's program on this thread until it is done. Other tasks stop there.
pub fn run<F, Fut>(main: F) -> Fut::Output
where
    F: FnOnce(Control) -> Fut,
    Fut: Future,
{
    let control = Control(Rc::new(LocalExecutor::new()));
    let mut output = None;
    let main = main(control.clone());
    run_boxed(&control, Box::pin(async { output = Some(main.await) }));
    // The future above ends only when it is there.
    output.expect("the program's output")
}

/// The executor's loop, once for all programs.
fn run_boxed(control: &Control, main: Pin<Box<dyn Future<Output = ()> + '_>>) {
    block_on(control.0.run(main));
}

/// Runs one future on this thread.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    async_io::block_on(future)
}

/// The monotonic clock, for code that passes time on as an argument.
pub fn now() -> Instant {
    clock::monotonic()
}

/// The wall clock, for stamps.
pub fn system_time() -> SystemTime {
    SystemTime::UNIX_EPOCH + clock::wall()
}

pub async fn sleep(delay: Duration) {
    async_io::Timer::after(delay).await;
}

/// Lets other tasks run, and whoever limits this one look at the time.
pub async fn yield_now() {
    futures_lite::future::yield_now().await;
}

/// A tick each `period`, the first one after the first period.
pub struct Interval(async_io::Timer);

pub fn interval(period: Duration) -> Interval {
    Interval(async_io::Timer::interval(period))
}

impl Interval {
    pub async fn tick(&mut self) {
        self.0.next().await;
    }
}

/// Runs `work`, which may block (files, name lookups of the system), on a thread of its own kind.
pub async fn unblock<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    // Boxed on the way there and back: the thread pool and its tasks are there once, not for each `T`.
    let work: Box<dyn FnOnce() -> Box<dyn Any + Send> + Send> = Box::new(|| Box::new(work()));
    // It is what `work` returned.
    *smol::unblock(work).await.downcast().expect("a T")
}

// An `async fn` would hold its arguments twice, as they came and as they are awaited. These hold them once.

/// The result of whichever is done first; the other is dropped. The first is polled first.
pub fn race<T>(first: impl Future<Output = T>, second: impl Future<Output = T>) -> impl Future<Output = T> {
    first.or(second)
}

/// The results of both, which run at once.
pub fn both<A, B>(first: impl Future<Output = A>, second: impl Future<Output = B>) -> impl Future<Output = (A, B)> {
    futures_lite::future::zip(first, second)
}

/// The results of all, which run at once, in their order.
pub async fn all<T>(futures: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut waiting: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    futures_lite::future::poll_fn(|cx| {
        let mut pending = false;
        for (future, result) in waiting.iter_mut().filter(|(_, result)| result.is_none()) {
            match future.as_mut().poll(cx) {
                Poll::Ready(value) => *result = Some(value),
                Poll::Pending => pending = true,
            }
        }
        if pending { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    waiting.into_iter().filter_map(|(_, result)| result).collect()
}

/// `None` if `future` is not done `limit` after it was first polled.
pub fn timeout<T>(limit: Duration, future: impl Future<Output = T>) -> impl Future<Output = Option<T>> {
    Timeout { limit, timer: None, future }
}

struct Timeout<F> {
    limit: Duration,
    /// From the moment on that there is something to wait for.
    timer: Option<async_io::Timer>,
    future: F,
}

impl<F: Future> Future for Timeout<F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
        // SAFETY: `future` is pinned with `self` and never moved out; the others are not pinned and only borrowed.
        let (limit, timer, future) = unsafe {
            let this = self.get_unchecked_mut();
            (this.limit, &mut this.timer, Pin::new_unchecked(&mut this.future))
        };
        if let Poll::Ready(value) = future.poll(cx) {
            return Poll::Ready(Some(value));
        }
        let timer = timer.get_or_insert_with(|| async_io::Timer::after(limit));
        Pin::new(timer).poll(cx).map(|_| None)
    }
}

/// A channel to the control thread, of at most `capacity` messages. Workers use `try_send`, which never waits.
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    smol::channel::bounded(capacity)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::spawn_worker;

    #[test]
    fn a_worker_reports_to_the_control_thread() {
        let (sender, receiver) = channel(4);
        let worker = spawn_worker(1, |rt| async move { sender.try_send(rt.worker_index()).unwrap() }).unwrap();
        let answer = run(|control| async move {
            control.spawn(async { panic!("ends this task only") });
            timeout(Duration::from_secs(10), receiver.recv()).await
        });
        assert_eq!(answer, Some(Ok(1)));
        worker.join().unwrap().unwrap();
    }

    #[test]
    fn timeouts_and_blocking_work() {
        block_on(async {
            assert_eq!(timeout(Duration::from_millis(1), std::future::pending::<()>()).await, None);
            assert_eq!(timeout(Duration::from_secs(10), unblock(|| 7)).await, Some(7));
        });
    }
}
