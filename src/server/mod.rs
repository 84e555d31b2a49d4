//! The process: a control thread that reads the configuration and answers operators, and the workers that carry traffic.
//!
//! ```text
//!  file --load--> Config --build--> Snapshot --bind--> sockets --Command::Apply--> every worker
//!         error: logged, counted, nothing changes
//! ```
//! A reload is all or nothing: whatever can fail happens on the control thread, before any worker hears of it. What did
//! not change is not touched: a cluster that is the same keeps its hosts, pools and counters; a listener keeps
//! its socket and its connections, which meet the new routes with their next request.

mod approved;
mod certificates;
mod chain;
mod drain;
mod fetch;
mod operator;
mod process;
mod reload;
mod run;
mod snapshot;
mod udp;
mod watch;
mod worker;

pub use chain::{ChainSnapshot, HttpSnapshot, ServiceSnapshot, TcpSnapshot};
pub use run::{Options, RunError, Started, run};
pub use snapshot::{ListenerSnapshot, Snapshot};
pub use udp::UdpSnapshot;
pub use worker::Worker;
