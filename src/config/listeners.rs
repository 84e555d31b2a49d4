//! `listeners` as a whole: one list in the file, of two kinds. Those of connections ([`Listener`]) and those of datagrams
//! ([`UdpListener`]) have little more in common than a name; a port may have one of each.

use std::collections::{BTreeMap, HashMap};
use std::ops::Deref;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::text::{Complaint, Cx, Kind, Node, quote};
use super::{Cluster, Listener, UdpListener, address, listener, udp_listener};
use crate::runtime::net::Addr;

/// Every listener of the file. It stands for those of connections where only they are asked for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Listeners {
    pub connections: Vec<Listener>,
    pub udp: Vec<UdpListener>,
}

impl Deref for Listeners {
    type Target = Vec<Listener>;

    fn deref(&self) -> &Vec<Listener> {
        &self.connections
    }
}

impl<'a> IntoIterator for &'a Listeners {
    type Item = &'a Listener;
    type IntoIter = std::slice::Iter<'a, Listener>;

    fn into_iter(self) -> Self::IntoIter {
        self.connections.iter()
    }
}

impl Serialize for Listeners {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(untagged)]
        enum Either<'a> {
            Connections(&'a Listener),
            Udp(&'a UdpListener),
        }
        let connections = self.connections.iter().map(Either::Connections);
        out.collect_seq(connections.chain(self.udp.iter().map(Either::Udp)))
    }
}

/// Every listener, and that no two have one name, or one address of one kind.
pub(super) fn read_all(cx: &Cx, node: &Node, clusters: &BTreeMap<String, Arc<Cluster>>) -> Option<Listeners> {
    let mut listeners = Listeners::default();
    let mut taken = Taken::default();
    for (at, node) in cx.elements(node, "a list of listeners")?.iter().enumerate() {
        if is_udp(node) {
            let Some(listener) = udp_listener::read(cx, node, clusters) else { continue };
            taken.add(cx, node, at, &[&listener.name], &Addr::Inet(listener.address), true);
            listeners.udp.push(listener);
        } else {
            let Some(listener) = listener::read(cx, node) else { continue };
            let names: Vec<&str> = listener.names().collect();
            taken.add(cx, node, at, &names, &listener.address, false);
            listeners.connections.push(listener);
        }
    }
    Some(listeners)
}

/// Whether its `protocol` is "udp"; anything unsound is for the reader of the other kind to refuse.
fn is_udp(node: &Node) -> bool {
    let entries = if node.kind() == Kind::Object { node.entries().ok() } else { None };
    let protocol = entries.into_iter().flatten().find(|entry| entry.key == "protocol");
    protocol.is_some_and(|entry| entry.value.kind() == Kind::String && entry.value.string().is_ok_and(|it| it == "udp"))
}

/// Which listener has which name and address.
#[derive(Default)]
struct Taken {
    names: HashMap<String, usize>,
    addresses: HashMap<(bool, String), usize>,
}

impl Taken {
    /// `names`: its own, and those of its chains.
    fn add(&mut self, cx: &Cx, node: &Node, at: usize, names: &[&str], address: &Addr, udp: bool) {
        let key = (udp, address.to_string());
        if let Some(first) = self.addresses.get(&key).filter(|_| address::is_exclusive(address)) {
            cx.refuse::<()>(node, format!("the address {address} is taken by listeners[{first}]"));
        } else if let Some((name, first)) = names.iter().find_map(|name| Some((*name, self.names.get(*name)?))) {
            let complaint = Complaint::new(format!("the name {} is taken by listeners[{first}]", quote(name)));
            let hint = "the name of a listener is its address by default";
            cx.refuse::<()>(node, if name == key.1 { complaint.hint(hint) } else { complaint });
        }
        for name in names {
            self.names.entry((*name).to_owned()).or_insert(at);
        }
        self.addresses.entry(key).or_insert(at);
    }
}
