//! Protocols towards the client. Each drives its codec over one connection and makes a stream of each request.

mod connection;
pub mod h1;
pub mod h2;
pub mod udp;

pub use connection::Connection;
