//! Sockets of a worker: [`Listener`] (made on the control thread, used on a worker), [`Connect`] and [`Stream`].
//! TCP and UNIX stream sockets behave alike, apart from their [`Addr`]. UDP has files of its own.

mod addr;
mod connect;
mod listener;
mod socket_file;
mod stream;
mod tube;
pub mod udp;

pub use addr::{Addr, ParseAddrError};
pub use connect::Connect;
pub use listener::{ListenOptions, Listener, WorkerListener, is_fd_exhausted};
pub use socket_file::SocketFile;
pub use stream::Stream;
pub use tube::{Tube, Tubes};

pub(super) use connect::start_connect;
pub(super) use listener::accept;
pub(super) use stream::{local_addr, recv_into};

#[cfg(test)]
mod tests;
