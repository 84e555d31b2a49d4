//! The proxy under test: `server::run` on a thread of this process, on ports of the kernel's choice.

use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Once, mpsc};
use std::thread::JoinHandle;

use nuncio::runtime::net::Addr;
use nuncio::server::{self, Options, RunError};
use nuncio::{config, server::Started};
use serde_json::{Value, json};

use super::DEADLINE;
use super::upstream::Upstream;
use super::wire::{Message, Wire};

pub(crate) struct Proxy {
    /// In the order of the configuration.
    listeners: Vec<Addr>,
    admin: SocketAddr,
    ended: mpsc::Receiver<Result<(), RunError>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Boots it. What a test does not say: one worker, an admin port, no time to drain, and listeners on port 0.
    pub(crate) fn start(config: Value) -> Proxy {
        Proxy::launch(&complete(config), Path::new("/"), Options::default())
    }

    /// As [`Proxy::start`], from a file that it watches: see [`Proxy::rewrite`].
    pub(crate) fn watching(path: &Path, mut config: Value) -> Proxy {
        config["watch"] = json!(true);
        std::fs::write(path, "not read: the first configuration is given").expect("a file");
        Proxy::launch(&complete(config), Path::new("/"), Options { path: Some(path.to_owned()), ..Options::default() })
    }

    /// Puts another configuration into the file, and waits until it is in force.
    pub(crate) fn rewrite(&self, path: &Path, config: Value) {
        let before = self.stat("server.config_reload_success");
        write_config(path, config);
        self.await_stat("server.config_reload_success", before + 1);
    }

    /// From a file, which is written first.
    pub(crate) fn start_from(path: &Path, config: Value) -> Proxy {
        let text = complete(config);
        std::fs::write(path, &text).expect("a file");
        Proxy::launch(&text, Path::new("/"), Options { path: Some(path.to_owned()), ..Options::default() })
    }

    /// Boots it from a file, which it watches.
    pub(crate) fn from_file(file: &Path, config: Value) -> Proxy {
        write_config(file, config);
        let text = std::fs::read_to_string(file).expect("the file");
        let options = Options { path: Some(file.to_owned()), ..Options::default() };
        Proxy::launch(&text, file.parent().expect("a directory"), options)
    }

    fn launch(text: &str, directory: &Path, options: Options) -> Proxy {
        let (config, _) = config::parse(text, directory, "test").unwrap_or_else(|error| panic!("{error}"));
        let (started, is_started) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        count_panics();
        let thread = std::thread::Builder::new().name("control".into()).spawn(move || {
            let result = server::run(config, options, |view| {
                // The test gave up.
                let _ = started.send(bound(view));
            });
            let _ = end.send(result);
        });
        let thread = thread.expect("a thread");
        let Ok((listeners, admin)) = is_started.recv_timeout(DEADLINE) else {
            panic!("did not start: {:?}", ended.recv_timeout(DEADLINE));
        };
        Proxy { listeners, admin, ended, thread: Some(thread) }
    }

    /// One listener with one route to one cluster of one host; `listener` and `cluster` say what else they are.
    pub(crate) fn between(upstream: &Upstream, mut listener: Value, mut cluster: Value) -> Proxy {
        let entry = listener.as_object_mut().expect("an object").entry("routes");
        entry.or_insert(json!([{ "cluster": "app" }]));
        cluster["endpoints"] = json!([upstream.address()]);
        Proxy::start(json!({ "listeners": [listener], "clusters": { "app": cluster } }))
    }

    /// As [`Proxy::between`], with all defaults.
    pub(crate) fn to(upstream: &Upstream) -> Proxy {
        Proxy::between(upstream, json!({}), json!({}))
    }

    /// Connects to the first listener.
    pub(crate) fn client(&self) -> Wire {
        self.client_of(0)
    }

    /// Connects to the listener at this place in the configuration.
    pub(crate) fn client_of(&self, at: usize) -> Wire {
        match &self.listeners[at] {
            Addr::Inet(address) => Wire::tcp(TcpStream::connect(address).expect("connect"), "client"),
            Addr::Unix(path) => Wire::unix(UnixStream::connect(path).expect("connect"), "client"),
        }
    }

    /// One request on a connection of its own: GET of this target.
    pub(crate) fn get(&self, target: &str) -> Message {
        let mut client = self.client();
        client.send(format!("GET {target} HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n"));
        client.message()
    }

    pub(crate) fn listener(&self, at: usize) -> SocketAddr {
        self.listeners[at].inet().expect("no path")
    }

    /// Asks the admin port.
    pub(crate) fn admin(&self, method: &str, target: &str) -> Message {
        self.admin_with(method, target, "")
    }

    /// Asks the admin port, with a body.
    pub(crate) fn admin_with(&self, method: &str, target: &str, body: &str) -> Message {
        let socket = TcpStream::connect(self.admin).expect("the admin port");
        let mut wire = Wire::tcp(socket, "operator");
        let (host, len) = (self.admin, body.len());
        wire.send(format!("{method} {target} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {len}\r\n\r\n{body}"));
        wire.message()
    }

    /// A counter or gauge by its full name.
    pub(crate) fn stat(&self, name: &str) -> u64 {
        let stats = self.admin("GET", "/stats");
        let mut lines = stats.text().lines().filter_map(|line| line.split_once(": "));
        let value = lines.find(|(other, _)| *other == name).map(|(_, value)| value);
        value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in:\n{}", stats.text()))
    }

    /// Waits until a counter has this value.
    pub(crate) fn await_stat(&self, name: &str, value: u64) {
        super::eventually(&format!("{name} is {value}"), || (self.stat(name) == value).then_some(()));
    }

    /// Tells it to drain and end.
    pub(crate) fn quit(&self) {
        assert_eq!(self.admin("POST", "/quitquitquit").status(), 200);
    }

    /// Waits for its end.
    pub(crate) fn join(mut self) {
        self.wait();
    }

    fn wait(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        match self.ended.recv_timeout(DEADLINE) {
            Ok(result) => result.unwrap_or_else(|error| panic!("{error}")),
            Err(_) => panic!("does not end"),
        }
        thread.join().expect("the control thread");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if std::thread::panicking() || self.thread.is_none() {
            return;
        }
        self.quit();
        self.wait();
        assert_eq!(PANICS.load(Ordering::SeqCst), 0, "the proxy panicked, in this test or another");
    }
}

/// Puts a configuration into a file that a proxy may be watching: whole or not at all.
pub(crate) fn write_config(file: &Path, mut config: Value) {
    config["watch"] = json!(true);
    let new = file.with_extension("new");
    std::fs::write(&new, complete(config)).expect("the file");
    std::fs::rename(new, file).expect("in its place");
}

/// The text of a configuration, with what the test does not say.
fn complete(mut config: Value) -> String {
    let top = config.as_object_mut().expect("an object");
    for (key, value) in
        [("workers", json!(1)), ("admin", json!({ "address": "127.0.0.1:0" })), ("drain_time", json!("1ms"))]
    {
        top.entry(key).or_insert(value);
    }
    for (at, listener) in top["listeners"].as_array_mut().expect("listeners").iter_mut().enumerate() {
        let listener = listener.as_object_mut().expect("an object");
        listener.entry("address").or_insert(json!("127.0.0.1:0"));
        listener.entry("name").or_insert(json!(format!("listener-{at}")));
    }
    config.to_string()
}

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Counts panics of the proxy's threads: each is caught where it happens, and the test would not see it.
fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let thread = std::thread::current();
            if thread.name().is_some_and(|name| name.starts_with("worker-") || name == "control") {
                PANICS.fetch_add(1, Ordering::SeqCst);
            }
            before(info);
        }));
    });
}

fn bound(started: &Started<'_>) -> (Vec<Addr>, SocketAddr) {
    let listeners = started.listeners.iter().map(|(_, addr)| (*addr).clone()).collect();
    (listeners, started.admin.and_then(Addr::inet).expect("an admin port"))
}
