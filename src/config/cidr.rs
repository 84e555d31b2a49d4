//! Address ranges: `"192.0.2.0/24"`, `"2001:db8::/32"`, or a single address.

use std::net::IpAddr;

/// A range of addresses. An IPv4-mapped IPv6 address is the IPv4 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    pub address: IpAddr,
    pub prefix_len: u8,
}
