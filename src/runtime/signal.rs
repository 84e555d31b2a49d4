//! Signals as a stream for the control thread: the handler sets a bit and writes to an eventfd, no more
//! (signal-safety(7)). A signal's disposition belongs to the process, so this is the one place with process-wide state.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use async_io::Async;
use rustix::event::EventfdFlags;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGHUP: reload.
    Hangup,
    /// SIGTERM: drain, then end; a second one ends at once.
    Terminate,
    /// SIGINT: as SIGTERM, from a terminal.
    Interrupt,
    /// SIGUSR1: reopen log files.
    User1,
}

const WATCHED: [(c_int, Signal); 4] =
    [(1, Signal::Hangup), (2, Signal::Interrupt), (10, Signal::User1), (15, Signal::Terminate)];
const SIGPIPE: c_int = 13;
const SIG_IGN: usize = 1;
const SIG_ERR: usize = usize::MAX;

static PENDING: AtomicU32 = AtomicU32::new(0);
static WAKEUP: AtomicI32 = AtomicI32::new(-1);

unsafe extern "C" {
    /// signal(2) of the C library, which std links anyway: with SA_RESTART, the handler stays (glibc, musl).
    fn signal(signum: c_int, handler: usize) -> usize;
}

/// The signals of this process, in no order; equal ones that come at once are one.
pub struct Signals {
    /// A descriptor of our own for the one eventfd: the reactor takes each descriptor once.
    wakeup: Async<OwnedFd>,
}

impl Signals {
    /// Takes over the signals and ignores SIGPIPE. Calls after the first share one queue.
    pub fn watch() -> io::Result<Signals> {
        let wakeup = Async::new(wakeup()?.try_clone_to_owned()?)?;
        for (number, _) in WATCHED {
            let handler: extern "C" fn(c_int) = note;
            set(number, handler as *const () as usize)?;
        }
        set(SIGPIPE, SIG_IGN)?;
        Ok(Signals { wakeup })
    }

    pub async fn next(&mut self) -> Signal {
        loop {
            for (number, kind) in WATCHED {
                let bit = 1 << number;
                if PENDING.fetch_and(!bit, Ordering::AcqRel) & bit != 0 {
                    return kind;
                }
            }
            // an error of epoll here would be one of `Async` itself; looking again is all there is to do
            let _ = self.wakeup.readable().await;
            let _ = rustix::io::read(self.wakeup.get_ref(), &mut [0; 8]);
        }
    }
}

/// The eventfd that handlers write to. Made once and kept open for the life of the process.
fn wakeup() -> io::Result<BorrowedFd<'static>> {
    static OWNER: OnceLock<OwnedFd> = OnceLock::new();
    if OWNER.get().is_none() {
        let made = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        // a racing caller's descriptor is closed by the failed `set`
        let _ = OWNER.set(made);
    }
    let owner = OWNER.get().ok_or(io::ErrorKind::Other)?;
    let raw = owner.as_raw_fd();
    WAKEUP.store(raw, Ordering::Release);
    Ok(owner.as_fd())
}

extern "C" fn note(number: c_int) {
    PENDING.fetch_or(1 << number, Ordering::AcqRel);
    // SAFETY: `wakeup` stored an open descriptor before any handler was installed, and it is never closed.
    let wakeup = unsafe { BorrowedFd::borrow_raw(WAKEUP.load(Ordering::Acquire)) };
    // write(2) by system call: async-signal-safe, and errno of the interrupted code is not touched
    let _ = rustix::io::write(wakeup, &1u64.to_ne_bytes());
}

fn set(number: c_int, handler: usize) -> io::Result<()> {
    // SAFETY: `handler` is SIG_IGN or `note`, which is async-signal-safe and lives as long as the process.
    if unsafe { signal(number, handler) } == SIG_ERR { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::control;
    use rustix::process::{Signal as Number, getpid, kill_process};

    #[test]
    fn signals_arrive() {
        control::block_on(async {
            let mut signals = Signals::watch().unwrap();
            // A second one in the process is no error.
            drop(Signals::watch().unwrap());
            let _second = Signals::watch().unwrap();
            for (number, kind) in
                [(Number::HUP, Signal::Hangup), (Number::USR1, Signal::User1), (Number::TERM, Signal::Terminate)]
            {
                kill_process(getpid(), number).unwrap();
                assert_eq!(signals.next().await, kind);
            }
        });
    }
}
