//! Connections to hosts: opening them, keeping them, speaking HTTP on them.

pub mod acquire;
pub mod connect;
pub mod connection;
pub(crate) mod control;
mod exchange;
pub mod h1;
pub mod h2;
mod happy_eyeballs;
pub mod pool;
mod tunnel;
mod websocket;

pub use acquire::Wanted;
pub use exchange::{Exchange, FromUpstream, Ready};
