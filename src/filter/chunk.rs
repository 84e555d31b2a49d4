//! Body bytes on their way through the filters: usually one piece, several where a filter gathered them.

use bytes::Bytes;

/// A part of a body, in pieces that were never copied.
#[derive(Debug, Clone, Default)]
pub struct Chunk {
    first: Bytes,
    rest: Vec<Bytes>,
}

impl Chunk {
    pub fn len(&self) -> usize {
        self.first.len() + self.rest.iter().map(Bytes::len).sum::<usize>()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds the pieces of `other` behind these.
    pub fn append(&mut self, other: Chunk) {
        for piece in other.into_pieces() {
            if self.first.is_empty() {
                self.first = piece;
            } else {
                self.rest.push(piece);
            }
        }
    }

    /// The pieces that hold bytes, in order.
    pub fn into_pieces(self) -> impl Iterator<Item = Bytes> {
        std::iter::once(self.first).chain(self.rest).filter(|piece| !piece.is_empty())
    }

    pub fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        std::iter::once(&self.first).chain(&self.rest).filter(|piece| !piece.is_empty())
    }
}

impl From<Bytes> for Chunk {
    fn from(first: Bytes) -> Chunk {
        Chunk { first, rest: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_keep_their_order() {
        let mut chunk = Chunk::default();
        assert!(chunk.is_empty());
        chunk.append(Chunk::from(Bytes::from_static(b"ab")));
        chunk.append(Chunk::default());
        chunk.append(Chunk::from(Bytes::from_static(b"c")));
        assert_eq!(chunk.len(), 3);
        let pieces: Vec<Bytes> = chunk.into_pieces().collect();
        assert_eq!(pieces, [&b"ab"[..], b"c"]);
    }
}
