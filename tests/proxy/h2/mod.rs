//! HTTP/2 on either side of the proxy or on both (RFC 9113).

mod back_pressure;
mod drain;
mod early_response;
mod ends;
mod expect;
mod limits;
mod messages;
mod refused;
mod retry;
mod stats;
mod streams;
mod timeouts;
mod translation;
mod tunnels;

use serde_json::{Value, json};

use crate::harness::h2::H2;
use crate::harness::{Proxy, Upstream};

/// A cluster whose hosts speak HTTP/2.
fn h2_cluster() -> Value {
    json!({ "protocol": "h2" })
}

/// HTTP/2 on both sides; the client has said hello.
fn both(upstream: &Upstream) -> (Proxy, H2) {
    both_with(upstream, json!({}))
}

fn both_with(upstream: &Upstream, listener: Value) -> (Proxy, H2) {
    let proxy = Proxy::between(upstream, listener, h2_cluster());
    let client = proxy.h2();
    (proxy, client)
}
