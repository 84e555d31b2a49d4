//! Huffman strings (RFC 7541 section 5.2), by table in both directions (row H2-15). The code is complete: all bits decode to
//! something, and only EOS and bad padding are errors.

mod table;
#[cfg(test)]
mod tests;

use crate::error::Error;
use table::{CODES, EOS, LENGTHS, LONGEST, ORDER, ROWS, STEP_BITS, STEPS, Step};

/// Octets that [`encode`] makes of `text`.
pub(crate) fn encoded_len(text: &[u8]) -> usize {
    // Thirty bits an octet at most: nothing that fits into memory overflows.
    let bits = text.iter().fold(0, |bits: usize, &octet| bits.wrapping_add(LENGTHS[usize::from(octet)].into()));
    bits.div_ceil(8)
}

pub(crate) fn encode(text: &[u8], out: &mut Vec<u8>) {
    // The lowest `have` bits of `bits` wait to be written: at most 31, and 30 more of the next code.
    let (mut bits, mut have) = (0_u64, 0_u32);
    for &octet in text {
        let code = CODES[usize::from(octet)];
        bits = bits << code.len | u64::from(code.bits);
        have += u32::from(code.len);
        if have >= 32 {
            have -= 32;
            out.extend_from_slice(&((bits >> have) as u32).to_be_bytes());
        }
    }
    // The beginning of EOS, all ones, fills the last octet.
    let padded = bits << 32 | u64::from(u32::MAX);
    let octets = ((padded >> have) as u32).to_be_bytes();
    out.extend_from_slice(&octets[..have.div_ceil(8) as usize]);
}

/// Decodes into the beginning of `out`, which only ever grows: eight fifths of the longest `input` at most.
pub(crate) fn decode<'a>(input: &[u8], out: &'a mut Vec<u8>) -> Result<&'a [u8], Error> {
    // The shortest code has five bits. Two more, since a step always writes two.
    let most = input.len().saturating_mul(8) / 5 + 2;
    if out.len() < most {
        out.resize(most, 0);
    }
    let room = out.as_mut_slice();
    let mut reader = Bits { input, bits: 0, have: 0 };
    let mut at = 0;
    while reader.has(STEP_BITS) {
        let step = reader.peek();
        if step.first > 0 {
            put(room, &mut at, step.symbols, 1 + usize::from(step.both != step.first));
            reader.skip(step.both);
        } else if reader.has(LONGEST) {
            let (symbol, len) = long_code(reader.bits)?;
            put(room, &mut at, [symbol, 0], 1);
            reader.skip(len);
        } else {
            break;
        }
    }
    decode_tail(reader, room, &mut at)?;
    Ok(room.get(..at).unwrap_or_default())
}

/// The last 29 bits or fewer: symbols as long as they lie within them, then the padding.
fn decode_tail(mut reader: Bits<'_>, out: &mut [u8], at: &mut usize) -> Result<(), Error> {
    // With ones behind the end, padding is the beginning of EOS, and the first symbol not to lie within the bits.
    reader.fill_with_ones();
    while reader.bits != u64::MAX {
        let Step { symbols, first, both } = reader.peek();
        if first == 0 {
            let (symbol, len) = long_code(reader.bits)?;
            if u32::from(len) > reader.have {
                break;
            }
            put(out, at, [symbol, 0], 1);
            reader.skip(len);
        } else if u32::from(both) <= reader.have {
            put(out, at, symbols, 1 + usize::from(both != first));
            reader.skip(both);
        } else if u32::from(first) <= reader.have {
            put(out, at, symbols, 1);
            reader.skip(first);
        } else {
            break;
        }
        reader.fill_with_ones();
    }
    if reader.have < 8 && reader.bits == u64::MAX { Ok(()) } else { Err(Error::HuffmanPadding) }
}

/// Writes two symbols, of which `count` are.
#[inline]
fn put(out: &mut [u8], at: &mut usize, symbols: [u8; 2], count: usize) {
    // Always there: `decode` made room.
    if let Some(place) = out.get_mut(*at..).and_then(|rest| rest.first_chunk_mut()) {
        *place = symbols;
        *at += count;
    }
}

/// The input, some bits of it in a word.
struct Bits<'a> {
    input: &'a [u8],
    /// Left-aligned; what stands behind the first `have` is undefined.
    bits: u64,
    have: u32,
}

impl Bits<'_> {
    /// Whether there are `len` more bits, 56 at most; then they are in the word.
    #[inline]
    fn has(&mut self, len: u32) -> bool {
        if self.have < len {
            self.refill();
        }
        self.have >= len
    }

    #[inline]
    fn refill(&mut self) {
        if let Some((word, _)) = self.input.split_first_chunk() {
            // The octet that fits only in part comes again next time, to the same place.
            self.bits |= u64::from_be_bytes(*word) >> self.have;
            let octets = (u64::BITS - 1 - self.have) / 8;
            self.input = &self.input[octets as usize..];
            self.have += octets * 8;
            return;
        }
        while let Some((&octet, rest)) = self.input.split_first().filter(|_| self.have <= u64::BITS - 8) {
            self.input = rest;
            self.bits |= u64::from(octet) << (u64::BITS - 8 - self.have);
            self.have += 8;
        }
    }

    fn fill_with_ones(&mut self) {
        self.bits |= u64::MAX >> self.have;
    }

    #[inline]
    fn peek(&self) -> Step {
        STEPS[(self.bits >> (u64::BITS - STEP_BITS)) as usize]
    }

    /// `len`: at most what there is.
    #[inline]
    fn skip(&mut self, len: u8) {
        self.bits <<= len;
        self.have = self.have.wrapping_sub(len.into());
    }
}

/// The symbol that these bits begin with, whose code is longer than [`STEP_BITS`], and the bits of the code.
#[inline(never)]
fn long_code(bits: u64) -> Result<(u8, u8), Error> {
    let word = (bits >> 32) as u32;
    for len in STEP_BITS as u8 + 1..=LONGEST as u8 {
        let row = ROWS[usize::from(len)];
        if word <= row.last {
            let nth = usize::from(row.start) + ((word - row.first) >> (32 - u32::from(len))) as usize;
            let symbol = ORDER.get(nth).map_or(EOS, |&symbol| usize::from(symbol));
            return u8::try_from(symbol).map(|symbol| (symbol, len)).map_err(|_| Error::HuffmanEos);
        }
    }
    // Not reached: the last row ends with the last word.
    Err(Error::HuffmanEos)
}
