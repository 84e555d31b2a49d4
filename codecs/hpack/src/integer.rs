//! Integers with a prefix of some bits of their first octet (RFC 7541 section 5.1).

use crate::error::Error;

/// Octets that may follow the prefix: five hold any 32-bit integer (row H2-15).
const MAX_CONTINUATION: u32 = 5;

/// Takes an integer off the front of `rest`. `prefix` is 1 to 8 bits; the bits above are the caller's.
#[inline]
pub(crate) fn read(rest: &mut &[u8], prefix: u32) -> Result<u32, Error> {
    let mask = 0xff >> (8 - prefix);
    let value = take(rest)? & mask;
    if value < mask { Ok(u32::from(value)) } else { read_continuation(rest, mask) }
}

fn read_continuation(rest: &mut &[u8], mask: u8) -> Result<u32, Error> {
    // At most 255 + 2^35.
    let mut value = u64::from(mask);
    for nth in 0..MAX_CONTINUATION {
        let octet = take(rest)?;
        value += u64::from(octet & 0x7f) << (7 * nth);
        if octet & 0x80 == 0 {
            return u32::try_from(value).map_err(|_| Error::IntegerOverflow);
        }
    }
    Err(Error::IntegerOverflow)
}

#[inline]
fn take(rest: &mut &[u8]) -> Result<u8, Error> {
    let (&octet, tail) = rest.split_first().ok_or(Error::Truncated)?;
    *rest = tail;
    Ok(octet)
}

/// Writes `value` behind `pattern`, the bits above the prefix.
#[inline]
pub(crate) fn write(value: usize, prefix: u32, pattern: u8, out: &mut Vec<u8>) {
    let mask = 0xff_u8 >> (8 - prefix);
    match u8::try_from(value) {
        Ok(value) if value < mask => out.push(pattern | value),
        _ => {
            out.push(pattern | mask);
            let mut rest = value - usize::from(mask);
            while rest >= 0x80 {
                out.push(0x80 | (rest & 0x7f) as u8);
                rest >>= 7;
            }
            out.push(rest as u8);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_and_limits() {
        // RFC 7541 appendix C.1, then the ends of the ranges.
        let cases: &[(u32, u32, &[u8])] = &[
            (10, 5, &[0x0a]),
            (1337, 5, &[0x1f, 0x9a, 0x0a]),
            (42, 8, &[0x2a]),
            (30, 5, &[0x1e]),
            (31, 5, &[0x1f, 0x00]),
            (254, 8, &[0xfe]),
            (255, 8, &[0xff, 0x00]),
            (158, 5, &[0x1f, 0x7f]),
            (159, 5, &[0x1f, 0x80, 0x01]),
            (u32::MAX, 4, &[0x0f, 0xf0, 0xff, 0xff, 0xff, 0x0f]),
            (u32::MAX, 8, &[0xff, 0x80, 0xfe, 0xff, 0xff, 0x0f]),
        ];
        for &(value, prefix, octets) in cases {
            let mut out = Vec::new();
            write(value as usize, prefix, 0, &mut out);
            assert_eq!(out, octets, "{value}");
            assert_eq!(read(&mut &octets[..], prefix), Ok(value));
            for cut in 0..octets.len() {
                assert_eq!(read(&mut &octets[..cut], prefix), Err(Error::Truncated), "{value} cut at {cut}");
            }
        }
    }

    #[test]
    fn every_prefix_keeps_the_bits_above_and_the_rest() {
        for prefix in 1..=8 {
            for value in (0..70_000).step_by(7) {
                let pattern = !(0xff_u8 >> (8 - prefix));
                let mut out = Vec::new();
                write(value as usize, prefix, pattern, &mut out);
                out.push(0x55);
                assert_eq!(out[0] & pattern, pattern);
                let mut rest = &out[..];
                assert_eq!(read(&mut rest, prefix), Ok(value));
                assert_eq!(rest, [0x55]);
            }
        }
    }

    #[test]
    fn too_large_or_too_long() {
        let bad: &[&[u8]] = &[
            &[0x0f, 0xf1, 0xff, 0xff, 0xff, 0x0f],
            &[0x0f, 0xff, 0xff, 0xff, 0xff, 0x7f],
            &[0x0f, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00],
            &[0x0f, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
        ];
        for octets in bad {
            assert_eq!(read(&mut &octets[..], 4), Err(Error::IntegerOverflow), "{octets:x?}");
        }
        assert_eq!(read(&mut &[0x0f, 0x80, 0x80, 0x80, 0x80, 0x00][..], 4), Ok(15), "zeros in five octets");
    }
}
