//! `/listeners`: Envoy's text and JSON.

use std::fmt::Write;

use serde_json::{Value as Json, json};

use super::{AdminState, Reply, Request};
use crate::runtime::net::Addr;

pub(super) fn listeners(state: &dyn AdminState, request: &Request) -> Reply {
    let listeners = state.listeners();
    if request.parameter("format") == Some("json") {
        let status = |listener: &super::ListenerStatus| json!({ "name": &*listener.name, "local_address": address(&listener.address) });
        return Reply::json(&json!({ "listener_statuses": listeners.iter().map(status).collect::<Vec<_>>() }));
    }
    let mut text = String::new();
    for listener in listeners {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{}::{}", listener.name, listener.address);
    }
    Reply::text(200, text)
}

/// An address as Envoy's JSON has it.
pub(super) fn address(address: &Addr) -> Json {
    match address {
        Addr::Inet(inet) => {
            json!({ "socket_address": { "address": inet.ip().to_string(), "port_value": inet.port() } })
        }
        Addr::Unix(path) => json!({ "pipe": { "path": path.display().to_string() } }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::handle;
    use crate::admin::testing::{TestState, request};

    #[test]
    fn text_and_json() {
        let get = |target| handle(&TestState::default(), &request("GET", target)).body;
        assert_eq!(get("/listeners"), "web::127.0.0.1:8080\nlocal::unix:/run/app.sock\n");
        let json: Json = serde_json::from_str(&get("/listeners?format=json")).unwrap();
        let web = json!({ "socket_address": { "address": "127.0.0.1", "port_value": 8080 } });
        assert_eq!(json["listener_statuses"][0], json!({ "name": "web", "local_address": web }));
        assert_eq!(json["listener_statuses"][1]["local_address"]["pipe"]["path"], "/run/app.sock");
    }
}
