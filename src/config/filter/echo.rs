//! `echo`: bytes go back to where they came from.

use serde::Serialize;

use crate::config::text::Object;

/// `echo`: has no settings. It is the end of its chain: no host is picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Echo {}

pub(super) fn read(_: &mut Object) -> Option<Echo> {
    Some(Echo {})
}
