//! `admin`: the port for operators.

use serde::Serialize;

use super::address;
use super::text::{Complaint, Cx, Node, read, write};
use crate::runtime::net::Addr;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Admin {
    /// Loopback or a UNIX socket, unless `allow_remote`.
    #[serde(serialize_with = "write::display")]
    pub address: Addr,
    /// The operator knows that there is no authentication. Default false.
    pub allow_remote: bool,
}

pub(super) fn read(cx: &Cx, node: &Node) -> Option<Admin> {
    let mut o = cx.object(node)?;
    o.later(&["tls", "access_log"]);
    let allow_remote = o.optional("allow_remote", false, read::boolean);
    let address = o.required("address", |cx, node| {
        let address = address::listening(cx, node)?;
        if allow_remote || address::is_local(&address) {
            return Some(address);
        }
        let complaint = Complaint::new(format!("{} is reached from other hosts, and admin has no password", node.text));
        let complaint = complaint.expected("a loopback address or a UNIX socket");
        cx.refuse(node, complaint.hint("\"allow_remote\": true if you mean it"))
    });
    o.finish();
    Some(Admin { address: address?, allow_remote })
}
