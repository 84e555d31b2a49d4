//! A server that answers every request by itself, for tests of many requests: its name as the body, kept alive.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::wire::Wire;

/// Its threads end with the connections; the one that accepts ends with the process.
pub(crate) struct Server {
    address: String,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// Answers every request with 200 and `body`.
    pub(crate) fn answering(body: &'static str) -> Server {
        Server::on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind"), body)
    }

    /// The same on a socket that is there already.
    pub(crate) fn on(listener: TcpListener, body: &'static str) -> Server {
        let address: SocketAddr = listener.local_addr().expect("bound");
        let accept = move || listener.accept().ok().map(|(socket, _)| Wire::tcp(socket, "server"));
        Server::serve(address.to_string(), accept, body)
    }

    /// The same on a UNIX socket.
    pub(crate) fn on_path(path: &Path, body: &'static str) -> Server {
        let listener = UnixListener::bind(path).expect("bind");
        let accept = move || listener.accept().ok().map(|(socket, _)| Wire::unix(socket, "server"));
        Server::serve(format!("unix:{}", path.display()), accept, body)
    }

    fn serve(address: String, accept: impl Fn() -> Option<Wire> + Send + 'static, body: &'static str) -> Server {
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        thread::spawn(move || {
            while let Some(wire) = accept() {
                count.fetch_add(1, Ordering::Relaxed);
                thread::spawn(move || answer(wire, body));
            }
        });
        Server { address, connections }
    }

    pub(crate) fn address(&self) -> String {
        self.address.clone()
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

fn answer(mut wire: Wire, body: &str) {
    let response = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    while wire.try_message().is_some() && wire.try_send(&response).is_ok() {}
}
