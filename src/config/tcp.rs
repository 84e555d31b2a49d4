//! `tcp` of a listener or chain: limits of a proxied connection.

use std::time::Duration;

use serde::Serialize;

use super::text::{Cx, Node, read, write};

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
}

impl Default for Tcp {
    fn default() -> Tcp {
        Tcp {
            idle_timeout: Some(Duration::from_secs(3600)),
            max_connection_duration: None,
            half_close_timeout: None,
            max_connect_attempts: 3,
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
    };
    o.finish();
    Some(tcp)
}
