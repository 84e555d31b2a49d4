//! Clusters that share what takes a route, by weights that runtime values may change (Envoy's `weighted_clusters`).

use super::action::ClusterRef;
use crate::config::WeightedCluster;
use crate::runtime_values::{RuntimeNumber, RuntimeValues};

/// Each with a part of the sum of all weights.
#[derive(Debug, Clone)]
pub struct WeightedClusters {
    clusters: Vec<Weighted>,
    /// The weights of the file, all together.
    total: u64,
    /// A runtime value may change one of them.
    is_live: bool,
}

#[derive(Debug, Clone)]
struct Weighted {
    cluster: ClusterRef,
    weight: RuntimeNumber,
    /// By the file: the weights up to and with its own.
    sum: u64,
}

/// One of the clusters, as it is now.
#[derive(Debug, Clone, Copy)]
pub struct Share<'a> {
    pub cluster: &'a ClusterRef,
    pub weight: u32,
    /// The runtime value that changes the weight.
    pub key: Option<&'a str>,
    /// Of what takes the route.
    pub percent: f64,
}

impl WeightedClusters {
    /// `None`: every weight is 0.
    pub(super) fn new(
        shares: &[WeightedCluster],
        values: &mut RuntimeValues,
        cluster: impl Fn(&String) -> ClusterRef,
    ) -> Option<WeightedClusters> {
        let mut total = 0;
        let mut weighted = |share: &WeightedCluster| {
            total += u64::from(share.weight.value);
            let weight = RuntimeNumber::of_weight(&share.weight, values);
            Weighted { cluster: cluster(&share.name), weight, sum: total }
        };
        let clusters: Vec<Weighted> = shares.iter().map(&mut weighted).collect();
        let is_live = shares.iter().any(|share| share.weight.key.is_some());
        (total > 0).then_some(WeightedClusters { clusters, total, is_live })
    }

    /// `random` is uniform over all of u64: the bias of the remainder is below 2^-30.
    pub fn pick(&self, random: u64) -> &ClusterRef {
        if self.is_live
            && let Some(cluster) = self.pick_live(random)
        {
            return cluster;
        }
        let point = random % self.total;
        let at = self.clusters.partition_point(|weighted| weighted.sum <= point);
        // The last sum is the total, which is above every point.
        &self.clusters[at].cluster
    }

    /// By the weights of now. `None`: all are 0.
    fn pick_live(&self, random: u64) -> Option<&ClusterRef> {
        let total = self.live_total();
        let mut point = random.checked_rem(total)?;
        let mut last = None;
        for Weighted { cluster, weight, .. } in &self.clusters {
            let weight = u64::from(weight.get());
            if point < weight {
                return Some(cluster);
            }
            point -= weight;
            last = if weight > 0 { Some(cluster) } else { last };
        }
        // A weight has become less since they were added up.
        last
    }

    fn live_total(&self) -> u64 {
        self.clusters.iter().map(|weighted| u64::from(weighted.weight.get())).sum()
    }

    /// Those that may ever be picked, in file order.
    pub fn shares(&self) -> impl Iterator<Item = Share<'_>> {
        let live = Some(self.live_total()).filter(|total| *total > 0);
        let total = live.unwrap_or(self.total) as f64;
        let shares = self.clusters.iter().map(move |Weighted { cluster, weight, .. }| {
            let (now, key) = (if live.is_some() { weight.get() } else { weight.default() }, weight.key());
            Share { cluster, weight: now, key, percent: f64::from(now) * 100.0 / total }
        });
        shares.filter(|share| share.weight > 0 || share.key.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Weight;

    fn build(shares: &[(u32, Option<&str>)], values: &mut RuntimeValues) -> Option<WeightedClusters> {
        let share = |(at, &(value, key)): (usize, &(u32, Option<&str>))| WeightedCluster {
            name: at.to_string(),
            weight: Weight { value, key: key.map(str::to_owned) },
        };
        let shares: Vec<WeightedCluster> = shares.iter().enumerate().map(share).collect();
        let cluster = |name: &String| ClusterRef { name: name.as_str().into(), slot: name.parse().unwrap() };
        WeightedClusters::new(&shares, values, cluster)
    }

    /// Of as many requests as there are points.
    fn counts(clusters: &WeightedClusters, points: u64) -> [u32; 3] {
        let mut count = [0; 3];
        (0..points).for_each(|random| count[clusters.pick(random).slot] += 1);
        count
    }

    fn percents(clusters: &WeightedClusters) -> Vec<(usize, u32, f64)> {
        clusters.shares().map(|share| (share.cluster.slot, share.weight, share.percent)).collect()
    }

    #[test]
    fn shares_follow_the_weights() {
        let clusters = build(&[(90, None), (0, None), (10, None)], &mut RuntimeValues::default()).unwrap();
        assert_eq!(counts(&clusters, 1000), [900, 0, 100]);
        assert_eq!(clusters.pick(u64::MAX).slot, 0, "u64::MAX % 100 is 15");
        assert_eq!(percents(&clusters), [(0, 90, 90.0), (2, 10, 10.0)]);
        assert!(build(&[(0, None), (0, Some("k"))], &mut RuntimeValues::default()).is_none());
    }

    #[test]
    fn shares_follow_what_operators_say() {
        let mut values = RuntimeValues::default();
        let clusters = build(&[(90, Some("a")), (0, Some("b")), (10, None)], &mut values).unwrap();
        let mut say = |changes: &[(&str, &str)]| {
            let changes: Vec<_> = changes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            values.modify(&changes).unwrap();
        };
        assert_eq!(counts(&clusters, 1000), [900, 0, 100]);
        assert_eq!(percents(&clusters), [(0, 90, 90.0), (1, 0, 0.0), (2, 10, 10.0)]);
        say(&[("a", "30"), ("b", "10")]);
        assert_eq!(counts(&clusters, 1000), [600, 200, 200]);
        say(&[("a", "0"), ("b", "0")]);
        assert_eq!(counts(&clusters, 1000), [0, 0, 1000]);
        say(&[("a", "")]);
        assert_eq!(counts(&clusters, 1000), [900, 0, 100], "nothing said is the default");
        // The largest that there can be do not overflow.
        say(&[("a", "1000000"), ("b", "1000000")]);
        assert_eq!(percents(&clusters).len(), 3);
        clusters.pick(u64::MAX);
    }

    #[test]
    fn the_defaults_count_where_all_are_said_to_be_nothing() {
        let mut values = RuntimeValues::default();
        let clusters = build(&[(75, Some("a")), (25, Some("b"))], &mut values).unwrap();
        values.modify(&[("a".to_owned(), "0".to_owned()), ("b".to_owned(), "0".to_owned())]).unwrap();
        assert_eq!(counts(&clusters, 1000), [750, 250, 0]);
        assert_eq!(percents(&clusters), [(0, 75, 75.0), (1, 25, 25.0)]);
    }
}
