//! [`Addr`]: where a socket is bound or connected. Text: `192.0.2.1:80`, `[2001:db8::1]:80`, `unix:/run/app.sock`.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use rustix::net::{AddressFamily, SocketAddrAny, SocketAddrUnix};

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Addr {
    Inet(SocketAddr),
    /// The path of the socket; empty for an end without a name, as most clients are.
    Unix(Arc<Path>),
}

impl Addr {
    /// The IP address and port, unless it is a path.
    pub fn inet(&self) -> Option<SocketAddr> {
        match self {
            Addr::Inet(addr) => Some(*addr),
            Addr::Unix(_) => None,
        }
    }

    pub(in super::super) fn unix(path: impl AsRef<Path>) -> Addr {
        Addr::Unix(Arc::from(path.as_ref()))
    }

    pub(super) fn family(&self) -> AddressFamily {
        match self {
            Addr::Inet(SocketAddr::V4(_)) => AddressFamily::INET,
            Addr::Inet(SocketAddr::V6(_)) => AddressFamily::INET6,
            Addr::Unix(_) => AddressFamily::UNIX,
        }
    }

    /// In the kernel's form; fails for a path that is too long (unix(7): 107 bytes).
    pub(super) fn to_any(&self) -> rustix::io::Result<SocketAddrAny> {
        match self {
            Addr::Inet(addr) => Ok(SocketAddrAny::from(*addr)),
            Addr::Unix(path) => Ok(SocketAddrUnix::new(&**path)?.into()),
        }
    }

    /// From the kernel's form; anything but an IP address or a path becomes the empty path.
    pub(super) fn from_any(any: Option<SocketAddrAny>) -> Addr {
        use std::os::unix::ffi::OsStrExt;
        let Some(any) = any else { return Addr::unix("") };
        if let Ok(addr) = SocketAddr::try_from(any.clone()) {
            return Addr::Inet(addr);
        }
        let unix = SocketAddrUnix::try_from(any).ok();
        let path = unix.as_ref().and_then(SocketAddrUnix::path_bytes).unwrap_or_default();
        let path = path.strip_suffix(b"\0").unwrap_or(path);
        Addr::unix(std::ffi::OsStr::from_bytes(path))
    }
}

impl From<SocketAddr> for Addr {
    fn from(addr: SocketAddr) -> Addr {
        Addr::Inet(addr)
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Addr::Inet(addr) => addr.fmt(f),
            Addr::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl fmt::Debug for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that is no address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseAddrError;

impl fmt::Display for ParseAddrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address is `ip:port`, `[ip6]:port` or `unix:/path`")
    }
}

impl std::error::Error for ParseAddrError {}

impl FromStr for Addr {
    type Err = ParseAddrError;

    fn from_str(text: &str) -> Result<Addr, ParseAddrError> {
        match text.strip_prefix("unix:") {
            Some(path) if !path.is_empty() && path.len() < 108 && !path.contains('\0') => Ok(Addr::unix(path)),
            Some(_) => Err(ParseAddrError),
            None => text.parse().map(Addr::Inet).map_err(|_| ParseAddrError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text() {
        for text in ["192.0.2.1:80", "[2001:db8::1]:443", "unix:/run/app.sock"] {
            let addr: Addr = text.parse().unwrap();
            assert_eq!(addr.to_string(), text);
            assert_eq!(Addr::from_any(Some(addr.to_any().unwrap())), addr);
        }
        let long = format!("unix:/{}", "x".repeat(107));
        for text in ["", "80", "192.0.2.1", "2001:db8::1:443", "localhost:80", "unix:", &long] {
            assert_eq!(text.parse::<Addr>(), Err(ParseAddrError), "{text}");
        }
        assert_eq!(Addr::from_any(None).to_string(), "unix:");
    }
}
