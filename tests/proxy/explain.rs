//! POST `/explain`: the running configuration says which way a request would take.

use serde_json::{Value, json};

use crate::harness::{Proxy, Server};

fn explain(proxy: &Proxy, question: Value) -> (u16, Value) {
    let reply = proxy.admin_with("POST", "/explain", &question.to_string());
    (reply.status(), serde_json::from_str(reply.text()).unwrap_or_default())
}

#[test]
fn datagrams_have_their_routes_too() {
    let proxy = Proxy::start(json!({
        "listeners": [
            { "routes": [{ "respond": { "status": 200 } }] },
            { "name": "dns", "protocol": "udp", "routes": [
                { "match": { "source": "192.0.2.0/24" }, "cluster": "app" }, { "cluster": "other" }] },
        ],
        "clusters": { "app": { "endpoints": ["192.0.2.1:9"] }, "other": { "endpoints": ["192.0.2.2:9"] } },
    }));
    let url = format!("udp://{}", proxy.listener(1));
    let (_, answer) = explain(&proxy, json!({ "url": url }));
    assert_eq!((&answer["listeners"][0]["name"], &answer["listeners"][0]["taken"]), (&json!("dns"), &json!(true)));
    assert_eq!(answer["outcomes"][0]["clusters"][0]["name"], "app", "nobody's address is one of that range");
    let (_, answer) = explain(&proxy, json!({ "url": url, "from": "10.0.0.1" }));
    assert_eq!(answer["outcomes"][0]["clusters"][0]["name"], "other");
    assert_eq!(answer["request"], json!({ "url": url, "from": "10.0.0.1" }));
}

#[test]
fn the_answer_follows_the_running_configuration() {
    let server = Server::answering("app");
    let proxy = Proxy::start(json!({
        "listeners": [{ "name": "web", "routes": [
            { "name": "canary", "match": { "runtime": { "key": "canary", "default": 5 } }, "cluster": "canary" },
            { "name": "gold", "match": { "headers": { "x-tier": "gold" } }, "cluster": "app", "timeout": "3s" },
        ] }],
        "clusters": {
            "app": { "endpoints": [server.address()] },
            "canary": { "endpoints": [{ "address": server.address(), "weight": 3 }, "192.0.2.1:9"] },
        },
    }));
    let url = format!("http://{}/x", proxy.listener(0));
    let (status, answer) = explain(&proxy, json!({ "url": url, "headers": { "x-tier": "gold" } }));
    assert_eq!((status, &answer["live"]), (200, &json!(true)));
    assert_eq!(answer["listeners"][0]["taken"], true, "by the port that the kernel chose");
    let shares: Vec<&Value> = answer["outcomes"].as_array().unwrap().iter().map(|it| &it["percent"]).collect();
    assert_eq!(shares, [&json!(5.0), &json!(95.0)]);
    let hosts = &answer["outcomes"][0]["clusters"][0]["hosts"];
    assert_eq!((&hosts[0]["percent"], &hosts[0]["health"]), (&json!(75.0), &json!("healthy")));
    assert_eq!(hosts[1]["address"], "192.0.2.1:9");
    let gold = &answer["outcomes"][1];
    assert_eq!((&gold["name"], &gold["clusters"][0]["name"]), (&json!("gold"), &json!("app")));
    assert_eq!(gold["timeouts"][0], json!({ "name": "timeout", "value": "3s", "from": "route" }));

    // What an operator says counts at once, and without the header there is no other route.
    assert_eq!(proxy.admin("POST", "/runtime_modify?canary=0&upstream.maintenance_mode.app=50").status(), 200);
    let (_, answer) = explain(&proxy, json!({ "url": url }));
    assert_eq!(
        answer["routes"][1]["because"],
        json!({ "predicate": "header x-tier", "asks": "exactly \"gold\"", "has": "none" })
    );
    assert_eq!((&answer["outcomes"][0]["status"], &answer["outcomes"][0]["percent"]), (&json!(404), &json!(100.0)));
    let (_, answer) = explain(&proxy, json!({ "url": url, "headers": { "x-tier": "gold" } }));
    assert_eq!(answer["outcomes"][0]["clusters"][0]["maintenance_percent"], 50.0);
    assert_eq!(proxy.stat("http.web.downstream_rq_total"), 0, "nothing was sent");

    let refused = proxy.admin_with("POST", "/explain", "{}");
    assert_eq!((refused.status(), refused.text()), (400, "\"url\" is missing\n"));
    let large = proxy.admin_with("POST", "/explain", &" ".repeat(65 << 10));
    assert_eq!(large.status(), 413);
    let text = proxy.admin_with("POST", "/explain?format=text", &json!({ "url": url }).to_string());
    assert!(text.text().contains("routes[1] gold: no: header x-tier asks for"), "{}", text.text());
}
