//! `sni_cluster`: the cluster that bears the name of the TLS hello.

use serde::Serialize;

use crate::config::text::Object;

/// `sni_cluster`: has no settings. Without such a cluster the routes decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct SniCluster {}

pub(super) fn read(_: &mut Object) -> Option<SniCluster> {
    Some(SniCluster {})
}
