//! What a header says, whichever version wrote it.

use std::net::SocketAddr;

use crate::tlv::Tlvs;

/// What [`parse`](crate::parse) found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// The beginning of a header, perhaps.
    NeedMore,
    /// A whole header. The connection's own bytes begin behind the first `len`.
    Header { header: Header<'a>, len: usize },
}

/// One header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    pub version: Version,
    pub command: Command,
    /// Source and destination. None where the header says nothing of use (LOCAL, UNKNOWN, UNSPEC, UNIX): the connection's own
    /// addresses hold. IPv4-mapped IPv6 addresses come as they are.
    pub addresses: Option<(SocketAddr, SocketAddr)>,
    pub transport: Transport,
    /// None in version 1 and behind LOCAL.
    pub tlvs: Tlvs<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// The proxy itself connects, as for a health check.
    Local,
    /// On behalf of another.
    Proxy,
}

/// Stream where the header does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Stream,
    Datagram,
}
