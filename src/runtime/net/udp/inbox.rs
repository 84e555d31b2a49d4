//! Receiving: up to [`Inbox::SLOTS`] datagrams a system call, into memory that is there once a worker.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;

use rustix::io::Errno;

use super::control::{Control, Said};
use super::name::Name;

/// No datagram is longer (RFC 768: 16 bits of length), and no coalesced batch of them.
const SLOT: usize = 1 << 16;

/// Room for what one or more reads bring. Its pages are taken from the system as datagrams first fill them: 64 KiB a slot
/// are there for the longest, short ones use a page.
pub struct Inbox {
    /// `SLOTS` times `SLOT` bytes.
    bytes: Box<[u8]>,
    // Boxed, so that the headers' pointers to them stay valid when the inbox moves.
    names: Box<[Name]>,
    controls: Box<[Control]>,
    _iovecs: Box<[libc::iovec]>,
    /// Each as the kernel is to find it: whole buffers, full lengths.
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
        let mut bytes = vec![0u8; Self::SLOTS * SLOT].into_boxed_slice();
        let mut names = vec![Name::empty(); Self::SLOTS].into_boxed_slice();
        let mut controls = vec![Control::default(); Self::SLOTS].into_boxed_slice();
        let chunks = bytes.chunks_exact_mut(SLOT);
        let iovec = |chunk: &mut [u8]| libc::iovec { iov_base: chunk.as_mut_ptr().cast(), iov_len: SLOT };
        let mut iovecs: Box<[libc::iovec]> = chunks.map(iovec).collect();
        let header = |at: usize| {
            // SAFETY: pointers and numbers, for which zero is a value; some systems have padding that must be zero.
            let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
            header.msg_hdr.msg_name = (&raw mut names[at]).cast();
            header.msg_hdr.msg_iov = &raw mut iovecs[at];
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = controls[at].as_mut_ptr();
            header
        };
        let headers = (0..Self::SLOTS).map(header).collect();
        let received = Vec::with_capacity(Self::SLOTS);
        let mut inbox = Inbox { bytes, names, controls, _iovecs: iovecs, headers, received };
        (0..Self::SLOTS).for_each(|at| inbox.prepare(at));
        inbox
    }

    /// Has the kernel find the whole room of a slot.
    fn prepare(&mut self, at: usize) {
        let header = &mut self.headers[at].msg_hdr;
        header.msg_namelen = size_of::<Name>() as _;
        header.msg_controllen = size_of::<Control>() as _;
        header.msg_flags = 0;
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

    /// Reads into the free slots: how many were filled, and whether more may wait. `WouldBlock`: nothing waits. Any other
    /// error is one that waited at the socket, as ICMP brings them; the next read finds what is behind it.
    pub fn recv(&mut self, fd: impl AsFd) -> io::Result<(usize, bool)> {
        let from = self.received.len();
        let free = Self::SLOTS - from.min(Self::SLOTS);
        if free == 0 {
            return Ok((0, true));
        }
        let count = loop {
            // SAFETY: `free` headers start there. Their pointers are to the boxes of `self`, each with the length that stands
            // beside it, and nobody else looks at those meanwhile.
            let result = unsafe {
                let headers = self.headers.as_mut_ptr().add(from);
                libc::recvmmsg(fd.as_fd().as_raw_fd(), headers, free as _, libc::MSG_DONTWAIT as _, ptr::null_mut())
            };
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
            let (len, control_len) = (header.msg_len as usize, header.msg_hdr.msg_controllen as usize);
            let Said { local, segment } =
                if control_len == 0 { Said::default() } else { self.controls[at].read(control_len) };
            self.received.push(Received { peer: self.names[at].get(), local, len: len.min(SLOT), segment });
            self.prepare(at);
        }
        Ok((count, count == free))
    }
}
