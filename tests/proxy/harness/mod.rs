//! What every test uses: the proxy in this process, and raw ends of connections to it. A test is one script, read from
//! top to bottom: it plays the client and the upstream in turn, and each step has a deadline.

mod clock;
#[allow(dead_code, reason = "tests of the resolver itself use the rest")]
#[path = "../../../src/dns/testing.rs"]
pub(crate) mod dns;
mod file;
pub(crate) mod h2;
mod head;
mod proxy;
mod server;
pub(crate) mod tls;
mod tls_client;
mod upstream;
mod wire;

pub(crate) use clock::{Clock, eventually};
pub(crate) use file::LogFile;
pub(crate) use head::Head;
pub(crate) use proxy::{Proxy, write_config};
pub(crate) use server::Server;
pub(crate) use tls_client::{Directory, TlsClient, certificate};
pub(crate) use upstream::{Upstream, blackhole, closed_port};
pub(crate) use wire::{End, Message, Wire};

use std::time::Duration;

/// No step takes longer, on however busy a machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
