//! `buffer`: a request is forwarded once it is here whole.

use serde::Serialize;

use crate::config::text::{Object, read, write};

/// `buffer`: a request is forwarded once it is here whole.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Buffer {
    /// Larger ones are answered 413. Required, at least 1.
    #[serde(serialize_with = "write::size")]
    pub max_request_bytes: u64,
}

pub(super) fn read(o: &mut Object, base: Option<&Buffer>) -> Option<Buffer> {
    o.later(&["max_request_time"]);
    let kept = base.map(|base| base.max_request_bytes);
    let max_request_bytes = o.required_or("max_request_bytes", kept, read::size(1..=u64::MAX))?;
    Some(Buffer { max_request_bytes })
}
