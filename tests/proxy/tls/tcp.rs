//! Bytes under TLS: ended here, begun here, or both.

use std::time::Duration;

use serde_json::{Value, json};

use super::{SITE, site};
use crate::harness::tls::{VERSIONS, client, file, server};
use crate::harness::{Proxy, Upstream, Wire};

const QUIET: Duration = Duration::from_millis(100);

/// A connection through a proxy that ends TLS, begins it, or does both.
fn open(down: bool, up: bool) -> (Proxy, Wire, Wire) {
    let upstream = Upstream::start();
    let mut listener = json!({ "protocol": "tcp" });
    let mut cluster: Value = json!({});
    if down {
        listener["tls"] = site();
    }
    if up {
        cluster["tls"] = json!({ "ca": file("ca.pem"), "sni": SITE });
    }
    let proxy = Proxy::between(&upstream, listener, cluster);
    let near = if down { proxy.tls(&client(&VERSIONS, &[], None), SITE) } else { proxy.client() };
    let far = if up { upstream.accept_tls(&server("site", &[], false)) } else { upstream.accept() };
    (proxy, near, far)
}

const SIDES: [(bool, bool); 3] = [(true, false), (false, true), (true, true)];

#[test]
fn bytes_flow_and_half_close_is_kept() {
    for (down, up) in SIDES {
        for client_first in [true, false] {
            let (proxy, near, far) = open(down, up);
            let (mut first, mut second) = if client_first { (near, far) } else { (far, near) };
            let large: Vec<u8> = (0..1_000_000u32).map(|at| (at % 251) as u8).collect();
            let sent = large.clone();
            let sender = std::thread::spawn(move || {
                first.send(&sent);
                first.finish();
                first
            });
            assert!(second.rest().0 == large, "{down} {up}");
            let mut first = sender.join().unwrap();
            second.send("an answer");
            first.expect("an answer");
            first.expect_silence(QUIET);
            second.finish();
            first.expect_closed();
            proxy.await_stat("tcp.listener-0.downstream_cx_active", 0);
            let (received, sent) = if client_first { (large.len(), 9) } else { (9, large.len()) };
            assert_eq!(
                proxy.stat("tcp.listener-0.downstream_cx_rx_bytes_total"),
                received as u64,
                "plaintext is counted"
            );
            assert_eq!(proxy.stat("tcp.listener-0.downstream_cx_tx_bytes_total"), sent as u64);
        }
    }
}

#[test]
fn a_cut_is_no_end() {
    use crate::harness::End;
    // Without close_notify of one side the other hears of no clean end either.
    for (down, up) in SIDES {
        for client_dies in [true, false] {
            let (_proxy, near, far) = open(down, up);
            let cut_is_seen = if client_dies { down } else { up };
            let (mut dying, mut other) = if client_dies { (near, far) } else { (far, near) };
            dying.send("all");
            other.expect("all");
            drop(dying);
            let (rest, end) = other.rest();
            assert_eq!(rest, b"");
            assert_eq!(end == End::Closed, !cut_is_seen, "{down} {up} {client_dies}: {end:?}");
        }
    }
}

#[test]
fn a_host_that_is_not_the_right_one_closes_the_client() {
    let upstream = Upstream::start();
    let cluster = json!({ "tls": { "ca": file("ca.pem"), "sni": SITE } });
    let listener = json!({ "protocol": "tcp", "tcp": { "max_connect_attempts": 1 } });
    let proxy = Proxy::between(&upstream, listener, cluster);
    let mut client = proxy.client();
    client.send("secret");
    let _ = upstream.try_accept_tls(&server("other", &[], false)).map(|mut server| server.expect_failure());
    client.expect_gone();
    assert_eq!(proxy.stat("cluster.app.ssl.fail_verify_error"), 1);
}
