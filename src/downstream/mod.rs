//! Protocols towards the client. Each drives its codec over one connection and makes a stream of each request.

pub mod h1;
