//! TLS, both sides: all that knows rustls.
//!
//! * [`Transport`]: bytes over an established session, as every other transport carries them (`transport`).
//! * [`accept`], [`connect`]: the handshake that leads there (`handshake`); [`Session`] says what was agreed on.
//! * [`ServerContext`] (`server`), [`ClientContext`] (`client`): what the configuration makes of a handshake, with
//!   all files read; made on the control thread and shared by all workers.
//!
//! rustls is driven through its unbuffered interface (`engine`): it holds no buffers of its own, so that an idle
//! connection costs its keys and little else. It never does I/O itself, and its `complete_io` is not used (row TLS-6).

mod allowed;
mod buffers;
mod certificate_info;
mod certificates;
mod client;
mod client_auth;
mod engine;
mod files;
mod gather;
mod handshake;
mod host_auth;
mod key_log;
mod peer_certificate;
mod provider;
mod server;
mod session;
mod stamps;
mod state;
mod transport;

#[cfg(test)]
mod testing;

pub use allowed::Names;
pub use certificate_info::CertificateInfo;
pub use client::ClientContext;
pub use files::{LoadError, SystemRoots};
pub use handshake::{Accept, Connect, HandshakeError, HandshakeErrorKind, accept, connect};
pub use peer_certificate::PeerCertificate;
pub use server::ServerContext;
pub use session::{Peer, Session};
pub use stamps::Stamps;
pub use transport::Transport;
