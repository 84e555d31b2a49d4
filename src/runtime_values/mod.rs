//! Values that change while the proxy runs: `runtime` of the file, and what operators say on `/runtime_modify` over it.
//! (Not `runtime/`, which runs the tasks.)
//!
//! ```text
//!   file ---+
//!           +--> RuntimeValues (control thread) --one atomic store--> RuntimeValue <--one relaxed load-- a request
//!   admin --+
//! ```
//! Who reads a key interns it when the configuration is built, and keeps the cell: no request ever looks up a text. What
//! operators said outlives reloads; the file's layer is replaced by each.

mod fraction;
mod kind;
mod layers;
mod readers;

pub use fraction::fraction;
pub use kind::Kind;
pub use layers::{Entry, LAYERS, Refusal, RuntimeValue, RuntimeValues};
pub use readers::{ClusterValues, RuntimeNumber, RuntimePercent};
