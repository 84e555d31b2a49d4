//! Connections to hosts: opening them, keeping them, speaking HTTP on them.

pub mod acquire;
pub mod connection;
pub mod h1;
pub mod pool;
