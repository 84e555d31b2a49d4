//! `echo` and `sni_cluster`: filters that say where a connection goes, in place of the routes.

use super::{Filter, FilterFactory, Flow, StreamCx};
use crate::stream::info::Target;

/// `echo`: back to where it came from.
pub(super) struct Echo;

/// `sni_cluster`: to the cluster that bears the name in the TLS hello.
pub(super) struct SniCluster;

impl FilterFactory for Echo {
    fn new_filter(&self, _cx: &StreamCx<'_>) -> Option<Box<dyn Filter>> {
        Some(Box::new(Echo))
    }
}

impl Filter for Echo {
    fn on_connection(&mut self, cx: &mut StreamCx<'_>) -> Flow {
        cx.info.target = Some(Target::Echo);
        Flow::Continue
    }
}

impl FilterFactory for SniCluster {
    fn new_filter(&self, _cx: &StreamCx<'_>) -> Option<Box<dyn Filter>> {
        Some(Box::new(SniCluster))
    }
}

impl Filter for SniCluster {
    fn on_connection(&mut self, cx: &mut StreamCx<'_>) -> Flow {
        if let Some(name) = &cx.info.connection.server_name {
            cx.info.target = Some(Target::Cluster(name.clone()));
        }
        Flow::Continue
    }
}
