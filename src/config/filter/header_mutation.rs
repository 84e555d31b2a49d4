//! `header_mutation`: edits heads on the way up and down.

use serde::Serialize;

use crate::config::header_edits::{self, HeaderEdits};
use crate::config::text::Object;

/// `header_mutation`: edits heads on the way up and down.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct HeaderMutation {
    pub request: HeaderEdits,
    pub response: HeaderEdits,
}

pub(super) fn read(o: &mut Object, base: Option<&HeaderMutation>) -> Option<HeaderMutation> {
    let base = base.cloned().unwrap_or_default();
    Some(HeaderMutation {
        request: o.optional("request", base.request, header_edits::read),
        response: o.optional("response", base.response, header_edits::read),
    })
}
