//! PRIORITY (RFC 9113 section 6.3): checked and dropped. There is no tree to rebuild (row H2-12); what orders streams is
//! RFC 9218.

use super::{Header, on_stream};
use crate::error::{Error, Fault, Reason, StreamFault};

pub(crate) const KIND: u8 = 0x2;

const LEN: usize = 5;

/// The stream that another one depends on (RFC 9113 section 5.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dependency(pub(crate) u32);

impl Dependency {
    /// Exclusive flag, stream, weight.
    pub(crate) fn parse(fields: [u8; LEN]) -> Dependency {
        let [a, b, c, d, _weight] = fields;
        Dependency(u32::from_be_bytes([a, b, c, d]) & super::MAX_STREAM_ID)
    }

    /// A stream cannot depend on itself.
    pub(crate) fn check(self, stream: u32) -> Result<(), StreamFault> {
        if self.0 == stream {
            return Err(StreamFault::new(stream, Reason::PROTOCOL_ERROR, "http2.self_dependency"));
        }
        Ok(())
    }
}

pub(crate) fn parse(header: Header, payload: &[u8]) -> Result<(), Fault> {
    on_stream(header).map_err(|_| Error::protocol("PRIORITY on stream 0"))?;
    let Ok(fields) = payload.try_into() else {
        return Err(StreamFault::new(header.stream, Reason::FRAME_SIZE_ERROR, "http2.bad_priority_length").into());
    };
    Ok(Dependency::parse(fields).check(header.stream)?)
}
