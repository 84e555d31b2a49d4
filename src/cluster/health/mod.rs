//! Active health checks: whether a host serves is found out by asking it.
//!
//! * `state`: what results make of a host, and when it is asked next. Sans-IO.

mod state;

pub use state::{Checker, Failure, Outcome, Transition};
