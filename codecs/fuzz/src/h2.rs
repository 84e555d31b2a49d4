//! What the HTTP/2 targets share.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use nuncio_h2::{Connection, Error, Limits, Recv, Side};

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// SETTINGS of nothing.
pub const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

/// Limits that short inputs reach.
pub fn small() -> Limits {
    Limits {
        cookie_crumbs: 4,
        trailer_bytes: 128,
        trailer_fields: 4,
        initial_stream_window: 200,
        max_concurrent_streams: 4,
        header_memory: 1024,
        reset_burst: 8,
        glitch_burst: 20,
        outbound_control_frames: 20,
        outbound_frames: 60,
        ..Limits::default()
    }
}

/// Time stands still in a run.
pub fn now() -> Instant {
    Instant::now()
}

/// A client whose server takes all there is.
pub fn client_of_anything(now: Instant) -> Connection {
    let mut client = Connection::new(Side::Client, Arc::new(Limits::default()), now);
    // SETTINGS_ENABLE_CONNECT_PROTOCOL.
    let mut buf = BytesMut::from(&[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 1][..]);
    assert!(matches!(client.recv(&mut buf, now), Ok(Recv::Settings)));
    client
}

/// Reads events until the pieces are used up. Body bytes are written without their cuts, and not released: windows would open
/// in other steps. Every other stream is forgotten when it breaks off.
pub fn read(
    connection: &mut Connection,
    pieces: &[&[u8]],
    now: Instant,
    mut check: impl FnMut(&Recv),
) -> (String, Option<Error>) {
    let mut log = String::new();
    let mut buf = BytesMut::new();
    let mut pieces = pieces.iter();
    loop {
        let event = match connection.recv(&mut buf, now) {
            Ok(event) => event,
            Err(error) => return (log, Some(error)),
        };
        check(&event);
        match event {
            Recv::NeedMore => match pieces.next() {
                Some(piece) => buf.extend_from_slice(piece),
                None => return (log, None),
            },
            Recv::Settings => {}
            Recv::Data { chunk, end: false, .. } => write!(log, "{}", chunk.escape_ascii()).unwrap_or_default(),
            Recv::Data { stream, chunk, end: true } => {
                writeln!(log, "{} end of {}", chunk.escape_ascii(), stream.id).unwrap_or_default();
            }
            Recv::Reset { stream, reset } => {
                writeln!(log, "{} {reset:?}", stream.id).unwrap_or_default();
                if stream.id % 4 == 1 {
                    connection.forget(stream);
                }
            }
            other => writeln!(log, "{other:?}").unwrap_or_default(),
        }
    }
}
