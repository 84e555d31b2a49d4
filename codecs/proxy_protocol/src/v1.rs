//! Version 1 (section 2.1): one line of text, word by word.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::error::Error;
use crate::header::{Command, Header, Parsed, Transport, Version};
use crate::tlv::Tlvs;
use crate::{MAX_V1, begins};

const SIGNATURE: &[u8] = b"PROXY ";

pub(crate) fn parse(bytes: &[u8]) -> Result<Parsed<'_>, Error> {
    if !begins(bytes, SIGNATURE)? {
        return Ok(Parsed::NeedMore);
    }
    let seen = &bytes[..bytes.len().min(MAX_V1)];
    let Some(end) = seen.iter().position(|&byte| byte == b'\r' || byte == b'\n') else {
        return if seen.len() < MAX_V1 { Ok(Parsed::NeedMore) } else { Err(Error::LineTooLong) };
    };
    match (seen[end], seen.get(end + 1)) {
        (b'\r', Some(b'\n')) => {}
        (b'\r', None) if seen.len() < MAX_V1 => return Ok(Parsed::NeedMore),
        (b'\r', None) => return Err(Error::LineTooLong),
        _ => return Err(Error::BadLine),
    }
    let header = Header {
        version: Version::V1,
        command: Command::Proxy,
        addresses: parse_line(&seen[SIGNATURE.len()..end])?,
        transport: Transport::Stream,
        tlvs: Tlvs::NONE,
    };
    Ok(Parsed::Header { header, len: end + 2 })
}

/// What stands between the signature and CR LF.
fn parse_line(line: &[u8]) -> Result<Option<(SocketAddr, SocketAddr)>, Error> {
    // Whatever follows UNKNOWN is to be ignored.
    if line == b"UNKNOWN" || line.starts_with(b"UNKNOWN ") {
        return Ok(None);
    }
    let line = std::str::from_utf8(line).map_err(|_| Error::BadLine)?;
    let mut words = line.split(' ');
    let address: fn(&str) -> Option<IpAddr> = match words.next() {
        Some("TCP4") => |word| word.parse().ok().map(Ipv4Addr::into),
        Some("TCP6") => |word| word.parse().ok().map(Ipv6Addr::into),
        _ => return Err(Error::BadLine),
    };
    let mut word = || words.next().ok_or(Error::BadLine);
    let [source, destination, source_port, destination_port] = [word()?, word()?, word()?, word()?];
    if words.next().is_some() {
        return Err(Error::BadLine);
    }
    let source = address(source).ok_or(Error::BadAddress)?;
    let destination = address(destination).ok_or(Error::BadAddress)?;
    let (source_port, destination_port) = (port(source_port)?, port(destination_port)?);
    Ok(Some((SocketAddr::new(source, source_port), SocketAddr::new(destination, destination_port))))
}

/// The standard library would take a plus sign and leading zeros.
fn port(word: &str) -> Result<u16, Error> {
    let digits = word.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || (word.len() > 1 && word.starts_with('0')) {
        return Err(Error::BadPort);
    }
    word.parse().map_err(|_| Error::BadPort)
}

/// Appends the line for a TCP connection. Of one IPv4 and one IPv6 address the former goes as a mapped one, as HAProxy does.
pub fn encode(source: SocketAddr, destination: SocketAddr, out: &mut Vec<u8>) {
    let (from, to) = (source.ip(), destination.ip());
    let (family, from, to) = match (from, to) {
        (IpAddr::V4(_), IpAddr::V4(_)) => ("TCP4", from, to),
        _ => ("TCP6", mapped(from).into(), mapped(to).into()),
    };
    // Writing to memory does not fail.
    let _ = write!(out, "PROXY {family} {from} {to} {} {}\r\n", source.port(), destination.port());
}

/// `::ffff:a.b.c.d` for an IPv4 address (RFC 4291 section 2.5.5.2).
pub(crate) fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}
