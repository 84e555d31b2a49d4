//! `request_headers`, `response_headers`: `{ "set": {..}, "add": {..}, "remove": [..] }`.

use nuncio_http::{HeaderId, HeaderName, Name, validate};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::access_log::check_template;
use super::text::{Complaint, Cx, Entry, Kind, Node, quote, read, write};

/// Applied in this order: remove, set, add.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct HeaderEdits {
    #[serde(serialize_with = "write::display_list")]
    pub remove: Vec<HeaderName>,
    /// Replaces all fields of that name.
    #[serde(serialize_with = "write_templates")]
    pub set: Vec<HeaderTemplate>,
    /// Adds a field beside those of that name. A list of values adds several.
    #[serde(serialize_with = "write_templates")]
    pub add: Vec<HeaderTemplate>,
}

/// A field whose value may hold `%OPERATORS%`, as in access logs. `%%` is a percent sign.
#[derive(Debug, Clone, PartialEq)]
pub struct HeaderTemplate {
    pub name: HeaderName,
    pub value: String,
}

impl HeaderEdits {
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }
}

pub(super) fn read(cx: &Cx, node: &Node) -> Option<HeaderEdits> {
    let mut o = cx.object(node)?;
    let edits = HeaderEdits {
        remove: o.optional("remove", Vec::new(), read::one_or_list(read_name)),
        set: o.optional("set", Vec::new(), |cx, node| read_templates(cx, node, false)),
        add: o.optional("add", Vec::new(), |cx, node| read_templates(cx, node, true)),
    };
    o.finish();
    Some(edits)
}

fn read_name(cx: &Cx, node: &Node) -> Option<HeaderName> {
    let text = read::string(cx, node)?;
    match editable(&text) {
        Ok(name) => Some(name),
        Err(complaint) => cx.refuse(node, complaint),
    }
}

/// `{ NAME: TEMPLATE }`, and where `lists`, `{ NAME: [TEMPLATE, ...] }`.
fn read_templates(cx: &Cx, node: &Node, lists: bool) -> Option<Vec<HeaderTemplate>> {
    let entries = header_entries(cx, node, editable)?;
    let mut templates = Vec::with_capacity(entries.len());
    for (name, entry) in entries {
        let values = match entry.value.kind() {
            Kind::Array if lists => read::some(read_template)(cx, &entry.value),
            _ => read_template(cx, &entry.value).map(|value| vec![value]),
        };
        let template = |value| HeaderTemplate { name: name.clone(), value };
        templates.extend(values.unwrap_or_default().into_iter().map(template));
    }
    Some(templates)
}

fn read_template(cx: &Cx, node: &Node) -> Option<String> {
    let value = read::header_value(cx, node)?;
    match check_template(&value) {
        Ok(()) => Some(value),
        Err(complaint) => cx.refuse(node, complaint),
    }
}

/// The members of an object whose keys are header names, each name once in any case.
pub(super) fn header_entries<'t>(
    cx: &Cx<'t>,
    node: &Node<'t>,
    check: fn(&str) -> Result<HeaderName, Complaint>,
) -> Option<Vec<(HeaderName, Entry<'t>)>> {
    let mut seen = std::collections::HashSet::new();
    let mut entries = Vec::new();
    for entry in cx.entries(node, "an object of header names")? {
        match check(&entry.key) {
            Ok(name) if !seen.insert(name.clone()) => {
                let what = format!("stands here twice: {} is the same header", quote(name.as_str()));
                cx.refuse::<()>(&entry.key_node, what);
            }
            Ok(name) => entries.push((name, entry)),
            Err(complaint) => {
                cx.refuse::<()>(&entry.key_node, complaint);
            }
        }
    }
    Some(entries)
}

/// A header that the operator may change. Framing and routing are the proxy's own.
pub(super) fn editable(text: &str) -> Result<HeaderName, Complaint> {
    let name = read::check_header_name(text)?;
    let (whose, hint) = match name.id() {
        HeaderId::Host => ("routes the request", "the host is changed by \"rewrite\": { \"host\": ... }"),
        HeaderId::ContentLength | HeaderId::TransferEncoding | HeaderId::Trailer => {
            ("frames the message", "the proxy sets it as the body needs it")
        }
        HeaderId::Connection | HeaderId::KeepAlive | HeaderId::ProxyConnection | HeaderId::Te => {
            ("belongs to one connection", "the proxy sets it as each connection needs it")
        }
        HeaderId::Upgrade | HeaderId::Http2Settings => {
            ("changes the protocol", "see \"upgrades\" for what may be changed to")
        }
        HeaderId::Expect => ("steers how the body is sent", "the proxy answers it by itself"),
        _ => return Ok(name),
    };
    Err(Complaint::new(format!("\"{name}\" {whose} and cannot be edited")).hint(hint))
}

/// A list where a name has several values.
fn write_templates<S: Serializer>(templates: &[HeaderTemplate], out: S) -> Result<S::Ok, S::Error> {
    debug_assert!(templates.iter().all(|template| validate::is_field_value(template.value.as_bytes())));
    let mut map = out.serialize_map(None)?;
    for same in templates.chunk_by(|a, b| a.name == b.name) {
        let values: Vec<&str> = same.iter().map(|template| template.value.as_str()).collect();
        match (same.first(), &values[..]) {
            (Some(first), [value]) => map.serialize_entry(first.name.as_str(), value)?,
            (Some(first), values) => map.serialize_entry(first.name.as_str(), values)?,
            (None, _) => {}
        }
    }
    map.end()
}
