//! What the targets share: reading bytes that arrive in any cut, and writing down what was read.

pub mod h2;

use std::fmt::Write as _;

use bytes::BytesMut;
use nuncio_h1::{Error, Recv};

/// The first byte of a fuzz input says where the rest is cut in two.
pub fn split(input: &[u8]) -> Option<(&[u8], usize)> {
    let (&cut, sample) = input.split_first()?;
    Some((sample, usize::from(cut).min(sample.len())))
}

/// Reads parts until the pieces are used up. Body bytes are written without their cuts.
pub fn read<H: std::fmt::Debug>(
    pieces: &[&[u8]],
    mut recv: impl FnMut(&mut BytesMut) -> Result<Recv<H>, Error>,
) -> Result<String, Error> {
    let mut log = String::new();
    let mut buf = BytesMut::new();
    let mut pieces = pieces.iter();
    loop {
        match recv(&mut buf)? {
            Recv::NeedMore | Recv::Paused | Recv::Eof => match pieces.next() {
                Some(piece) => buf.extend_from_slice(piece),
                None => return Ok(log),
            },
            Recv::Head { head, .. } => write!(log, "{head:?} | ").unwrap_or_default(),
            Recv::Data { chunk, .. } | Recv::Tunnel(chunk) => {
                write!(log, "{}", chunk.escape_ascii()).unwrap_or_default()
            }
            Recv::Trailers(trailers) => write!(log, " {trailers:?}").unwrap_or_default(),
            Recv::End => {}
        }
    }
}

/// The verdict must not depend on the cut.
pub fn assert_same<T: PartialEq + std::fmt::Debug>(sample: &[u8], cut: usize, read: impl Fn(&[&[u8]]) -> T) {
    let (first, second) = sample.split_at(cut);
    assert_eq!(read(&[sample]), read(&[first, second]));
}
