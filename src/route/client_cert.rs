//! `x-forwarded-client-cert`: what upstreams are told of a client's certificate, as Envoy writes it. An element for each
//! proxy, with commas between; `Key=value` pairs in it, with semicolons between. The value is settled by the mode alone,
//! whoever is a trusted proxy: it is the certificate that speaks for the client.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt::Write;

use nuncio_http::{HeaderId, HeaderList};

use crate::config::{CertDetail, ForwardClientCert, Http};
use crate::grpc::base64;
use crate::tls::{Peer, Session};

/// The element of a connection, and what was asked to be in it: a reload may ask for something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    details: Vec<CertDetail>,
    text: String,
}

/// Settles the field. `kept` is the connection's: its element is written once.
pub fn apply(headers: &mut HeaderList, http: &Http, session: Option<&Session>, kept: &OnceCell<Box<Element>>) {
    let mode = http.forward_client_cert;
    if mode == ForwardClientCert::AlwaysForwardOnly {
        return;
    }
    let shown = session.and_then(|session| Some((session, session.peer.as_ref()?)));
    let (
        ForwardClientCert::ForwardOnly | ForwardClientCert::AppendForward | ForwardClientCert::SanitizeSet,
        Some(shown),
    ) = (mode, shown)
    else {
        headers.remove(HeaderId::XForwardedClientCert);
        return;
    };
    if !mode.sets() {
        return;
    }
    let details = &http.set_current_client_cert_details;
    let element = kept.get_or_init(|| Box::new(Element { details: details.clone(), text: element(shown, details) }));
    let text = match &element.details == details {
        true => Cow::Borrowed(&element.text),
        false => Cow::Owned(self::element(shown, details)),
    };
    let before = match mode {
        ForwardClientCert::AppendForward => headers.joined(&HeaderId::XForwardedClientCert),
        _ => None,
    };
    let value = match before.filter(|before| !before.is_empty()) {
        Some(before) => [&before, text.as_bytes()].join(&b","[..]),
        None => return headers.set(HeaderId::XForwardedClientCert, text.as_bytes()),
    };
    headers.set(HeaderId::XForwardedClientCert, &value);
}

/// `By` and `Hash` come first, then the details in their order.
fn element((session, peer): (&Session, &Peer), details: &[CertDetail]) -> String {
    let mut text = String::new();
    for uri in session.local.iter().flat_map(|local| &local.uris) {
        push(&mut text, "By", &quoted_if_needed(uri));
    }
    let hash: String = peer.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    push(&mut text, "Hash", &hash);
    let certificate = peer.certificate();
    for detail in details {
        match detail {
            CertDetail::Cert => {
                push(&mut text, "Cert", &format!("\"{}\"", pem(&peer.chain[..peer.chain.len().min(1)])))
            }
            CertDetail::Chain => push(&mut text, "Chain", &format!("\"{}\"", pem(&peer.chain))),
            // Quoted always, and there even if it is empty; quotes in it are escaped as names are (RFC 2253 section 2.4).
            CertDetail::Subject => push(&mut text, "Subject", &format!("\"{}\"", certificate.subject)),
            // There even if there is none.
            CertDetail::Uri if certificate.uris.is_empty() => push(&mut text, "URI", ""),
            CertDetail::Uri => certificate.uris.iter().for_each(|uri| push(&mut text, "URI", &quoted_if_needed(uri))),
            CertDetail::Dns => certificate.dns.iter().for_each(|name| push(&mut text, "DNS", &quoted_if_needed(name))),
        }
    }
    text
}

fn push(text: &mut String, key: &str, value: &str) {
    let separator = if text.is_empty() { "" } else { ";" };
    // A string takes everything.
    let _ = write!(text, "{separator}{key}={value}");
}

/// A name must not end its pair, or begin another one.
fn quoted_if_needed(value: &str) -> Cow<'_, str> {
    if !value.contains([',', ';', '=', '"', '\\']) {
        return Cow::Borrowed(value);
    }
    Cow::Owned(format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")))
}

/// PEM (RFC 7468) of each certificate, one after the other, and what stands in it but not in an URL percent-encoded.
fn pem(chain: &[impl AsRef<[u8]>]) -> String {
    let mut text = String::new();
    for der in chain {
        let (mut encoder, mut body) = (base64::Encoder::default(), Vec::new());
        encoder.encode(der.as_ref(), &mut body);
        encoder.pad(&mut body);
        text.push_str("-----BEGIN%20CERTIFICATE-----%0A");
        for line in body.chunks(64) {
            for &byte in line {
                match byte {
                    b'+' => text.push_str("%2B"),
                    b'/' => text.push_str("%2F"),
                    b'=' => text.push_str("%3D"),
                    byte => text.push(char::from(byte)),
                }
            }
            text.push_str("%0A");
        }
        text.push_str("-----END%20CERTIFICATE-----%0A");
    }
    text
}

#[cfg(test)]
mod tests;
