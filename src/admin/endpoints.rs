//! The table of endpoints, and the way from a request to its handler.

use std::fmt::Write;

use nuncio_http::{Method, RequestHead};

use super::{
    AdminState, Reply, Request, certificates, changes, clusters, explain, listeners, logging, runtime, server, stats,
};

type Handler = fn(&dyn AdminState, &Request) -> Reply;

struct Endpoint {
    path: &'static str,
    methods: Methods,
    help: &'static str,
    handler: Handler,
}

/// What changes something takes POST, and nothing else does.
#[derive(Clone, Copy, PartialEq)]
enum Methods {
    Get,
    Post,
    Both,
}

const fn get(path: &'static str, help: &'static str, handler: Handler) -> Endpoint {
    Endpoint { path, methods: Methods::Get, help, handler }
}

const fn post(path: &'static str, help: &'static str, handler: Handler) -> Endpoint {
    Endpoint { path, methods: Methods::Post, help, handler }
}

const ENDPOINTS: &[Endpoint] = &[
    get("/", "this list", help),
    get("/certs", "certificates in use, and when they expire", certificates::certificates),
    get("/clusters", "hosts of each cluster with their counters (?format=json)", clusters::clusters),
    get("/config_dump", "the running configuration, every default filled in", server::config_dump),
    post(
        "/drain_listeners",
        "take no more connections (?graceful: let those that are there end)",
        changes::drain_listeners,
    ),
    post(
        "/explain",
        "which way a request would take, and why (JSON: method, url, headers; ?format=text)",
        explain::explain,
    ),
    post("/healthcheck/fail", "answer not ready", changes::healthcheck_fail),
    post("/healthcheck/ok", "answer ready again", changes::healthcheck_ok),
    get("/help", "this list", help),
    get("/listeners", "names and addresses of the listeners (?format=json)", listeners::listeners),
    Endpoint {
        path: "/logging",
        methods: Methods::Both,
        help: "the level of the log; POST ?level= sets it",
        handler: logging::endpoint,
    },
    get("/memory", "memory of the process", server::memory),
    post("/quitquitquit", "end the process", changes::quit),
    get("/ready", "200 while serving, else 503", server::ready),
    post("/reopen_logs", "open the access logs again, as after a rotation", changes::reopen_logs),
    post("/reset_counters", "count from zero again", changes::reset_counters),
    get("/runtime", "runtime values by layer, and what they come to", runtime::runtime),
    post("/runtime_modify", "set runtime values (?KEY=VALUE&...; an empty value takes the key back)", runtime::modify),
    get("/server_info", "version, state, uptime", server::server_info),
    get("/stats", "numbers (?format=json|prometheus, ?filter=REGEX, ?usedonly)", stats::stats),
    get("/stats/prometheus", "numbers for Prometheus (?filter=REGEX, ?usedonly)", stats::prometheus),
];

/// Endpoints that read the body of a request.
const WITH_BODY: &[&str] = &["/explain", "/runtime_modify"];

/// Whether the body of this request is read.
pub(super) fn takes_body(head: &RequestHead) -> bool {
    WITH_BODY.iter().any(|path| path.as_bytes() == head.path())
}

/// Answers a request.
pub fn handle(state: &dyn AdminState, request: &Request) -> Reply {
    let Some(endpoint) = ENDPOINTS.iter().find(|endpoint| endpoint.path == request.path) else {
        return Reply::text(404, format!("no such path; there is\n{}", list()));
    };
    let read = matches!(request.method, Method::Get | Method::Head);
    let allowed = match endpoint.methods {
        Methods::Get => read,
        Methods::Post => request.method == Method::Post,
        Methods::Both => read || request.method == Method::Post,
    };
    if allowed {
        return (endpoint.handler)(state, request);
    }
    let allow = endpoint.methods.allow();
    Reply { allow: Some(allow), ..Reply::text(405, format!("{} takes {allow}\n", endpoint.path)) }
}

fn help(_state: &dyn AdminState, _request: &Request) -> Reply {
    Reply::text(200, list())
}

fn list() -> String {
    let mut text = String::new();
    for Endpoint { path, methods, help, .. } in ENDPOINTS {
        let post = if *methods == Methods::Post { "POST: " } else { "" };
        // Writing to a String does not fail.
        let _ = writeln!(text, "  {path}: {post}{help}");
    }
    text
}

impl Methods {
    fn allow(self) -> &'static str {
        match self {
            Methods::Get => "GET, HEAD",
            Methods::Post => "POST",
            Methods::Both => "GET, HEAD, POST",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::testing::{TestState, request};

    #[test]
    fn changes_take_post_and_nothing_else_does() {
        for endpoint in ENDPOINTS {
            for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"] {
                let state = TestState::default();
                let reply = handle(&state, &request(method, endpoint.path));
                let read = method == "GET" || method == "HEAD";
                let takes = match endpoint.methods {
                    Methods::Get => read,
                    Methods::Post => method == "POST",
                    Methods::Both => read || method == "POST",
                };
                assert_eq!(reply.status == 405, !takes, "{method} {}", endpoint.path);
                assert_eq!(reply.allow.is_some(), !takes);
                assert!(read || takes || state.calls.borrow().is_empty());
                if read && takes {
                    assert!(state.calls.borrow().is_empty(), "{method} {} changes something", endpoint.path);
                }
            }
        }
    }

    #[test]
    fn an_unknown_path_gets_the_list() {
        for path in ["/none", "/Stats", "/stats/", "//stats", "/%73tats", "/healthcheck", "*"] {
            let reply = handle(&TestState::default(), &request("GET", path));
            assert_eq!(reply.status, 404, "{path}");
            assert!(reply.body.contains("\n  /stats: "), "{}", reply.body);
        }
        let help = handle(&TestState::default(), &request("GET", "/")).body;
        assert_eq!(help, handle(&TestState::default(), &request("GET", "/help")).body);
        assert!(help.contains("  /quitquitquit: POST: end the process\n"));
        assert!(ENDPOINTS.is_sorted_by_key(|endpoint| endpoint.path));
    }

    #[test]
    fn every_answer_is_text_or_json_that_nobody_sniffs_or_keeps() {
        for endpoint in ENDPOINTS {
            let head = handle(&TestState::default(), &request("GET", endpoint.path)).head();
            let headers = format!("{:?}", head.headers);
            assert!(headers.contains("x-content-type-options: nosniff"), "{headers}");
            assert!(headers.contains("cache-control: no-cache, max-age=0"), "{headers}");
            assert!(headers.contains("content-type: text/plain") || headers.contains("application/json"), "{headers}");
        }
    }
}
