//! `x-envoy-attempt-count`: which try a request is, said to hosts, and to clients when it is over.

use serde_json::{Value, json};

use crate::harness::{Proxy, Upstream, closed_port};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-envoy-attempt-count: 9\r\n\r\n";
const BUSY: &str = "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n";
const FIELD: &str = "x-envoy-attempt-count";

fn proxy(endpoints: Value, http: Value) -> Proxy {
    let retry = json!({ "on": ["5xx"], "back_off": { "base": "1ms" } });
    let routes = json!([
        { "match": { "path": "/here" }, "respond": { "status": 200 } },
        { "cluster": "app", "retry": retry },
    ]);
    Proxy::start(json!({
        "listeners": [{ "http": http, "routes": routes }],
        "clusters": { "app": { "endpoints": endpoints } },
    }))
}

#[test]
fn both_sides_are_told_if_the_configuration_says_so() {
    let upstream = Upstream::start();
    for (http, told, answered) in [
        // Nobody believes the client, nor repeats what it says.
        (json!({}), [None, None], Some("9")),
        (json!({ "include_request_attempt_count": true }), [Some("1"), Some("2")], Some("9")),
        (json!({ "include_attempt_count_in_response": true }), [None, None], Some("2")),
        (json!({ "trusted_proxies": ["127.0.0.0/8"] }), [Some("7"), Some("7")], Some("9")),
        (
            json!({ "trusted_proxies": ["127.0.0.0/8"], "include_request_attempt_count": true }),
            [Some("1"), Some("2")],
            Some("9"),
        ),
    ] {
        let proxy = proxy(json!([upstream.address()]), http.clone());
        let mut client = proxy.client();
        client.send(format!("GET / HTTP/1.1\r\nhost: a\r\n{FIELD}: 7\r\n\r\n"));
        let mut server = upstream.accept();
        assert_eq!(server.head().get(FIELD), told[0], "{http}");
        server.send(BUSY);
        assert_eq!(server.head().get(FIELD), told[1], "{http}");
        server.send(OK);
        assert_eq!(client.message().head.get(FIELD), answered, "{http}");
    }
}

#[test]
fn a_try_without_a_connection_counts_too() {
    let upstream = Upstream::start();
    let http = json!({ "include_request_attempt_count": true, "include_attempt_count_in_response": true });
    let gone = closed_port();
    let endpoints = json!([gone, { "address": upstream.address(), "priority": 1 }]);
    let two = proxy(endpoints, http.clone());
    let mut client = two.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut server = upstream.accept();
    assert_eq!(server.head().get(FIELD), Some("2"));
    server.send(OK);
    assert_eq!(client.message().head.get(FIELD), Some("2"));
    let none = proxy(json!([gone]), http);
    let failed = none.get("/");
    assert_eq!((failed.status(), failed.head.get(FIELD)), (503, Some("2")), "an answer of our own says so as well");
    assert_eq!(none.get("/here").head.get(FIELD), None, "nobody was tried");
}
