//! Sending: many datagrams a system call. Neighbours of equal length on one path leave as one message that the kernel cuts
//! up (udp(7), `UDP_SEGMENT`), which costs one walk through the network stack in place of many.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::ptr;

use rustix::io::Errno;
use rustix::net::SendFlags;

use super::Path;
use super::control::Control;
use super::name::Name;

/// Messages of one sendmmsg(2).
const MESSAGES: usize = 32;
/// Datagrams of one sendmmsg(2).
const PIECES: usize = 128;
/// Datagrams of one message: `UDP_MAX_SEGMENTS` of kernels before 6.10.
const SEGMENTS: usize = 64;
/// Bytes of one message, with room for headers below the 64 KiB of a packet.
const MESSAGE_BYTES: usize = 65_000;

/// One datagram on its way out.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    pub bytes: &'a [u8],
    /// `None` for a connected socket.
    pub path: Option<Path>,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sent {
    /// Taken by the kernel.
    pub datagrams: u64,
    pub bytes: u64,
    /// Lost: the kernel did not take them.
    pub lost: u64,
    /// ICMP errors that waited at the socket; they are about datagrams sent earlier.
    pub refused: u64,
}

/// What a batch is put together in; empty between two sends.
pub struct Outbox {
    /// Pointers to the bytes of the caller, valid only within `send`.
    pub(super) pieces: Box<[libc::iovec]>,
    pub(super) messages: Vec<Message>,
    names: Box<[Name]>,
    controls: Box<[Control]>,
    headers: Box<[libc::mmsghdr]>,
    /// Longer datagrams are not sent as segments: the kernel has refused such ones, as longer than a packet of the link.
    pub(super) longest_segment: usize,
}

/// Datagrams that leave as one message: one, or several of equal length, of which the last may be shorter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message {
    pub(super) path: Option<Path>,
    /// Its first piece, and how many.
    pub(super) first: usize,
    pub(super) count: usize,
    /// Of the first piece.
    pub(super) segment: usize,
    pub(super) len: usize,
    /// The last piece is as long as the first: another may follow.
    pub(super) open: bool,
}

impl Message {
    /// Whether a datagram of `len` bytes may leave as its next segment.
    fn takes(&self, path: Option<Path>, len: usize, longest_segment: usize) -> bool {
        self.open
            && len > 0
            && len <= self.segment
            && self.segment <= longest_segment
            && self.count < SEGMENTS
            && self.len + len <= MESSAGE_BYTES
            && self.path == path
    }
}

impl Outbox {
    #[expect(clippy::new_without_default, reason = "there is one a worker: nothing to make in passing")]
    pub fn new() -> Outbox {
        let piece = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
        // SAFETY: pointers and numbers, for which zero is a value.
        let header: libc::mmsghdr = unsafe { std::mem::zeroed() };
        Outbox {
            pieces: vec![piece; PIECES].into_boxed_slice(),
            messages: Vec::with_capacity(MESSAGES),
            names: vec![Name::empty(); MESSAGES].into_boxed_slice(),
            controls: vec![Control::default(); MESSAGES].into_boxed_slice(),
            headers: vec![header; MESSAGES].into_boxed_slice(),
            longest_segment: usize::MAX,
        }
    }

    /// Sends all of them, in their order. Never waits.
    pub fn send<'a>(&mut self, fd: impl AsFd, datagrams: impl IntoIterator<Item = Outgoing<'a>>) -> Sent {
        let mut sent = Sent::default();
        let mut datagrams = datagrams.into_iter().peekable();
        let mut pieces = 0;
        self.messages.clear();
        while let Some(Outgoing { bytes, path }) = datagrams.next() {
            if path.is_none() && pieces == 0 && datagrams.peek().is_none() && send_one(fd.as_fd(), bytes, &mut sent) {
                return sent;
            }
            let limit = self.longest_segment;
            let joins = |last: &&mut Message| last.takes(path, bytes.len(), limit);
            let full = self.messages.len() == MESSAGES && self.messages.last_mut().filter(joins).is_none();
            if full || pieces == PIECES {
                self.transmit(fd.as_fd(), &mut sent);
                pieces = 0;
            }
            match self.messages.last_mut().filter(joins) {
                Some(last) => {
                    last.count += 1;
                    last.len += bytes.len();
                    last.open = bytes.len() == last.segment;
                }
                None => {
                    let segment = bytes.len();
                    self.messages.push(Message { path, first: pieces, count: 1, segment, len: segment, open: true });
                }
            }
            self.pieces[pieces] = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
            pieces += 1;
        }
        self.transmit(fd.as_fd(), &mut sent);
        sent
    }

    /// Sends the messages and forgets them. The bytes that their pieces name are alive.
    pub(super) fn transmit(&mut self, fd: BorrowedFd<'_>, sent: &mut Sent) {
        self.write_headers();
        let mut at = 0;
        // An error that waits at the socket is told once; several may wait.
        let mut patience = MESSAGES;
        while at < self.messages.len() {
            match self.sendmmsg(fd, at) {
                Ok(count) => {
                    for message in &self.messages[at..at + count] {
                        sent.datagrams += message.count as u64;
                        sent.bytes += message.len as u64;
                    }
                    at += count.max(1);
                }
                Err(Errno::INTR) => {}
                Err(Errno::CONNREFUSED) if patience > 0 => {
                    patience -= 1;
                    sent.refused += 1;
                }
                Err(Errno::AGAIN) => {
                    // The socket's buffer is full: what is left would not fit either.
                    sent.lost += self.messages[at..].iter().map(|message| message.count as u64).sum::<u64>();
                    break;
                }
                Err(error) => {
                    self.send_apart(fd, self.messages[at], error, sent);
                    at += 1;
                }
            }
        }
        self.messages.clear();
    }

    /// A message was refused. If it was several datagrams, perhaps each by itself is not.
    fn send_apart(&mut self, fd: BorrowedFd<'_>, message: Message, error: Errno, sent: &mut Sent) {
        // udp(7): EINVAL and EMSGSIZE for a segment longer than a packet of the link, EIO where the link computes no checksums.
        match error {
            Errno::IO if message.count > 1 => self.longest_segment = 0,
            Errno::INVAL | Errno::MSGSIZE if message.count > 1 => {
                self.longest_segment = self.longest_segment.min(message.segment.saturating_sub(1));
            }
            _ => {
                sent.lost += message.count as u64;
                return;
            }
        }
        let (mut name, mut control) = (Name::empty(), Control::default());
        for at in message.first..message.first + message.count {
            let len = self.pieces[at].iov_len;
            let alone = Message { first: at, count: 1, ..message };
            let mut header = header(&alone, &mut self.pieces, &mut name, &mut control);
            // SAFETY: one header, whose pointers are to a piece, `name` and `control`, with their lengths.
            let result = unsafe { libc::sendmmsg(fd.as_raw_fd(), &raw mut header, 1, FLAGS as _) };
            sent.count(if result == 1 { Ok(len) } else { Err(last_errno()) });
        }
    }

    fn write_headers(&mut self) {
        for (at, message) in self.messages.iter().enumerate() {
            self.headers[at] = header(message, &mut self.pieces, &mut self.names[at], &mut self.controls[at]);
        }
    }

    /// Sends messages from the one at `from` on: how many were taken.
    fn sendmmsg(&mut self, fd: BorrowedFd<'_>, from: usize) -> Result<usize, Errno> {
        let headers = &mut self.headers[from..self.messages.len()];
        // SAFETY: so many headers were written by `write_headers`: their pointers are to names, control messages and pieces
        // of `self` with their lengths, and the pieces' to bytes that live through `send`. The kernel only reads those.
        let result = unsafe { libc::sendmmsg(fd.as_raw_fd(), headers.as_mut_ptr(), headers.len() as _, FLAGS as _) };
        usize::try_from(result).map_err(|_| last_errno())
    }
}

const FLAGS: libc::c_int = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;

/// The header of a message, with what it refers to.
fn header(message: &Message, pieces: &mut [libc::iovec], name: &mut Name, control: &mut Control) -> libc::mmsghdr {
    // SAFETY: pointers and numbers, for which zero is a value; some systems have padding that must be zero.
    let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
    let hdr = &mut header.msg_hdr;
    let pieces = &mut pieces[message.first..message.first + message.count];
    hdr.msg_iov = pieces.as_mut_ptr();
    hdr.msg_iovlen = pieces.len() as _;
    if let Some(path) = message.path {
        let (encoded, len) = Name::new(path.peer);
        *name = encoded;
        hdr.msg_name = (&raw mut *name).cast();
        hdr.msg_namelen = len as _;
    }
    let local = message.path.and_then(|path| path.local);
    // A segment is shorter than `MESSAGE_BYTES`.
    let segment = (message.count > 1).then_some(message.segment as u16);
    if local.is_some() || segment.is_some() {
        hdr.msg_controllen = control.write(local, segment) as _;
        hdr.msg_control = control.as_mut_ptr();
    }
    header
}

/// A single datagram of a connected socket, the commonest batch, needs no header. `false`: to be sent the long way, because
/// an error waited at the socket.
fn send_one(fd: BorrowedFd<'_>, bytes: &[u8], sent: &mut Sent) -> bool {
    match rustix::net::send(fd, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
        Err(Errno::INTR) => return false,
        Err(Errno::CONNREFUSED) => {
            sent.refused += 1;
            return false;
        }
        result => sent.count(result),
    }
    true
}

fn last_errno() -> Errno {
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)
}

impl Sent {
    fn count(&mut self, result: Result<usize, Errno>) {
        match result {
            Ok(len) => {
                self.datagrams += 1;
                self.bytes += len as u64;
            }
            Err(_) => self.lost += 1,
        }
    }
}
