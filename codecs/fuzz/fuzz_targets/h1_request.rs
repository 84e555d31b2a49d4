//! A server reads any bytes: no panic, the same verdict in any cut; and what it accepts, a client can write again.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use nuncio_fuzz::{assert_same, read, split};
use nuncio_h1::{Client, Limits, Recv, Server, Underscores};
use nuncio_http::Output;

fuzz_target!(|input: &[u8]| {
    let Some((sample, cut)) = split(input) else { return };
    let limits = Arc::new(Limits {
        head_bytes: 512,
        target_bytes: 64,
        fields: 8,
        underscores: Underscores::Allow,
        keep_trailers: true,
        ..Limits::default()
    });
    assert_same(sample, cut, |pieces| {
        let mut server = Server::new(limits.clone());
        read(pieces, |buf| {
            let part = server.recv(buf)?;
            if let Recv::Head { head: request, .. } = &part {
                let sent = Client::new(limits.clone()).send_head(&request.head, request.upgrade, &mut Output::new());
                assert_eq!(sent, Ok(()), "accepted, so it can be sent");
            }
            Ok(part)
        })
    });
});
