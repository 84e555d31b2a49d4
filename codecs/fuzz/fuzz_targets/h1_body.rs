//! A chunked body of any bytes: no panic, the same verdict in any cut.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use nuncio_fuzz::{assert_same, read, split};
use nuncio_h1::{Limits, Server};

const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

fuzz_target!(|input: &[u8]| {
    let Some((body, cut)) = split(input) else { return };
    let limits = Arc::new(Limits {
        chunk_ext_line: 16,
        chunk_ext_total: 64,
        trailer_bytes: 128,
        trailer_fields: 4,
        keep_trailers: true,
        ..Limits::default()
    });
    let sample = [HEAD, body].concat();
    assert_same(&sample, HEAD.len() + cut, |pieces| {
        let mut server = Server::new(limits.clone());
        read(pieces, |buf| server.recv(buf))
    });
});
