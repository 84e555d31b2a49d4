//! base64 (RFC 4648 section 4) as a stream of pieces, for gRPC-Web's text form. Padding may stand in the middle: the text
//! of a stream is that of its parts, one behind the other.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// In `VALUES`: not a letter of the alphabet.
const NONE: u8 = u8::MAX;

/// The value of each byte.
const VALUES: [u8; 256] = {
    let mut values = [NONE; 256];
    let mut at = 0;
    while at < ALPHABET.len() {
        values[ALPHABET[at] as usize] = at as u8;
        at += 1;
    }
    values
};

/// The text is no base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invalid;

/// Text to bytes.
#[derive(Debug, Clone, Default)]
pub struct Decoder {
    /// The group so far, six bits a letter.
    bits: u32,
    /// Letters of this group, padding not counted; 0 to 3.
    letters: u8,
    /// The padding of this group has begun: one more `=` ends it.
    padding: bool,
}

impl Decoder {
    /// Appends what `text` stands for to `out`.
    pub fn decode(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<(), Invalid> {
        out.reserve(text.len() / 4 * 3 + 3);
        for &byte in text {
            match VALUES[usize::from(byte)] {
                NONE if byte == b'=' => self.pad(out)?,
                NONE => return Err(Invalid),
                _ if self.padding => return Err(Invalid),
                value => {
                    self.bits = self.bits << 6 | u32::from(value);
                    self.letters += 1;
                    if self.letters == 4 {
                        out.extend_from_slice(&self.bits.to_be_bytes()[1..]);
                        (self.bits, self.letters) = (0, 0);
                    }
                }
            }
        }
        Ok(())
    }

    fn pad(&mut self, out: &mut Vec<u8>) -> Result<(), Invalid> {
        match (self.letters, self.padding) {
            (2, false) => {
                self.padding = true;
                return Ok(());
            }
            (2, true) => out.push((self.bits >> 4) as u8),
            (3, false) => out.extend_from_slice(&((self.bits >> 2) as u16).to_be_bytes()),
            _ => return Err(Invalid),
        }
        *self = Decoder::default();
        Ok(())
    }

    /// The text so far is whole.
    pub fn is_between(&self) -> bool {
        self.letters == 0
    }
}

/// Bytes to text.
#[derive(Debug, Clone, Default)]
pub struct Encoder {
    /// Bytes that make no whole group yet.
    kept: [u8; 2],
    len: u8,
}

impl Encoder {
    /// Appends the text of `bytes` to `out`, as far as it makes whole groups.
    pub fn encode(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        out.reserve(bytes.len() / 3 * 4 + 4);
        while let (1.., Some((&byte, rest))) = (self.len, bytes.split_first()) {
            bytes = rest;
            if self.len == 2 {
                put(&[self.kept[0], self.kept[1], byte], out);
                self.len = 0;
            } else {
                self.kept[1] = byte;
                self.len = 2;
            }
        }
        let (groups, rest) = bytes.as_chunks::<3>();
        for group in groups {
            put(group, out);
        }
        if let [first, others @ ..] = rest {
            self.kept = [*first, others.first().copied().unwrap_or(0)];
            self.len = rest.len() as u8;
        }
    }

    /// Ends the group with padding: all bytes so far are in `out` now.
    pub fn pad(&mut self, out: &mut Vec<u8>) {
        if self.len == 0 {
            return;
        }
        let last = if self.len == 2 { self.kept[1] } else { 0 };
        put(&[self.kept[0], last, 0], out);
        let letters = out.len() - 3 + usize::from(self.len);
        out[letters..].fill(b'=');
        self.len = 0;
    }
}

fn put(group: &[u8; 3], out: &mut Vec<u8>) {
    let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
    let letter = |shift: u32| ALPHABET[(bits >> shift & 63) as usize];
    out.extend_from_slice(&[letter(18), letter(12), letter(6), letter(0)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4648 section 10.
    const VECTORS: [(&str, &str); 7] = [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ];

    fn decoded(text: &str) -> Result<Vec<u8>, Invalid> {
        let (mut decoder, mut out) = (Decoder::default(), Vec::new());
        decoder.decode(text.as_bytes(), &mut out)?;
        if decoder.is_between() { Ok(out) } else { Err(Invalid) }
    }

    #[test]
    fn the_rfcs_vectors() {
        for (plain, text) in VECTORS {
            assert_eq!(decoded(text).as_deref(), Ok(plain.as_bytes()), "{text}");
            let (mut encoder, mut out) = (Encoder::default(), Vec::new());
            encoder.encode(plain.as_bytes(), &mut out);
            encoder.pad(&mut out);
            assert_eq!(out, text.as_bytes());
        }
    }

    #[test]
    fn padding_may_stand_in_the_middle() {
        for (text, plain) in [("Zg==Zg==", "ff"), ("Zm8=Zm9v", "fofoo"), ("Zm9vZg==Zm8=", "fooffo")] {
            assert_eq!(decoded(text).as_deref(), Ok(plain.as_bytes()), "{text}");
        }
    }

    #[test]
    fn what_is_no_base64() {
        for text in [
            "Z", "Zg", "Zg=", "Zm8", "=", "==", "Z=", "Z===", "Zg===", "Zm8==", "Zm9v=", "Zg=Z", "Zm9-", "Zm9_",
            "Zm9 ", "Zm9v\n", "Zg\0=",
        ] {
            assert_eq!(decoded(text), Err(Invalid), "{text:?}");
        }
    }

    #[test]
    fn pieces_make_the_same_as_the_whole() {
        let mut rng = fastrand::Rng::with_seed(4648);
        for _ in 0..2000 {
            let bytes: Vec<u8> = (0..rng.usize(..40)).map(|_| rng.u8(..)).collect();
            let (mut encoder, mut text) = (Encoder::default(), Vec::new());
            for piece in pieces(&bytes, &mut rng) {
                encoder.encode(piece, &mut text);
                if rng.u8(..4) == 0 {
                    encoder.pad(&mut text);
                }
            }
            encoder.pad(&mut text);
            assert_eq!(text.len() % 4, 0);
            let (mut decoder, mut out) = (Decoder::default(), Vec::new());
            for piece in pieces(&text, &mut rng) {
                decoder.decode(piece, &mut out).unwrap();
            }
            assert!(decoder.is_between());
            assert_eq!(out, bytes);
        }
    }

    fn pieces<'b>(mut bytes: &'b [u8], rng: &mut fastrand::Rng) -> Vec<&'b [u8]> {
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at(rng.usize(..=bytes.len().min(5)));
            pieces.push(piece);
            bytes = rest;
        }
        pieces
    }
}
