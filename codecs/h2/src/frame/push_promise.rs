//! PUSH_PROMISE (RFC 9113 section 6.6): never allowed. A client must not send it, and as a client we announce that we take
//! none.

use crate::error::Error;

pub(crate) const KIND: u8 = 0x5;

pub(crate) const REFUSAL: Error = Error::protocol("PUSH_PROMISE");
