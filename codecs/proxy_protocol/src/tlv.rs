//! What may follow the addresses in version 2 (section 2.2.1 and on): types, lengths, values. All are checked before any can
//! be read, so that none reaches beyond the header (row T-12).

use crate::crc32c;
use crate::error::Error;

/// Types, as section 2.2 has them.
pub mod kind {
    /// Protocol of the connection, as in ALPN.
    pub const ALPN: u8 = 0x01;
    /// Host name the client asked for, as in SNI.
    pub const AUTHORITY: u8 = 0x02;
    /// Checksum of the whole header.
    pub const CRC32C: u8 = 0x03;
    /// At most 128 bytes that name the connection.
    pub const UNIQUE_ID: u8 = 0x05;
    /// What the proxy in front knows of the client's TLS; other TLVs are within.
    pub const SSL: u8 = 0x20;
    /// Within SSL: version of TLS.
    pub const SSL_VERSION: u8 = 0x21;
    /// Within SSL: common name of the client's certificate.
    pub const SSL_CN: u8 = 0x22;
}

/// Section 2.2.5.
const MAX_UNIQUE_ID: usize = 128;

/// All TLVs of a header, each within its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tlvs<'a>(&'a [u8]);

/// One TLV that is of use. Values are as the peer wrote them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tlv<'a> {
    Alpn(&'a [u8]),
    /// UTF-8 by the text, unchecked.
    Authority(&'a [u8]),
    /// At most 128 bytes.
    UniqueId(&'a [u8]),
    Ssl(Ssl<'a>),
}

/// Section 2.2.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ssl<'a> {
    /// Bits: 1 the client came over TLS, 2 with a certificate on this connection, 4 with one in this session.
    pub client: u8,
    /// 0: a certificate was presented and verified.
    pub verify: u32,
    rest: &'a [u8],
}

impl<'a> Tlvs<'a> {
    pub(crate) const NONE: Tlvs<'static> = Tlvs(&[]);

    /// In the order of the header; those of other types are left out.
    pub fn iter(&self) -> impl Iterator<Item = Tlv<'a>> + use<'a> {
        // `check` saw that there are no errors.
        Pairs(self.0).map_while(Result::ok).filter_map(|(kind, value)| match kind {
            kind::ALPN => Some(Tlv::Alpn(value)),
            kind::AUTHORITY => Some(Tlv::Authority(value)),
            kind::UNIQUE_ID => Some(Tlv::UniqueId(value)),
            kind::SSL => Ssl::parse(value).map(Tlv::Ssl),
            _ => None,
        })
    }
}

impl<'a> Ssl<'a> {
    fn parse(value: &'a [u8]) -> Option<Ssl<'a>> {
        let (&client, rest) = value.split_first()?;
        let (&verify, rest) = rest.split_first_chunk()?;
        Some(Ssl { client, verify: u32::from_be_bytes(verify), rest })
    }

    /// Types (of [`kind`]) and values of what is within, in order.
    pub fn tlvs(&self) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        Pairs(self.rest).map_while(Result::ok)
    }
}

/// Types and values; ends behind an error.
struct Pairs<'a>(&'a [u8]);

impl<'a> Iterator for Pairs<'a> {
    type Item = Result<(u8, &'a [u8]), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let (&[kind, high, low], rest) = match self.0.split_first_chunk() {
            Some(split) => split,
            None if self.0.is_empty() => return None,
            None => return self.fail(),
        };
        let Some((value, rest)) = rest.split_at_checked(u16::from_be_bytes([high, low]).into()) else {
            return self.fail();
        };
        self.0 = rest;
        Some(Ok((kind, value)))
    }
}

impl<'a> Pairs<'a> {
    fn fail(&mut self) -> Option<Result<(u8, &'a [u8]), Error>> {
        self.0 = &[];
        Some(Err(Error::BadTlv))
    }
}

/// `rest` is what follows the addresses at the end of `whole`, a complete header.
pub(crate) fn check<'a>(whole: &[u8], rest: &'a [u8]) -> Result<Tlvs<'a>, Error> {
    let mut pairs = Pairs(rest);
    let mut checksum = None;
    while let Some(pair) = pairs.next() {
        let (kind, value) = pair?;
        match kind {
            kind::CRC32C => {
                let crc = u32::from_be_bytes(value.try_into().map_err(|_| Error::BadTlv)?);
                let at = whole.len() - pairs.0.len() - 4;
                if checksum.replace((at, crc)).is_some() {
                    return Err(Error::BadChecksum);
                }
            }
            kind::UNIQUE_ID if value.len() > MAX_UNIQUE_ID => return Err(Error::BadTlv),
            kind::SSL => {
                let within = Ssl::parse(value).ok_or(Error::BadTlv)?;
                Pairs(within.rest).try_for_each(|pair| pair.map(|_| ()))?;
            }
            _ => {}
        }
    }
    if let Some((at, crc)) = checksum {
        // Section 2.2.3: made with zeros in the place of the checksum.
        let bytes = whole.iter().enumerate().map(|(nth, &byte)| if (at..at + 4).contains(&nth) { 0 } else { byte });
        if crc32c::of(bytes) != crc {
            return Err(Error::BadChecksum);
        }
    }
    Ok(Tlvs(rest))
}
