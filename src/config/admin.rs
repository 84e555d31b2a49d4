//! `admin`: the port for operators.

use crate::runtime::net::Addr;

#[derive(Debug, Clone, PartialEq)]
pub struct Admin {
    /// Loopback or a UNIX socket, unless `allow_remote`.
    pub address: Addr,
    /// The operator knows that there is no authentication. Default false.
    pub allow_remote: bool,
}
