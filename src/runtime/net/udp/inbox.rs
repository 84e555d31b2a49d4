//! Receiving: up to [`Inbox::SLOTS`] datagrams a system call, into memory that is there once a worker.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;

use rustix::io::Errno;
use rustix::net::RecvFlags;

use super::control::{Control, Said};
use super::name::Name;

/// No datagram is longer (RFC 768: 16 bits of length), and no coalesced batch of them.
const SLOT: usize = 1 << 16;

/// Room for what one or more reads bring. Its pages are taken from the system as datagrams first fill them: 64 KiB a slot
/// are there for the longest, short ones use a page.
pub struct Inbox {
    /// `SLOTS` times `SLOT` bytes.
    bytes: Box<[u8]>,
    names: Box<[Name]>,
    controls: Box<[Control]>,
    /// Pointers into the above, written anew before each system call that uses them.
    iovecs: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
    received: Vec<Received>,
}

/// One slot that was filled.
#[derive(Debug, Clone, Copy)]
pub struct Received {
    /// Who sent it.
    pub peer: Option<SocketAddr>,
    /// Which of our addresses it was sent to, where the socket is bound to all of them.
    pub local: Option<IpAddr>,
    /// How many bytes, of one datagram or of several.
    pub len: usize,
    /// Bytes of each of several datagrams but the last, which may have fewer. 0: it is one datagram.
    pub(super) segment: usize,
}

impl Received {
    /// The datagrams, as ranges of the slot's bytes: at least one, and if that is empty, an empty one.
    pub fn datagrams(self) -> impl Iterator<Item = std::ops::Range<usize>> {
        let step = if self.segment == 0 { self.len.max(1) } else { self.segment };
        let count = self.len.div_ceil(step).max(1);
        (0..count).map(move |at| at * step..((at + 1) * step).min(self.len))
    }
}

impl Inbox {
    /// Most datagrams, or coalesced batches of them, of one read.
    pub const SLOTS: usize = 32;

    #[expect(clippy::new_without_default, reason = "it takes 2 MiB of address space: nothing to make in passing")]
    pub fn new() -> Inbox {
        let iovec = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
        // SAFETY: pointers and numbers, for which zero is a value; some systems have padding that must be zero.
        let header: libc::mmsghdr = unsafe { std::mem::zeroed() };
        Inbox {
            bytes: vec![0; Self::SLOTS * SLOT].into_boxed_slice(),
            names: vec![Name::empty(); Self::SLOTS].into_boxed_slice(),
            controls: vec![Control::default(); Self::SLOTS].into_boxed_slice(),
            iovecs: vec![iovec; Self::SLOTS].into_boxed_slice(),
            headers: vec![header; Self::SLOTS].into_boxed_slice(),
            received: Vec::with_capacity(Self::SLOTS),
        }
    }

    /// Points the headers from this one on to the whole room of their slots.
    fn prepare(&mut self, from: usize) {
        let headers = self.headers.iter_mut().zip(&mut self.iovecs).zip(self.bytes.chunks_exact_mut(SLOT));
        let places = self.names.iter_mut().zip(&mut self.controls);
        for (((header, iovec), bytes), (name, control)) in headers.zip(places).skip(from) {
            *iovec = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: SLOT };
            let header = &mut header.msg_hdr;
            header.msg_name = (&raw mut *name).cast();
            header.msg_namelen = size_of::<Name>() as _;
            header.msg_iov = iovec;
            header.msg_iovlen = 1;
            header.msg_control = control.as_mut_ptr();
            header.msg_controllen = size_of::<Control>() as _;
            header.msg_flags = 0;
        }
    }

    /// Forgets what was received.
    pub fn clear(&mut self) {
        self.received.clear();
    }

    pub fn is_full(&self) -> bool {
        self.received.len() >= Self::SLOTS
    }

    /// What was received since the last `clear`.
    pub fn received(&self) -> &[Received] {
        &self.received
    }

    /// The bytes of a slot.
    pub fn bytes(&self, slot: usize) -> &[u8] {
        let len = self.received.get(slot).map_or(0, |received| received.len);
        &self.bytes[slot * SLOT..][..len.min(SLOT)]
    }

    /// Reads one datagram of a connected socket that does not coalesce them: less work than a batch of one. Errors as with
    /// `recv_batch`.
    pub fn recv_one(&mut self, fd: impl AsFd) -> io::Result<()> {
        let at = self.received.len();
        let Some(slot) = self.bytes.get_mut(at * SLOT..(at + 1) * SLOT) else { return Ok(()) };
        let len = loop {
            match rustix::net::recv(&fd, &mut *slot, RecvFlags::DONTWAIT) {
                Ok((len, _)) => break len,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        };
        self.received.push(Received { peer: None, local: None, len, segment: 0 });
        Ok(())
    }

    /// Reads into the free slots: how many were filled, and whether more may wait. `WouldBlock`: nothing waits. Any other
    /// error is one that waited at the socket, as ICMP brings them; the next read finds what is behind it.
    pub fn recv_batch(&mut self, fd: impl AsFd) -> io::Result<(usize, bool)> {
        let from = self.received.len();
        if from >= Self::SLOTS {
            return Ok((0, true));
        }
        let count = loop {
            self.prepare(from);
            let free = &mut self.headers[from..];
            let (fd, len) = (fd.as_fd().as_raw_fd(), free.len());
            // SAFETY: there are `len` headers. `prepare` has just pointed them to places within `self`, each with the length
            // that stands beside the pointer; nobody looks at those during the call.
            let result =
                unsafe { libc::recvmmsg(fd, free.as_mut_ptr(), len as _, libc::MSG_DONTWAIT as _, ptr::null_mut()) };
            match usize::try_from(result) {
                Ok(count) => break count,
                Err(_) => match io::Error::last_os_error() {
                    error if Errno::from_io_error(&error) == Some(Errno::INTR) => {}
                    error => return Err(error),
                },
            }
        };
        for at in from..from + count {
            let header = &self.headers[at];
            #[allow(clippy::unnecessary_cast, reason = "musl has it in 32 bits")]
            let (len, control_len) = (header.msg_len as usize, header.msg_hdr.msg_controllen as usize);
            let Said { local, segment } =
                if control_len == 0 { Said::default() } else { self.controls[at].read(control_len) };
            self.received.push(Received { peer: self.names[at].get(), local, len: len.min(SLOT), segment });
        }
        Ok((count, from + count == Self::SLOTS))
    }
}
