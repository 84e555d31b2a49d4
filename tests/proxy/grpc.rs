//! gRPC as far as HTTP/1.1 carries it: chunked bodies with trailers.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Clock, Head, Proxy, Upstream, Wire, closed_port, eventually};

/// As a gRPC client over HTTP/1.1 would ask, without its body.
fn call(path: &str, fields: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc\r\n{fields}transfer-encoding: chunked\r\n\r\n"
    )
}

/// One empty message, and the end.
const EMPTY: &str = "5\r\n\0\0\0\0\0\r\n0\r\n\r\n";

const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\n\r\n";

fn proxy(upstream: &Upstream, mut listener: Value) -> Proxy {
    listener["http"] = json!({ "enable_trailers": true });
    Proxy::between(upstream, listener, json!({}))
}

/// `200 content-type grpc-status grpc-message`
fn told(head: &Head) -> String {
    let field = |name| head.get(name).unwrap_or("-");
    format!("{} {} {} {}", head.status(), field("content-type"), field("grpc-status"), field("grpc-message"))
}

/// Takes the request from the proxy and answers it with one message and these trailers.
fn answer(server: &mut Wire, trailers: &str) -> Head {
    let request = server.message();
    assert_eq!(request.body, [0; 5]);
    server.send(format!("{ANSWER}7\r\n\0\0\0\0\x02hi\r\n0\r\n{trailers}\r\n"));
    request.head
}

#[test]
fn messages_and_trailers_pass_both_ways_at_once() {
    let upstream = Upstream::start();
    let proxy = proxy(&upstream, json!({}));
    let mut client = proxy.client();
    client.send(call("/a.B/C", "te: trailers\r\n"));
    let mut server = upstream.accept();
    assert_eq!(server.head().get("content-type"), Some("application/grpc"));
    server.send(ANSWER);
    client.head();
    for _ in 0..3 {
        client.send("5\r\n\0\0\0\0\0\r\n");
        server.expect("5\r\n\0\0\0\0\0\r\n");
        server.send("7\r\n\0\0\0\0\x02hi\r\n");
        client.expect("7\r\n\0\0\0\0\x02hi\r\n");
    }
    client.send("0\r\n\r\n");
    server.expect("0\r\n\r\n");
    server.send("0\r\ngrpc-status: 0\r\nx-a: b\r\n\r\n");
    client.expect("0\r\ngrpc-status: 0\r\nx-a: b\r\n\r\n");
}

#[test]
fn local_errors_are_grpc_statuses() {
    let routes = json!([
        { "match": { "path": "/no/Host" }, "cluster": "nobody" },
        { "match": { "path": "/not/Allowed" }, "respond": { "status": 403, "body": "50% \u{e9}\n" } },
        { "match": { "path": "/has/Moved" }, "redirect": { "path": "/x" } },
    ]);
    let clusters = json!({ "nobody": { "endpoints": [closed_port()] } });
    let proxy = Proxy::start(json!({ "listeners": [{ "routes": routes }], "clusters": clusters }));
    let rows = [
        ("/no/Host", "200 application/grpc 14 upstream connect error"),
        ("/not/Allowed", "200 application/grpc 7 50%25 %C3%A9"),
        ("/no/Route", "200 application/grpc 12 no route"),
        ("/has/Moved", "301 - - -"),
    ];
    for (path, expected) in rows {
        let mut client = proxy.client();
        client.send(call(path, "") + EMPTY);
        let response = client.message();
        assert_eq!((told(&response.head).as_str(), response.text()), (expected, ""), "{path}");
        assert_eq!(response.head.get("content-length"), Some("0"));
    }
    // What the client is told and what happened are two things.
    proxy.await_stat("http.listener-0.downstream_rq_2xx", 3);
    assert_eq!(proxy.stat("cluster.nobody.upstream_rq_503"), 1);
    assert_eq!(proxy.get("/not/Allowed").status(), 403, "only gRPC is answered so");
}

/// A frame of HTTP/2 (RFC 9113 section 4.1).
fn h2_frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    [&[0, 0, payload.len() as u8, kind, flags, 0, 0, 0, stream], payload].concat()
}

const HEADERS: u8 = 1;

/// A call on stream 1 of a new connection, without its body.
fn h2_call(proxy: &Proxy) -> Wire {
    let mut client = proxy.client();
    client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    client.send(h2_frame(4, 0, 0, b""));
    // POST, http, and literals for :authority, :path and content-type (RFC 7541 section 6).
    let fields = [&b"\x83\x86\x41\x01a\x44\x06/a.B/C"[..], b"\x5f\x10application/grpc"].concat();
    client.send(h2_frame(HEADERS, 0x4, 1, &fields));
    client
}

#[test]
fn over_http_2_a_stream_may_rest() {
    let upstream = Upstream::start();
    let http = json!({ "request_body_idle_timeout": "100ms" });
    let proxy = Proxy::between(&upstream, json!({ "http": http }), json!({}));
    let mut client = h2_call(&proxy);
    let mut server = upstream.accept();
    server.head();
    server.expect_silence(Duration::from_millis(500));
    client.send(h2_frame(0, 0, 1, b"\0\0\0\0\0"));
    server.expect("5\r\n\0\0\0\0\0\r\n");
}

#[test]
fn over_http_2_an_answer_of_the_proxy_is_one_head() {
    let respond = json!([{ "respond": { "status": 404, "body": "no such method\n" } }]);
    let proxy = Proxy::start(json!({ "listeners": [{ "routes": respond }] }));
    let mut client = h2_call(&proxy);
    let flags = loop {
        let head = client.take(9);
        client.take(usize::from(head[1]) << 8 | usize::from(head[2]));
        if head[3] == HEADERS {
            break head[4];
        }
    };
    assert_eq!(flags & 0x5, 0x5, "END_STREAM and END_HEADERS: trailers-only");
}

#[test]
fn a_clients_deadline_holds_in_place_of_the_routes_timeout() {
    let upstream = Upstream::start();
    let proxy = proxy(&upstream, json!({ "routes": [{ "cluster": "app", "timeout": "100ms" }] }));
    let mut client = proxy.client();
    client.send(call("/a.B/C", "grpc-timeout: 400m\r\n") + EMPTY);
    let clock = Clock::start();
    let mut server = upstream.accept();
    let head = server.message().head;
    assert_eq!(head.get("grpc-timeout"), Some("400m"));
    // The route's timeout passes.
    let response = client.message();
    assert_eq!(told(&response.head), "200 application/grpc 4 deadline exceeded");
    assert!(clock.elapsed() >= Duration::from_millis(390), "{:?}", clock.elapsed());
    server.expect_gone();
    assert_eq!(proxy.stat("http.listener-0.downstream_rq_max_duration_reached"), 1);
    // Without a deadline of its own.
    client.send(call("/a.B/C", "") + EMPTY);
    let response = client.message();
    assert_eq!(told(&response.head), "200 application/grpc 14 upstream request timeout");
    // Nobody else has one.
    client.send("GET / HTTP/1.1\r\nhost: a\r\ngrpc-timeout: 1H\r\n\r\n");
    assert_eq!(client.message().status(), 504);
}

#[test]
fn a_deadline_begins_with_the_head_and_cuts_a_response() {
    let upstream = Upstream::start();
    let proxy = proxy(&upstream, json!({}));
    let mut client = proxy.client();
    // The request does not end.
    client.send(call("/a.B/C", "grpc-timeout: 300m\r\n"));
    let mut server = upstream.accept();
    server.head();
    assert_eq!(told(&client.message().head), "200 application/grpc 4 deadline exceeded");
    server.expect_gone();
    let mut client = proxy.client();
    client.send(call("/a.B/C", "grpc-timeout: 300m\r\n") + EMPTY);
    let mut server = upstream.accept();
    server.message();
    server.send(ANSWER.to_owned() + "7\r\n\0\0\0\0\x02hi\r\n");
    client.head();
    client.expect("7\r\n\0\0\0\0\x02hi\r\n");
    client.expect_gone();
    server.expect_gone();
}

#[test]
fn a_route_says_how_much_a_client_may_ask_for() {
    let upstream = Upstream::start();
    let proxy = proxy(&upstream, json!({ "routes": [{ "cluster": "app", "grpc_timeout_max": "200ms" }] }));
    let mut client = proxy.client();
    for (asked, passed) in [("10S", "200000u"), ("150m", "150m")] {
        client.send(call("/a.B/C", &format!("grpc-timeout: {asked}\r\n")) + EMPTY);
        let mut server = upstream.accept();
        assert_eq!(server.message().head.get("grpc-timeout"), Some(passed));
        assert_eq!(told(&client.message().head), "200 application/grpc 4 deadline exceeded");
    }
    // What is no timeout is for the upstream to judge.
    client.send(call("/a.B/C", "grpc-timeout: soon\r\n") + EMPTY);
    let mut server = upstream.accept();
    assert_eq!(answer(&mut server, "grpc-status: 3\r\n").get("grpc-timeout"), Some("soon"));
    client.head();
}

#[test]
fn routes_tell_grpc_from_the_rest() {
    let upstream = Upstream::start();
    let routes = json!([
        { "match": { "grpc": true, "path": { "prefix": "/a." } }, "respond": { "status": 401 } },
        { "match": { "grpc": false }, "respond": { "status": 200, "body": "page" } },
    ]);
    let proxy = proxy(&upstream, json!({ "routes": routes }));
    for (path, expected) in [("/a.B/C", "200 application/grpc 16 -"), ("/b/C", "200 application/grpc 12 no route")] {
        let mut client = proxy.client();
        client.send(call(path, "") + EMPTY);
        assert_eq!(told(&client.message().head), expected);
    }
    assert_eq!(proxy.get("/a.B/C").text(), "page");
}

/// Waits for a line of the stats, which may not be there at all before it is first counted.
fn await_line(proxy: &Proxy, line: &str) {
    eventually(line, || proxy.admin("GET", "/stats").text().lines().any(|other| other == line).then_some(()));
}

#[test]
fn calls_are_counted_by_method() {
    let upstream = Upstream::start();
    let filter = json!({ "type": "grpc_stats", "methods": ["pkg.Greeter/SayHello"], "enable_upstream_stats": true });
    let routes = json!([{ "cluster": "app", "rewrite": { "regex": { "pattern": "^", "substitution": "/v1" } } }]);
    let proxy = proxy(&upstream, json!({ "filters": [filter], "routes": routes }));
    let mut client = proxy.client();
    let mut server = None;
    for (path, trailers) in [
        ("/pkg.Greeter/SayHello", "grpc-status: 0\r\n"),
        ("/pkg.Greeter/SayHello", "grpc-status: 5\r\n"),
        ("/pkg.Greeter/SayGoodbye", ""),
    ] {
        client.send(call(path, "") + EMPTY);
        let head = answer(server.get_or_insert_with(|| upstream.accept()), trailers);
        assert_eq!(head.start, format!("POST /v1{path} HTTP/1.1"), "counted as it was asked for");
        client.head();
        client.expect(format!("7\r\n\0\0\0\0\x02hi\r\n0\r\n{trailers}\r\n"));
    }
    for (name, value) in [
        ("pkg.Greeter.SayHello.total", 2),
        ("pkg.Greeter.SayHello.success", 1),
        ("pkg.Greeter.SayHello.failure", 1),
        ("pkg.Greeter.SayHello.0", 1),
        ("pkg.Greeter.SayHello.5", 1),
        ("pkg.Greeter.SayHello.request_message_count", 2),
        ("pkg.Greeter.SayHello.response_message_count", 2),
        ("total", 1),
        ("failure", 1),
    ] {
        await_line(&proxy, &format!("cluster.app.grpc.{name}: {value}"));
    }
    let prometheus = proxy.admin("GET", "/stats/prometheus");
    let line = "nuncio_cluster_grpc_total{nuncio_cluster_name=\"app\",nuncio_grpc_bridge_service=\"pkg.Greeter\",\
                nuncio_grpc_bridge_method=\"SayHello\"} 2";
    assert!(prometheus.text().contains(line), "{}", prometheus.text());
    assert!(proxy.admin("GET", "/stats").text().contains("cluster.app.grpc.pkg.Greeter.SayHello.upstream_rq_time: P0"));
}

fn web(proxy: &Proxy, form: &str, body: &str) -> Wire {
    let mut client = proxy.client();
    client.send(format!(
        "POST /a.B/C HTTP/1.1\r\nhost: a\r\norigin: https://page.example\r\ncontent-type: application/{form}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    ));
    client
}

fn web_proxy(upstream: &Upstream) -> Proxy {
    let cors = json!({ "type": "cors", "allow_origin": "*", "expose_headers": ["grpc-status", "grpc-message"] });
    let stats = json!({ "type": "grpc_stats" });
    proxy(upstream, json!({ "filters": [cors, { "type": "grpc_web" }, stats] }))
}

#[test]
fn a_browser_calls_grpc() {
    const FRAME: &[u8] = b"\x80\0\0\0\x10grpc-status: 0\r\n";
    let upstream = Upstream::start();
    let proxy = web_proxy(&upstream);
    let mut client = web(&proxy, "grpc-web+proto", "\0\0\0\0\0");
    let mut server = upstream.accept();
    let head = answer(&mut server, "grpc-status: 0\r\n");
    assert_eq!((head.get("content-type"), head.get("content-length")), (Some("application/grpc+proto"), Some("5")));
    let response = client.message();
    assert_eq!(response.head.get("content-type"), Some("application/grpc-web+proto"));
    assert_eq!(response.head.get("access-control-expose-headers"), Some("grpc-status, grpc-message"));
    assert_eq!(response.body, [b"\0\0\0\0\x02hi", FRAME].concat());
    // As text, each message encoded by itself.
    let mut client = web(&proxy, "grpc-web-text", "AAAAAAA=");
    let head = answer(&mut server, "grpc-status: 0\r\n");
    assert_eq!((head.get("content-type"), head.get("transfer-encoding")), (Some("application/grpc"), Some("chunked")));
    let response = client.message();
    assert_eq!(response.head.get("content-type"), Some("application/grpc-web-text+proto"));
    assert_eq!(response.text(), "AAAAAAJoaQ==gAAAABBncnBjLXN0YXR1czogMA0K");
    await_line(&proxy, "cluster.app.grpc.success: 2");
    await_line(&proxy, "cluster.app.grpc.request_message_count: 2");
}

#[test]
fn a_browser_is_told_of_errors() {
    let upstream = Upstream::start();
    let proxy = web_proxy(&upstream);
    // Trailers-only stays in the head.
    let mut client = web(&proxy, "grpc-web-text", "AAAAAAA=");
    let mut server = upstream.accept();
    server.message();
    server.send("HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: 5\r\ncontent-length: 0\r\n\r\n");
    let response = client.message();
    assert_eq!(told(&response.head), "200 application/grpc-web-text+proto 5 -");
    // The proxy's own: of a filter, of the upstream that is lost.
    let mut client = web(&proxy, "grpc-web-text", "AAAA*AA=");
    server.head();
    let response = client.message();
    assert_eq!(told(&response.head), "200 application/grpc-web-text+proto 13 the request is not valid base64");
    assert_eq!(response.head.get("access-control-allow-origin"), Some("*"));
    let mut client = web(&proxy, "grpc-web", "\0\0\0\0\0");
    let mut server = upstream.accept();
    server.message();
    drop(server);
    let response = client.message();
    assert_eq!(
        told(&response.head),
        "200 application/grpc-web+proto 14 upstream closed the connection before a response"
    );
    // No gRPC at all.
    let mut client = web(&proxy, "grpc-web", "\0\0\0\0\0");
    let mut server = upstream.accept();
    server.message();
    server.send("HTTP/1.1 404 Not Found\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\nno");
    let response = client.message();
    assert_eq!((told(&response.head).as_str(), response.text()), ("404 text/html - -", "no"));
}
