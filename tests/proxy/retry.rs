//! `retry` of a route: what is sent again, to whom, and what the client gets when nothing helps.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{LogFile, Proxy, Upstream, Wire, blackhole, closed_port};

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const BUSY: &str = "HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy";
const QUIET: Duration = Duration::from_millis(100);

/// Retries at once, unless `retry` says something else.
fn proxy(upstream: &Upstream, retry: Value) -> Proxy {
    proxy_to(json!([upstream.address()]), retry, json!({}))
}

fn proxy_to(endpoints: Value, mut retry: Value, mut route: Value) -> Proxy {
    if retry.get("back_off").is_none() {
        retry["back_off"] = json!({ "base": "1ms" });
    }
    route["cluster"] = json!("app");
    route["retry"] = retry;
    Proxy::start(json!({
        "listeners": [{ "routes": [route], "http": { "enable_trailers": true } }],
        "clusters": { "app": { "endpoints": endpoints } },
    }))
}

#[test]
fn an_answer_that_is_listed_is_not_taken() {
    let upstream = Upstream::start();
    let proxy = proxy(&upstream, json!({ "on": ["5xx"], "attempts": 2 }));
    let mut client = proxy.client();
    client.send(GET);
    let mut server = upstream.accept();
    for _ in 0..2 {
        server.head();
        // Its body is here: the connection serves the next try.
        server.send(BUSY);
    }
    server.head();
    server.send(OK);
    assert_eq!(client.message().text(), "ok");
    for (stat, count) in [
        ("upstream_rq_retry", 2),
        ("upstream_rq_retry_success", 1),
        ("upstream_rq_retry_backoff_exponential", 2),
        ("retry.upstream_rq_503", 2),
        ("upstream_rq_200", 1),
        ("upstream_rq_total", 3),
        ("upstream_cx_total", 1),
    ] {
        assert_eq!(proxy.stat(&format!("cluster.app.{stat}")), count, "{stat}");
    }
}

#[test]
fn what_came_last_is_what_the_client_gets() {
    let (upstream, log) = (Upstream::start(), LogFile::new("retry"));
    let proxy = Proxy::start(json!({
        "listeners": [{
            "routes": [{ "cluster": "app", "retry": { "on": ["5xx"], "back_off": { "base": "1ms" } } }],
            "access_log": [{ "path": log.0, "format": "%RESPONSE_CODE% %RESPONSE_FLAGS% %UPSTREAM_REQUEST_ATTEMPT_COUNT%\n" }],
        }],
        "clusters": { "app": { "endpoints": [upstream.address()] } },
    }));
    let mut client = proxy.client();
    client.send(GET);
    let mut server = upstream.accept();
    server.head();
    server.send(BUSY);
    server.head();
    server.send("HTTP/1.1 502 Bad\r\ncontent-length: 3\r\n\r\nbad");
    let response = client.message();
    assert_eq!((response.status(), response.text()), (502, "bad"));
    assert_eq!(proxy.stat("cluster.app.upstream_rq_retry_limit_exceeded"), 1);
    assert_eq!(proxy.stat("cluster.app.upstream_rq_retry_success"), 0, "it did not help");
    assert_eq!(log.lines(1)[0], "502 URX 2");
}

#[test]
fn only_what_is_listed_is_sent_again() {
    let upstream = Upstream::start();
    for (on, answer, again) in [
        (json!(["gateway-error"]), "HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n", false),
        (json!(["gateway-error"]), "HTTP/1.1 502 No\r\ncontent-length: 0\r\n\r\n", true),
        (json!(["retriable-4xx"]), "HTTP/1.1 409 No\r\ncontent-length: 0\r\n\r\n", true),
        (json!(["connect-failure"]), BUSY, false),
        (
            json!(["envoy-ratelimited"]),
            "HTTP/1.1 429 No\r\nx-envoy-ratelimited: true\r\ncontent-length: 0\r\n\r\n",
            true,
        ),
    ] {
        let proxy = proxy(&upstream, json!({ "on": on }));
        let mut client = proxy.client();
        client.send(GET);
        let mut server = upstream.accept();
        server.head();
        server.send(answer);
        if again {
            server.head();
            server.send(OK);
        }
        assert_eq!(client.message().status() == 200, again, "{on} {answer:?}");
    }
}

#[test]
fn another_host_is_tried_first() {
    let upstream = Upstream::start();
    let closed = closed_port();
    let proxy = proxy_to(json!([closed, upstream.address()]), json!({ "on": ["connect-failure"] }), json!({}));
    for _ in 0..4 {
        let mut client = proxy.client();
        client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi");
        let mut server = upstream.accept();
        assert_eq!(server.message().text(), "hi");
        server.send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok");
        assert_eq!(client.message().text(), "ok");
    }
    assert!((2..=4).contains(&proxy.stat("cluster.app.upstream_rq_retry")), "one for each that met the closed port");
}

#[test]
fn a_body_is_sent_again_whole_and_one_that_is_too_long_is_not() {
    let upstream = Upstream::start();
    for (limit, again) in [("64KiB", true), ("1000B", false)] {
        let limit = if limit == "1000B" { json!(1000) } else { json!(limit) };
        let proxy = proxy(&upstream, json!({ "on": ["5xx"], "max_body_bytes": limit }));
        let mut client = proxy.client();
        let body = "x".repeat(2000);
        client.send(format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2000\r\n\r\n{body}"));
        let mut server = upstream.accept();
        assert_eq!(server.message().text(), body);
        server.send(BUSY);
        if again {
            assert_eq!(server.message().text(), body);
            server.send(OK);
        }
        assert_eq!(client.message().status(), if again { 200 } else { 503 });
        assert_eq!(proxy.stat("cluster.app.upstream_rq_retry"), u64::from(again));
    }
}

/// The first host answers before it has the body; the rest of it goes to the second one alone.
#[test]
fn an_early_answer_is_not_taken_and_the_body_goes_on() {
    let upstream = Upstream::start();
    let proxy = proxy(&upstream, json!({ "on": ["5xx"] }));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\nabc");
    let mut server = upstream.accept();
    server.head();
    server.expect("abc");
    server.send(BUSY);
    let mut second = upstream.accept();
    second.head();
    second.expect("abc");
    client.send("def");
    second.expect("def");
    second.send(OK);
    assert_eq!(client.message().text(), "ok");
}

#[test]
fn a_try_has_its_own_limit_of_time() {
    let upstream = Upstream::start();
    let proxy = proxy(&upstream, json!({ "on": ["5xx"], "per_try_timeout": "200ms" }));
    let mut client = proxy.client();
    client.send(GET);
    let mut silent = upstream.accept();
    silent.head();
    let mut server = upstream.accept();
    server.head();
    server.send(OK);
    assert_eq!(client.message().text(), "ok");
    assert_eq!(proxy.stat("cluster.app.upstream_rq_per_try_timeout"), 1);
    // Both are silent.
    client.send(GET);
    server.head();
    let mut third = upstream.accept();
    third.head();
    let response = client.message();
    assert_eq!((response.status(), response.text()), (504, "upstream request timeout\n"));
}

#[test]
fn a_slow_try_that_wins_in_the_pause_before_the_next_is_the_last() {
    let upstream = Upstream::start();
    let pause = Duration::from_millis(300);
    let retry = json!({ "on": ["5xx"], "per_try_timeout": "100ms", "back_off": { "base": "300ms", "max": "300ms" } });
    let route = json!({ "cluster": "app", "retry": retry });
    let proxy = Proxy::between(
        &upstream,
        json!({ "http": { "trusted_proxies": ["127.0.0.0/8"] }, "routes": [route] }),
        json!({}),
    );
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\nx-envoy-hedge-on-per-try-timeout: true\r\n\r\n");
    let mut slow = upstream.accept();
    slow.head();
    proxy.await_stat("cluster.app.upstream_rq_per_try_timeout", 1);
    slow.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no");
    // The next try would begin meanwhile.
    std::thread::sleep(pause);
    slow.send("k");
    assert_eq!(client.message().text(), "ok");
}

/// A proxy whose clients may ask for hedging, and one that does.
fn hedged(upstream: &Upstream, attempts: u32) -> (Proxy, Wire) {
    let retry =
        json!({ "on": ["reset"], "attempts": attempts, "per_try_timeout": "50ms", "back_off": { "base": "1ms" } });
    let route = json!({ "cluster": "app", "retry": retry, "timeout": "off" });
    let http = json!({ "trusted_proxies": ["127.0.0.0/8"] });
    let proxy = Proxy::between(upstream, json!({ "http": http, "routes": [route] }), json!({}));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\nx-envoy-hedge-on-per-try-timeout: true\r\n\r\n");
    (proxy, client)
}

#[test]
fn any_of_several_slow_tries_at_one_host_may_still_win() {
    for winner in 0..3 {
        let upstream = Upstream::start();
        let (proxy, mut client) = hedged(&upstream, 2);
        let mut tries: Vec<Wire> = (0..3).map(|_| upstream.accept()).collect();
        tries.iter_mut().for_each(|server| drop(server.head()));
        // The last one is too slow as well, and is waited for.
        proxy.await_stat("cluster.app.upstream_rq_per_try_timeout", 3);
        tries[winner].send(OK);
        assert_eq!(client.message().text(), "ok", "{winner}");
        proxy.await_stat("cluster.app.upstream_rq_active", 0);
        upstream.expect_nobody(QUIET);
    }
}

#[test]
fn a_slow_try_keeps_no_better_one_from_being_made() {
    let upstream = Upstream::start();
    let (_proxy, mut client) = hedged(&upstream, 2);
    let mut slow = upstream.accept();
    slow.head();
    let mut broken = upstream.accept();
    broken.head();
    broken.reset();
    let mut good = upstream.accept();
    good.head();
    good.send(OK);
    assert_eq!(client.message().text(), "ok");
    slow.expect_gone();
}

#[test]
fn where_nothing_more_is_tried_a_slow_try_is_waited_for() {
    for answer in [Some(BUSY), None] {
        let upstream = Upstream::start();
        let retry = json!({ "on": ["5xx"], "per_try_timeout": "50ms", "back_off": { "base": "1ms" } });
        let route = json!({ "cluster": "app", "retry": retry, "timeout": "off" });
        let http = json!({ "trusted_proxies": ["127.0.0.0/8"] });
        let proxy = Proxy::between(&upstream, json!({ "http": http, "routes": [route] }), json!({}));
        let mut client = proxy.client();
        client.send("GET / HTTP/1.1\r\nhost: a\r\nx-envoy-hedge-on-per-try-timeout: true\r\n\r\n");
        let mut slow = upstream.accept();
        slow.head();
        let mut failing = upstream.accept();
        failing.head();
        match answer {
            Some(answer) => failing.send(answer),
            None => failing.reset(),
        }
        proxy.await_stat("cluster.app.upstream_rq_retry_limit_exceeded", 1);
        slow.send(OK);
        assert_eq!(client.message().text(), "ok");
    }
}

#[test]
fn the_routes_timeout_holds_over_all_tries() {
    let (address, _guard) = blackhole();
    let route = json!({ "timeout": "300ms" });
    let proxy = proxy_to(json!([address]), json!({ "on": ["5xx"], "attempts": 10 }), route);
    assert_eq!(proxy.get("/").status(), 504);
    assert_eq!(proxy.stat("cluster.app.upstream_rq_timeout"), 1);
}

#[test]
fn a_client_that_goes_during_a_pause_ends_it() {
    let upstream = Upstream::start();
    let retry = json!({ "on": ["5xx"], "back_off": { "base": "30s", "max": "60s" } });
    let proxy = proxy_to(json!([upstream.address()]), retry, json!({ "timeout": "off" }));
    let mut client = proxy.client();
    client.send(GET);
    let mut server = upstream.accept();
    server.head();
    server.send(BUSY);
    proxy.await_stat("cluster.app.upstream_rq_retry", 1);
    client.reset();
    proxy.await_stat("cluster.app.upstream_rq_active", 0);
    server.expect_silence(QUIET);
}

const CALL: &str = "POST /a.B/C HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\n\r\n5\r\n\0\0\0\0\0\r\n0\r\n\r\n";
const ANSWER: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\n\r\n7\r\n\0\0\0\0\x02hi\r\n";

#[test]
fn a_grpc_status_in_trailers_is_known_before_the_client_sees_anything() {
    let upstream = Upstream::start();
    let proxy = proxy(&upstream, json!({ "on": ["unavailable"] }));
    let mut client = proxy.client();
    client.send(CALL);
    let mut server = upstream.accept();
    server.message();
    server.send(ANSWER);
    server.send("0\r\ngrpc-status: 14\r\n\r\n");
    server.message();
    server.send(ANSWER);
    server.send("0\r\ngrpc-status: 0\r\n\r\n");
    let head = client.head();
    assert_eq!(head.status(), 200);
    client.expect("7\r\n\0\0\0\0\x02hi\r\n0\r\ngrpc-status: 0\r\n\r\n");
    assert_eq!(proxy.stat("cluster.app.upstream_rq_retry"), 1);
}

#[test]
fn a_grpc_stream_does_not_wait_for_its_end() {
    let upstream = Upstream::start();
    let proxy = proxy(&upstream, json!({ "on": ["unavailable"] }));
    let mut client = proxy.client();
    client.send(CALL);
    let mut server = upstream.accept();
    server.message();
    server.send(ANSWER);
    client.head();
    client.expect("7\r\n\0\0\0\0\x02hi\r\n");
    server.send("0\r\ngrpc-status: 14\r\n\r\n");
    client.expect("0\r\ngrpc-status: 14\r\n\r\n");
}

#[test]
fn a_trusted_client_asks_for_retries_by_itself_and_no_other_one() {
    let upstream = Upstream::start();
    for trusted in [true, false] {
        let http = if trusted { json!({ "trusted_proxies": ["127.0.0.0/8"] }) } else { json!({}) };
        let proxy = Proxy::between(&upstream, json!({ "http": http }), json!({}));
        let mut client = proxy.client();
        client.send("GET / HTTP/1.1\r\nhost: a\r\nx-envoy-retry-on: 5xx\r\nx-envoy-max-retries: 1\r\n\r\n");
        let mut server = upstream.accept();
        assert_eq!(server.head().get("x-envoy-retry-on"), None, "it is for this proxy");
        server.send(BUSY);
        if trusted {
            server.head();
            server.send(OK);
        }
        assert_eq!(client.message().status(), if trusted { 200 } else { 503 });
    }
}
