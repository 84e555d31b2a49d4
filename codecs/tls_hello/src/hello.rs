//! The body of a client hello (RFC 8446 section 4.1.2, the same in RFC 5246 section 7.4.1.2) and the three extensions that
//! matter to a choice of filter chain.

use crate::error::Error;
use crate::name;
use crate::reader::Reader;

/// Protocols in an ALPN list. Clients offer two or three; thousands would fit, at fifty bytes of memory each.
const MAX_PROTOCOLS: usize = 64;
const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
const SUPPORTED_VERSIONS: u16 = 43;
const TLS13: u16 = 0x0304;

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hello {
    /// DNS name in lower case without a final dot. None also for an IP address, which a client must not send (RFC 6066
    /// section 3).
    pub server_name: Option<String>,
    /// In the client's order, any bytes.
    pub alpn: Vec<Vec<u8>>,
    /// TLS 1.3 is among the versions offered.
    pub supports_tls13: bool,
}

pub(crate) fn parse(body: &[u8]) -> Result<Hello, Error> {
    let mut hello = Hello::default();
    let Some(extensions) = extensions(body).ok_or(Error::Malformed)? else { return Ok(hello) };
    let mut extensions = Reader(extensions);
    // One bit each: a list of all seen would take quadratic time in a hello of thousands.
    let mut seen = [0_u64; 1024];
    while !extensions.is_empty() {
        let kind = extensions.u16().ok_or(Error::Malformed)?;
        let data = extensions.vector16().ok_or(Error::Malformed)?;
        let (word, bit) = (&mut seen[usize::from(kind / 64)], 1 << (kind % 64));
        if *word & bit != 0 {
            return Err(Error::DuplicateExtension);
        }
        *word |= bit;
        match kind {
            SERVER_NAME => hello.server_name = server_name(data)?,
            ALPN => hello.alpn = alpn(data).ok_or(Error::BadProtocols)?,
            SUPPORTED_VERSIONS => hello.supports_tls13 = supports_tls13(data).ok_or(Error::BadVersions)?,
            _ => {}
        }
    }
    Ok(hello)
}

/// The extensions, if there are any: before them come fields that are checked, not read.
fn extensions(body: &[u8]) -> Option<Option<&[u8]>> {
    let mut body = Reader(body);
    let (_version, _random) = (body.take(2)?, body.take(32)?);
    let session = body.vector8()?;
    let suites = body.vector16()?;
    let compression = body.vector8()?;
    if session.len() > 32 || suites.is_empty() || suites.len() % 2 != 0 || compression.is_empty() {
        return None;
    }
    if body.is_empty() {
        return Some(None);
    }
    let extensions = body.vector16()?;
    body.is_empty().then_some(Some(extensions))
}

/// RFC 6066 section 3. The text has a list of names of several types; the one type there ever was may come once.
fn server_name(data: &[u8]) -> Result<Option<String>, Error> {
    let host_name = || {
        let mut data = Reader(data);
        let mut list = Reader(data.vector16()?);
        let kind = list.u8()?;
        let name = list.vector16()?;
        (kind == 0 && list.is_empty() && data.is_empty()).then_some(name)
    };
    name::parse(host_name().ok_or(Error::BadServerName)?)
}

/// RFC 7301 section 3.1.
fn alpn(data: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut data = Reader(data);
    let mut list = Reader(data.vector16()?);
    let mut protocols = Vec::new();
    while !list.is_empty() {
        let protocol = list.vector8()?;
        if protocol.is_empty() || protocols.len() == MAX_PROTOCOLS {
            return None;
        }
        protocols.push(protocol.to_vec());
    }
    (!protocols.is_empty() && data.is_empty()).then_some(protocols)
}

/// RFC 8446 section 4.2.1.
fn supports_tls13(data: &[u8]) -> Option<bool> {
    let mut data = Reader(data);
    let versions = data.vector8()?;
    if versions.is_empty() || versions.len() % 2 != 0 || !data.is_empty() {
        return None;
    }
    Some(versions.chunks_exact(2).any(|version| version == TLS13.to_be_bytes()))
}
