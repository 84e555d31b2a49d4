//! Version 2 (section 2.2): signature, command, family, length, addresses, TLVs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::error::Error;
use crate::header::{Command, Header, Parsed, Transport, Version};
use crate::tlv::{self, Tlvs, kind};
use crate::v1::mapped;
use crate::{MAX_V2, begins};

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family and transport, length.
const FIXED: usize = 16;

pub(crate) fn parse(bytes: &[u8]) -> Result<Parsed<'_>, Error> {
    if !begins(bytes, SIGNATURE)? {
        return Ok(Parsed::NeedMore);
    }
    let Some(&version_command) = bytes.get(12) else { return Ok(Parsed::NeedMore) };
    let command = match version_command {
        0x20 => Command::Local,
        0x21 => Command::Proxy,
        0x22..0x30 => return Err(Error::BadCommand),
        _ => return Err(Error::BadVersion),
    };
    let Some(&family) = bytes.get(13) else { return Ok(Parsed::NeedMore) };
    // LOCAL: whatever the family, it is ignored.
    let family = match command {
        Command::Local => Family::UNSPEC,
        Command::Proxy => Family::of(family)?,
    };
    let &[.., high, low] = bytes.get(..FIXED).unwrap_or_default() else { return Ok(Parsed::NeedMore) };
    let len = FIXED + usize::from(u16::from_be_bytes([high, low]));
    if len > MAX_V2 {
        return Err(Error::TooLong);
    }
    if len < FIXED + family.octets {
        return Err(Error::ShortAddresses);
    }
    let Some(whole) = bytes.get(..len) else { return Ok(Parsed::NeedMore) };
    let (addresses, rest) = whole[FIXED..].split_at(family.octets);
    let tlvs = match command {
        // All that follows is to be discarded.
        Command::Local => Tlvs::NONE,
        Command::Proxy => tlv::check(whole, rest)?,
    };
    let header = Header {
        version: Version::V2,
        command,
        addresses: parse_addresses(addresses),
        transport: family.transport,
        tlvs,
    };
    Ok(Parsed::Header { header, len })
}

/// What the byte of family and transport says.
struct Family {
    transport: Transport,
    /// Of both addresses with their ports.
    octets: usize,
}

impl Family {
    const UNSPEC: Family = Family { transport: Transport::Stream, octets: 0 };

    fn of(byte: u8) -> Result<Family, Error> {
        let octets = match byte {
            0x00 => return Ok(Family::UNSPEC),
            0x11 | 0x12 => 12,
            0x21 | 0x22 => 36,
            0x31 | 0x32 => 216,
            _ => return Err(Error::BadFamily),
        };
        let transport = if byte & 0x0f == 1 { Transport::Stream } else { Transport::Datagram };
        Ok(Family { transport, octets })
    }
}

/// Both addresses, both ports. None of another length than those of IP, so of UNIX sockets.
fn parse_addresses(octets: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let (ips, &[high_1, low_1, high_2, low_2]) = octets.split_last_chunk()?;
    let (source, destination) = ips.split_at(ips.len() / 2);
    let port_1 = u16::from_be_bytes([high_1, low_1]);
    let port_2 = u16::from_be_bytes([high_2, low_2]);
    Some((SocketAddr::new(ip(source)?, port_1), SocketAddr::new(ip(destination)?, port_2)))
}

fn ip(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(octets) {
        return Some(Ipv4Addr::from(octets).into());
    }
    <[u8; 16]>::try_from(octets).ok().map(|octets| Ipv6Addr::from(octets).into())
}

/// Appends the header of a stream connection: [`Command::Local`] without addresses, of the family UNSPEC. Of one IPv4 and
/// one IPv6 address the former goes as a mapped one, as HAProxy does. `tlvs` are types (of [`kind`]) and values in order;
/// for [`kind::CRC32C`], once at most, the value is made here. Fails with [`Error::TooLong`] above [`MAX_V2`], and writes nothing then.
pub fn encode(
    command: Command,
    source: SocketAddr,
    destination: SocketAddr,
    tlvs: &[(u8, &[u8])],
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let (from, to) = (source.ip(), destination.ip());
    let (version_command, family, octets) = match (command, from, to) {
        (Command::Local, ..) => (0x20, 0x00, Vec::new()),
        (Command::Proxy, IpAddr::V4(from), IpAddr::V4(to)) => (0x21, 0x11, [from.octets(), to.octets()].concat()),
        (Command::Proxy, ..) => (0x21, 0x21, [mapped(from).octets(), mapped(to).octets()].concat()),
    };
    let ports = [source.port().to_be_bytes(), destination.port().to_be_bytes()].concat();
    let ports = if octets.is_empty() { &[] } else { &ports[..] };
    let values =
        tlvs.iter().map(|&(kind, value)| if kind == kind::CRC32C { (kind, &[0; 4][..]) } else { (kind, value) });
    let len = values.clone().fold(octets.len() + ports.len(), |len, (_, value)| len.saturating_add(3 + value.len()));
    if len > MAX_V2 - FIXED {
        return Err(Error::TooLong);
    }
    let start = out.len();
    out.extend_from_slice(SIGNATURE);
    out.extend_from_slice(&[version_command, family]);
    // No more than MAX_V2, so nothing is cut off here and below.
    out.extend_from_slice(&(len as u16).to_be_bytes());
    out.extend_from_slice(&octets);
    out.extend_from_slice(ports);
    let mut checksum = None;
    for (kind, value) in values {
        out.push(kind);
        out.extend_from_slice(&(value.len() as u16).to_be_bytes());
        if kind == kind::CRC32C {
            checksum = Some(out.len());
        }
        out.extend_from_slice(value);
    }
    if let Some(at) = checksum {
        let crc = crate::crc32c::of(out[start..].iter().copied());
        out[at..at + 4].copy_from_slice(&crc.to_be_bytes());
    }
    Ok(())
}
