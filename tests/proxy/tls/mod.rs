//! TLS on either side of the proxy, with real handshakes over real sockets.

mod client_certificates;
mod handshake;
mod protocols;
mod reload;
mod tcp;
mod truncation;
mod upstream;

use serde_json::{Value, json};

use crate::harness::Wire;
use crate::harness::tls::file;

/// Names of `site.pem` and of `other.pem`.
const SITE: &str = "site.example.com";
const OTHER: &str = "other.example.com";

/// A certificate with its key, in a configuration.
fn pair(name: &str) -> Value {
    json!({ "chain": file(&format!("{name}.pem")), "key": file(&format!("{name}.key")) })
}

/// The `tls` of a listener with the certificate `site`.
fn site() -> Value {
    json!({ "certificates": pair("site") })
}

/// GET of this target on a connection that stays.
fn ask(client: &mut Wire, target: &str) {
    client.send(format!("GET {target} HTTP/1.1\r\nhost: a.example\r\n\r\n"));
}

const NO_CONTENT: &str = "HTTP/1.1 204 No Content\r\n\r\n";
