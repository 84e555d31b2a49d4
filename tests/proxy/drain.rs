//! The end in good order: what is in flight finishes, what is idle is closed, nothing new is taken.

use serde_json::json;

use crate::harness::{Proxy, Upstream, eventually};

#[test]
fn requests_in_flight_finish_and_idle_connections_close() {
    let upstream = Upstream::start();
    let mut config = json!({ "listeners": [{ "routes": [{ "cluster": "app" }] }], "drain_time": "20s" });
    config["clusters"] = json!({ "app": { "endpoints": [upstream.address()] } });
    let proxy = Proxy::start(config);
    let mut idle = proxy.client();
    idle.send("GET /first HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut server = upstream.accept();
    server.head();
    server.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(idle.head().get("connection"), None);
    let mut busy = proxy.client();
    busy.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbo");
    assert_eq!(server.head().start, "POST / HTTP/1.1");
    let mut half = proxy.client();
    half.send("GET /half HTTP/1.1\r\nho");
    proxy.await_stat("http.listener-0.downstream_cx_active", 3);

    proxy.quit();
    idle.expect_closed();
    let address = proxy.listener(0);
    eventually("nobody listens", || std::net::TcpStream::connect(address).err());
    busy.send("dy");
    server.expect("body");
    server.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let response = busy.message();
    assert_eq!((response.text(), response.head.get("connection")), ("ok", Some("close")));
    busy.expect_closed();
    // Half a head counts as in flight too.
    half.send("st: a\r\n\r\n");
    let mut server = match server.try_message() {
        Some(request) => {
            assert_eq!(request.head.start, "GET /half HTTP/1.1");
            server
        }
        None => upstream.accept(),
    };
    server.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(half.head().get("connection"), Some("close"));
    half.expect_closed();
    proxy.join();
}

#[test]
fn drain_time_ends_what_does_not_end_itself() {
    let upstream = Upstream::start();
    let mut config = json!({ "listeners": [{ "routes": [{ "cluster": "app" }] }], "drain_time": "300ms" });
    config["clusters"] = json!({ "app": { "endpoints": [upstream.address()] } });
    let proxy = Proxy::start(config);
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut server = upstream.accept();
    server.head();
    proxy.quit();
    proxy.join();
    client.expect_gone();
    server.expect_gone();
}
