//! `nuncio demo`: the proxy in front of built-in servers, and what to try on it.

mod backend;

use std::path::Path;
use std::process::ExitCode;

use super::run::exit_status;
use crate::admin::logging;
use crate::config;
use crate::runtime::net::{Addr, ListenOptions, Listener};
use crate::server::{self, Options, Started};
use backend::{Broken, Manner};

/// Where the demo listens, unless somebody else does.
const PORT: u16 = 8080;
const ADMIN_PORT: u16 = 9901;

const BACKENDS: [Manner; 7] =
    [Manner::Echo, Manner::Slow, Manner::Failing, Manner::Switch, Manner::Host(1), Manner::Host(2), Manner::Host(3)];

pub(super) fn demo(workers: Option<usize>, log_level: Option<log::LevelFilter>) -> ExitCode {
    logging::init(log_level.unwrap_or(log::LevelFilter::Warn));
    let broken = Broken::default();
    let started = BACKENDS.map(|manner| backend::start(manner, broken.clone()));
    let backends = match started.into_iter().collect() {
        Ok::<Vec<Addr>, std::io::Error>(backends) => backends,
        Err(error) => return exit_status(Err(server::RunError(format!("demo backend: {error}")))),
    };
    let text = configuration(&backends, free_port(PORT), free_port(ADMIN_PORT));
    match config::parse(&text, Path::new("."), "demo") {
        Ok((config, _)) => exit_status(server::run(config, Options { path: None, workers }, |started| {
            print!("{}", guide(started));
        })),
        // The text is ours; a test loads it.
        Err(problems) => exit_status(Err(server::RunError(problems.to_string()))),
    }
}

/// `port` if it is free, else 0: the kernel chooses.
fn free_port(port: u16) -> u16 {
    let address = Addr::from(std::net::SocketAddr::from(([127, 0, 0, 1], port)));
    if Listener::bind(&address, ListenOptions::default()).is_ok() { port } else { 0 }
}

fn configuration(backends: &[Addr], port: u16, admin: u16) -> String {
    let [echo, slow, failing, switch, one, two, three] =
        std::array::from_fn(|at| backends.get(at).map(Addr::to_string).unwrap_or_default());
    format!(
        r#"{{
  "admin": {{ "address": "127.0.0.1:{admin}" }},
  "drain_time": "2s",
  "access_log": [{{ "path": "stdout" }}],
  "listeners": [{{
    "name": "demo", "address": "127.0.0.1:{port}",
    "http": {{ "upgrades": ["websocket"] }},
    "routes": [
      {{ "name": "hello", "match": {{ "path": {{ "exact": "/hello" }} }}, "respond": {{ "status": 200, "body": "hello from nuncio\n" }} }},
      {{ "name": "slow", "match": {{ "path": {{ "prefix": "/slow" }} }}, "cluster": "slow", "timeout": "1s" }},
      {{ "name": "patient", "match": {{ "path": {{ "prefix": "/patient" }} }}, "cluster": "slow" }},
      {{ "name": "failing", "match": {{ "path": {{ "prefix": "/failing" }} }}, "cluster": "failing" }},
      {{ "name": "old", "match": {{ "path": {{ "prefix": "/old/" }} }}, "redirect": {{ "prefix": "/new/" }} }},
      {{ "name": "switch", "match": {{ "path": {{ "prefix": "/demo/" }} }}, "cluster": "switch" }},
      {{ "name": "hosts", "match": {{ "path": {{ "prefix": "/hosts" }} }}, "cluster": "hosts", "retry": {{ "on": "5xx" }} }},
      {{ "name": "canary", "match": {{ "path": {{ "prefix": "/canary" }} }},
        "clusters": [{{ "name": "echo", "weight": 90 }}, {{ "name": "failing", "weight": 10 }}] }},
      {{ "name": "echo", "cluster": "echo", "request_headers": {{ "set": {{ "x-demo": "from %DOWNSTREAM_REMOTE_ADDRESS%" }} }} }}
    ]
  }}],
  "clusters": {{
    "echo": {{ "endpoints": ["{echo}"] }},
    "slow": {{ "endpoints": ["{slow}"] }},
    "failing": {{ "endpoints": ["{failing}"] }},
    "switch": {{ "endpoints": ["{switch}"] }},
    "hosts": {{
      "endpoints": ["{one}", "{two}", "{three}"],
      "outlier_detection": {{ "consecutive_5xx": 3, "interval": "1s", "base_ejection_time": "10s", "max_ejection_percent": 34 }}
    }}
  }}
}}
"#
    )
}

fn guide(started: &Started<'_>) -> String {
    let url = started.listeners.first().map(|(_, address)| format!("http://{address}")).unwrap_or_default();
    let admin = started.admin.map(|address| format!("http://{address}")).unwrap_or_default();
    format!(
        "\
nuncio demo: {url} (admin {admin}), Ctrl-C ends it. Try:

  curl {url}/hello                         answered by nuncio itself; with --http2-prior-knowledge over HTTP/2
  curl {url}/echo?x=1 -d 'some body'       a backend shows the request as it arrives there
  curl -i {url}/slow                       takes 2 s, and the route allows 1 s: 504
  curl -i {url}/patient                    the same backend on a route that waits
  curl -i {url}/failing                    the backend answers 500, then closes without a word: 503
  curl -i {url}/old/page                   a redirect
  curl -i --path-as-is {url}/a/../%2e%2e/b a path that climbs above its root: 400
  for i in 1 2 3 4 5 6 7 8 9 10; do curl -s -o /dev/null -w '%{{http_code}} ' {url}/canary; done

  curl {url}/demo/break?host=1             one host of three answers 500 from now on, until /demo/mend?host=1
  for i in 1 2 3 4 5 6 7 8 9; do curl -s {url}/hosts; done
                                           nobody sees that: a retry asks another host, and the third 500 ejects this one
  watch -n 1 'curl -s {admin}/clusters | grep hosts.*health_flags'
                                           it is out for 10 s, then it is tried again

  curl {admin}/stats?usedonly              every number
  curl {admin}/clusters                    every host
  curl {admin}/config_dump                 the configuration, every default filled in

Each request is a line below: its flags say why it is what it is (UT timeout, UC upstream closed).
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_configuration_is_valid() {
        let backends: Vec<Addr> =
            (1..=7).map(|port| Addr::from(std::net::SocketAddr::from(([127, 0, 0, 1], port)))).collect();
        let (_, warnings) = config::parse(&configuration(&backends, 0, 0), Path::new("."), "demo").unwrap();
        assert!(warnings.is_empty(), "{warnings:?}");
    }
}
