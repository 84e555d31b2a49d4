//! A client reads any bytes after a request: no panic, the same verdict in any cut.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use nuncio_fuzz::{assert_same, read, split};
use nuncio_h1::{Client, Limits, Upgrade};
use nuncio_http::{HeaderList, Method, Output, RequestHead, Version};

fuzz_target!(|input: &[u8]| {
    let Some((&kind, input)) = input.split_first() else { return };
    let Some((sample, cut)) = split(input) else { return };
    let method = [Method::Get, Method::Head, Method::Connect][usize::from(kind % 3)];
    let upgrade = (kind >= 128 && method != Method::Connect).then_some(Upgrade::Websocket);
    let limits = Arc::new(Limits { head_bytes: 512, fields: 8, keep_trailers: true, ..Limits::default() });
    assert_same(sample, cut, |pieces| {
        let mut request = RequestHead::new(method, Version::Http11, HeaderList::new());
        request.set_target(b"/");
        request.set_authority(b"a:1");
        let mut client = Client::new(limits.clone());
        assert_eq!(client.send_head(&request, upgrade, &mut Output::new()), Ok(()));
        read(pieces, |buf| client.recv(buf))
    });
});
