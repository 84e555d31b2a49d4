//! A cursor over a message. Names are read with what they point back to (RFC 1035 section 4.1.4), within bounds: a pointer
//! leads strictly backwards, so that no message takes longer to read than its bytes allow.

use crate::name::{MAX, Name};

/// Bytes of the header: no pointer leads there.
pub(crate) const HEADER: usize = 12;
/// Pointers in one name.
const MAX_JUMPS: usize = 16;

#[derive(Debug)]
pub(crate) struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Reader<'a> {
        Reader { message, at: 0 }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(len)?;
        let taken = self.message.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    pub(crate) fn name(&mut self) -> Option<Name> {
        let mut wire = [0; MAX];
        let mut len = 0;
        // Where this piece of the name starts, and where the record goes on.
        let (mut start, mut end, mut jumps) = (self.at, None, 0);
        let mut at = self.at;
        loop {
            let byte = *self.message.get(at)?;
            match byte {
                0 => {
                    self.at = end.unwrap_or(at + 1);
                    // The zero is there already.
                    return wire.get(..=len).map(Name::from_wire);
                }
                1..=63 => {
                    let label = self.message.get(at..=at + usize::from(byte))?;
                    wire.get_mut(len..len + label.len())?.copy_from_slice(label);
                    len += label.len();
                    at += label.len();
                }
                0xc0.. => {
                    let low = *self.message.get(at + 1)?;
                    let target = usize::from(u16::from_be_bytes([byte & 0x3f, low]));
                    end = end.or(Some(at + 2));
                    jumps += 1;
                    if jumps > MAX_JUMPS || target < HEADER || target >= start {
                        return None;
                    }
                    (start, at) = (target, target);
                }
                // Types of labels that nobody uses (RFC 6891 section 5).
                64..0xc0 => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the name at `at` behind a header of zeros.
    fn read(body: &[u8], at: usize) -> Option<(String, usize)> {
        let message = [&[0; HEADER], body].concat();
        let mut reader = Reader { message: &message, at: HEADER + at };
        Some((reader.name()?.to_string(), reader.at - HEADER))
    }

    #[test]
    fn names() {
        assert_eq!(read(b"\x01a\x02bc\0rest", 0), Some(("a.bc".to_owned(), 6)));
        assert_eq!(read(b"\0", 0), Some((".".to_owned(), 1)));
        let body = b"\x01A\x02bc\0\x01d\xc0\x0e\xc0\x12";
        assert_eq!(read(body, 6), Some(("d.bc".to_owned(), 10)));
        assert_eq!(read(body, 10), Some(("d.bc".to_owned(), 12)));
    }

    #[test]
    fn what_is_no_name() {
        for (body, at, why) in [
            (&b""[..], 0, "nothing"),
            (b"\x01a", 0, "no end"),
            (b"\x05ab", 0, "half a label"),
            (b"\xc0", 0, "half a pointer"),
            (b"\xc0\x0c", 0, "itself"),
            (b"\x01a\xc0\x0c", 0, "its own start"),
            (b"\xc0\x0e\x01a\0", 0, "forwards"),
            (b"\xc0\x00", 0, "the header"),
            (b"\xff\xff", 0, "beyond the end"),
            (b"\x41a\0", 0, "an extended label"),
            (b"\x80a\0", 0, "a reserved label"),
        ] {
            assert_eq!(read(body, at), None, "{why}");
        }
    }

    #[test]
    fn lengths() {
        let label = |len: usize| [&[len as u8][..], &vec![b'x'; len]].concat();
        let three = [label(63), label(63), label(63)].concat();
        let fits = [&three[..], &label(61), &[0]].concat();
        assert!(read(&fits, 0).is_some_and(|(name, len)| name.len() == 253 && len == 255));
        assert_eq!(read(&[&three[..], &label(62), &[0]].concat(), 0), None);
        // The same by a pointer.
        let pointed = |own: usize| [&three[..], &[0], &label(own), &[0xc0, HEADER as u8]].concat();
        assert!(read(&pointed(61), three.len() + 1).is_some());
        assert_eq!(read(&pointed(62), three.len() + 1), None);
    }

    #[test]
    fn pointers_to_pointers_are_counted() {
        let chain = |jumps: usize| {
            let mut body = vec![0];
            body.extend((0..jumps).flat_map(|at| {
                let target = if at == 0 { HEADER } else { HEADER + 1 + 2 * (at - 1) };
                [0xc0, target as u8]
            }));
            read(&body, 1 + 2 * (jumps - 1))
        };
        assert!(chain(MAX_JUMPS).is_some());
        assert_eq!(chain(MAX_JUMPS + 1), None);
    }
}
