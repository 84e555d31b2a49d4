//! Records to one handshake message (RFC 8446 sections 4 and 5.1). A message may be spread over records of any length from
//! one byte on, and these over any number of segments (row L-7).

use std::borrow::Cow;

use crate::MAX_BYTES;
use crate::error::Error;

/// Content type of a handshake record.
pub(crate) const HANDSHAKE: u8 = 22;
/// Type of a handshake message.
const CLIENT_HELLO: u8 = 1;
/// Type and length of a handshake message.
const PREFIX: usize = 4;
const MAX_FRAGMENT: usize = 1 << 14;

/// The body of the client hello that `bytes` begin with; None while it is not whole. Copied only if it spans records.
pub(crate) fn assemble(bytes: &[u8]) -> Result<Option<Cow<'_, [u8]>>, Error> {
    let seen = &bytes[..bytes.len().min(MAX_BYTES)];
    let mut prefix = [0; PREFIX];
    let mut have = 0;
    for fragment in Fragments(seen) {
        let fragment = fragment?;
        for (slot, &byte) in prefix.iter_mut().skip(have).zip(fragment) {
            *slot = byte;
        }
        have += fragment.len();
        if have > 0 && prefix[0] != CLIENT_HELLO {
            return Err(Error::NotClientHello);
        }
        if have < PREFIX {
            continue;
        }
        let [_, high, middle, low] = prefix;
        let whole = PREFIX + u32::from_be_bytes([0, high, middle, low]) as usize;
        if whole > MAX_BYTES {
            return Err(Error::TooLarge);
        }
        if have >= whole {
            return Ok(Some(join(seen, whole)));
        }
    }
    if seen.len() < MAX_BYTES { Ok(None) } else { Err(Error::TooLarge) }
}

/// The first message, of `whole` bytes, without its prefix.
fn join(seen: &[u8], whole: usize) -> Cow<'_, [u8]> {
    let mut fragments = Fragments(seen).map_while(Result::ok);
    let first = fragments.next().unwrap_or_default();
    if let Some(body) = first.get(PREFIX..whole) {
        return body.into();
    }
    let mut joined = Vec::with_capacity(whole);
    for fragment in [first].into_iter().chain(fragments) {
        let wanted = (whole - joined.len()).min(fragment.len());
        joined.extend_from_slice(&fragment[..wanted]);
    }
    joined.drain(..PREFIX);
    joined.into()
}

/// The payload of each record, of the last one what there is. Ends where a record's header is not whole.
struct Fragments<'a>(&'a [u8]);

impl<'a> Iterator for Fragments<'a> {
    type Item = Result<&'a [u8], Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let wrong = |nth: usize, good: &[u8]| self.0.get(nth).is_some_and(|byte| !good.contains(byte));
        if wrong(0, &[HANDSHAKE]) {
            return Some(Err(Error::NotHandshake));
        }
        if wrong(1, &[3]) || wrong(2, &[0, 1, 2, 3, 4]) {
            return Some(Err(Error::BadVersion));
        }
        let (&[_, _, _, high, low], rest) = self.0.split_first_chunk()?;
        let len = usize::from(u16::from_be_bytes([high, low]));
        if len == 0 || len > MAX_FRAGMENT {
            return Some(Err(Error::BadRecordLength));
        }
        let (fragment, rest) = rest.split_at(len.min(rest.len()));
        self.0 = rest;
        Some(Ok(fragment))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copied_only_across_records() {
        let one = b"\x16\x03\x01\0\x07\x01\0\0\x02abc";
        assert!(matches!(assemble(one), Ok(Some(Cow::Borrowed(b"ab")))));
        let two = b"\x16\x03\x01\0\x05\x01\0\0\x02a\x16\x03\x03\0\x02bc";
        assert!(matches!(assemble(two), Ok(Some(Cow::Owned(body))) if body == b"ab"));
        let late = b"\x16\x03\x01\0\x02\x01\0\x16\x03\x03\0\x09\0\x02bc";
        assert!(matches!(assemble(late), Ok(Some(Cow::Owned(body))) if body == b"bc"));
    }
}
