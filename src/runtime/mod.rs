//! Placeholder until the runtime is here.
pub mod net;
