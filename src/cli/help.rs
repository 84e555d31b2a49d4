//! `nuncio help`, `nuncio --version`.

use std::process::ExitCode;

use super::args::COMMANDS;
use super::{WRONG, say};

const OVERVIEW: &str = "\
nuncio - a small proxy with Envoy's reach

  nuncio run FILE              run the proxy in the foreground
  nuncio check FILE [--print]  validate a configuration; print it with every default filled in
  nuncio explain FILE METHOD URL [-H 'name: value']...
                               say which way a request would take, and why
  nuncio demo                  run on built-in backends and a built-in configuration
  nuncio help [COMMAND]        this, or more about a command
  nuncio --version

Exit status: 0 fine, 1 failed at run time, 2 the configuration or the command line is wrong.
The file is described in nuncio.json(5).
";

const RUN: &str = "\
nuncio run FILE [--workers N] [--log-level LEVEL]

  --workers N        worker threads, 1 to 1024, in place of the file's \"workers\"
  --log-level LEVEL  off, error, warn, info (default), debug, trace

SIGHUP reads FILE anew, all or nothing. SIGTERM drains for at most \"drain_time\"; a second one ends at once.
SIGINT ends at once. SIGUSR1 reopens the access logs.
";

const CHECK: &str = "\
nuncio check FILE [--print]

Reads FILE and says everything that is wrong with it: file, line, column, JSON path, what was expected.
  --print  print the effective configuration, every default filled in
";

const EXPLAIN: &str = "\
nuncio explain FILE METHOD URL [-H 'name: value']... [--from ADDRESS] [--listener NAME]
               [--client-certificate none|presented|validated] [--json]
nuncio explain FILE udp://HOST:PORT [--from ADDRESS] [--listener NAME] [--json]

Says which way a request would take, and why: the listener, every route that is tried with the first predicate that
fails, what filters would do, the clusters and hosts it could go to, the timeouts in force. Nothing is sent, and no proxy
needs to run; the running one answers POST /explain on its admin port, and knows the health of its hosts.
  -H 'name: value'      a header field of the request; \"host\" stands in place of the URL's
  --from ADDRESS        the client's address; 192.0.2.1, which nobody has, by default
  --listener NAME       take this listener, whatever its port
  --client-certificate  what the client shows; none by default
  --json                the same as JSON
";

const DEMO: &str = "\
nuncio demo [--workers N] [--log-level LEVEL]

Runs the proxy in front of small built-in servers, and prints what to try: one is slow, one fails, and of three hosts each
can be broken and mended by a request, to see how it is ejected and returns.
Everything listens on loopback.
";

pub(super) fn print(topic: Option<String>) -> ExitCode {
    let text = match topic.as_deref() {
        None | Some("help") => OVERVIEW,
        Some("run") => RUN,
        Some("check") => CHECK,
        Some("explain") => EXPLAIN,
        Some("demo") => DEMO,
        Some(other) => {
            eprintln!("nuncio: no command \"{other}\"; there are {}", COMMANDS.join(", "));
            return ExitCode::from(WRONG);
        }
    };
    say(text)
}

pub(super) fn version() -> ExitCode {
    say(&format!("nuncio {}\n", env!("CARGO_PKG_VERSION")))
}
