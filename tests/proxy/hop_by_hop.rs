//! What belongs to one connection is not passed on, and what a request may not take away stays (row T-1); who the client is
//! (rows T-2 and T-3).

use serde_json::{Value, json};

use crate::harness::{Head, Proxy, Upstream};

/// The head that an upstream gets for this one, without the request id.
fn forwarded(http: Value, request: &str) -> (Head, Head) {
    let upstream = Upstream::start();
    let proxy = Proxy::between(&upstream, json!({ "http": http }), json!({}));
    let mut client = proxy.client();
    client.send(request);
    let mut server = upstream.accept();
    let head = server.head();
    server.send(concat!(
        "HTTP/1.1 200 OK\r\nconnection: x-private, keep-alive\r\nx-private: 1\r\nkeep-alive: timeout=5\r\n",
        "proxy-connection: close\r\nx-public: 2\r\nserver: theirs\r\ncontent-length: 0\r\n\r\n"
    ));
    (head, client.head())
}

#[test]
fn fields_of_one_connection_stay_on_it() {
    let (request, response) = forwarded(
        json!({}),
        concat!(
            "GET / HTTP/1.1\r\nhost: a\r\nConnection: X-Private, keep-alive\r\nX-Private: 1\r\nkeep-alive: 5\r\n",
            "proxy-connection: keep-alive\r\nte: trailers\r\nX-Public: 2\r\n\r\n"
        ),
    );
    assert_eq!(
        request.without(&["x-request-id"]),
        "GET / HTTP/1.1\nhost: a\nx-public: 2\nx-forwarded-for: 127.0.0.1\nx-forwarded-proto: http"
    );
    assert_eq!(response.without(&["date"]), "HTTP/1.1 200 OK\nx-public: 2\nserver: nuncio\ncontent-length: 0");
}

#[test]
fn connection_cannot_name_what_the_upstream_relies_on() {
    let (request, _) = forwarded(
        json!({}),
        concat!(
            "GET / HTTP/1.1\r\nhost: a\r\nauthorization: secret\r\ncookie: c=1\r\n",
            "connection: host, authorization, cookie, x-forwarded-for, x-forwarded-proto, x-request-id, content-length\r\n\r\n"
        ),
    );
    for (name, value) in [
        ("host", "a"),
        ("authorization", "secret"),
        ("cookie", "c=1"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "http"),
    ] {
        assert_eq!(request.get(name), Some(value), "{request}");
    }
    assert!(request.get("x-request-id").is_some());
}

#[test]
fn a_strangers_word_about_the_client_does_not_pass() {
    let request = concat!(
        "GET / HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 1.2.3.4\r\nx-forwarded-proto: https\r\nx-forwarded-host: evil\r\n",
        "forwarded: for=1.2.3.4\r\nx-real-ip: 1.2.3.4\r\nx-envoy-retry-on: 5xx\r\nx-request-id: mine\r\n\r\n"
    );
    let (head, _) = forwarded(json!({}), request);
    assert_eq!(
        head.without(&["x-request-id"]),
        "GET / HTTP/1.1\nhost: a\nx-forwarded-for: 127.0.0.1\nx-forwarded-proto: http"
    );
    let id = head.get("x-request-id").unwrap();
    assert!(id.len() == 36 && id != "mine", "{id}");

    // A trusted one's does, and we are added.
    let (head, _) = forwarded(json!({ "trusted_proxies": ["127.0.0.0/8"] }), request);
    assert_eq!(head.get("x-forwarded-for"), Some("1.2.3.4, 127.0.0.1"));
    assert_eq!(head.get("x-forwarded-proto"), Some("https"));
    assert_eq!(head.get("x-forwarded-host"), Some("evil"));
    assert_eq!(head.get("x-request-id"), Some("mine"));
}
