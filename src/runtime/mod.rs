//! Stub until the real one is merged: only the address type that the configuration needs.
pub mod net;
