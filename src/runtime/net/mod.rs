//! Stub until the real one is merged.
mod addr;
pub use addr::Addr;
