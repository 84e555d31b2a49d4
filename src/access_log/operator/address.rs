//! Addresses, whole or in part.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Value;
use crate::runtime::net::Addr;
use crate::stream::StreamInfo;

/// Which part of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Part {
    All,
    /// Without the port; the prefix length to mask the address with.
    Ip(Option<u8>),
    Port,
}

impl Part {
    pub(super) fn of(self, address: Option<&Addr>) -> Value<'_> {
        let Some(address) = address else { return Value::Absent };
        match (self, address.inet()) {
            (Part::All, _) | (Part::Ip(_), None) => Value::Address(address),
            (Part::Ip(None), Some(inet)) => Value::Ip { ip: inet.ip(), port: None },
            (Part::Ip(Some(len)), Some(inet)) => mask(inet.ip(), len),
            (Part::Port, inet) => inet.map_or(Value::Absent, |inet| Value::Number(inet.port().into())),
        }
    }
}

/// The client's address; its port is known only if it is the peer of the socket itself.
pub(super) fn client(info: &StreamInfo, part: Part) -> Value<'_> {
    let peer = &info.connection.remote;
    match info.client {
        Some(ip) if peer.inet().map(|inet| inet.ip()) != Some(ip) => match part {
            Part::All => Value::Ip { ip, port: Some(0) },
            Part::Ip(None) => Value::Ip { ip, port: None },
            Part::Ip(Some(len)) => mask(ip, len),
            Part::Port => Value::Number(0),
        },
        _ => part.of(Some(peer)),
    }
}

fn mask<'a>(ip: IpAddr, len: u8) -> Value<'a> {
    match ip {
        IpAddr::V4(ip) => {
            let len = len.min(32);
            let bits = ip.to_bits() & u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0);
            Value::Network { ip: Ipv4Addr::from_bits(bits).into(), len }
        }
        IpAddr::V6(ip) => {
            let len = len.min(128);
            let bits = ip.to_bits() & u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0);
            Value::Network { ip: Ipv6Addr::from_bits(bits).into(), len }
        }
    }
}
