//! `shadow` of a route: copies of its requests go to other clusters, and their answers nowhere.

use serde::Serialize;

use super::text::{Cx, Node};
use super::{Percent, percent};

/// Fire and forget: a copy never slows a request (Envoy's `request_mirror_policies`).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shadow {
    pub cluster: String,
    /// Of the requests. Default 100. A runtime value may stand over it (Envoy's `runtime_fraction`).
    pub percent: Percent,
}

pub(super) fn read(cx: &Cx, node: &Node) -> Option<Shadow> {
    let mut o = cx.object(node)?;
    let cluster = o.required("cluster", Cx::cluster);
    let percent = o.optional("percent", Percent::fixed(100.0), percent::read(100.0));
    o.finish();
    Some(Shadow { cluster: cluster?, percent })
}
