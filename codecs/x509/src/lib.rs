//! What an X.509 certificate says (RFC 5280 section 4): names, dates, serial number, key. Read from strict DER (X.690), and not
//! verified: that is the TLS library's part. Each level of the structure is a step of the code, so nesting is bounded, and
//! what nobody asks for is skipped by its length.
#![forbid(unsafe_code)]

mod error;
mod der;
mod time;
mod name;
mod san;
mod certificate;
#[cfg(test)]
mod tests;

pub use certificate::{Certificate, parse};
pub use error::Error;
pub use san::SanName;
