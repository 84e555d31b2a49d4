//! UDP: datagrams between clients and the hosts of a cluster, by sessions.
//!
//! ```text
//!   client datagram                                       idle_timeout, drain_time,
//!  ----------------> no session --route, host, permits--> open ------------------> ended: one line of the access log
//!                        |                                 | ^
//!                        | no route, no host, a limit,     +-+ datagrams either way; ICMP errors are counted
//!                        v draining                        |
//!                     dropped and counted                  +--> its cluster is gone: the next datagram opens another
//! ```
//! A *session* (`session.rs`) is a client's address and port together with the address it speaks to. Its host is picked
//! with the first datagram and kept; it has a socket of its own, connected to that host, so that the kernel drops what
//! comes from anywhere else. Where each datagram may go to another host (`per_packet`), there is a session for each client
//! and host.
//!
//! *One task* (`listener.rs`) serves a listener on a worker, all its sessions with it. A socket that can be read puts its
//! key on a list and wakes the task; it reads one socket after the other in the order of the list and stops after a number
//! of datagrams (empty ones count too), so that others get their turn. A session is a few hundred bytes: no task, no
//! timer, no buffer.
//!
//! *Buffers* belong to the worker ([`Buffers`]): what one read brings is sent on before the next one, and what the kernel
//! does not take is lost, as on any link. One timer a listener sweeps out the sessions that are idle.

mod buffers;
mod forward;
mod listener;
mod log;
mod open;
mod session;
mod table;
mod view;

pub use buffers::Buffers;
pub use listener::serve;
pub use view::{UdpSlot, UdpView};
