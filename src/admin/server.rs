//! Endpoints about the process: `/ready`, `/server_info`, `/memory`, `/config_dump`.

use serde_json::json;

use super::state::ServerState;
use super::{AdminState, Reply, Request};
use crate::stats::resident_bytes;

pub(super) fn ready(state: &dyn AdminState, _request: &Request) -> Reply {
    let state = state.info().state;
    let status = if state == ServerState::Live { 200 } else { 503 };
    Reply::text(status, format!("{}\n", state.as_str()))
}

pub(super) fn server_info(state: &dyn AdminState, _request: &Request) -> Reply {
    let info = state.info();
    let uptime = format!("{}s", info.uptime.as_secs());
    Reply::json(&json!({
        "version": info.version,
        "state": info.state.as_str(),
        "uptime_current_epoch": uptime,
        "uptime_all_epochs": uptime,
        "hot_restart_version": "disabled",
        "command_line_options": { "concurrency": info.workers, "config_path": info.config_path },
        "node": { "id": info.node.id, "cluster": info.node.cluster, "locality": { "zone": info.node.zone } },
    }))
}

/// The allocator keeps no count, so both of Envoy's main figures are the resident set.
pub(super) fn memory(_state: &dyn AdminState, _request: &Request) -> Reply {
    let bytes = resident_bytes().unwrap_or(0).to_string();
    Reply::json(&json!({ "allocated": bytes, "total_physical_bytes": bytes }))
}

pub(super) fn config_dump(state: &dyn AdminState, _request: &Request) -> Reply {
    Reply::json_text(state.config_dump())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::handle;
    use crate::admin::testing::{TestState, request};

    #[test]
    fn ready_only_while_live() {
        for (state, status, text) in [
            (ServerState::Live, 200, "LIVE\n"),
            (ServerState::Draining, 503, "DRAINING\n"),
            (ServerState::Initializing, 503, "INITIALIZING\n"),
        ] {
            let reply = handle(&TestState::in_state(state), &request("GET", "/ready"));
            assert_eq!((reply.status, reply.body.as_str()), (status, text));
        }
    }

    #[test]
    fn server_info_memory_and_configuration() {
        let json = |target| -> serde_json::Value {
            let reply = handle(&TestState::default(), &request("GET", target));
            assert_eq!(reply.content_type, "application/json");
            serde_json::from_str(&reply.body).unwrap()
        };
        let info = json("/server_info");
        assert_eq!((&info["state"], &info["uptime_current_epoch"]), (&json!("LIVE"), &json!("61s")));
        assert_eq!(info["node"]["id"], "gw-1");
        assert!(json("/memory")["allocated"].as_str().unwrap().parse::<u64>().unwrap() > 0);
        assert_eq!(json("/config_dump"), json!({ "drain_time": "30s" }));
    }
}
