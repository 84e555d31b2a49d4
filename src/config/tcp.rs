//! `tcp` of a listener or chain: limits of a proxied connection.

use std::time::Duration;

use nuncio_http::validate;
use serde::Serialize;

use super::text::{Complaint, Cx, Node, quote, read, write};

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tcp {
    /// No byte either way. Default 1 h.
    #[serde(serialize_with = "write::duration_or_off")]
    pub idle_timeout: Option<Duration>,
    /// Default off.
    #[serde(serialize_with = "write::duration_or_off")]
    pub max_connection_duration: Option<Duration>,
    /// One side has ended its direction, and the other sends nothing for this long. Default off: `idle_timeout` alone.
    #[serde(serialize_with = "write::duration_or_off")]
    pub half_close_timeout: Option<Duration>,
    /// Hosts that are tried before the client is given up. Default 3, 1 to 100.
    pub max_connect_attempts: u32,
    /// The hosts are proxies, and are asked to connect further. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<Tunnel>,
}

/// A CONNECT that is sent to a host before any byte of a client.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tunnel {
    /// Where to, with a port: what the CONNECT names.
    pub host: String,
}

impl Default for Tcp {
    fn default() -> Tcp {
        Tcp {
            idle_timeout: Some(Duration::from_secs(3600)),
            max_connection_duration: None,
            half_close_timeout: None,
            max_connect_attempts: 3,
            tunnel: None,
        }
    }
}

pub(super) fn read(cx: &Cx, node: &Node) -> Option<Tcp> {
    let default = Tcp::default();
    let mut o = cx.object(node)?;
    let timeout = || read::or_off(read::timeout);
    let tcp = Tcp {
        idle_timeout: o.optional("idle_timeout", default.idle_timeout, timeout()),
        max_connection_duration: o.optional("max_connection_duration", default.max_connection_duration, timeout()),
        half_close_timeout: o.optional("half_close_timeout", default.half_close_timeout, timeout()),
        max_connect_attempts: o.optional("max_connect_attempts", default.max_connect_attempts, read::integer(1..=100)),
        tunnel: o.maybe("tunnel", read_tunnel),
    };
    o.finish();
    Some(tcp)
}

fn read_tunnel(cx: &Cx, node: &Node) -> Option<Tunnel> {
    let mut o = cx.object(node)?;
    let host = o.required("host", |cx, node| {
        let host = read::authority(cx, node)?;
        // RFC 9112 section 3.2.3: a CONNECT has no port by default.
        match validate::parse_authority(host.as_bytes()).and_then(|authority| authority.port) {
            Some(_) => Some(host),
            None => {
                let complaint = Complaint::new(format!("{} has no port", quote(&host)));
                cx.refuse(node, complaint.expected("such as \"db.example.com:5432\""))
            }
        }
    });
    o.finish();
    Some(Tunnel { host: host? })
}
