//! Address ranges: `"192.0.2.0/24"`, `"2001:db8::/32"`, or a single address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A range of addresses. An IPv4-mapped IPv6 address is the IPv4 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cidr {
    /// The first address of the range: no bit is set behind the prefix.
    pub address: IpAddr,
    /// Bits that are fixed: 0 to 32, or to 128 for IPv6.
    pub prefix_len: u8,
}

/// Why a text is not a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CidrError {
    Address,
    PrefixLen,
    /// Bits are set behind the prefix; most likely this range was meant.
    HostBits(Cidr),
}

impl fmt::Display for CidrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CidrError::Address => f.write_str("is not an address range"),
            CidrError::PrefixLen => f.write_str("has a prefix length that does not fit the address"),
            CidrError::HostBits(meant) => write!(f, "has bits set behind its prefix (the range is \"{meant}\")"),
        }
    }
}

impl std::error::Error for CidrError {}

impl Cidr {
    /// Is the address within the range? An IPv4-mapped IPv6 address is taken as the IPv4 address.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.address, ip.to_canonical()) {
            (IpAddr::V4(_), ip @ IpAddr::V4(_)) | (IpAddr::V6(_), ip @ IpAddr::V6(_)) => {
                mask(ip, self.prefix_len) == self.address
            }
            _ => false,
        }
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Cidr, CidrError> {
        let (address, len) = match text.split_once('/') {
            Some((address, len)) => (address, Some(len)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| CidrError::Address)?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix_len = match len {
            None => bits,
            Some(len) if len.bytes().all(|byte| byte.is_ascii_digit()) => {
                len.parse().ok().filter(|len| *len <= bits).ok_or(CidrError::PrefixLen)?
            }
            Some(_) => return Err(CidrError::PrefixLen),
        };
        // A mapped range that is all IPv4 is the IPv4 range.
        let (address, prefix_len) = match address.to_canonical() {
            IpAddr::V4(v4) if bits == 128 && prefix_len >= 96 => (IpAddr::V4(v4), prefix_len - 96),
            _ => (address, prefix_len),
        };
        let range = Cidr { address: mask(address, prefix_len), prefix_len };
        if range.address == address { Ok(range) } else { Err(CidrError::HostBits(range)) }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}

/// The address with only its first bits kept.
fn mask(address: IpAddr, prefix_len: u8) -> IpAddr {
    let prefix_len = u32::from(prefix_len);
    match address {
        IpAddr::V4(v4) => {
            let keep = u32::MAX.checked_shl(32u32.saturating_sub(prefix_len)).unwrap_or(0);
            Ipv4Addr::from_bits(v4.to_bits() & keep).into()
        }
        IpAddr::V6(v6) => {
            let keep = u128::MAX.checked_shl(128u32.saturating_sub(prefix_len)).unwrap_or(0);
            Ipv6Addr::from_bits(v6.to_bits() & keep).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (range, inside, outside) in [
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.0/24", "::ffff:192.0.2.1", "::192.0.2.1"),
            ("0.0.0.0/0", "255.1.2.3", "::1"),
            ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::/0", "2001::1", "192.0.2.1"),
            ("::1", "::1", "::2"),
            ("::ffff:192.0.2.0/120", "192.0.2.7", "192.0.3.7"),
            ("::ffff:192.0.2.0/120", "::ffff:192.0.2.7", "::1"),
        ] {
            let cidr: Cidr = range.parse().unwrap();
            assert!(cidr.contains(inside.parse().unwrap()), "{inside} in {range}");
            assert!(!cidr.contains(outside.parse().unwrap()), "{outside} not in {range}");
            assert_eq!(cidr.to_string().parse(), Ok(cidr));
        }
    }

    #[test]
    fn refused() {
        for (text, error) in [
            ("", CidrError::Address),
            ("example.com", CidrError::Address),
            ("192.0.2/24", CidrError::Address),
            ("192.0.2.0/33", CidrError::PrefixLen),
            ("192.0.2.0/", CidrError::PrefixLen),
            ("192.0.2.0/+8", CidrError::PrefixLen),
            ("::/129", CidrError::PrefixLen),
            ("192.0.2.1/24", CidrError::HostBits("192.0.2.0/24".parse().unwrap())),
        ] {
            assert_eq!(text.parse::<Cidr>(), Err(error), "{text:?}");
        }
    }
}
