//! What becomes of a request that took a route.

use std::sync::Arc;

use super::path::PathOptions;
use super::redirect::Redirect;
use super::table::BuildError;
use super::weighted::WeightedClusters;
use crate::config;
use crate::runtime_values::{RuntimePercent, RuntimeValues};

#[derive(Debug, Clone)]
pub enum Action {
    Cluster(ClusterRef),
    Clusters(WeightedClusters),
    Redirect(Redirect),
    Respond(Respond),
}

/// A cluster by its name, and by its place among the clusters of the running configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterRef {
    pub name: Arc<str>,
    pub slot: usize,
}

/// Copies of requests go to this cluster.
#[derive(Debug, Clone)]
pub struct Shadow {
    pub cluster: ClusterRef,
    /// Of the requests.
    pub share: RuntimePercent,
}

impl Shadow {
    pub(super) fn new(shadow: &config::Shadow, values: &mut RuntimeValues, resolve: &impl Fn(&str) -> usize) -> Shadow {
        let name = shadow.cluster.as_str();
        Shadow {
            cluster: ClusterRef { name: name.into(), slot: resolve(name) },
            share: RuntimePercent::new(&shadow.percent, None, values),
        }
    }
}

/// A response of our own.
#[derive(Debug, Clone)]
pub struct Respond {
    /// 200 to 599.
    pub status: u16,
    pub body: bytes::Bytes,
    /// `None` for a response without a body, unless the configuration gives one.
    pub content_type: Option<Box<[u8]>>,
}

impl Action {
    pub(super) fn new(
        action: &config::Action,
        options: PathOptions,
        values: &mut RuntimeValues,
        resolve: &impl Fn(&str) -> usize,
    ) -> Result<Action, BuildError> {
        let cluster = |name: &String| ClusterRef { name: name.as_str().into(), slot: resolve(name) };
        Ok(match action {
            config::Action::Cluster(name) => Action::Cluster(cluster(name)),
            config::Action::Clusters(shares) => {
                Action::Clusters(WeightedClusters::new(shares, values, cluster).ok_or(BuildError::NoWeight)?)
            }
            config::Action::Redirect(redirect) => Action::Redirect(Redirect::new(redirect, options)?),
            config::Action::Respond(respond) => Action::Respond(Respond::new(respond)?),
        })
    }

    /// The cluster to forward to. `random` is uniform over all of u64; `None` for a route that does not forward.
    pub fn cluster(&self, random: u64) -> Option<&ClusterRef> {
        match self {
            Action::Cluster(cluster) => Some(cluster),
            Action::Clusters(clusters) => Some(clusters.pick(random)),
            Action::Redirect(_) | Action::Respond(_) => None,
        }
    }
}

impl Respond {
    fn new(respond: &config::Respond) -> Result<Respond, BuildError> {
        let default = (!respond.body.is_empty()).then_some("text/plain");
        let content_type = respond.content_type.as_deref().or(default);
        if content_type.is_some_and(|value| !nuncio_http::validate::is_field_value(value.as_bytes())) {
            return Err(BuildError::Value("content_type"));
        }
        Ok(Respond {
            status: respond.status,
            body: bytes::Bytes::copy_from_slice(respond.body.as_bytes()),
            content_type: content_type.map(|value| value.as_bytes().into()),
        })
    }
}
