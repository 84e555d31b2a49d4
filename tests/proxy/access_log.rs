//! One line for each request, with what became of it.

use std::path::PathBuf;

use serde_json::json;

use crate::harness::{Proxy, Upstream, closed_port, eventually};

/// A path of our own, gone at the end.
pub(crate) struct LogFile(pub(crate) PathBuf);

impl LogFile {
    pub(crate) fn new(name: &str) -> LogFile {
        LogFile(std::env::temp_dir().join(format!("nuncio-{}-{name}.log", std::process::id())))
    }

    pub(crate) fn lines(&self, count: usize) -> Vec<String> {
        eventually(&format!("{count} lines"), || {
            let text = std::fs::read_to_string(&self.0).unwrap_or_default();
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            (lines.len() >= count && text.ends_with('\n')).then_some(lines)
        })
    }
}

impl Drop for LogFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn flags_and_figures_say_what_happened() {
    let log = LogFile::new("flags");
    let upstream = Upstream::start();
    let proxy = Proxy::start(json!({
        "access_log": [{ "path": log.0, "format":
            "%REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_CLUSTER%\n" }],
        "listeners": [{ "routes": [
            { "match": { "path": "/slow" }, "cluster": "app", "timeout": "100ms" },
            { "match": { "path": { "prefix": "/app" } }, "cluster": "app" },
            { "match": { "path": "/refused" }, "cluster": "refused" },
        ] }],
        "clusters": { "app": { "endpoints": [upstream.address()] }, "refused": { "endpoints": [closed_port()] } },
    }));
    let mut client = proxy.client();
    client.send("POST /app HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody");
    let mut server = upstream.accept();
    server.message();
    server.send("HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nok");
    assert_eq!(client.message().status(), 201);

    assert_eq!(proxy.get("/none").status(), 404);
    assert_eq!(proxy.get("/refused").status(), 503);
    assert_eq!(proxy.get("/slow").status(), 504);
    proxy.client().send("nonsense\r\n\r\n");

    let mut gone = proxy.client();
    gone.send("GET /app/dc HTTP/1.1\r\nhost: a\r\n\r\n");
    // The connection of /slow was closed, that of the first request lay idle and served it.
    let mut server = upstream.accept();
    server.head();
    gone.reset();
    server.expect_gone();

    client.send("GET /app/uc HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut server = upstream.accept();
    server.head();
    server.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n01234");
    drop(server);
    client.head();

    let mut lines = log.lines(7);
    lines.sort_unstable();
    let mut wanted = [
        "POST /app 201 - 4 2 app",
        "GET /none 404 NR 0 9 -",
        "GET /refused 503 UF 0 23 refused",
        "GET /slow 504 UT 0 25 app",
        "- - 400 DPE 0 12 -",
        "GET /app/dc 0 DC 0 0 app",
        "GET /app/uc 200 UC 0 5 app",
    ];
    wanted.sort_unstable();
    assert_eq!(lines, wanted);
}

#[test]
fn a_listener_may_have_a_log_of_its_own() {
    let (common, own) = (LogFile::new("common"), LogFile::new("own"));
    let routes = json!([{ "respond": { "status": 200 } }]);
    let proxy = Proxy::start(json!({
        "access_log": { "path": common.0, "format": { "path": "%REQ(:PATH)%", "code": "%RESPONSE_CODE%" } },
        "listeners": [
            { "routes": routes },
            { "routes": routes, "access_log": { "path": own.0, "format": "own %REQ(:PATH)%\n" } },
        ],
    }));
    assert_eq!(proxy.get("/a").status(), 200);
    let mut client = proxy.client_of(1);
    client.send("GET /b HTTP/1.1\r\nhost: a\r\n\r\n");
    client.message();
    assert_eq!(own.lines(1), ["own /b"]);
    let line: serde_json::Value = serde_json::from_str(&common.lines(1)[0]).unwrap();
    assert_eq!(line, json!({ "path": "/a", "code": 200 }));
}
