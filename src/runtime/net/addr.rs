//! Stub until the real one is merged.
use std::{fmt, net::SocketAddr, path::Path, str::FromStr, sync::Arc};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Addr {
    Inet(SocketAddr),
    Unix(Arc<Path>),
}

impl FromStr for Addr {
    type Err = std::net::AddrParseError;
    fn from_str(text: &str) -> Result<Addr, Self::Err> {
        match text.strip_prefix("unix:") {
            Some(path) => Ok(Addr::Unix(Path::new(path).into())),
            None => text.parse().map(Addr::Inet),
        }
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
