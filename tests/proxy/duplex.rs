//! Both directions of a request run at once: a response may start, and stream, while the request body still comes.

use serde_json::json;

use crate::harness::{Proxy, Upstream};

#[test]
fn each_side_sees_each_chunk_before_the_next_is_sent() {
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.client();
    client.send("POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    let mut server = upstream.accept();
    assert_eq!(server.head().get("transfer-encoding"), Some("chunked"));
    server.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    assert_eq!(client.head().get("transfer-encoding"), Some("chunked"), "the response starts before a body byte");
    for word in ["one", "two", "three"] {
        let chunk = format!("{:x}\r\n{word}\r\n", word.len());
        client.send(&chunk);
        server.expect(&chunk);
        server.send(&chunk);
        client.expect(&chunk);
    }
    // The request ends first, the response goes on.
    client.send("0\r\n\r\n");
    server.expect("0\r\n\r\n");
    server.send("4\r\nlast\r\n0\r\n\r\n");
    client.expect("4\r\nlast\r\n0\r\n\r\n");
    // Both connections are fit for another request.
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(server.head().start, "GET / HTTP/1.1");
    server.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(client.head().status(), 204);
}

#[test]
fn lengths_are_kept_and_ends_are_exact() {
    let upstream = Upstream::start();
    let proxy = Proxy::to(&upstream);
    let mut client = proxy.client();
    client.send("PUT /f HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n01234");
    let mut server = upstream.accept();
    assert_eq!(server.head().get("content-length"), Some("10"));
    server.expect("01234");
    server.send("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nabc");
    assert_eq!(client.head().get("content-length"), Some("6"));
    client.expect("abc");
    client.send("56789GET /next HTTP/1.1\r\nhost: a\r\n\r\n");
    server.expect("56789");
    server.send("def");
    client.expect("def");
    // The byte behind the body is the next request's.
    assert_eq!(server.head().start, "GET /next HTTP/1.1");
}

#[test]
fn trailers_go_through_where_they_are_enabled() {
    for (enabled, trailers) in [(false, ""), (true, "x-sum: 7\r\n")] {
        let upstream = Upstream::start();
        let proxy = Proxy::between(&upstream, json!({ "http": { "enable_trailers": enabled } }), json!({}));
        let mut client = proxy.client();
        client.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 7\r\n\r\n");
        let mut server = upstream.accept();
        server.head();
        server.expect(format!("1\r\na\r\n0\r\n{trailers}\r\n"));
        server.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nb\r\n0\r\nX-Sum: 7\r\n\r\n");
        client.head();
        client.expect(format!("1\r\nb\r\n0\r\n{trailers}\r\n"));
    }
}
