//! CONNECT: refused unless a route allows it, then a tunnel (RFC 9110 section 9.3.6, row S-16).

use std::time::Duration;

use serde_json::json;

use crate::harness::{Proxy, Upstream};

const CONNECT: &str = "CONNECT db.example:5432 HTTP/1.1\r\nhost: db.example:5432\r\n\r\n";

#[test]
fn it_is_refused_where_no_route_allows_it() {
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.client();
    client.send(format!("{CONNECT}bytes for a tunnel"));
    let response = client.message();
    assert_eq!((response.status(), response.head.get("connection")), (405, Some("close")));
    assert!(response.head.get("allow").is_some());
    client.expect_gone();
    upstream.expect_nobody(Duration::from_millis(50));
}

#[test]
fn an_allowed_one_becomes_a_tunnel_with_2xx_only() {
    let upstream = Upstream::start();
    let routes = json!([{ "match": { "host": "db.example" }, "cluster": "app", "upgrades": ["connect"] }]);
    let proxy = Proxy::between(&upstream, json!({ "routes": routes }), json!({}));
    let mut client = proxy.client();
    client.send(format!("{CONNECT}early"));
    let mut server = upstream.accept();
    let request = server.head();
    assert_eq!(
        (request.start.as_str(), request.get("host")),
        ("CONNECT db.example:5432 HTTP/1.1", Some("db.example:5432"))
    );
    server.expect_silence(Duration::from_millis(100));
    server.send("HTTP/1.1 200 OK\r\n\r\n");
    let response = client.head();
    assert_eq!(response.status(), 200);
    assert_eq!((response.get("content-length"), response.get("transfer-encoding")), (None, None));
    server.expect("early");
    server.send("late");
    client.expect("late");
    client.finish();
    server.expect_closed();
    server.finish();
    client.expect_closed();

    let mut client = proxy.client();
    client.send(format!("{CONNECT}early"));
    let mut server = upstream.accept();
    server.head();
    server.send("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno");
    let response = client.message();
    assert_eq!((response.status(), response.head.get("connection")), (403, Some("close")));
    server.expect_gone();
}
