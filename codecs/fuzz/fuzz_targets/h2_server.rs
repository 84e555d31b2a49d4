//! A server reads any frames: no panic, the same events in any cut; and a request that it accepts, a client can send on.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use nuncio_fuzz::{assert_same, h2, split};
use nuncio_h2::{Connection, Limits, Recv, Side};
use nuncio_http::Underscores;

fuzz_target!(|input: &[u8]| {
    let Some((frames, cut)) = split(input) else { return };
    let limits = Arc::new(Limits {
        head_bytes: 512,
        target_bytes: 64,
        fields: 8,
        connect_protocol: true,
        underscores: Underscores::Allow,
        ..h2::small()
    });
    let now = h2::now();
    let sample = [h2::PREFACE, h2::SETTINGS, frames].concat();
    let front = sample.len() - frames.len();
    assert_same(&sample, front + cut, |pieces| {
        let mut server = Connection::new(Side::Server, limits.clone(), now);
        h2::read(&mut server, pieces, now, |event| {
            if let Recv::Request { request, end, .. } = event {
                let mut client = h2::client_of_anything(now);
                assert!(client.open(&request.head, request.protocol, *end).is_ok(), "accepted, so it can be sent");
            }
        })
    });
});
