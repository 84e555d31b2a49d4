//! Says that there is something to look at: any number of times is once. Whoever raises it never waits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Poll, Waker};

use futures_lite::future::poll_fn;

/// For any number of threads that raise it and one waiter on the control thread.
#[derive(Debug, Default)]
pub struct Signal {
    raised: AtomicBool,
    /// The lock is taken by the waiter, and by the first who raises it after the waiter has looked.
    waiter: Mutex<Option<Waker>>,
}

impl Signal {
    pub fn raise(&self) {
        if !self.raised.swap(true, Ordering::AcqRel)
            && let Some(waiter) = self.waiter.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            waiter.wake();
        }
    }

    /// Returns when it was raised since the last time. For one waiter.
    pub async fn raised(&self) {
        poll_fn(|cx| {
            *self.waiter.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
            // Behind the waker: who raises it from now on finds the waker.
            if self.raised.swap(false, Ordering::AcqRel) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::runtime::control::{block_on, timeout};

    #[test]
    fn any_number_of_times_is_once() {
        let signal = Signal::default();
        (0..3).for_each(|_| signal.raise());
        block_on(async {
            signal.raised().await;
            assert_eq!(timeout(Duration::from_millis(1), signal.raised()).await, None);
            signal.raise();
            signal.raised().await;
        });
    }

    #[test]
    fn none_that_comes_from_another_thread_is_missed() {
        const TURNS: usize = 2000;
        let (there, back) = (Arc::new(Signal::default()), Arc::new(Signal::default()));
        let ends = (there.clone(), back.clone());
        let other = std::thread::spawn(move || {
            for _ in 0..TURNS {
                block_on(ends.0.raised());
                ends.1.raise();
            }
        });
        for _ in 0..TURNS {
            there.raise();
            block_on(back.raised());
        }
        other.join().unwrap();
    }
}
