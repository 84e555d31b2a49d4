//! Messages in a body: each is a byte of flags, its length in four bytes, and so many bytes of message ("gRPC over HTTP2",
//! Length-Prefixed-Message). They are counted as they pass; nothing is kept.

/// Bytes in front of a message.
const PREFIX: u8 = 5;

/// Where a body is in its messages.
#[derive(Debug, Clone, Default)]
pub struct Frames {
    /// Bytes of the prefix that have come, below `PREFIX`.
    prefix: u8,
    /// The length as far as it has come.
    len: u32,
    /// Bytes of the message to come.
    left: u32,
    /// No prefix stood where one must: what follows cannot be told apart.
    lost: bool,
}

impl Frames {
    /// Passes the next bytes; says how many messages have begun in them, each with its whole prefix.
    pub fn pass(&mut self, mut bytes: &[u8]) -> u64 {
        let mut begun = 0;
        while !self.lost {
            let skipped = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
            // At most `left`.
            self.left -= skipped as u32;
            bytes = &bytes[skipped..];
            let Some((&byte, rest)) = bytes.split_first() else { break };
            bytes = rest;
            match self.prefix {
                // The one flag there is says that the message is compressed.
                0 if byte > 1 => {
                    self.lost = true;
                    break;
                }
                0 => self.len = 0,
                _ => self.len = self.len << 8 | u32::from(byte),
            }
            self.prefix += 1;
            if self.prefix == PREFIX {
                self.prefix = 0;
                self.left = self.len;
                begun += 1;
            }
        }
        begun
    }

    /// All messages so far are whole, or cannot be told apart.
    pub fn is_between(&self) -> bool {
        self.lost || self.prefix == 0 && self.left == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(len: u32) -> Vec<u8> {
        let mut frame = vec![u8::from(len % 2 == 1)];
        frame.extend(len.to_be_bytes());
        frame.resize(5 + len as usize, 9);
        frame
    }

    #[test]
    fn messages_are_counted_however_they_are_cut() {
        let lengths = [0, 1, 2, 300, 0, 0, 70_000, 5];
        let body: Vec<u8> = lengths.into_iter().flat_map(message).collect();
        let mut rng = fastrand::Rng::with_seed(5);
        for round in 0..200 {
            let most = [1, 7, 4096, body.len()][round % 4];
            let (mut frames, mut count, mut rest) = (Frames::default(), 0, &body[..]);
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(rng.usize(1..=most).min(rest.len()));
                count += frames.pass(piece);
                rest = after;
            }
            assert_eq!((count, frames.is_between()), (lengths.len() as u64, true));
        }
    }

    #[test]
    fn a_message_counts_with_its_prefix() {
        let mut frames = Frames::default();
        assert!(frames.is_between());
        assert_eq!(frames.pass(&[0, 0, 0, 0]), 0);
        assert!(!frames.is_between());
        assert_eq!(frames.pass(&[2]), 1);
        assert!(!frames.is_between());
        assert_eq!(frames.pass(&[1, 1]), 0);
        assert!(frames.is_between());
    }

    #[test]
    fn the_longest_message_and_what_is_none() {
        let mut frames = Frames::default();
        assert_eq!(frames.pass(&[1, 0xff, 0xff, 0xff, 0xff]), 1);
        assert_eq!(frames.pass(&[9; 1000]), 0);
        assert!(!frames.is_between());
        let mut frames = Frames::default();
        assert_eq!(frames.pass(b"\0\0\0\0\0<html>\0\0\0\0\0\0\0"), 1);
        assert!(frames.is_between());
        assert_eq!(frames.pass(&[0; 10]), 0, "lost for good");
    }
}
