//! `runtime`: values that may change while the proxy runs, as the file has them. Keys are flat, `"checkout.canary": 5`,
//! or objects whose names are joined by dots.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::Cluster;
use super::text::{Complaint, Cx, Kind, Node, quote, read};
use crate::order;
use crate::runtime_values;

/// By key.
pub type Runtime = BTreeMap<String, RuntimeScalar>;

/// A number, a truth value or a text, as the file has it.
#[derive(Debug, Clone, PartialEq)]
pub struct RuntimeScalar(serde_json::Value);

impl fmt::Display for RuntimeScalar {
    /// As operators would write it on `/runtime_modify`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            serde_json::Value::String(text) => f.write_str(text),
            other => write!(f, "{other}"),
        }
    }
}

impl Serialize for RuntimeScalar {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(out)
    }
}

/// Objects within objects; keys have no more parts than this.
const DEEPEST: usize = 16;
/// Longest key, in characters.
const LONGEST: usize = 256;

/// Most warnings, each of which looks for a name that is near.
const HINTS: usize = 100;

/// The values, with their places.
pub(super) struct Read<'t> {
    values: BTreeMap<String, (RuntimeScalar, Node<'t>)>,
}

impl Read<'_> {
    pub(super) fn into_values(self) -> Runtime {
        order::map(self.values.into_iter().map(|(key, (value, _))| (key, value)))
    }
}

pub(super) fn read<'t>(cx: &Cx<'t>, node: &Node<'t>) -> Option<Read<'t>> {
    let mut read = Read { values: BTreeMap::new() };
    read_members(cx, node, "", &mut read)?;
    Some(read)
}

fn read_members<'t>(cx: &Cx<'t>, node: &Node<'t>, prefix: &str, into: &mut Read<'t>) -> Option<()> {
    for entry in cx.entries(node, "an object of keys and values")? {
        let key = if prefix.is_empty() { entry.key.to_string() } else { format!("{prefix}.{}", entry.key) };
        if let Err(complaint) = check_key(&key) {
            cx.refuse::<()>(&entry.key_node, complaint);
            continue;
        }
        let value = match entry.value.kind() {
            Kind::Object => match fraction(&entry.value) {
                Some(percent) => Some(percent),
                None => {
                    read_members(cx, &entry.value, &key, into);
                    continue;
                }
            },
            Kind::Null | Kind::Array => {
                cx.wrong_type(&entry.value, "a number, true, false, a text, or an object of more keys")
            }
            _ => match serde_json::from_str(entry.value.text) {
                Ok(value) => Some(value),
                Err(_) => cx.refuse(&entry.value, "is not a value that fits"),
            },
        };
        let Some(value) = value else { continue };
        if into.values.insert(key.clone(), (RuntimeScalar(value), entry.value)).is_some() {
            cx.refuse::<()>(&entry.key_node, format!("the key {} stands here a second time", quote(&key)));
        }
    }
    Some(())
}

/// Envoy's `FractionalPercent`, as the percentage that it is.
fn fraction(node: &Node) -> Option<serde_json::Value> {
    let members = node.entries().ok()?;
    if !members.iter().any(|entry| entry.key == "numerator") {
        return None;
    }
    let percent = runtime_values::fraction(&serde_json::from_str(node.text).ok()?)?;
    serde_json::Number::from_f64(percent).map(serde_json::Value::Number)
}

fn check_key(key: &str) -> Result<(), Complaint> {
    let complaint = || Complaint::new(format!("{} is not a runtime key", quote(key)));
    if key.split('.').count() > DEEPEST {
        return Err(complaint().expected(format!("at most {DEEPEST} parts between dots")));
    }
    let sound =
        (1..=LONGEST).contains(&key.chars().count()) && !key.chars().any(|c| c.is_control() || c.is_whitespace());
    let expected = format!("1 to {LONGEST} characters without blanks, such as \"checkout.canary\"");
    if sound { Ok(()) } else { Err(complaint().expected(expected)) }
}

/// Reads the name of a key that something reads as `kind`.
pub(super) fn key(kind: runtime_values::Kind) -> impl Fn(&Cx, &Node) -> Option<String> {
    move |cx, node| {
        let key = read::string(cx, node)?;
        match check_key(&key) {
            Ok(()) => {
                cx.use_runtime_key(&key, kind);
                Some(key)
            }
            Err(complaint) => cx.refuse(node, complaint),
        }
    }
}

/// Refuses values that those who read them cannot use; warns of those that nobody reads.
pub(super) fn check(cx: &Cx, read: &Read, clusters: &BTreeMap<String, Arc<Cluster>>) {
    let used = cx.runtime_keys();
    let mut hints = HINTS;
    for (key, (value, node)) in &read.values {
        let kinds = runtime_values::Kind::ALL.into_iter().filter(|kind| used.contains(&(key.clone(), *kind)));
        let kinds: Vec<_> = kinds.chain(runtime_values::Kind::of(key)).collect();
        let text = value.to_string();
        if let Some(kind) = kinds.iter().find(|kind| kind.parse(&text).is_none()) {
            let complaint = Complaint::new(format!("{} does not fit those who read {}", quote(&text), quote(key)));
            cx.refuse::<()>(node, complaint.expected(kind.expected()));
        } else if hints == 0 {
            continue;
        } else if let Some(name) = key.strip_prefix("upstream.maintenance_mode.") {
            if !clusters.contains_key(name) {
                hints -= 1;
                let nearest = cx.nearest(name, clusters.keys().map(String::as_str));
                let complaint = Complaint::new(format!("has no effect: there is no cluster {}", quote(name)));
                cx.warn(node, complaint.did_you_mean(nearest));
            }
        } else if kinds.is_empty() {
            hints -= 1;
            let nearest = cx.nearest(key, used.iter().map(|(name, _)| name.as_str()));
            cx.warn(node, Complaint::new("has no effect: nothing reads it").did_you_mean(nearest));
        }
    }
}
