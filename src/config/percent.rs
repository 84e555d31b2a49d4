//! A share of requests that a runtime value may change: `5`, or `{ "key": "checkout.canary", "default": 5 }`.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::runtime;
use super::text::{Cx, Kind, Node, read, write};
use crate::runtime_values;

#[derive(Debug, Clone, PartialEq)]
pub struct Percent {
    /// 0 to 100, while the key has no value.
    pub value: f64,
    /// The runtime value that stands over it.
    pub key: Option<String>,
}

impl Percent {
    /// A share that the configuration names no key for.
    pub fn fixed(value: f64) -> Percent {
        Percent { value, key: None }
    }
}

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let Some(key) = &self.key else { return write::percent(&self.value, out) };
        struct Share(f64);
        impl Serialize for Share {
            fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
                write::percent(&self.0, out)
            }
        }
        let mut map = out.serialize_map(Some(2))?;
        map.serialize_entry("key", key)?;
        map.serialize_entry("default", &Share(self.value))?;
        map.end()
    }
}

/// A number, or an object with a key. `default`: where the object has none.
pub(super) fn read(default: f64) -> impl Fn(&Cx, &Node) -> Option<Percent> {
    move |cx, node| match node.kind() {
        Kind::Object => read_keyed(cx, node, default),
        Kind::Number => read::percent(cx, node).map(Percent::fixed),
        _ => cx.wrong_type(node, "a number from 0 to 100, or an object with a \"key\""),
    }
}

/// The object alone.
pub(super) fn read_keyed(cx: &Cx, node: &Node, default: f64) -> Option<Percent> {
    let mut o = cx.object(node)?;
    let key = o.required("key", runtime::key(runtime_values::Kind::Percent));
    let value = o.optional("default", default, read::percent);
    o.finish();
    Some(Percent { value, key: Some(key?) })
}
