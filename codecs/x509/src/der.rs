//! Values one after another in DER (X.690 sections 8.1 and 10): one byte of tag, a length in as few bytes as it needs.

use crate::error::Error;

/// Tags: class, constructed or not, number (X.680 section 8.4).
pub(crate) mod tag {
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const OID: u8 = 0x06;
    pub(crate) const UTC_TIME: u8 = 0x17;
    pub(crate) const GENERALIZED_TIME: u8 = 0x18;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;
    /// `[number]` of a type that is not constructed.
    pub(crate) const fn context(number: u8) -> u8 {
        0x80 | number
    }
    /// `[number]` of one that is.
    pub(crate) const fn constructed(number: u8) -> u8 {
        0xa0 | number
    }
}

/// One value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Value<'a> {
    pub(crate) tag: u8,
    pub(crate) body: &'a [u8],
    /// With tag and length.
    pub(crate) whole: &'a [u8],
}

/// What is left of the body of a value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Der<'a>(pub(crate) &'a [u8]);

impl<'a> Der<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next value, of any type.
    pub(crate) fn value(&mut self) -> Result<Value<'a>, Error> {
        let all = self.0;
        let (&[tag, first], rest) = all.split_first_chunk().ok_or(Error::Truncated)?;
        if tag & 0x1f == 0x1f {
            return Err(Error::BadTag);
        }
        let (len, rest) = if first < 0x80 { (first.into(), rest) } else { long_length(first & 0x7f, rest)? };
        let (body, rest) = rest.split_at_checked(len).ok_or(Error::Truncated)?;
        self.0 = rest;
        Ok(Value { tag, body, whole: &all[..all.len() - rest.len()] })
    }

    /// The body of the next value, which has to be of this type.
    pub(crate) fn expect(&mut self, tag: u8) -> Result<&'a [u8], Error> {
        let value = self.value()?;
        if value.tag == tag { Ok(value.body) } else { Err(Error::UnexpectedTag) }
    }

    /// The body of the next value if it is of this type.
    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<&'a [u8]>, Error> {
        if self.0.first() == Some(&tag) { self.expect(tag).map(Some) } else { Ok(None) }
    }

    /// The values of a sequence that comes next.
    pub(crate) fn sequence(&mut self) -> Result<Der<'a>, Error> {
        self.expect(tag::SEQUENCE).map(Der)
    }

    /// The two's complement of an integer.
    pub(crate) fn integer(&mut self) -> Result<&'a [u8], Error> {
        let body = self.expect(tag::INTEGER)?;
        match body {
            [] | [0x00, 0x00..0x80, ..] | [0xff, 0x80..=0xff, ..] => Err(Error::BadInteger),
            _ => Ok(body),
        }
    }

    pub(crate) fn bit_string(&mut self) -> Result<(), Error> {
        let body = self.expect(tag::BIT_STRING)?;
        let (&unused, bits) = body.split_first().ok_or(Error::BadBitString)?;
        let good = match bits.last() {
            None => unused == 0,
            Some(last) => unused < 8 && last.trailing_zeros() >= unused.into(),
        };
        if good { Ok(()) } else { Err(Error::BadBitString) }
    }

    pub(crate) fn finish(self) -> Result<(), Error> {
        if self.is_empty() { Ok(()) } else { Err(Error::TrailingData) }
    }
}

/// A length in `count` bytes (X.690 section 8.1.3.5).
fn long_length(count: u8, rest: &[u8]) -> Result<(usize, &[u8]), Error> {
    if !(1..=4).contains(&count) {
        return Err(Error::BadLength);
    }
    let (bytes, rest) = rest.split_at_checked(count.into()).ok_or(Error::Truncated)?;
    let len = bytes.iter().fold(0_u32, |len, &byte| len << 8 | u32::from(byte));
    // As few bytes as it needs, and none if it is below 128.
    if bytes[0] == 0 || len < 0x80 {
        return Err(Error::BadLength);
    }
    Ok((usize::try_from(len).map_err(|_| Error::BadLength)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_tags() {
        let cases: &[(&[u8], Result<usize, Error>)] = &[
            (b"\x04\x00", Ok(0)),
            (b"\x04\x02ab", Ok(2)),
            (b"\x04\x02abc", Ok(2)),
            (b"", Err(Error::Truncated)),
            (b"\x04", Err(Error::Truncated)),
            (b"\x04\x03ab", Err(Error::Truncated)),
            (b"\x04\x80ab\0\0", Err(Error::BadLength)),
            (b"\x04\x81\x02ab", Err(Error::BadLength)),
            (b"\x04\x81\x7f", Err(Error::BadLength)),
            (b"\x04\x82\x00\x80", Err(Error::BadLength)),
            (b"\x04\x81", Err(Error::Truncated)),
            (b"\x04\x81\x80", Err(Error::Truncated)),
            (b"\x04\x84\xff\xff\xff\xff", Err(Error::Truncated)),
            (b"\x04\x85\x01\x00\x00\x00\x00", Err(Error::BadLength)),
            (b"\x04\xff", Err(Error::BadLength)),
            (b"\x1f\x81\x01\x00", Err(Error::BadTag)),
            (b"\x05\x00", Err(Error::UnexpectedTag)),
            (b"\x24\x00", Err(Error::UnexpectedTag)),
        ];
        for (bytes, expected) in cases {
            let read = Der(bytes).expect(tag::OCTET_STRING).map(<[u8]>::len);
            assert_eq!(read, *expected, "{}", bytes.escape_ascii());
        }
        for len in [0x80, 0xff, 0x100, 0xffff, 0x10000] {
            let bytes = (len as u32).to_be_bytes();
            let digits = &bytes[bytes.iter().take_while(|&&byte| byte == 0).count()..];
            let value = [&[4, 0x80 | digits.len() as u8], digits, &vec![7; len]].concat();
            let mut der = Der(&value);
            assert_eq!(der.value().map(|value| (value.body.len(), value.whole.len())), Ok((len, value.len())));
            assert_eq!(der.finish(), Ok(()));
        }
        assert_eq!(Der(b"\0").finish(), Err(Error::TrailingData));
    }

    #[test]
    fn integers_and_bits() {
        type Case<'a> = (&'a [u8], Result<&'a [u8], Error>);
        let cases: &[Case<'_>] = &[
            (b"\x02\x01\x00", Ok(b"\x00")),
            (b"\x02\x02\x00\x80", Ok(b"\x00\x80")),
            (b"\x02\x01\x80", Ok(b"\x80")),
            (b"\x02\x02\xff\x7f", Ok(b"\xff\x7f")),
            (b"\x02\x00", Err(Error::BadInteger)),
            (b"\x02\x02\x00\x7f", Err(Error::BadInteger)),
            (b"\x02\x02\xff\x80", Err(Error::BadInteger)),
        ];
        for (bytes, expected) in cases {
            assert_eq!(Der(bytes).integer(), *expected, "{bytes:x?}");
        }
        let cases: &[(&[u8], bool)] = &[
            (b"\x03\x01\x00", true),
            (b"\x03\x02\x00\xff", true),
            (b"\x03\x02\x07\x80", true),
            (b"\x03\x02\x07\x00", true),
            (b"\x03\x00", false),
            (b"\x03\x01\x01", false),
            (b"\x03\x02\x07\x40", false),
            (b"\x03\x02\x08\x00", false),
            (b"\x03\x02\xff\x00", false),
        ];
        for (bytes, good) in cases {
            assert_eq!(Der(bytes).bit_string().is_ok(), *good, "{bytes:x?}");
        }
    }
}
