//! A UDP socket of the control thread, connected to one peer: the kernel drops what others send, and says when nobody is there.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use async_io::Async;

pub struct ControlDatagram(Async<UdpSocket>);

impl ControlDatagram {
    /// A new socket; its port is one that the kernel draws.
    pub fn connect(peer: SocketAddr) -> io::Result<ControlDatagram> {
        let any: IpAddr = match peer {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect(peer)?;
        Ok(ControlDatagram(Async::new(socket)?))
    }

    pub async fn send(&self, message: &[u8]) -> io::Result<()> {
        self.0.send(message).await.map(|_| ())
    }

    /// The next datagram. What does not fit into `buf` is cut off.
    pub async fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.recv(buf).await
    }
}

/// This host has a way to an address, as far as its routes say. Nothing is sent.
pub fn has_route(ip: IpAddr) -> bool {
    // Port 9 is "discard"; any would do.
    ControlDatagram::connect(SocketAddr::new(ip, 9)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::control::block_on;

    #[test]
    fn only_the_peer_is_heard() {
        block_on(async {
            let [peer, other] = [0, 0].map(|port| UdpSocket::bind(("127.0.0.1", port)).unwrap());
            let socket = ControlDatagram::connect(peer.local_addr().unwrap()).unwrap();
            socket.send(b"hello").await.unwrap();
            let mut buf = [0; 16];
            let (len, from) = peer.recv_from(&mut buf).unwrap();
            assert_eq!(&buf[..len], b"hello");
            other.send_to(b"not from me", from).unwrap();
            peer.send_to(b"answer", from).unwrap();
            let len = socket.recv(&mut buf).await.unwrap();
            assert_eq!(&buf[..len], b"answer");
        });
    }

    #[test]
    fn nobody_there_is_an_error() {
        let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        block_on(async {
            let socket = ControlDatagram::connect(free).unwrap();
            socket.send(b"hello").await.unwrap();
            assert_eq!(socket.recv(&mut [0; 16]).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        });
        assert!(has_route(Ipv4Addr::LOCALHOST.into()));
    }
}
