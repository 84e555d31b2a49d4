//! Placeholder until the runtime is here.

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Addr {
    Inet(std::net::SocketAddr),
    Unix(std::path::PathBuf),
}
