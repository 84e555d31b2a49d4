//! Commands to a worker from any thread: a queue and an eventfd(2) that ends the worker's sleep. Rare by nature (drain,
//! a new listener, a new configuration), so that a lock is cheap enough.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use rustix::event::EventfdFlags;

use super::Rt;
use super::reactor::{Interest, Source};

/// A new mailbox. Fails if there is no descriptor left.
pub fn channel<T: Send>() -> io::Result<(Sender<T>, Receiver<T>)> {
    let wakeup = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let queue = Mutex::new(Queue { letters: VecDeque::new(), senders_gone: false, receiver_gone: false });
    let shared = Arc::new(Shared { queue, wakeup });
    Ok((Sender(Arc::new(LastSender(shared.clone()))), Receiver { shared }))
}

/// The sending end; any thread may hold one.
pub struct Sender<T>(Arc<LastSender<T>>);

/// The receiving end on its way to its worker.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
}

/// The receiving end on its worker.
pub struct Mailbox<T> {
    receiver: Receiver<T>,
    source: Source,
}

struct Shared<T> {
    queue: Mutex<Queue<T>>,
    wakeup: OwnedFd,
}

struct Queue<T> {
    letters: VecDeque<T>,
    senders_gone: bool,
    receiver_gone: bool,
}

impl<T> Sender<T> {
    /// Puts a letter into the box, or gives it back if nobody will ever read it.
    pub fn send(&self, letter: T) -> Result<(), T> {
        let shared = &self.0.0;
        let mut queue = shared.lock();
        if queue.receiver_gone {
            return Err(letter);
        }
        queue.letters.push_back(letter);
        drop(queue);
        shared.wake();
        Ok(())
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Sender(self.0.clone())
    }
}

impl<T> Receiver<T> {
    /// Ties the mailbox to the worker that will read it.
    pub fn into_worker(self, rt: &Rt) -> io::Result<Mailbox<T>> {
        let source = Source::new(rt, &self.shared.wakeup, Interest::Read)?;
        Ok(Mailbox { receiver: self, source })
    }
}

impl<T> Mailbox<T> {
    /// The next letter in order of sending; `None` once all senders are gone and the box is empty.
    pub async fn recv(&mut self) -> Option<T> {
        std::future::poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// See `recv`.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut queue = self.receiver.shared.lock();
        match queue.letters.pop_front() {
            Some(letter) => Poll::Ready(Some(letter)),
            None if queue.senders_gone => Poll::Ready(None),
            None => {
                // the eventfd is never read: each write to it is a new edge
                self.source.park_reader(cx);
                Poll::Pending
            }
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.receiver_gone = true;
        let unread = std::mem::take(&mut queue.letters);
        drop(queue);
        drop(unread);
    }
}

/// Dropped with the last `Sender`.
struct LastSender<T>(Arc<Shared<T>>);

impl<T> Drop for LastSender<T> {
    fn drop(&mut self) {
        self.0.lock().senders_gone = true;
        self.0.wake();
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        // fails only at a count of 2^64 - 1, and then the edge is there already
        let _ = rustix::io::write(&self.wakeup, &1u64.to_ne_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::{run_worker, spawn_worker};
    use std::time::Duration;

    #[test]
    fn a_letter_from_another_thread_ends_the_sleep() {
        let (to_worker, at_worker) = channel::<u32>().unwrap();
        let (to_test, at_test) = std::sync::mpsc::channel();
        let worker = spawn_worker(0, move |rt| async move {
            let mut mailbox = at_worker.into_worker(&rt).unwrap();
            while let Some(letter) = mailbox.recv().await {
                to_test.send(letter).unwrap();
            }
        })
        .unwrap();
        // each answer proves that the worker, asleep without a timeout, was woken by that letter
        for letter in 0..100 {
            to_worker.send(letter).unwrap();
            assert_eq!(at_test.recv_timeout(Duration::from_secs(20)), Ok(letter));
        }
        let second = to_worker.clone();
        drop(to_worker);
        second.send(100).unwrap();
        assert_eq!(at_test.recv_timeout(Duration::from_secs(20)), Ok(100));
        drop(second);
        worker.join().unwrap().unwrap();
    }

    #[test]
    fn a_letter_to_nobody_comes_back() {
        let (sender, receiver) = channel().unwrap();
        sender.send(1).unwrap();
        run_worker(0, move |rt| async move { drop(receiver.into_worker(&rt).unwrap()) }).unwrap();
        assert_eq!(sender.send(2), Err(2));
    }
}
