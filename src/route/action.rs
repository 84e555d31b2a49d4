//! What becomes of a request that took a route.

use std::sync::Arc;

use super::path::PathOptions;
use super::redirect::Redirect;
use super::table::BuildError;
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

/// Clusters that share the requests of a route.
#[derive(Debug, Clone)]
pub struct WeightedClusters {
    /// Each with the sum of the weights up to and with its own; those of weight 0 are left out.
    clusters: Vec<(u64, ClusterRef)>,
    total: u64,
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
        resolve: &impl Fn(&str) -> usize,
    ) -> Result<Action, BuildError> {
        let cluster = |name: &String| ClusterRef { name: name.as_str().into(), slot: resolve(name) };
        Ok(match action {
            config::Action::Cluster(name) => Action::Cluster(cluster(name)),
            config::Action::Clusters(shares) => {
                let shares = shares.iter().map(|share| (share.weight, cluster(&share.name)));
                Action::Clusters(WeightedClusters::new(shares).ok_or(BuildError::NoWeight)?)
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

impl WeightedClusters {
    /// `None`: every weight is 0.
    pub(super) fn new(shares: impl Iterator<Item = (u32, ClusterRef)>) -> Option<WeightedClusters> {
        let mut total = 0u64;
        let clusters: Vec<_> = shares
            .filter(|&(weight, _)| weight > 0)
            .map(|(weight, cluster)| {
                total += u64::from(weight);
                (total, cluster)
            })
            .collect();
        (total > 0).then_some(WeightedClusters { clusters, total })
    }

    /// `random` is uniform over all of u64: the bias of the remainder is below 2^-30.
    pub fn pick(&self, random: u64) -> &ClusterRef {
        let point = random % self.total;
        let at = self.clusters.partition_point(|&(sum, _)| sum <= point);
        // The last sum is the total, which is above every point.
        &self.clusters[at].1
    }

    /// Each with its share of the requests, in percent.
    pub fn shares(&self) -> impl Iterator<Item = (f64, &ClusterRef)> {
        let mut before = 0;
        self.clusters.iter().map(move |(sum, cluster)| {
            let weight = sum - std::mem::replace(&mut before, *sum);
            (weight as f64 * 100.0 / self.total as f64, cluster)
        })
    }

    pub fn iter(&self) -> impl Iterator<Item = &ClusterRef> {
        self.clusters.iter().map(|(_, cluster)| cluster)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_the_weights() {
        let cluster = |slot| ClusterRef { name: "c".into(), slot };
        let shares = [(90, cluster(0)), (0, cluster(1)), (10, cluster(2))];
        let clusters = WeightedClusters::new(shares.into_iter()).unwrap();
        let mut count = [0; 3];
        for random in 0..1000 {
            count[clusters.pick(random).slot] += 1;
        }
        assert_eq!(count, [900, 0, 100]);
        assert_eq!(clusters.pick(u64::MAX).slot, 0, "u64::MAX % 100 is 15");
        assert!(WeightedClusters::new([(0, cluster(0))].into_iter()).is_none());
    }
}
