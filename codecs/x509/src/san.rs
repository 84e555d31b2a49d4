//! Subject alternative names (RFC 5280 section 4.2.1.6).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::der::{Der, Value, tag};
use crate::error::Error;

/// One name. Text is printable ASCII, not otherwise checked: it may be a pattern, in either case, or empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SanName<'a> {
    Dns(&'a str),
    Uri(&'a str),
    Email(&'a str),
    Ip(IpAddr),
    /// A name of another kind.
    Other,
}

/// `extension`: the value of the extension.
pub(crate) fn parse(extension: &[u8]) -> Result<Vec<SanName<'_>>, Error> {
    let mut outer = Der(extension);
    let mut list = outer.sequence()?;
    outer.finish()?;
    if list.is_empty() {
        return Err(Error::Empty);
    }
    let mut names = Vec::new();
    while !list.is_empty() {
        names.push(name(list.value()?)?);
    }
    Ok(names)
}

fn name(value: Value<'_>) -> Result<SanName<'_>, Error> {
    const EMAIL: u8 = tag::context(1);
    const DNS: u8 = tag::context(2);
    const URI: u8 = tag::context(6);
    const IP: u8 = tag::context(7);
    const REGISTERED_ID: u8 = tag::context(8);
    const OTHER_NAME: u8 = tag::constructed(0);
    const X400: u8 = tag::constructed(3);
    const DIRECTORY: u8 = tag::constructed(4);
    const EDI_PARTY: u8 = tag::constructed(5);
    match value.tag {
        EMAIL => text(value.body).map(SanName::Email),
        DNS => text(value.body).map(SanName::Dns),
        URI => text(value.body).map(SanName::Uri),
        IP => ip(value.body).map(SanName::Ip).ok_or(Error::BadAddress),
        OTHER_NAME | X400 | DIRECTORY | EDI_PARTY | REGISTERED_ID => Ok(SanName::Other),
        _ => Err(Error::UnexpectedTag),
    }
}

/// Row T-9. No control characters either: names go into header fields and logs.
fn text(body: &[u8]) -> Result<&str, Error> {
    if !body.iter().all(|byte| (0x20..0x7f).contains(byte)) {
        return Err(Error::BadName);
    }
    std::str::from_utf8(body).map_err(|_| Error::BadName)
}

fn ip(body: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(body) {
        return Some(Ipv4Addr::from(octets).into());
    }
    <[u8; 16]>::try_from(body).ok().map(|octets| Ipv6Addr::from(octets).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        type Case<'a> = (&'a [u8], Result<&'a [SanName<'a>], Error>);
        let cases: &[Case<'_>] = &[
            (b"\x30\x05\x82\x03a.b", Ok(&[SanName::Dns("a.b")])),
            (b"\x30\x05\x86\x03a:b", Ok(&[SanName::Uri("a:b")])),
            (b"\x30\x05\x81\x03a@b", Ok(&[SanName::Email("a@b")])),
            (b"\x30\x06\x87\x04\x7f\0\0\x01", Ok(&[SanName::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST))])),
            (
                b"\x30\x12\x87\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01",
                Ok(&[SanName::Ip(IpAddr::V6(Ipv6Addr::LOCALHOST))]),
            ),
            (b"\x30\x0a\xa0\0\xa3\0\xa4\0\xa5\0\x88\0", Ok(&[SanName::Other; 5])),
            (b"\x30\x05\x82\x01a\x82\0", Ok(&[SanName::Dns("a"), SanName::Dns("")])),
            // Row T-9.
            (b"\x30\x05\x82\x03a\0b", Err(Error::BadName)),
            (b"\x30\x05\x86\x03a\0b", Err(Error::BadName)),
            (b"\x30\x05\x81\x03a\0b", Err(Error::BadName)),
            (b"\x30\x03\x82\x01\0", Err(Error::BadName)),
            (b"\x30\x05\x82\x03\xc3\xa9a", Err(Error::BadName)),
            (b"\x30\x05\x82\x03a\r\n", Err(Error::BadName)),
            (b"\x30\x05\x82\x03a\x7fb", Err(Error::BadName)),
            (b"\x30\x08\x82\x01a\x82\x03a\0b", Err(Error::BadName)),
            (b"\x30\x05\x87\x03\x7f\0\0", Err(Error::BadAddress)),
            (b"\x30\x0a\x87\x08\x7f\0\0\x01\xff\0\0\0", Err(Error::BadAddress)),
            (b"\x30\x00", Err(Error::Empty)),
            (b"", Err(Error::Truncated)),
            (b"\x31\x03\x82\x01a", Err(Error::UnexpectedTag)),
            (b"\x30\x03\xa2\x01a", Err(Error::UnexpectedTag)),
            (b"\x30\x03\x80\x01a", Err(Error::UnexpectedTag)),
            (b"\x30\x03\x89\x01a", Err(Error::UnexpectedTag)),
            (b"\x30\x03\x16\x01a", Err(Error::UnexpectedTag)),
            (b"\x30\x03\x82\x02a", Err(Error::Truncated)),
            (b"\x30\x03\x82\x01a\0", Err(Error::TrailingData)),
        ];
        for (extension, expected) in cases {
            assert_eq!(parse(extension).as_deref().map_err(|error| *error), *expected, "{}", extension.escape_ascii());
        }
    }
}
