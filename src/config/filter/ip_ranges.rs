//! `ip_allow`, `ip_deny`: who may come, by address, and by the names in a certificate.

use serde::Serialize;

use crate::config::chain::read_ranges;
use crate::config::text::{Object, read, write};
use crate::config::{Cidr, San, san};

/// `ip_allow` lets these in and nobody else; `ip_deny` everybody but these.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IpRanges {
    /// Required, at least one.
    #[serde(serialize_with = "write::display_list")]
    pub ranges: Vec<Cidr>,
    /// Only of `ip_allow`: besides, a certificate that was validated must have one of these names. Default: none is needed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub san: Vec<San>,
}

pub(super) fn read_allow(o: &mut Object, base: Option<&IpRanges>) -> Option<IpRanges> {
    let san = base.map_or_else(Vec::new, |base| base.san.clone());
    let san = o.optional("san", san, read::some(san::read));
    Some(IpRanges { san, ..read_deny(o, base)? })
}

pub(super) fn read_deny(o: &mut Object, base: Option<&IpRanges>) -> Option<IpRanges> {
    let ranges = o.required_or("ranges", base.map(|base| base.ranges.clone()), read_ranges);
    Some(IpRanges { ranges: ranges?, san: Vec::new() })
}
