//! `allow_san`: what a certificate's subject alternative names must have (RFC 5280 section 4.2.1.6). A plain text is a DNS
//! name, a URI, an e-mail or an IP address, as it looks; an object is a pattern for the name's text, of whatever kind.

use std::net::IpAddr;

use serde::Serialize;

use super::text::{Complaint, Cx, Kind, Node, quote, read};
use super::{Matcher, Pattern, matcher};

/// One name that is enough.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum San {
    /// In lower case. With `*.` before it, any one label may stand there.
    Dns(String),
    Uri(String),
    Email(String),
    Ip(IpAddr),
    /// Never inverted, and never `present` or `range`.
    Text(Matcher),
}

pub(super) fn read(cx: &Cx, node: &Node) -> Option<San> {
    if node.kind() == Kind::Object {
        return read_pattern(cx, node);
    }
    const EXPECTED: &str = "a DNS name, a URI, an e-mail or an IP address, or an object such as { \"prefix\": ... }";
    if node.kind() != Kind::String {
        return cx.wrong_type(node, EXPECTED);
    }
    let text = read::string(cx, node)?;
    if let Ok(ip) = text.parse() {
        return Some(San::Ip(ip));
    }
    let lower = text.to_ascii_lowercase();
    if is_dns_name(lower.strip_prefix("*.").unwrap_or(&lower)) {
        return Some(San::Dns(lower));
    }
    let is_word = !text.is_empty() && text.chars().all(|c| !c.is_whitespace() && !c.is_control());
    match text.find([':', '@']) {
        Some(at) if is_word && text[at..].starts_with(':') => Some(San::Uri(text)),
        Some(_) if is_word => Some(San::Email(text)),
        _ => {
            let complaint = Complaint::new(format!("{} is no name of a certificate", quote(&text)));
            cx.refuse(node, complaint.expected(EXPECTED))
        }
    }
}

fn read_pattern(cx: &Cx, node: &Node) -> Option<San> {
    let matcher = matcher::read(cx, node)?;
    match matcher.pattern {
        Pattern::Present(_) | Pattern::Range(..) => {
            cx.refuse(node, Complaint::new("does not say a name").expected("exact, prefix, suffix, contains or regex"))
        }
        // Any certificate has some name that is not this one.
        _ if matcher.invert => cx.refuse(node, "\"invert\" would let nearly every certificate in"),
        _ => Some(San::Text(matcher)),
    }
}

/// A host name in lower case, as it may stand in a certificate (RFC 1123 section 2.1; underscores are met in practice).
pub(super) fn is_dns_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(is_label) && text.parse::<IpAddr>().is_err()
}
