//! One end of a connection, held by a test: it says what is sent, what must come, and how the connection ends.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::sockopt;

use super::DEADLINE;
use super::clock::Clock;
use super::head::Head;
use super::tls::Tls;

/// What is shown of bytes when a test fails.
const SHOWN: usize = 600;

pub(crate) struct Wire {
    socket: Socket,
    /// Read and not yet asked for.
    buffer: Vec<u8>,
    /// For messages of failure.
    name: &'static str,
}

enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<Tls>),
}

impl Socket {
    fn stream(&mut self) -> &mut dyn ReadWrite {
        match self {
            Socket::Tcp(socket) => socket,
            Socket::Unix(socket) => socket,
            Socket::Tls(session) => &mut **session,
        }
    }

    fn set_timeouts(&self, read: Option<Duration>, write: Option<Duration>) {
        let set = match self {
            Socket::Tcp(socket) => socket.set_read_timeout(read).and_then(|()| socket.set_write_timeout(write)),
            Socket::Unix(socket) => socket.set_read_timeout(read).and_then(|()| socket.set_write_timeout(write)),
            Socket::Tls(tls) => tls.socket.set_read_timeout(read).and_then(|()| tls.socket.set_write_timeout(write)),
        };
        set.expect("timeouts");
    }
}

trait ReadWrite: Read + Write {}

impl<T: Read + Write> ReadWrite for T {}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The peer closed its sending side.
    Closed,
    /// RST.
    Reset,
    /// The connection under TLS ended, and no close_notify said that it would.
    Truncated,
}

/// A whole message.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) head: Head,
    /// Decoded, when it was chunked.
    pub(crate) body: Vec<u8>,
}

impl Message {
    pub(crate) fn status(&self) -> u16 {
        self.head.status()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a text")
    }
}

impl Wire {
    pub(crate) fn tcp(socket: TcpStream, name: &'static str) -> Wire {
        socket.set_nodelay(true).expect("nodelay");
        Wire::new(Socket::Tcp(socket), name)
    }

    pub(crate) fn unix(socket: UnixStream, name: &'static str) -> Wire {
        Wire::new(Socket::Unix(socket), name)
    }

    pub(super) fn tls(session: Tls, name: &'static str) -> Wire {
        session.socket.set_nodelay(true).expect("nodelay");
        Wire::new(Socket::Tls(Box::new(session)), name)
    }

    fn new(socket: Socket, name: &'static str) -> Wire {
        socket.set_timeouts(Some(DEADLINE), Some(DEADLINE));
        Wire { socket, buffer: Vec::new(), name }
    }

    /// The socket, of which nothing has been read.
    pub(super) fn into_tcp(self) -> TcpStream {
        match self.socket {
            Socket::Tcp(socket) if self.buffer.is_empty() => socket,
            _ => panic!("{}: no fresh TCP socket", self.name),
        }
    }

    pub(super) fn session(&self) -> &Tls {
        match &self.socket {
            Socket::Tls(session) => session,
            _ => panic!("{}: no TLS", self.name),
        }
    }

    pub(super) fn session_mut(&mut self) -> &mut Tls {
        match &mut self.socket {
            Socket::Tls(session) => session,
            _ => panic!("{}: no TLS", self.name),
        }
    }

    /// A handle for another thread, which sends while this one reads.
    pub(crate) fn sender(&self) -> Wire {
        let socket = match &self.socket {
            Socket::Tcp(socket) => socket.try_clone().map(Socket::Tcp),
            Socket::Unix(socket) => socket.try_clone().map(Socket::Unix),
            Socket::Tls(_) => panic!("{}: a session has one end", self.name),
        };
        Wire::new(socket.expect("a second handle"), self.name)
    }

    fn set_read_timeout(&self, timeout: Duration) {
        self.socket.set_timeouts(Some(timeout), Some(DEADLINE));
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        if let Err(error) = self.try_send(bytes) {
            panic!("{}: sending: {error}", self.name);
        }
    }

    /// For a peer that may be gone.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.socket.stream().write_all(bytes.as_ref())
    }

    /// Sends as long as the peer takes it: how many bytes that were when nothing moved for `quiet`.
    pub(crate) fn send_until_stuck(&mut self, most: usize, quiet: Duration) -> usize {
        let chunk = [b'x'; 16 * 1024];
        let mut sent = 0;
        self.socket.set_timeouts(Some(DEADLINE), Some(quiet));
        while sent < most {
            let room = chunk.len().min(most - sent);
            match self.socket.stream().write(&chunk[..room]) {
                Ok(written) => sent += written,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
                Err(error) => panic!("{}: sending: {error}", self.name),
            }
        }
        sent
    }

    /// The end of what this side sends; it still reads.
    pub(crate) fn finish(&mut self) {
        match &mut self.socket {
            Socket::Tcp(socket) => socket.shutdown(Shutdown::Write),
            Socket::Unix(socket) => socket.shutdown(Shutdown::Write),
            Socket::Tls(session) => session.finish(),
        }
        .expect("shutdown");
    }

    /// Closes with RST in place of FIN.
    pub(crate) fn reset(self) {
        sockopt::set_socket_linger(self.fd(), Some(Duration::ZERO)).expect("linger");
    }

    fn fd(&self) -> BorrowedFd<'_> {
        match &self.socket {
            Socket::Tcp(socket) => socket.as_fd(),
            Socket::Unix(socket) => socket.as_fd(),
            Socket::Tls(session) => session.socket.as_fd(),
        }
    }

    /// Reads more into the buffer; 0 is the end.
    fn fill(&mut self) -> io::Result<usize> {
        let mut chunk = [0; 64 * 1024];
        let read = self.socket.stream().read(&mut chunk)?;
        self.buffer.extend_from_slice(&chunk[..read]);
        Ok(read)
    }

    fn fill_or_fail(&mut self, wanted: &str) {
        match self.fill() {
            Ok(0) => panic!("{}: closed, wanted {wanted}, has {}", self.name, shown(&self.buffer)),
            Ok(_) => {}
            Err(error) => panic!("{}: {error}, wanted {wanted}, has {}", self.name, shown(&self.buffer)),
        }
    }

    /// The next `count` bytes.
    pub(crate) fn take(&mut self, count: usize) -> Vec<u8> {
        while self.buffer.len() < count {
            self.fill_or_fail(&format!("{count} bytes"));
        }
        self.buffer.drain(..count).collect()
    }

    /// These bytes and no others come next.
    pub(crate) fn expect(&mut self, bytes: impl AsRef<[u8]>) {
        let wanted = bytes.as_ref();
        while self.buffer.len() < wanted.len() && wanted.starts_with(&self.buffer) {
            self.fill_or_fail(&shown(wanted));
        }
        let has = &self.buffer[..self.buffer.len().min(wanted.len())];
        assert!(has == wanted, "{}: wanted {}, has {}", self.name, shown(wanted), shown(&self.buffer));
        self.buffer.drain(..wanted.len());
    }

    /// Nothing comes for a while: for what must not happen. The only wait that is not cut short.
    pub(crate) fn expect_silence(&mut self, time: Duration) {
        assert!(self.buffer.is_empty(), "{}: wanted silence, has {}", self.name, shown(&self.buffer));
        self.set_read_timeout(time);
        let read = self.fill();
        self.set_read_timeout(DEADLINE);
        match read {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Ok(0) => panic!("{}: wanted silence, was closed", self.name),
            other => panic!("{}: wanted silence, got {other:?} {}", self.name, shown(&self.buffer)),
        }
    }

    /// Something more has come within this time; the end of the connection counts.
    pub(crate) fn has_more_within(&mut self, time: Duration) -> bool {
        self.set_read_timeout(time.max(Duration::from_millis(1)));
        let read = self.fill();
        self.set_read_timeout(DEADLINE);
        !matches!(read, Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    }

    /// The next bytes, if so many are here already.
    pub(crate) fn peek(&self, count: usize) -> Option<&[u8]> {
        self.buffer.get(..count)
    }

    /// Bytes read and not yet asked for.
    pub(crate) fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Reads what comes next; false at the end of the connection, however it ends.
    pub(crate) fn read_more(&mut self) -> bool {
        match self.fill() {
            Ok(read) => read > 0,
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof) => false,
            Err(error) => panic!("{}: {error}, has {}", self.name, shown(&self.buffer)),
        }
    }

    /// The next head.
    pub(crate) fn head(&mut self) -> Head {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                let bytes: Vec<u8> = self.buffer.drain(..end + 4).collect();
                return Head::parse(&bytes);
            }
            self.fill_or_fail("a head");
        }
    }

    /// A whole message: its head says its length.
    pub(crate) fn message(&mut self) -> Message {
        let head = self.head();
        let body = if head.get("transfer-encoding") == Some("chunked") {
            self.chunked_body()
        } else {
            let length = head.get("content-length").map_or(0, |length| length.parse().expect("a length"));
            self.take(length)
        };
        Message { head, body }
    }

    /// A whole message, or the end of the connection before one.
    pub(crate) fn try_message(&mut self) -> Option<Message> {
        if self.buffer.is_empty() && !self.fill().is_ok_and(|read| read > 0) {
            return None;
        }
        Some(self.message())
    }

    /// The rest of a chunked body, decoded.
    pub(crate) fn chunked_body(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let line = self.line();
            let size =
                usize::from_str_radix(&line, 16).unwrap_or_else(|_| panic!("{}: chunk size {line:?}", self.name));
            body.extend(self.take(size));
            self.expect("\r\n");
            if size == 0 {
                return body;
            }
        }
    }

    /// A line, without its end.
    pub(crate) fn line(&mut self) -> String {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let bytes: Vec<u8> = self.buffer.drain(..end + 2).collect();
                return String::from_utf8_lossy(&bytes[..end]).into_owned();
            }
            self.fill_or_fail("a line");
        }
    }

    /// Everything up to the end, and how it ended.
    pub(crate) fn rest(&mut self) -> (Vec<u8>, End) {
        let clock = Clock::start();
        loop {
            let end = match self.fill() {
                Ok(0) => End::Closed,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => End::Reset,
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => End::Truncated,
                Ok(_) if !clock.left().is_zero() => continue,
                other => panic!("{}: no end: {other:?}, has {}", self.name, shown(&self.buffer)),
            };
            return (std::mem::take(&mut self.buffer), end);
        }
    }

    /// Why the next read fails, in the words of whoever does it.
    pub(crate) fn expect_failure(&mut self) -> String {
        match self.fill() {
            Err(error) => error.to_string(),
            Ok(_) => panic!("{}: wanted a failure, has {}", self.name, shown(&self.buffer)),
        }
    }

    /// The peer closes without another byte.
    pub(crate) fn expect_closed(&mut self) {
        let (bytes, end) = self.rest();
        assert!(bytes.is_empty() && end == End::Closed, "{}: wanted FIN, got {} {end:?}", self.name, shown(&bytes));
    }

    /// The connection ends without another byte, by FIN or RST.
    pub(crate) fn expect_gone(&mut self) {
        let (bytes, end) = self.rest();
        assert!(bytes.is_empty(), "{}: wanted the end, got {} {end:?}", self.name, shown(&bytes));
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn shown(bytes: &[u8]) -> String {
    let more = if bytes.len() > SHOWN { format!("... ({} bytes)", bytes.len()) } else { String::new() };
    format!("\"{}\"{more}", bytes[..bytes.len().min(SHOWN)].escape_ascii())
}
