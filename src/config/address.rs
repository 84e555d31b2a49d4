//! Addresses: `"192.0.2.1:80"`, `"[::1]:80"`, `"unix:/run/app.sock"`. Names are not resolved.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::text::{Complaint, Cx, Kind, Node, quote, read};
use crate::runtime::net::Addr;

/// Longest path of a UNIX socket that the kernel takes, in bytes.
const MAX_UNIX_PATH: usize = 107;

/// An address to listen on. Port 0 lets the kernel choose.
pub(super) fn listening(cx: &Cx, node: &Node) -> Option<Addr> {
    address(cx, node)
}

/// An address to connect to.
pub(super) fn connecting(cx: &Cx, node: &Node) -> Option<Addr> {
    let addr = address(cx, node)?;
    match &addr {
        Addr::Inet(inet) if inet.port() == 0 => {
            cx.refuse(node, Complaint::new("port 0 cannot be connected to").expected("a port from 1 to 65535"))
        }
        _ => Some(addr),
    }
}

/// Only this host reaches it.
pub(super) fn is_local(addr: &Addr) -> bool {
    match addr {
        Addr::Inet(inet) => inet.ip().to_canonical().is_loopback(),
        Addr::Unix(_) => true,
    }
}

/// Two sockets cannot both have it: port 0 is another port each time.
pub(super) fn is_exclusive(addr: &Addr) -> bool {
    !matches!(addr, Addr::Inet(inet) if inet.port() == 0)
}

fn address(cx: &Cx, node: &Node) -> Option<Addr> {
    if node.kind() != Kind::String {
        return cx.wrong_type(node, "an address such as \"192.0.2.1:80\"");
    }
    let text = read::string(cx, node)?;
    match parse(cx, &text) {
        Ok(addr) => Some(addr),
        Err(why) => {
            let complaint = Complaint::new(format!("{} is not an address", quote(&text))).hint(why);
            cx.refuse(node, complaint.expected("\"192.0.2.1:80\", \"[2001:db8::1]:80\" or \"unix:/path\""))
        }
    }
}

/// The error says what to write instead.
fn parse(cx: &Cx, text: &str) -> Result<Addr, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        let path = match path {
            "" => return Err("the path is missing".to_owned()),
            path => cx.resolve(path),
        };
        let addr = path.to_str().and_then(|path| format!("unix:{path}").parse().ok());
        return addr
            .ok_or_else(|| format!("the path of a UNIX socket has at most {MAX_UNIX_PATH} bytes, none of them NUL"));
    }
    if let Ok(inet) = text.parse::<SocketAddr>() {
        return Ok(Addr::Inet(inet));
    }
    if text.contains("://") {
        return Err("leave the scheme out".to_owned());
    }
    if text.starts_with('/') {
        return Err(format!("for a UNIX socket write \"unix:{}\"", text.escape_debug()));
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err("an IPv6 address stands in brackets, its port follows them".to_owned());
    }
    if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Err(format!("the port is missing: write \"{}\"", SocketAddr::new(ip, 80)));
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err("the port is missing".to_owned());
    };
    let Ok(port) = port.parse::<u16>() else {
        return Err("the port is not a number from 0 to 65535".to_owned());
    };
    match host {
        "localhost" => Ok(Addr::Inet(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port))),
        "" | "*" => Err(format!("for every address of this host write \"0.0.0.0:{port}\" or \"[::]:{port}\"")),
        _ if host.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()) => Err(format!("write \"[{host}]:{port}\"")),
        _ if host.contains(|c: char| c.is_ascii_alphabetic()) && !host.contains(':') => {
            Err("names are not resolved here: write the IP address".to_owned())
        }
        _ => Err("the host is not an IP address".to_owned()),
    }
}
