//! `ip_allow`, `ip_deny`: who may come, by address.

use serde::Serialize;

use crate::config::Cidr;
use crate::config::chain::read_ranges;
use crate::config::text::{Object, write};

/// `ip_allow` lets these in and nobody else; `ip_deny` everybody but these.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IpRanges {
    /// Required, at least one.
    #[serde(serialize_with = "write::display_list")]
    pub ranges: Vec<Cidr>,
}

pub(super) fn read(o: &mut Object, base: Option<&IpRanges>) -> Option<IpRanges> {
    let ranges = o.required_or("ranges", base.map(|base| base.ranges.clone()), read_ranges);
    Some(IpRanges { ranges: ranges? })
}
