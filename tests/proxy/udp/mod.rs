//! UDP through the whole proxy: clients and hosts are plain sockets.

mod ends;
mod forwarding;
mod limits;
mod reload;
mod routes;

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{DEADLINE, Proxy};

/// How long a datagram is waited for that should not come.
const SILENCE: Duration = Duration::from_millis(150);

/// A socket of a client or a host.
struct Peer(UdpSocket);

impl Peer {
    fn bind(ip: &str) -> Peer {
        let socket = UdpSocket::bind((ip, 0)).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Peer(socket)
    }

    /// A host.
    fn host() -> Peer {
        Peer::bind("127.0.0.1")
    }

    /// A client: what comes from elsewhere than the proxy never reaches it.
    fn client(proxy: &Proxy) -> Peer {
        Peer::client_at("127.0.0.1", proxy.listener(0))
    }

    fn client_at(ip: &str, to: SocketAddr) -> Peer {
        let peer = Peer::bind(ip);
        peer.0.connect(to).unwrap();
        peer
    }

    /// As an endpoint in a configuration.
    fn address(&self) -> String {
        self.0.local_addr().unwrap().to_string()
    }

    fn send(&self, datagram: &[u8]) {
        // A client's socket may have been told that nobody listens.
        let _ = self.0.send(datagram);
    }

    fn recv_from(&self) -> (Vec<u8>, SocketAddr) {
        let mut buf = vec![0; 1 << 16];
        let (len, from) = self.0.recv_from(&mut buf).expect("a datagram");
        buf.truncate(len);
        (buf, from)
    }

    fn expect(&self, datagram: &[u8]) -> SocketAddr {
        let (received, from) = self.recv_from();
        assert!(received == datagram, "{} bytes for {}", received.len(), datagram.len());
        from
    }

    /// Receives this, and sends it back.
    fn echo(&self, datagram: &[u8]) -> SocketAddr {
        let from = self.expect(datagram);
        self.0.send_to(datagram, from).unwrap();
        from
    }

    fn expect_nothing(&self) {
        self.0.set_read_timeout(Some(SILENCE)).unwrap();
        let mut buf = [0; 100];
        if let Ok(len) = self.0.recv(&mut buf) {
            panic!("{:?}", String::from_utf8_lossy(&buf[..len]));
        }
        self.0.set_read_timeout(Some(DEADLINE)).unwrap();
    }
}

/// A configuration of one UDP listener and one cluster of these hosts.
fn config(udp: Value, hosts: &[&Peer]) -> Value {
    let endpoints: Vec<String> = hosts.iter().map(|host| host.address()).collect();
    json!({
        "listeners": [{ "protocol": "udp", "udp": udp, "routes": [{ "cluster": "app" }] }],
        "clusters": { "app": { "endpoints": endpoints } },
    })
}

fn proxy(udp: Value, hosts: &[&Peer]) -> Proxy {
    Proxy::start(config(udp, hosts))
}
