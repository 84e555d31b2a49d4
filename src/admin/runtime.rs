//! `/runtime` and `/runtime_modify`: values that change while the proxy runs.

use serde_json::{Map, Value as Json, json};

use super::{AdminState, Reply, Request};
use crate::runtime_values::LAYERS;

/// Envoy's JSON: a layer that does not have a key has an empty value.
pub(super) fn runtime(state: &dyn AdminState, _request: &Request) -> Reply {
    let entries = state.runtime().into_iter().map(|entry| {
        let final_value = entry.final_value().to_owned();
        let values = entry.values.map(Option::unwrap_or_default);
        (entry.key, json!({ "layer_values": values, "final_value": final_value }))
    });
    let entries: Map<String, Json> = entries.collect();
    Reply::json(&json!({ "layers": LAYERS, "entries": entries }))
}

pub(super) fn modify(state: &dyn AdminState, request: &Request) -> Reply {
    let changes = request.parameters();
    if changes.is_empty() {
        return Reply::text(400, "usage: POST /runtime_modify?KEY=VALUE&...\nan empty value takes the key back\n");
    }
    match state.modify_runtime(&changes) {
        Ok(()) => Reply::ok(),
        Err(refusal) => Reply::text(400, format!("{refusal}\nnothing is changed\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::handle;
    use crate::admin::testing::{TestState, request};

    #[test]
    fn values_are_shown_as_envoy_shows_them() {
        let reply = handle(&TestState::default(), &request("GET", "/runtime"));
        let expected = json!({
            "layers": ["file", "admin"],
            "entries": {
                "checkout.canary": { "layer_values": ["5", "7.5"], "final_value": "7.5" },
                "other": { "layer_values": ["", "x"], "final_value": "x" },
            },
        });
        assert_eq!(serde_json::from_str::<Json>(&reply.body).unwrap(), expected);
    }

    #[test]
    fn changes_come_in_the_query_or_in_a_form() {
        let ask = |target: &str, body: &str| {
            let state = TestState::default();
            let reply = handle(&state, &request("POST", target).with_body(body.into()));
            (reply.status, reply.body, state.calls.take())
        };
        let said = |changes: &str| (200, "OK\n".to_owned(), vec![format!("runtime {changes}")]);
        assert_eq!(ask("/runtime_modify?a.b=5&c=", ""), said(r#"[("a.b", "5"), ("c", "")]"#));
        assert_eq!(ask("/runtime_modify", "a=x%20y&b\n"), said(r#"[("a", "x y"), ("b", "")]"#));
        assert_eq!(ask("/runtime_modify?bad=1", "").0, 400);
        let (status, body, calls) = ask("/runtime_modify", "");
        assert!(status == 400 && body.starts_with("usage: ") && calls.is_empty());
    }
}
