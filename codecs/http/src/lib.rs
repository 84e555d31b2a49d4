//! HTTP semantics that every version shares (RFC 9110): field names, header lists, message heads,
//! the one field validator, the one body-length accountant, and the queue of bytes to send. No wire format, no I/O.
#![forbid(unsafe_code)]

mod body;
mod head;
mod list;
mod method;
mod name;
mod output;
mod trailers;
mod upgrade;
pub mod validate;

pub use body::{BodyAccountant, BodyLength, LengthError, decimal};
pub use head::{RequestHead, ResponseHead, Scheme, Version, reason_phrase};
pub use list::{Field, HeaderList};
pub use method::{Method, RequestKind};
pub use name::{HeaderId, HeaderName, InvalidName, Name, Underscores};
pub use output::{Mark, Output};
pub use trailers::may_be_trailer;
pub use upgrade::{Protocol, Upgrade};
