//! The runtime: everything that touches threads, sockets, clocks and signals.
//!
//! A *worker* (`worker`) is a thread with its own executor, its own edge-triggered reactor (`reactor`) and its own timer
//! wheel (`timer`); what lives on it is `!Send` and shared by `Rc`. The *control thread* (`control`) is a plain smol
//! program. The two talk through `mailbox` (towards a worker) and `control::channel` (towards the control thread).
//! Both carry bytes through one trait, [`Transport`]. Only this module names smol, async-io or rustix's event and net
//! parts, and only it holds `unsafe`.

mod clock;
pub mod control;
pub mod limits;
pub mod mailbox;
pub mod net;
mod published;
mod reactor;
pub mod signal;
pub mod systemd;
mod timer;
mod transport;
mod worker;

pub use published::{Published, Reader};
pub use timer::Timer;
pub use transport::{Hangup, Transport};
pub use worker::{Rt, run_worker, spawn_worker};
