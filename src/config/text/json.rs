//! One level of JSON at a time, each value with its place in the text.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use super::problem::quote;

/// A value that has not been looked into yet. Its place is where its text starts.
#[derive(Debug, Clone)]
pub(crate) struct Node<'t> {
    /// Where it stands: `listeners[0].routes[2].match.path`. Empty for the whole file.
    pub(crate) path: String,
    /// The JSON text of this value, a part of the whole text.
    pub(crate) text: &'t str,
}

/// One member of an object.
#[derive(Debug, Clone)]
pub(crate) struct Entry<'t> {
    pub(crate) key: Cow<'t, str>,
    /// The key as a node: for problems of the key itself. Its path is the value's.
    pub(crate) key_node: Node<'t>,
    pub(crate) value: Node<'t>,
}

/// What a value is, as far as its first byte tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Boolean,
    Number,
    String,
    Array,
    Object,
}

/// The whole file as a node. The error is serde_json's.
pub(crate) fn root(text: &str) -> serde_json::Result<Node<'_>> {
    let value: &RawValue = serde_json::from_str(text)?;
    Ok(Node { path: String::new(), text: value.get() })
}

impl<'t> Node<'t> {
    pub(crate) fn kind(&self) -> Kind {
        match self.text.as_bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Boolean,
            Some(b'n') | None => Kind::Null,
            Some(_) => Kind::Number,
        }
    }

    /// The members in file order, duplicates too. Empty for what is not an object.
    pub(crate) fn entries(&self) -> serde_json::Result<Vec<Entry<'t>>> {
        let members: Members<'t> = serde_json::from_str(self.text)?;
        members.0.into_iter().map(|(key, value)| self.entry(key.get(), value.get())).collect()
    }

    fn entry(&self, raw_key: &'t str, value: &'t str) -> serde_json::Result<Entry<'t>> {
        let key = decode(raw_key)?;
        let path = match (self.path.is_empty(), is_plain(&key)) {
            (true, true) => key.to_string(),
            (false, true) => format!("{}.{key}", self.path),
            (_, false) => format!("{}[{}]", self.path, quote(&key)),
        };
        let key_node = Node { path: path.clone(), text: raw_key };
        Ok(Entry { key, key_node, value: Node { path, text: value } })
    }

    /// The elements in order.
    pub(crate) fn elements(&self) -> serde_json::Result<Vec<Node<'t>>> {
        let elements: Vec<&'t RawValue> = serde_json::from_str(self.text)?;
        let node =
            |(at, value): (usize, &'t RawValue)| Node { path: format!("{}[{at}]", self.path), text: value.get() };
        Ok(elements.into_iter().enumerate().map(node).collect())
    }

    /// The decoded text of a string.
    pub(crate) fn string(&self) -> serde_json::Result<Cow<'t, str>> {
        decode(self.text)
    }
}

/// Borrows where nothing is escaped.
fn decode(raw: &str) -> serde_json::Result<Cow<'_, str>> {
    match serde_json::from_str::<&str>(raw) {
        Ok(text) => Ok(Cow::Borrowed(text)),
        Err(_) => serde_json::from_str(raw).map(Cow::Owned),
    }
}

/// May stand in a JSON path as it is.
fn is_plain(key: &str) -> bool {
    (1..=64).contains(&key.len())
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// The members of one object: raw keys and raw values.
struct Members<'t>(Vec<(&'t RawValue, &'t RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_order_duplicates_and_places() {
        let text = " { \"a\" : 1, \"b\\u0063\":[true, \"x\"],\n\"a\":{} } ";
        let root = root(text).unwrap();
        let entries = root.entries().unwrap();
        let keys: Vec<&str> = entries.iter().map(|entry| &*entry.key).collect();
        assert_eq!(keys, ["a", "bc", "a"]);
        let place = |part: &str| part.as_ptr() as usize - text.as_ptr() as usize;
        assert_eq!(place(entries[1].key_node.text), text.find("\"b").unwrap(), "also of an escaped key");
        assert_eq!(entries[0].value.kind(), Kind::Number);
        assert_eq!(entries[2].value.kind(), Kind::Object);
        let elements = entries[1].value.elements().unwrap();
        assert_eq!(elements[1].path, "bc[1]");
        assert_eq!(elements[1].string().unwrap(), "x");
        assert_eq!(place(elements[1].text), text.find("\"x").unwrap());
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert_eq!(root(&deep).unwrap().entries().unwrap().len(), 1);
    }

    #[test]
    fn lone_surrogates_are_errors_not_panics() {
        assert!(root(r#"{"\ud800": 1}"#).unwrap().entries().is_err());
        assert!(root(r#""\ud800""#).unwrap().string().is_err());
    }
}
