//! Connecting to whichever address of a host answers first (RFC 8305 section 5): to the first at once, to each further one a
//! moment after the one before it, or when that has failed. Those that are slower are given up.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::runtime::Rt;
use crate::runtime::net::{self, Addr, Stream};

/// Between two attempts (RFC 8305 section 8, Connection Attempt Delay).
const DELAY: Duration = Duration::from_millis(250);

/// The attempts to connect to one host. They have no timer: who polls them also polls at `wake_at`.
pub(super) struct HappyEyeballs {
    running: Vec<net::Connect>,
    waiting: VecDeque<Addr>,
    /// When the next one of those that wait has its turn.
    next_at: Instant,
}

impl HappyEyeballs {
    /// `addresses`: in the order of their turns. Whoever makes them bounds them.
    pub(super) fn start(addresses: &[Addr], rt: &Rt) -> HappyEyeballs {
        HappyEyeballs { running: Vec::new(), waiting: addresses.iter().cloned().collect(), next_at: rt.now() }
    }

    /// When to poll, even if nobody wakes.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        (!self.waiting.is_empty()).then_some(self.next_at)
    }

    /// The first connection; the last error if there is none.
    pub(super) fn poll(&mut self, task: &mut Context<'_>, rt: &Rt) -> Poll<io::Result<Stream>> {
        loop {
            let mut failed = None;
            let mut at = 0;
            while let Some(attempt) = self.running.get_mut(at) {
                match Pin::new(attempt).poll(task) {
                    Poll::Ready(Ok(stream)) => return Poll::Ready(Ok(stream)),
                    Poll::Ready(Err(error)) => {
                        drop(self.running.remove(at));
                        failed = Some(error);
                    }
                    Poll::Pending => at += 1,
                }
            }
            let now = rt.now();
            let turn = failed.is_some() || self.running.is_empty() || now >= self.next_at;
            match if turn { self.waiting.pop_front() } else { None } {
                Some(address) => {
                    self.running.push(Stream::connect(rt, &address));
                    self.next_at = now + DELAY;
                }
                None if self.running.is_empty() => {
                    let error = failed.unwrap_or_else(|| io::ErrorKind::ConnectionRefused.into());
                    return Poll::Ready(Err(error));
                }
                None => return Poll::Pending,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::runtime::net::{ListenOptions, Listener};
    use crate::runtime::{Transport, run_worker};

    /// Where the first connection went.
    fn winner(addresses: Vec<Addr>) -> Option<Addr> {
        let connected = run_worker(0, move |rt| async move {
            let mut eyeballs = HappyEyeballs::start(&addresses, &rt);
            let timer = rt.timer();
            std::future::poll_fn(|task| {
                let result = eyeballs.poll(task, &rt);
                timer.set(eyeballs.wake_at());
                let _ = timer.poll(task);
                result
            })
            .await
        });
        connected.unwrap().ok().map(|stream| stream.peer_addr().clone())
    }

    fn listening() -> (TcpListener, Addr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().into();
        (listener, address)
    }

    fn closed() -> Addr {
        listening().1
    }

    /// A socket that answers nobody, because nobody takes its connections; it does so while what is returned lives.
    fn silent() -> (Listener, Vec<std::net::TcpStream>, Addr) {
        let options = ListenOptions { backlog: 0, ..ListenOptions::default() };
        let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap(), options).unwrap();
        let address = listener.local_addr().clone();
        let inet = address.inet().unwrap();
        let wait = Duration::from_millis(100);
        let filling = std::iter::from_fn(|| std::net::TcpStream::connect_timeout(&inet, wait).ok());
        let filling: Vec<_> = filling.take(64).collect();
        assert!(filling.len() < 64, "it never fills");
        (listener, filling, address)
    }

    #[test]
    fn the_first_that_answers_wins() {
        let (_first, first) = listening();
        let (_second, second) = listening();
        assert_eq!(winner(vec![first.clone(), second.clone()]), Some(first));
        assert_eq!(winner(vec![closed(), closed(), second.clone()]), Some(second));
        assert_eq!(winner(vec![closed(), closed()]), None);
        assert_eq!(winner(Vec::new()), None);
    }

    #[test]
    fn one_that_is_silent_holds_up_nobody() {
        let (_listener, _filling, silent) = silent();
        let (_second, second) = listening();
        assert_eq!(winner(vec![silent.clone(), silent, second.clone()]), Some(second));
    }
}
