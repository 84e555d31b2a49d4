//! One log file and the thread that writes it. Nothing that happens to the file reaches a worker: a slow disk fills the
//! queues, full queues drop lines, a failed write drops what it held, and all of that is counted.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Thread;
use std::time::Duration;

use super::queue::{Budget, Receiver, Sender, Sent, queue};
use crate::config::LogPath;
use crate::stats::{AccessLogStats, Handle};

/// Most bytes that wait for the file.
const BUFFER: usize = 4 * 1024 * 1024;

/// Most bytes of one write.
const BATCH: usize = 256 * 1024;

/// Lines wait this long for company while there is traffic.
const FLUSH: Duration = Duration::from_millis(100);

/// How often an idle writer looks by itself. A line wakes it; should the wake-up be lost in a race, the line waits so long.
const IDLE: Duration = Duration::from_secs(1);

/// After a failed write, lines are left to the queues for so long.
const PAUSE: Duration = Duration::from_secs(1);

/// A log file with its writer, which ends when the sink and all its [`SinkWriter`]s are dropped.
pub struct Sink {
    path: LogPath,
    queues: mpsc::Sender<Receiver>,
    budget: Arc<Budget>,
    shared: Arc<Shared>,
    writer: Thread,
    /// A lock for `Sync` only: the control thread alone waits here.
    done: Mutex<mpsc::Receiver<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The writer found nothing to do and wants to be woken.
    asleep: AtomicBool,
    reopen: AtomicBool,
    close: AtomicBool,
}

/// A worker's way into a sink.
pub struct SinkWriter {
    queue: Sender,
    shared: Arc<Shared>,
    writer: Thread,
    stats: Handle<AccessLogStats>,
}

impl Sink {
    /// Opens the file and starts its writer. `stats` is the control thread's instance; of it, the writer counts on shared
    /// counters only.
    pub fn open(path: &LogPath, stats: Handle<AccessLogStats>) -> io::Result<Sink> {
        let file = open(path)?;
        let (queues, new_queues) = mpsc::channel();
        let (on_done, done) = mpsc::channel();
        let shared = Arc::new(Shared::default());
        let mut writer = Writer {
            path: path.clone(),
            file,
            torn: false,
            queues: Vec::new(),
            new_queues,
            shared: Arc::clone(&shared),
            stats,
        };
        let thread = std::thread::Builder::new().name("nuncio-log".to_owned()).spawn(move || {
            writer.run();
            // Nobody may be waiting.
            let _ = on_done.send(());
        })?;
        let writer = thread.thread().clone();
        Ok(Sink { path: path.clone(), queues, budget: Budget::new(BUFFER), shared, writer, done: Mutex::new(done) })
    }

    pub fn path(&self) -> &LogPath {
        &self.path
    }

    /// A way into this sink for one worker; `stats` is that worker's instance.
    pub fn writer(&self, stats: Handle<AccessLogStats>) -> SinkWriter {
        let (sender, receiver) = queue(Arc::clone(&self.budget));
        // If the thread is gone the queue drops everything, which is counted.
        let _ = self.queues.send(receiver);
        SinkWriter { queue: sender, shared: Arc::clone(&self.shared), writer: self.writer.clone(), stats }
    }

    /// Opens the file again by its name, as after a rotation. Returns at once.
    pub fn reopen(&self) {
        self.shared.reopen.store(true, Ordering::Release);
        self.writer.unpark();
    }

    /// Tells the writer to write what is queued and to end.
    pub(super) fn start_close(&self) {
        self.shared.close.store(true, Ordering::Release);
        self.writer.unpark();
    }

    /// Waits for that; `false` if it did not end in time. The thread is left alone then.
    pub(super) fn wait_closed(&self, limit: Duration) -> bool {
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.recv_timeout(limit) != Err(mpsc::RecvTimeoutError::Timeout)
    }

    /// Writes what is queued and ends, within `limit`.
    pub fn close(self, limit: Duration) -> bool {
        self.start_close();
        self.wait_closed(limit)
    }
}

impl SinkWriter {
    /// Queues a line, with its line end. Never waits; what does not fit is dropped and counted.
    pub fn write(&self, line: &[u8]) {
        match self.queue.send(line) {
            Sent::Dropped => self.stats.dropped.inc(),
            sent => {
                self.stats.written.inc();
                // One wake-up ends a pause; while there is traffic the writer comes by itself.
                let asleep = self.shared.asleep.load(Ordering::Relaxed);
                if sent == Sent::Behind || (asleep && self.shared.asleep.swap(false, Ordering::Relaxed)) {
                    self.writer.unpark();
                }
            }
        }
    }
}

fn open(path: &LogPath) -> io::Result<File> {
    let standard = |fd: io::Result<std::os::fd::OwnedFd>| fd.map(File::from);
    match path {
        LogPath::Stdout => standard(io::stdout().as_fd().try_clone_to_owned()),
        LogPath::Stderr => standard(io::stderr().as_fd().try_clone_to_owned()),
        // Non-blocking matters for a FIFO: without a reader it fails instead of waiting for one.
        LogPath::File(path) => OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o640)
            .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
            .open(path),
    }
}

/// What the thread owns.
struct Writer {
    path: LogPath,
    file: File,
    /// The last write ended within a line.
    torn: bool,
    queues: Vec<Receiver>,
    new_queues: mpsc::Receiver<Receiver>,
    shared: Arc<Shared>,
    stats: Handle<AccessLogStats>,
}

impl Writer {
    fn run(&mut self) {
        let mut batch = Vec::new();
        loop {
            if self.shared.reopen.swap(false, Ordering::Acquire) {
                self.reopen();
            }
            let close = self.shared.close.load(Ordering::Acquire);
            let orphaned = self.take_queues();
            batch.clear();
            self.queues.retain_mut(|queue| queue.receive(&mut batch, BATCH));
            let pause = match self.write(&batch) {
                Ok(()) if batch.len() >= BATCH => continue,
                Ok(()) if close || (orphaned && self.queues.is_empty()) => return,
                Ok(()) if batch.is_empty() => {
                    batch.shrink_to(0);
                    self.shared.asleep.store(true, Ordering::SeqCst);
                    IDLE
                }
                Ok(()) => FLUSH,
                Err(lost) => {
                    self.count_lost(&lost);
                    if close {
                        return;
                    }
                    self.pause();
                    continue;
                }
            };
            std::thread::park_timeout(pause);
            self.shared.asleep.store(false, Ordering::Relaxed);
        }
    }

    /// Registers the queues of new writers; says whether there can be no more.
    fn take_queues(&mut self) -> bool {
        loop {
            match self.new_queues.try_recv() {
                Ok(queue) => self.queues.push(queue),
                Err(error) => return error == mpsc::TryRecvError::Disconnected,
            }
        }
    }

    /// Waits after a failure, whoever calls meanwhile, unless it is the end.
    fn pause(&self) {
        for _ in 0..10 {
            if !self.shared.close.load(Ordering::Acquire) {
                std::thread::sleep(PAUSE / 10);
            }
        }
    }

    fn write(&mut self, batch: &[u8]) -> Result<(), Lost> {
        let Some(&last) = batch.last() else { return Ok(()) };
        let mut rest = batch;
        // A line that was cut off by a failure ends here, so that the next one is whole.
        let mut mend: &[u8] = if self.torn { b"\n" } else { b"" };
        while !rest.is_empty() {
            let part = if mend.is_empty() { rest } else { mend };
            match self.file.write(part) {
                Ok(0) => return Err(self.lost(rest, io::ErrorKind::WriteZero.into())),
                Ok(len) if !mend.is_empty() => mend = &mend[len..],
                Ok(len) => {
                    self.torn = rest[len - 1] != b'\n';
                    rest = &rest[len..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // A pipe whose reader is slow.
                    if self.shared.close.load(Ordering::Acquire) {
                        return Err(self.lost(rest, error));
                    }
                    std::thread::park_timeout(Duration::from_millis(10));
                }
                Err(error) => return Err(self.lost(rest, error)),
            }
        }
        self.torn = last != b'\n';
        Ok(())
    }

    fn lost(&self, rest: &[u8], error: io::Error) -> Lost {
        Lost { lines: rest.iter().filter(|&&byte| byte == b'\n').count() as u64, error }
    }

    fn count_lost(&self, lost: &Lost) {
        self.stats.write_failed.inc();
        self.stats.lost.add(lost.lines);
        log::warn!("access log {}: {}; {} lines lost", name(&self.path), lost.error, lost.lines);
    }

    fn reopen(&mut self) {
        match open(&self.path) {
            Ok(file) => {
                self.file = file;
                self.torn = false;
            }
            Err(error) => {
                self.stats.reopen_failed.inc();
                log::error!("access log {}: cannot be reopened: {error}", name(&self.path));
            }
        }
    }
}

/// A batch that could not be written.
struct Lost {
    lines: u64,
    error: io::Error,
}

fn name(path: &LogPath) -> std::path::Display<'_> {
    match path {
        LogPath::Stdout => std::path::Path::new("stdout").display(),
        LogPath::Stderr => std::path::Path::new("stderr").display(),
        LogPath::File(path) => path.display(),
    }
}

#[cfg(test)]
mod tests;
