//! Where traffic comes in: accepting within the limits, and what the streams of a listener need.

mod accept;
mod admission;
pub mod detect;
mod view;

pub use accept::accept_loop;
pub use admission::{Admission, ConnectionLimit, Connections};
pub use view::{ConnectionStats, ListenerSlot, ListenerView, RouteExtras};
