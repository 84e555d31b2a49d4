//! What the rest of the proxy holds: `Sinks` on the control thread, a `Log` in a listener's configuration, a `Logger` in
//! each worker.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{FormatError, Line, Sink, SinkWriter};
use crate::config::{AccessLog, LogPath};
use crate::stats::{AccessLogStats, Scope};
use crate::stream::StreamInfo;

/// Lines longer than this give their memory back.
const SCRATCH_MAX: usize = 16 * 1024;

/// All open log files. A file that several listeners, or the next configuration, name is open once.
pub struct Sinks {
    sinks: Vec<Arc<Sink>>,
    stats: Arc<Scope<AccessLogStats>>,
}

/// One access log of a listener, shared by the workers.
#[derive(Clone)]
pub struct Log {
    line: Arc<Line>,
    sink: Arc<Sink>,
    stats: Arc<Scope<AccessLogStats>>,
}

/// One access log on one worker.
pub struct Logger {
    line: Arc<Line>,
    writer: SinkWriter,
    scratch: RefCell<Vec<u8>>,
}

/// A log of other lines than those of streams; the control thread writes them.
#[derive(Clone)]
pub struct LineLog {
    sink: Arc<Sink>,
    stats: Arc<Scope<AccessLogStats>>,
}

/// Why a log cannot be opened.
#[derive(Debug)]
pub enum OpenError {
    Format(FormatError),
    File(LogPath, io::Error),
}

impl Sinks {
    /// `stats`: the scope `access_log`.
    pub fn new(stats: Arc<Scope<AccessLogStats>>) -> Sinks {
        Sinks { sinks: Vec::new(), stats }
    }

    /// The log that the configuration describes; its file is opened unless it is open.
    pub fn open(&mut self, config: &AccessLog) -> Result<Log, OpenError> {
        let line = Line::new(&config.format).map_err(OpenError::Format)?;
        let sink = self.sink(&config.path).map_err(|error| OpenError::File(config.path.clone(), error))?;
        Ok(Log { line: Arc::new(line), sink, stats: Arc::clone(&self.stats) })
    }

    /// A log of lines that the caller makes.
    pub fn open_lines(&mut self, path: &LogPath) -> Result<LineLog, OpenError> {
        let sink = self.sink(path).map_err(|error| OpenError::File(path.clone(), error))?;
        Ok(LineLog { sink, stats: Arc::clone(&self.stats) })
    }

    fn sink(&mut self, path: &LogPath) -> io::Result<Arc<Sink>> {
        if let Some(sink) = self.sinks.iter().find(|sink| sink.path() == path) {
            return Ok(Arc::clone(sink));
        }
        let sink = Arc::new(Sink::open(path, self.stats.control())?);
        self.sinks.push(Arc::clone(&sink));
        Ok(sink)
    }

    /// Closes the files that no configuration names any more.
    pub fn sweep(&mut self) {
        self.sinks.retain(|sink| Arc::strong_count(sink) > 1);
    }

    /// Opens every file again by its name (SIGUSR1).
    pub fn reopen(&self) {
        self.sinks.iter().for_each(|sink| sink.reopen());
    }

    /// Writes what is queued and ends all writers; `false` if that took longer than until `deadline`. `now` is asked for
    /// between files. For the end of the process: lines written later are lost.
    pub fn close(&mut self, deadline: Instant, now: impl Fn() -> Instant) -> bool {
        self.sinks.iter().for_each(|sink| sink.start_close());
        let mut closed = true;
        for sink in self.sinks.drain(..) {
            closed &= sink.wait_closed(deadline.saturating_duration_since(now()).max(TICK));
        }
        closed
    }
}

/// Even a passed deadline leaves a moment, so that what is already done counts.
const TICK: Duration = Duration::from_millis(1);

impl Log {
    /// Worker `index`'s logger; made on that worker or moved there.
    pub fn logger(&self, index: usize) -> Logger {
        let writer = self.sink.writer(self.stats.worker(index));
        Logger { line: Arc::clone(&self.line), writer, scratch: RefCell::new(Vec::new()) }
    }
}

impl LineLog {
    /// For the control thread.
    pub fn writer(&self) -> SinkWriter {
        self.sink.writer(self.stats.control())
    }
}

impl Logger {
    /// Writes the line of a stream that has ended.
    pub fn log(&self, info: &StreamInfo) {
        let mut scratch = self.scratch.borrow_mut();
        scratch.clear();
        self.line.render(info, &mut scratch);
        self.writer.write(&scratch);
        scratch.shrink_to(SCRATCH_MAX);
    }
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            OpenError::Format(error) => error.fmt(f),
            OpenError::File(LogPath::File(path), error) => write!(f, "{}: {error}", path.display()),
            OpenError::File(_, error) => error.fmt(f),
        }
    }
}

impl std::error::Error for OpenError {}

impl std::fmt::Debug for Logger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Logger").field("line", &self.line).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").field("line", &self.line).field("path", self.sink.path()).finish_non_exhaustive()
    }
}

/// A configuration is shared by the workers, a logger made for one may move there.
const _: fn() = || {
    fn is_send<T: Send>() {}
    fn is_shared<T: Send + Sync>() {}
    is_send::<Logger>();
    is_shared::<Log>();
};

#[cfg(test)]
mod tests;
