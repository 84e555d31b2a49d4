//! The control thread: starts the workers, then handles one event after the other until the end.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::process::Process;
use super::worker::{Command, Shared, worker_main};
use super::{approved, certificates, drain, operator, watch};
use crate::config::{Config, Workers};
use crate::runtime::control::{self, Control, Receiver, Sender, Stamp};
use crate::runtime::net::Addr;
use crate::runtime::signal::{Signal, Signals};
use crate::runtime::systemd::{self, Notifier};
use crate::runtime::{limits, mailbox, spawn_worker};

/// File descriptors kept for everything that is not a connection: listeners, logs, the admin port.
const RESERVED_FILES: u64 = 64;
/// Connections that are taken however low the limit of open files is.
const LEAST_CONNECTIONS: u64 = 16;
/// Events that may wait for the control thread.
const EVENTS: usize = 64;
/// Time for log lines to reach their files at the end.
const FLUSH_TIME: Duration = Duration::from_secs(2);

/// What the command line says beside the configuration.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The file, for reloads; `None`: the configuration is built in.
    pub path: Option<PathBuf>,
    /// In place of the file's `workers`.
    pub workers: Option<usize>,
}

/// Why the proxy could not start, or stopped.
#[derive(Debug)]
pub struct RunError(pub String);

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What runs, for those who want to tell somebody.
pub struct Started<'a> {
    /// Each listener with the address it is bound to.
    pub listeners: Vec<(&'a str, &'a Addr)>,
    pub admin: Option<&'a Addr>,
    pub workers: usize,
}

/// What the control thread reacts to.
pub(super) enum Event {
    Signal(Signal),
    /// The watched file has changed.
    FileChanged,
    /// `/drain_listeners`, `/quitquitquit` and the like.
    Operator(operator::Order),
    /// A worker thread has ended, which none does by itself.
    WorkerEnded,
}

/// Runs the proxy until it is told to stop. `started` is called once it serves.
pub fn run(config: Config, options: Options, started: impl FnOnce(&Started<'_>)) -> Result<(), RunError> {
    run_boxed(config, options, Box::new(started))
}

/// All of the proxy, once for all that tell somebody.
fn run_boxed(config: Config, options: Options, started: Box<dyn FnOnce(&Started<'_>) + '_>) -> Result<(), RunError> {
    control::run(|control| main(control, config, options, started))
}

async fn main(
    control: Control,
    config: Config,
    options: Options,
    started: Box<dyn FnOnce(&Started<'_>) + '_>,
) -> Result<(), RunError> {
    let notifier = Notifier::from_env().map_err(|error| RunError(format!("NOTIFY_SOCKET: {error}")))?;
    let files = limits::raise_open_files();
    // First of all: a signal that comes while starting must not be lost.
    let signals = Signals::watch().map_err(|error| RunError(format!("signals: {error}")))?;
    let (events, inbox) = control::channel(EVENTS);

    let count = options.workers.unwrap_or(match config.workers {
        Workers::Auto => limits::cpus(),
        Workers::Count(count) => count,
    });
    let connections = files.saturating_sub(RESERVED_FILES) / 2;
    if connections < LEAST_CONNECTIONS {
        log::warn!("the open-file limit of {files} leaves room for hardly any connection");
    }
    let (applied, is_applied) = control::channel(1);
    let mut process = Process::new(&control, count, options, connections.max(LEAST_CONNECTIONS), applied);
    let prepared = process.prepare(config)?;
    let threads = start_workers(&mut process, &events)?;
    process.apply(prepared);

    control.spawn(forward_signals(signals, events.clone()));
    let process = Rc::new(RefCell::new(process));
    // Before anybody can know that it runs: what is written from then on is a change.
    let seen = process.borrow().watched().and_then(|path| Stamp::of(&path));
    control.spawn(watch::watch(process.clone(), events.clone(), seen));
    control.spawn(certificates::watch(process.clone()));
    control.spawn(approved::follow(control.clone(), process.clone(), is_applied));
    operator::start(&control, &process, &events)?;
    control.spawn(watchdog(process.clone(), systemd::watchdog_interval()));

    process.borrow_mut().set_live();
    started(&process.borrow().started_view());
    notifier.ready();
    let result = serve(&process, &inbox, &notifier).await;
    process.borrow_mut().stop();
    for thread in threads {
        // A panic of a worker's own loop was logged when it happened.
        let _ = thread.join();
    }
    let deadline = control::now() + FLUSH_TIME;
    process.borrow_mut().logs.close(deadline, control::now);
    result
}

fn start_workers(process: &mut Process, events: &Sender<Event>) -> Result<Vec<JoinHandle<io::Result<()>>>, RunError> {
    let count = process.workers;
    let failed = |error| RunError(format!("worker: {error}"));
    let mut threads = Vec::with_capacity(count);
    for index in 0..count {
        let (sender, receiver) = mailbox::channel::<Command>().map_err(failed)?;
        let shared = Shared { workers: count, connections: process.connections.clone(), stats: process.server_scope() };
        let events = events.clone();
        let thread = spawn_worker(index, move |rt| async move {
            if let Err(error) = worker_main(rt, receiver, shared).await {
                log::error!("worker {index}: {error}");
            }
            // Full or closed: the control thread is ending already.
            let _ = events.try_send(Event::WorkerEnded);
        });
        threads.push(thread.map_err(failed)?);
        process.mailboxes.push(sender);
    }
    Ok(threads)
}

/// Events until one of them ends the proxy.
async fn serve(process: &Rc<RefCell<Process>>, inbox: &Receiver<Event>, notifier: &Notifier) -> Result<(), RunError> {
    while let Ok(event) = inbox.recv().await {
        match event {
            Event::Signal(Signal::Hangup) | Event::FileChanged => {
                notifier.reloading();
                super::reload::reload(process).await;
                notifier.ready();
            }
            Event::Signal(Signal::User1) | Event::Operator(operator::Order::ReopenLogs) => {
                process.borrow().logs.reopen();
            }
            Event::Signal(Signal::Interrupt) => return Ok(()),
            Event::Signal(Signal::Terminate) | Event::Operator(operator::Order::Quit) => {
                notifier.stopping();
                drain::drain(process, inbox).await;
                return Ok(());
            }
            Event::Operator(operator::Order::Drain) => drop(process.borrow_mut().start_drain()),
            Event::WorkerEnded => return Err(RunError("a worker ended unexpectedly".into())),
        }
    }
    Ok(())
}

async fn forward_signals(mut signals: Signals, events: Sender<Event>) {
    loop {
        let signal = signals.next().await;
        if events.send(Event::Signal(signal)).await.is_err() {
            return;
        }
    }
}

/// Tells systemd that the proxy is alive, but only while every worker answers (systemd.service(5), `WatchdogSec`).
async fn watchdog(process: Rc<RefCell<Process>>, period: Option<Duration>) {
    let (Some(period), Ok(notifier)) = (period, Notifier::from_env()) else { return };
    let mut interval = control::interval(period);
    loop {
        interval.tick().await;
        if all_answer(&process, period).await {
            notifier.watchdog();
        } else {
            log::error!("a worker does not answer");
        }
    }
}

/// Whether every worker answers in time.
async fn all_answer(process: &Rc<RefCell<Process>>, limit: Duration) -> bool {
    let (count, receiver) = process.borrow().ping();
    let answers = async {
        for _ in 0..count {
            receiver.recv().await.ok()?;
        }
        Some(())
    };
    control::timeout(limit, answers).await.flatten().is_some()
}
