//! Routes end to end: which cluster gets what, rewritten how, and what is answered without one.

use serde_json::json;

use crate::harness::{Proxy, Server, Upstream};

#[test]
fn the_first_route_that_matches_is_taken() {
    let (one, two) = (Server::answering("one"), Server::answering("two"));
    let proxy = Proxy::start(json!({
        "listeners": [{ "routes": [
            { "match": { "host": "one.example", "path": { "prefix": "/v1/" } }, "cluster": "one" },
            { "match": { "method": "DELETE" }, "respond": { "status": 405 } },
            { "match": { "headers": { "x-tier": "gold" } }, "cluster": "two" },
            { "match": { "query": { "q": "1" } }, "cluster": "two" },
        ] }],
        "clusters": { "one": { "endpoints": [one.address()] }, "two": { "endpoints": [two.address()] } },
    }));
    let rows = [
        ("GET /v1/a HTTP/1.1\r\nhost: ONE.example.:80\r\n\r\n", 200, "one"),
        ("GET /x/../v1/a HTTP/1.1\r\nhost: one.example\r\n\r\n", 200, "one"),
        ("GET http://one.example/v1/a HTTP/1.1\r\nhost: one.example\r\n\r\n", 200, "one"),
        ("DELETE /v2 HTTP/1.1\r\nhost: one.example\r\n\r\n", 405, ""),
        ("GET / HTTP/1.1\r\nhost: a\r\nx-tier: gold\r\n\r\n", 200, "two"),
        ("GET /?p=2&q=1 HTTP/1.1\r\nhost: a\r\n\r\n", 200, "two"),
        ("GET / HTTP/1.1\r\nhost: a\r\n\r\n", 404, "no route\n"),
    ];
    let mut client = proxy.client();
    for (request, status, body) in rows {
        client.send(request);
        let response = client.message();
        assert_eq!((response.status(), response.text()), (status, body), "{request:?}");
    }
    assert_eq!(proxy.stat("cluster.one.upstream_rq_total"), 3);
}

#[test]
fn redirects_and_answers_need_no_upstream() {
    let proxy = Proxy::start(json!({ "listeners": [{ "routes": [
        { "match": { "path": "/old" }, "redirect": { "status": 308, "scheme": "https", "host": "www.example", "path": "/new?a=b" } },
        { "match": { "path": { "prefix": "/p/" } }, "redirect": { "prefix": "/q/" } },
        { "match": { "path": "/healthz" }, "respond": { "status": 200, "body": "ok\n" },
          "response_headers": { "set": { "cache-control": "no-store" } } },
        { "respond": { "status": 204 } },
    ] }] }));
    let old = proxy.get("/old?x=1");
    assert_eq!((old.status(), old.head.get("location")), (308, Some("https://www.example/new?a=b")));
    let prefix = proxy.get("/p/a?x=1");
    assert_eq!((prefix.status(), prefix.head.get("location")), (301, Some("http://a.example/q/a?x=1")));
    let health = proxy.get("/healthz");
    assert_eq!((health.status(), health.text()), (200, "ok\n"));
    assert_eq!(
        (health.head.get("content-type"), health.head.get("cache-control")),
        (Some("text/plain"), Some("no-store"))
    );
    let other = proxy.get("/");
    assert_eq!((other.status(), other.head.get("content-length")), (204, None));
}

#[test]
fn rewrites_and_edits_change_what_the_upstream_gets() {
    let upstream = Upstream::start();
    let routes = json!([
        { "match": { "path": { "prefix": "/shop" } }, "cluster": "app", "rewrite": { "prefix": "/", "host": "shop.internal" },
          "request_headers": { "set": { "x-site": "shop" }, "add": { "x-add": ["1", "2"] }, "remove": ["x-debug"] },
          "response_headers": { "remove": ["x-powered-by"], "set": { "x-from": "%UPSTREAM_CLUSTER%" } } },
        { "match": { "path": { "prefix": "/v" } }, "cluster": "app",
          "rewrite": { "regex": { "pattern": "^/v([0-9]+)/(.*)$", "substitution": "/$2/$1" } } },
    ]);
    let proxy = Proxy::between(&upstream, json!({ "routes": routes }), json!({}));
    let mut client = proxy.client();
    client.send("GET /shop/cart?a=/shop HTTP/1.1\r\nhost: a.example\r\nx-debug: 1\r\nx-site: theirs\r\n\r\n");
    let mut server = upstream.accept();
    let request = server.head();
    let added: Vec<&str> =
        request.fields.iter().filter(|(name, _)| name == "x-add").map(|(_, value)| &**value).collect();
    assert_eq!(added, ["1", "2"]);
    let rest = request.without(&["x-request-id", "x-add", "x-forwarded-for", "x-forwarded-proto"]);
    assert_eq!(
        rest,
        "GET /cart?a=/shop HTTP/1.1\nhost: shop.internal\nx-site: shop\n\
         x-envoy-original-path: /shop/cart?a=/shop\nx-forwarded-host: a.example"
    );
    server.send("HTTP/1.1 200 OK\r\nx-powered-by: them\r\ncontent-length: 0\r\n\r\n");
    let response = client.head();
    assert_eq!(response.without(&["date"]), "HTTP/1.1 200 OK\nx-from: app\nserver: nuncio\ncontent-length: 0");

    client.send("GET /v2/a/b?q HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(server.head().start, "GET /a/b/2?q HTTP/1.1");
}

#[test]
fn clusters_share_by_their_weights() {
    let servers = ["a", "b", "never"].map(Server::answering);
    let [a, b, never] = servers.each_ref().map(Server::address);
    let proxy = Proxy::start(json!({
        "listeners": [{ "http": { "max_requests_per_connection": "off" }, "routes": [{ "clusters": [
            { "name": "a", "weight": 75 }, { "name": "b", "weight": 25 }, { "name": "never", "weight": 0 },
        ] }] }],
        "clusters": { "a": { "endpoints": [a] }, "b": { "endpoints": [b] }, "never": { "endpoints": [never] } },
    }));
    let mut client = proxy.client();
    let mut hits = 0;
    for _ in 0..2000 {
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        hits += usize::from(client.message().text() == "a");
    }
    // 1500 is the mean, 19 the standard deviation: seven of them.
    assert!((1365..=1635).contains(&hits), "{hits} of 2000");
    assert_eq!(servers[2].connections(), 0);
}
