//! `connection_limit`: so many connections at once.

use std::time::Duration;

use serde::Serialize;

use crate::config::text::{Object, read, write};

/// `connection_limit`: over all workers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConnectionLimit {
    /// Required, at least 1.
    pub max_connections: u32,
    /// A connection too many is kept open this long before it is closed: who hammers waits. Default 0, at most 1 min.
    #[serde(serialize_with = "write::duration")]
    pub delay: Duration,
}

pub(super) fn read(o: &mut Object, base: Option<&ConnectionLimit>) -> Option<ConnectionLimit> {
    let limit = read::integer(1..=u64::from(u32::MAX));
    let max_connections = o.required_or("max_connections", base.map(|base| base.max_connections), limit);
    let delay = Duration::ZERO..=Duration::from_secs(60);
    let delay = o.optional("delay", base.map_or(Duration::ZERO, |base| base.delay), read::duration_in(delay));
    Some(ConnectionLimit { max_connections: max_connections?, delay })
}
