//! Addresses as the kernel writes them into a message header.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Room for an address of either family.
#[derive(Clone, Copy)]
pub(super) union Name {
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

impl Name {
    /// All zero: an address of no family.
    pub(super) fn empty() -> Name {
        // SAFETY: both are plain numbers, for which zero is a value.
        unsafe { std::mem::zeroed() }
    }

    /// The kernel's form, and its length in bytes.
    pub(super) fn new(addr: SocketAddr) -> (Name, usize) {
        let mut name = Name::empty();
        match addr {
            SocketAddr::V4(addr) => {
                name.v4.sin_family = libc::AF_INET as libc::sa_family_t;
                name.v4.sin_port = addr.port().to_be();
                name.v4.sin_addr.s_addr = addr.ip().to_bits().to_be();
                (name, size_of::<libc::sockaddr_in>())
            }
            SocketAddr::V6(addr) => {
                name.v6.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                name.v6.sin6_port = addr.port().to_be();
                name.v6.sin6_flowinfo = addr.flowinfo();
                name.v6.sin6_addr.s6_addr = addr.ip().octets();
                name.v6.sin6_scope_id = addr.scope_id();
                (name, size_of::<libc::sockaddr_in6>())
            }
        }
    }

    /// `None` where the kernel wrote no IP address.
    pub(super) fn get(&self) -> Option<SocketAddr> {
        // SAFETY: every bit of the union was initialised, with zero at first; its fields are plain numbers.
        unsafe {
            match i32::from(self.v4.sin_family) {
                libc::AF_INET => {
                    let ip = Ipv4Addr::from_bits(u32::from_be(self.v4.sin_addr.s_addr));
                    Some(SocketAddrV4::new(ip, u16::from_be(self.v4.sin_port)).into())
                }
                libc::AF_INET6 => {
                    let v6 = &self.v6;
                    let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
                    let port = u16::from_be(v6.sin6_port);
                    Some(SocketAddrV6::new(ip, port, v6.sin6_flowinfo, v6.sin6_scope_id).into())
                }
                _ => None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for text in ["192.0.2.1:53", "[2001:db8::1]:5353", "[fe80::1%3]:9"] {
            let addr: SocketAddr = text.parse().unwrap();
            assert_eq!(Name::new(addr).0.get(), Some(addr));
        }
        assert_eq!(Name::empty().get(), None);
    }
}
