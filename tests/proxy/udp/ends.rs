//! How sessions end, and what is said of them.

use serde_json::json;

use super::{Peer, config, proxy};
use crate::harness::{Clock, LogFile, Proxy};

#[test]
fn an_idle_session_ends_and_the_next_datagram_opens_another() {
    let host = Peer::host();
    let proxy = proxy(json!({ "idle_timeout": "200ms" }), &[&host]);
    let client = Peer::client(&proxy);
    client.send(b"one");
    let first = host.echo(b"one");
    proxy.await_stat("udp.listener-0.idle_timeout", 1);
    assert_eq!(proxy.stat("udp.listener-0.downstream_sess_active"), 0);
    assert_eq!(proxy.stat("server.total_connections"), 0);
    // The permit is back, and the socket is closed: what comes late finds nobody.
    host.0.send_to(b"late", first).unwrap();
    client.expect(b"one");
    client.expect_nothing();
    client.send(b"two");
    host.echo(b"two");
    client.expect(b"two");
    assert_eq!(proxy.stat("udp.listener-0.downstream_sess_total"), 2);
}

#[test]
fn datagrams_in_either_direction_keep_a_session() {
    let host = Peer::host();
    let proxy = proxy(json!({ "idle_timeout": "400ms" }), &[&host]);
    let client = Peer::client(&proxy);
    client.send(b"open");
    let session = host.expect(b"open");
    let clock = Clock::start();
    while clock.elapsed().as_millis() < 1000 {
        host.0.send_to(b"news", session).unwrap();
        client.expect(b"news");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(proxy.stat("udp.listener-0.idle_timeout"), 0);
    assert_eq!(proxy.stat("udp.listener-0.downstream_sess_active"), 1);
}

#[test]
fn each_session_is_a_line_of_the_access_log() {
    let (log, host) = (LogFile::new("udp"), Peer::host());
    let mut config = config(json!({ "idle_timeout": "150ms", "max_sessions": 1 }), &[&host]);
    config["access_log"] = json!({ "path": log.0, "format":
        "%RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_HOST% %UPSTREAM_CLUSTER% %ROUTE_NAME% %DOWNSTREAM_REMOTE_ADDRESS%\n" });
    config["listeners"][0]["routes"] =
        json!([{ "name": "lo", "match": { "source": "127.0.0.0/30" }, "cluster": "app" }]);
    let proxy = Proxy::start(config);
    let client = Peer::client(&proxy);
    client.send(b"four");
    host.echo(b"four");
    client.send(b"");
    host.echo(b"");
    // Refused ones say why, but not each of them.
    let (full, stranger) = (Peer::client(&proxy), Peer::client_at("127.0.0.9", proxy.listener(0)));
    (0..5).for_each(|_| full.send(b"x"));
    (0..5).for_each(|_| stranger.send(b"x"));
    proxy.await_stat("udp.listener-0.downstream_sess_no_route", 5);
    assert_eq!(proxy.stat("udp.listener-0.downstream_sess_overflow"), 5);
    let mut lines = log.lines(3);
    lines.sort_unstable();
    let line = |flags, bytes: u64, at: [&str; 3], peer: &Peer| {
        format!("{flags} {bytes} {bytes} {} {} {} {}", at[0], at[1], at[2], peer.address())
    };
    let mut wanted = [
        line("-", 4, [&host.address(), "app", "lo"], &client),
        line("OM", 0, ["-"; 3], &full),
        line("NR", 0, ["-"; 3], &stranger),
    ];
    wanted.sort_unstable();
    assert_eq!(lines, wanted);
}

#[test]
fn a_drain_begins_no_session_and_keeps_those_that_are() {
    let (log, host) = (LogFile::new("udp-drain"), Peer::host());
    let mut config = config(json!({ "idle_timeout": "3s" }), &[&host]);
    config["drain_time"] = json!("20s");
    config["access_log"] = json!({ "path": log.0, "format": "%RESPONSE_FLAGS% %BYTES_RECEIVED%\n" });
    let proxy = Proxy::start(config);
    let client = Peer::client(&proxy);
    client.send(b"before");
    host.echo(b"before");
    client.expect(b"before");
    assert_eq!(proxy.admin("POST", "/drain_listeners").status(), 200);
    crate::harness::eventually("it drains", || {
        // Another one each time: it may be that the worker has not heard of the drain yet.
        Peer::client(&proxy).send(b"late");
        (proxy.stat("udp.listener-0.downstream_sess_draining") > 0).then_some(())
    });
    client.send(b"after");
    let mut received = host.recv_from();
    while received.0 == b"late" {
        received = host.recv_from();
    }
    assert_eq!(received.0, b"after");
    host.0.send_to(b"answer", received.1).unwrap();
    client.expect(b"answer");
}

#[test]
fn drain_time_ends_sessions() {
    let host = Peer::host();
    let mut config = config(json!({}), &[&host]);
    config["drain_time"] = json!("100ms");
    let proxy = Proxy::start(config);
    let client = Peer::client(&proxy);
    client.send(b"x");
    host.expect(b"x");
    proxy.admin("POST", "/drain_listeners");
    proxy.await_stat("udp.listener-0.downstream_sess_active", 0);
    assert_eq!(proxy.stat("server.total_connections"), 0);
}
