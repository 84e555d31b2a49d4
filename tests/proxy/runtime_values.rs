//! Runtime values: what an operator says holds from the next request on, without a restart.

use serde_json::{Value, json};

use crate::harness::{LogFile, Proxy, Server};

/// Sets values as an operator does.
fn modify(proxy: &Proxy, change: &str) -> u16 {
    proxy.admin("POST", &format!("/runtime_modify?{change}")).status()
}

fn config(server: &Server, runtime: Value) -> Value {
    let routes = json!([
        { "match": { "runtime": { "key": "checkout.canary" } }, "respond": { "status": 200, "body": "canary" } },
        { "match": { "path": "/fault" }, "cluster": "app", "filters": { "fault": { "abort": { "status": 418, "percent": 0 } } } },
        { "cluster": "app" },
    ]);
    json!({
        "runtime": runtime,
        "listeners": [{ "routes": routes, "filters": [{ "type": "fault", "abort": "off" }] }],
        "clusters": { "app": { "endpoints": [server.address()] }, "other": { "endpoints": [server.address()] } },
    })
}

fn body(proxy: &Proxy, target: &str) -> String {
    proxy.get(target).text().to_owned()
}

#[test]
fn a_share_of_a_route_changes_with_the_next_request() {
    let server = Server::answering("app");
    let proxy = Proxy::start(config(&server, json!({ "checkout": { "canary": 100 } })));
    assert_eq!(body(&proxy, "/"), "canary", "as the file says");
    assert_eq!(modify(&proxy, "checkout.canary=0"), 200);
    assert_eq!(body(&proxy, "/"), "app");
    assert_eq!(modify(&proxy, "checkout.canary=101"), 400);
    assert_eq!(body(&proxy, "/"), "app", "what is refused changes nothing");
    let shown: Value = serde_json::from_str(proxy.admin("GET", "/runtime").text()).unwrap();
    let entry = json!({ "layer_values": ["100", "0"], "final_value": "0" });
    assert_eq!(shown, json!({ "layers": ["file", "admin"], "entries": { "checkout.canary": entry } }));
    assert_eq!(proxy.stat("runtime.admin_overrides_active"), 1);
    assert_eq!(modify(&proxy, "checkout.canary="), 200);
    assert_eq!(body(&proxy, "/"), "canary");
    assert_eq!((proxy.stat("runtime.load_success"), proxy.stat("runtime.load_error")), (3, 1));
    assert_eq!((proxy.stat("runtime.num_keys"), proxy.stat("runtime.admin_overrides_active")), (1, 0));
}

#[test]
fn a_cluster_in_maintenance_refuses_its_requests() {
    let server = Server::answering("app");
    let proxy = Proxy::start(config(&server, json!({ "upstream.maintenance_mode.other": 100 })));
    assert_eq!(proxy.get("/").status(), 200, "another cluster is");
    assert_eq!(modify(&proxy, "upstream.maintenance_mode.app=100"), 200);
    let refused = proxy.get("/");
    assert_eq!((refused.status(), refused.text()), (503, "maintenance mode\n"));
    assert_eq!(refused.head.get("x-envoy-overloaded"), Some("true"));
    assert_eq!(proxy.stat("cluster.app.upstream_rq_maintenance_mode"), 1);
    assert_eq!(proxy.stat("cluster.app.upstream_rq_503"), 1);
    assert_eq!(modify(&proxy, "upstream.maintenance_mode.app="), 200);
    assert_eq!(proxy.get("/").status(), 200);
}

#[test]
fn a_configured_fault_is_turned_on() {
    let server = Server::answering("app");
    let proxy = Proxy::start(config(&server, json!({})));
    assert_eq!(proxy.get("/fault").status(), 200);
    assert_eq!(modify(&proxy, "fault.http.abort.abort_percent=100&fault.http.abort.http_status=429"), 200);
    assert_eq!(proxy.get("/fault").status(), 429);
    assert_eq!(proxy.get("/").status(), 200, "off stays off");
}

#[test]
fn operators_outlive_a_reload_and_the_file_does_not() {
    let server = Server::answering("app");
    let file = LogFile::new("runtime-values");
    let of = |canary: u32, retry: u32| {
        let values = json!({ "checkout.canary": canary, "upstream.use_retry": retry });
        config(&server, values)
    };
    let proxy = Proxy::watching(&file.0, of(0, 1));
    assert_eq!(modify(&proxy, "upstream.use_retry=50"), 200);
    assert_eq!(body(&proxy, "/"), "app");
    proxy.rewrite(&file.0, of(100, 2));
    assert_eq!(body(&proxy, "/"), "canary");
    let shown: Value = serde_json::from_str(proxy.admin("GET", "/runtime").text()).unwrap();
    let entry = json!({ "layer_values": ["2", "50"], "final_value": "50" });
    assert_eq!(shown["entries"]["upstream.use_retry"], entry);
}

/// The defaults count again where nothing is left.
#[test]
fn weights_of_clusters_change_with_the_next_request() {
    let servers = ["a", "b"].map(Server::answering);
    let [a, b] = servers.each_ref().map(|server| json!({ "endpoints": [server.address()] }));
    let weight = |name: &str, default: u32| json!({ "name": name, "weight": { "key": format!("weight.{name}"), "default": default } });
    let routes = json!([{ "clusters": [weight("a", 0), weight("b", 1)] }]);
    let proxy = Proxy::start(json!({
        "runtime": { "weight.a": 1, "weight.b": 0 },
        "listeners": [{ "routes": routes }, { "protocol": "tcp", "routes": routes }],
        "clusters": { "a": a, "b": b },
    }));
    let both = || {
        let mut tcp = proxy.client_of(1);
        tcp.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        [body(&proxy, "/"), tcp.message().text().to_owned()]
    };
    let of = |name: &str| [name.to_owned(), name.to_owned()];
    assert_eq!(both(), of("a"));
    for (change, expected) in [("weight.a=0&weight.b=5", "b"), ("weight.b=&weight.a=1000000", "a"), ("weight.a=0", "b")]
    {
        assert_eq!(modify(&proxy, change), 200);
        assert_eq!(both(), of(expected), "{change}");
    }
    assert_eq!(modify(&proxy, "weight.a=1000001"), 400);
    let shown: Value = serde_json::from_str(proxy.admin("GET", "/runtime").text()).unwrap();
    assert_eq!(shown["entries"]["weight.a"], json!({ "layer_values": ["1", "0"], "final_value": "0" }));
}
