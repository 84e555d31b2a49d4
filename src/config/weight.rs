//! The weight of a cluster among others, which a runtime value may change: `90`, or
//! `{ "key": "shop.weight", "default": 90 }` (Envoy's `runtime_key_prefix`, with the key in full).

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::runtime;
use super::text::{Cx, Kind, Node, read};
use crate::runtime_values;

#[derive(Debug, Clone, PartialEq)]
pub struct Weight {
    /// 0 to 1 000 000, while the key has no value.
    pub value: u32,
    /// The runtime value that stands over it.
    pub key: Option<String>,
}

impl Weight {
    /// A weight that the configuration names no key for.
    pub fn fixed(value: u32) -> Weight {
        Weight { value, key: None }
    }
}

impl Serialize for Weight {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let Some(key) = &self.key else { return out.serialize_u32(self.value) };
        let mut map = out.serialize_map(Some(2))?;
        map.serialize_entry("key", key)?;
        map.serialize_entry("default", &self.value)?;
        map.end()
    }
}

/// A number, or an object with a key.
pub(super) fn read(cx: &Cx, node: &Node) -> Option<Weight> {
    let number = read::integer(0..=1_000_000);
    match node.kind() {
        Kind::Object => {
            let mut o = cx.object(node)?;
            let key = o.required("key", runtime::key(runtime_values::Kind::Weight));
            let value = o.required("default", number);
            o.finish();
            Some(Weight { value: value?, key: Some(key?) })
        }
        Kind::Number => number(cx, node).map(Weight::fixed),
        _ => cx.wrong_type(node, "a whole number from 0 to 1000000, or an object with a \"key\" and a \"default\""),
    }
}
