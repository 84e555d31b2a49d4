//! Load balancing: of what a plan offers, the host for the next request. A [`Picker`] belongs to one worker; chance and load
//! are arguments.

mod picker;
mod rendezvous;
mod sticky;
mod turns;
mod xx_hash;

pub use picker::{PickCx, Picker};
pub use rendezvous::Rendezvous;
pub use sticky::sticky_id;
pub(super) use xx_hash::mix;
pub use xx_hash::{address_hash, join_hashes, xx_hash};
