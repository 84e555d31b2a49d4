//! The port for operators: a small HTTP/1 server on the control thread, text and JSON only. `endpoints` is the table of
//! what there is; a handler is a plain function from a [`Request`] to a [`Reply`] and sees the process through
//! [`AdminState`], which the main program implements. `serve` and `connection` carry it, `guard` says who may ask
//! (row T-10 of the threat list).

mod certificates;
mod changes;
mod clusters;
mod connection;
mod endpoints;
mod explain;
mod guard;
mod listeners;
pub mod logging;
mod reply;
mod request;
mod runtime;
mod serve;
mod server;
mod state;
mod stats;

#[cfg(test)]
mod testing;

pub use endpoints::handle;
pub use reply::{After, Reply};
pub use request::Request;
pub use serve::{Options, serve};
pub use state::{
    AdminState, CertificateOwner, CertificateStatus, ClusterStatus, ListenerStatus, ServerInfo, ServerState,
};
