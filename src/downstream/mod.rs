//! Protocols towards the client. HTTP drives its codec over one connection and makes a stream of each request; bytes that
//! are no HTTP are carried as they come.

mod connection;
pub mod h1;
pub mod h2;
pub mod tcp;
pub mod udp;

pub use connection::Connection;
