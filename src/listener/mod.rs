//! Where traffic comes in: accepting within the limits, finding out what a connection is, and what its chain needs.

mod accept;
mod admission;
mod arrival;
mod arrive;
pub mod detect;
mod gate;
mod port;
mod slot;
mod view;

pub use accept::accept_loop;
pub use admission::{Admission, ConnectionLimit, Connections};
pub use arrival::{Arrival, Arrived};
pub use gate::Gate;
pub use port::{ChainSlot, Port, PortView, Served, ServerTls};
pub use slot::Slot;
pub use view::{ConnectionStats, ListenerView, RouteExtras, TcpView};

/// The place of a chain that speaks HTTP.
pub type ListenerSlot = Slot<ListenerView>;
