//! Floods end the connection, and nothing else (rows H2-2 to H2-12, end to end; the codec's own tests have them all).

use crate::harness::h2::{
    CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, H2, HEADERS, PING, RST_STREAM,
    WINDOW_UPDATE, bytes_of, request,
};
use crate::harness::{Proxy, Upstream};

#[test]
fn each_flood_is_told_so_and_counted() {
    type Flood = fn(&mut H2) -> Vec<u8>;
    let rows: [(&str, Flood); 4] = [
        ("reset_flood", |client| {
            let mut bytes = Vec::new();
            for stream in (1..2000).step_by(2) {
                let block = client.block(&request("GET", "/"));
                bytes.extend(bytes_of(HEADERS, END_HEADERS | END_STREAM, stream, &block));
                bytes.extend(bytes_of(RST_STREAM, 0, stream, &CANCEL.to_be_bytes()));
            }
            bytes
        }),
        ("continuation_flood", |client| {
            let block = client.block(&request("GET", "/"));
            let mut bytes = bytes_of(HEADERS, 0, 1, &block);
            bytes.extend(bytes_of(CONTINUATION, 0, 1, &client.block(&[("x", "1")])).repeat(20));
            bytes
        }),
        ("inbound_empty_frames_flood", |client| {
            client.post(1, "/");
            bytes_of(DATA, 0, 1, &[]).repeat(10)
        }),
        ("glitch_flood", |_| bytes_of(PING, 0, 0, &[0; 8]).repeat(5000)),
    ];
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    for (stat, flood) in rows {
        let mut client = proxy.h2();
        let bytes = flood(&mut client);
        let _ = client.wire.try_send(bytes);
        let mut code = client.expect_goaway().1;
        if code == 0 {
            // The ledger warns first.
            code = client.expect_goaway().1;
        }
        assert_eq!(code, ENHANCE_YOUR_CALM, "{stat}");
        proxy.await_stat(&format!("http.listener-0.http2.{stat}"), 1);
    }
    // The proxy serves others.
    let mut client = proxy.h2();
    client.frame(WINDOW_UPDATE, 0, 0, &1u32.to_be_bytes());
    client.sync();
}
