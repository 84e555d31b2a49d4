//! A DNS server for tests, on a port of its own: what it says can change at any time.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};

/// What it says to a question.
#[derive(Debug, Clone)]
pub(crate) enum Says {
    Addresses(u32, Vec<IpAddr>),
    /// Priority, weight, port, target.
    Services(u32, Vec<(u16, u16, u16, String)>),
    /// A response code; 0 is a name without records.
    Code(u8),
    Silence,
    /// Over UDP only that there is more.
    Truncated(Box<Says>),
}

#[derive(Debug, Default)]
struct State {
    says: HashMap<(String, u16), Says>,
    asked: Vec<(String, u16)>,
}

#[derive(Debug, Clone)]
pub(crate) struct Server {
    state: Arc<Mutex<State>>,
    pub(crate) address: SocketAddr,
}

pub(crate) const A: u16 = 1;
pub(crate) const AAAA: u16 = 28;
pub(crate) const SRV: u16 = 33;

pub(crate) fn addresses(ttl: u32, all: &[&str]) -> Says {
    Says::Addresses(ttl, all.iter().map(|it| it.parse().unwrap()).collect())
}

impl Server {
    /// To what it has not been told, it says that there is no such name.
    pub(crate) fn start() -> Server {
        // The same port for both: another test may have one of them.
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
                break (udp, tcp);
            }
        };
        let server = Server { state: Arc::default(), address: udp.local_addr().unwrap() };
        let by_datagram = server.clone();
        std::thread::spawn(move || {
            let mut buf = [0; 512];
            while let Ok((len, from)) = udp.recv_from(&mut buf) {
                if let Some(answer) = by_datagram.answer(&buf[..len], true) {
                    let _ = udp.send_to(&answer, from);
                }
            }
        });
        let by_stream = server.clone();
        std::thread::spawn(move || {
            for mut stream in tcp.incoming().map_while(Result::ok) {
                let mut len = [0; 2];
                if stream.read_exact(&mut len).is_err() {
                    continue;
                }
                let mut query = vec![0; u16::from_be_bytes(len).into()];
                if stream.read_exact(&mut query).is_ok()
                    && let Some(answer) = by_stream.answer(&query, false)
                {
                    // In pieces.
                    let whole = [&(answer.len() as u16).to_be_bytes()[..], &answer].concat();
                    let (first, rest) = whole.split_at(1);
                    let _ = stream.write_all(first).and_then(|()| stream.write_all(rest));
                }
            }
        });
        server
    }

    pub(crate) fn says(&self, name: &str, kind: u16, says: Says) {
        self.state.lock().unwrap().says.insert((name.to_owned(), kind), says);
    }

    /// What it was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<(String, u16)> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }

    fn answer(&self, query: &[u8], datagram: bool) -> Option<Vec<u8>> {
        let mut end = 12;
        let mut name = String::new();
        while query[end] != 0 {
            let label = &query[end + 1..=end + usize::from(query[end])];
            name = format!("{name}{}{}", if name.is_empty() { "" } else { "." }, label.escape_ascii());
            end += label.len() + 1;
        }
        let kind = u16::from_be_bytes([query[end + 1], query[end + 2]]);
        let key = (name.to_ascii_lowercase(), kind);
        let mut state = self.state.lock().unwrap();
        state.asked.push(key.clone());
        let mut says = state.says.get(&key).cloned().unwrap_or(Says::Code(3));
        let mut answer = query[..end + 5].to_vec();
        answer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0]);
        if let Says::Truncated(rest) = says {
            if datagram {
                answer[2] |= 2;
                return Some(answer);
            }
            says = *rest;
        }
        let (ttl, records): (u32, Vec<Vec<u8>>) = match says {
            Says::Silence => return None,
            Says::Code(code) => {
                answer[3] |= code;
                return Some(answer);
            }
            Says::Addresses(ttl, all) => (ttl, all.into_iter().map(octets).collect()),
            Says::Services(ttl, all) => (ttl, all.into_iter().map(service).collect()),
            Says::Truncated(_) => return None,
        };
        answer[7] = records.len() as u8;
        for data in records {
            answer.extend([0xc0, 12]);
            answer.extend(kind.to_be_bytes());
            answer.extend([0, 1]);
            answer.extend(ttl.to_be_bytes());
            answer.extend((data.len() as u16).to_be_bytes());
            answer.extend(data);
        }
        Some(answer)
    }
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

fn service((priority, weight, port, target): (u16, u16, u16, String)) -> Vec<u8> {
    let mut data: Vec<u8> = [priority, weight, port].into_iter().flat_map(u16::to_be_bytes).collect();
    for label in target.split('.') {
        data.push(label.len() as u8);
        data.extend_from_slice(label.as_bytes());
    }
    data.push(0);
    data
}
