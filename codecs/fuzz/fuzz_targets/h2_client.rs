//! A client with three requests of different methods reads any frames: no panic, the same events in any cut.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use nuncio_fuzz::{assert_same, h2, split};
use nuncio_h2::{Connection, Limits, Side};
use nuncio_http::{BodyLength, HeaderList, Method, RequestHead, Version};

fuzz_target!(|input: &[u8]| {
    let Some((frames, cut)) = split(input) else { return };
    let limits = Arc::new(Limits { head_bytes: 512, fields: 8, ..h2::small() });
    let now = h2::now();
    let sample = [h2::SETTINGS, frames].concat();
    assert_same(&sample, h2::SETTINGS.len() + cut, |pieces| {
        let mut client = Connection::new(Side::Client, limits.clone(), now);
        for method in [Method::Get, Method::Head, Method::Connect] {
            let mut head = RequestHead::new(method, Version::Http11, HeaderList::new());
            head.set_target(b"/");
            head.set_authority(b"a:1");
            head.body = BodyLength::Unknown;
            assert!(client.open(&head, None, false).is_ok());
        }
        h2::read(&mut client, pieces, now, |_| {})
    });
});
