//! Control messages (cmsg(3)) of datagrams: the address a datagram was sent to, and the size of the equal parts of one that
//! is several.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd};

use libc::{c_int, c_void};

/// Room for control messages: an `in6_pktinfo` and a segment size, each with its header, aligned as headers must be.
#[derive(Clone, Copy, Default)]
#[repr(C, align(8))]
pub(super) struct Control([u64; 12]);

const _: () = assert!(space(size_of::<libc::in6_pktinfo>()) + space(size_of::<c_int>()) <= size_of::<Control>());

/// What control messages said of a received datagram.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// Which of our addresses it was sent to.
    pub(super) local: Option<IpAddr>,
    /// It is several datagrams of this many bytes, the last one perhaps of fewer. 0: it is one.
    pub(super) segment: usize,
}

/// Has the kernel say which address each datagram was sent to.
pub(super) fn ask_for_destination(fd: impl AsFd, ipv6: bool) -> io::Result<()> {
    match ipv6 {
        true => set(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
        false => set(fd, libc::IPPROTO_IP, libc::IP_PKTINFO),
    }
}

/// Has the kernel hand over equal datagrams of one sender as one, where it can.
pub(super) fn ask_for_coalescing(fd: impl AsFd) {
    // A kernel before 5.0 cannot: each datagram then comes by itself.
    let _ = set(fd, libc::SOL_UDP, libc::UDP_GRO);
}

fn set(fd: impl AsFd, level: c_int, option: c_int) -> io::Result<()> {
    let on: c_int = 1;
    let len = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: the option's value is a C int that lives through the call, and `len` is its size.
    let result = unsafe { libc::setsockopt(fd.as_fd().as_raw_fd(), level, option, (&raw const on).cast(), len) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Bytes of a control message with `len` bytes of data, and the padding behind it.
const fn space(len: usize) -> usize {
    // SAFETY: arithmetic on a number.
    unsafe { libc::CMSG_SPACE(len as u32) as usize }
}

impl Control {
    pub(super) fn as_mut_ptr(&mut self) -> *mut c_void {
        (&raw mut self.0).cast()
    }

    /// Writes what is to be sent with a datagram: the source address, the segment size. The length in bytes.
    pub(super) fn write(&mut self, local: Option<IpAddr>, segment: Option<u16>) -> usize {
        let mut at = 0;
        match local {
            Some(IpAddr::V4(ip)) => {
                let source = libc::in_addr { s_addr: ip.to_bits().to_be() };
                let info =
                    libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: source, ipi_addr: libc::in_addr { s_addr: 0 } };
                at = self.put(at, libc::IPPROTO_IP, libc::IP_PKTINFO, info);
            }
            Some(IpAddr::V6(ip)) => {
                let address = libc::in6_addr { s6_addr: ip.octets() };
                let info = libc::in6_pktinfo { ipi6_addr: address, ipi6_ifindex: 0 };
                at = self.put(at, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
            }
            None => {}
        }
        match segment {
            Some(segment) => self.put(at, libc::SOL_UDP, libc::UDP_SEGMENT, segment),
            None => at,
        }
    }

    /// Puts one message at `at`, and gives the place behind it. `T` is a plain C struct.
    fn put<T: Copy>(&mut self, at: usize, level: c_int, kind: c_int, data: T) -> usize {
        let end = at + space(size_of::<T>());
        assert!(end <= size_of::<Control>(), "room is left for both messages");
        // SAFETY: `at` is 0 or the end of a message, hence aligned for a header (CMSG_SPACE pads); header and data end
        // within `self`, by the assertion. The data may be unaligned.
        unsafe {
            let header: *mut libc::cmsghdr = self.as_mut_ptr().byte_add(at).cast();
            (*header).cmsg_len = libc::CMSG_LEN(size_of::<T>() as u32) as _;
            (*header).cmsg_level = level;
            (*header).cmsg_type = kind;
            libc::CMSG_DATA(header).cast::<T>().write_unaligned(data);
        }
        end
    }

    /// Reads the messages in the first `len` bytes, which the kernel has written.
    pub(super) fn read(&mut self, len: usize) -> Said {
        let mut said = Said::default();
        let header_len = space(0);
        let (mut at, len) = (0, len.min(size_of::<Control>()));
        while at + header_len <= len {
            // SAFETY: a header begins at `at`, which is aligned, and lies within what the kernel has written.
            let (header, data) = unsafe {
                let header: *const libc::cmsghdr = self.as_mut_ptr().byte_add(at).cast();
                (header.read(), libc::CMSG_DATA(header))
            };
            #[allow(clippy::unnecessary_cast, reason = "musl has it in 32 bits")]
            let data_len = (header.cmsg_len as usize).saturating_sub(header_len).min(len - at - header_len);
            // SAFETY: each is read only if all of it lies within what the kernel has written; all are plain numbers.
            unsafe {
                match (header.cmsg_level, header.cmsg_type) {
                    (libc::IPPROTO_IP, libc::IP_PKTINFO) if data_len >= size_of::<libc::in_pktinfo>() => {
                        let info = data.cast::<libc::in_pktinfo>().read_unaligned();
                        // where it arrived, which for a broadcast is not where it was sent to
                        said.local = Some(Ipv4Addr::from_bits(u32::from_be(info.ipi_spec_dst.s_addr)).into());
                    }
                    (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) if data_len >= size_of::<libc::in6_pktinfo>() => {
                        let info = data.cast::<libc::in6_pktinfo>().read_unaligned();
                        said.local = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into());
                    }
                    (libc::SOL_UDP, libc::UDP_GRO) if data_len >= size_of::<c_int>() => {
                        let size = data.cast::<c_int>().read_unaligned();
                        said.segment = usize::try_from(size).unwrap_or(0);
                    }
                    _ => {}
                }
            }
            at += space(data_len).max(header_len);
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        for local in [None, Some("192.0.2.1"), Some("2001:db8::1")] {
            let local = local.map(|ip| ip.parse().unwrap());
            let mut control = Control::default();
            let len = control.write(local, Some(100));
            assert_eq!(control.read(len).local, local);
            let len = control.write(local, None);
            assert_eq!(control.read(len), Said { local, segment: 0 });
            // cut anywhere, it says less and reads nothing behind the cut
            for cut in 0..len {
                control.read(cut);
            }
        }
    }
}
